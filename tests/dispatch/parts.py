"""The parts of a server that the tests of dispatch put together by hand."""

from types import SimpleNamespace

from flaskJSONRPCServer.dispatch.callables import plan_of
from flaskJSONRPCServer.dispatch.connection import ServerFacts
from flaskJSONRPCServer.dispatch.exchange import Exchange
from flaskJSONRPCServer.dispatch.locks import Locks, lock_key
from flaskJSONRPCServer.dispatch.routes import Route
from flaskJSONRPCServer.http.request import RequestOptions
from flaskJSONRPCServer.runtime.counters import ThreadCounters
from flaskJSONRPCServer.runtime.logs import ServerLog
from tests.helpers import environ_of, post, rpc

MAGIC_NAME = "_connection"


def make_route(function, path="/api/", name=None, **options):
    return Route(
        name=name or function.__name__,
        path=path,
        function=function,
        plan=plan_of(function, MAGIC_NAME),
        lock_key=lock_key(function),
        output_format=None,
        allows_cross_site_get=False,
        **options,
    )


def make_facts(name="parts", level=3):
    """Return facts whose server is a plain object, with a log and locks of their own."""
    main = SimpleNamespace()  # the tests that need the main program serve it
    return ServerFacts(name, SimpleNamespace(), ServerLog(name, level), Locks(), lambda environ: (False, "h", 1), main)


def make_exchange(request=None, *, allow_compress=False, counters=None, unique_id="an id"):
    environ = environ_of(request or post(rpc("any")))
    options = RequestOptions(new_id=lambda: unique_id, allow_compress=allow_compress)
    return Exchange(environ, counters or ThreadCounters(), options)
