"""Servers whose calls run in Celery workers, for the tests."""

import contextlib

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend.celery import CeleryBackend
from tests.execBackend.celery import api
from tests.helpers import NOTHING, call_wsgi, post


@contextlib.contextmanager
def server_for(broker, queue, settings=NOTHING, **options):
    """Make a server whose calls go to the workers of a queue."""
    backend = CeleryBackend(**{"broker": broker.url, "queue": queue, **options})
    backends = {"dispatcherBackend": backend, "notifBackend": backend}
    server = api.populate(
        flaskJSONRPCServer(**{"bindAdress": None, "log": False, "name": "test", **backends, **settings})
    )
    try:
        yield server
    finally:
        server.stop(timeout=0)


def session_of(server):
    """Return the running session of a server's backend."""
    return server._engine.exec_backends._by_id["celery"].backend._session


def notify(app, method, *params):
    answer = call_wsgi(app, post({"jsonrpc": "2.0", "method": method, "params": params}))
    assert (answer.code, answer.body) == (204, b""), answer
