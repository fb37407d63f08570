"""Servers of one program as several processes have them, each behind a serving program with threads."""

import contextlib

import flask

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.http.request import IS_FORWARDED
from flaskJSONRPCServer.runtime.concurrency import is_patched
from flaskJSONRPCServer.runtime.logs import ServerLog
from flaskJSONRPCServer.servBackend import find_serv_backend
from flaskJSONRPCServer.servBackend.private import ServedParts
from flaskJSONRPCServer.servBackend.sockets import Address, open_listener
from flaskJSONRPCServer.settings import Settings

SECRET = "s" * 32


def is_forwarded() -> bool:
    return IS_FORWARDED in flask.request.environ


class Member:
    """One of the servers, which is served within the context manager.

    Args:
        functions: The tools.
        tool: What all of them say about themselves.
        prefix: The prefix of all URLs in its Flask application.
        through_flask: Whether a Flask application serves it, rather than its WSGI callable.
        options: The settings.

    Attributes:
        server: The server.
        endpoint: Its endpoint.
        app: The Flask application.
        addresses: The one that it is served at.
    """

    def __init__(self, *functions, tool=True, prefix="", through_flask=True, **options):
        self.server = flaskJSONRPCServer(None, **{"log": 0, "secret": SECRET, **options})
        self.endpoint = self.server.mcp("/mcp")
        for function in functions:
            self.server.registerFunction(function, path="/api", mcp=tool)
        self.app = flask.Flask("app")
        self.app.secret_key = "k"
        if through_flask:
            self.server.init_app(self.app, url_prefix=prefix)
        self._application = self.app if through_flask else self.server.getWSGI()

    def __enter__(self):
        self._backend = find_serv_backend("auto", gevent=is_patched())
        self._parts = ServedParts("front", ServerLog("front", 0), Settings())
        self._listener = open_listener(Address("127.0.0.1", 0), 100)
        self._front = self._backend.start(self._listener.raw_address, self._answer, self._parts, False)
        self.addresses = [self._listener.address]
        return self

    def __exit__(self, *_):
        self.end_process()
        self._listener.close()
        self._backend.stop(self._front, 0, self._parts, 0)

    def end_process(self):
        """Do to its socket what the end of its process does."""
        self.server._engine.background.notify_end()

    def _answer(self, environ, start_response):
        return self._application({**environ, "wsgi.multiprocess": True}, start_response)


@contextlib.contextmanager
def pair(*functions, **options):
    """Serve two servers with the same tools; yield both."""
    with Member(*functions, **options) as one, Member(*functions, **options) as other:
        yield one, other
