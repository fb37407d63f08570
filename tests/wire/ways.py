"""The ways to a server of the wire table: as a WSGI application, and over a connection to the native front."""

import contextlib
import functools
import socket
from dataclasses import dataclass

import flask

from flaskJSONRPCServer.servBackend.gate import Gate
from flaskJSONRPCServer.servBackend.native.backend import NativeBackend
from tests.helpers import call_wsgi
from tests.wire.api import make_server
from tests.wire.connection import call_connection


@dataclass(frozen=True)
class Way:
    """One way to a server of the table.

    Attributes:
        name: Its name.
        is_native: Whether requests go over a connection to the native front; else they are WSGI environs.
        goes_through_flask: Whether Flask dispatches the request.
        is_mounted: Whether the server is mounted in an existing Flask application.
    """

    name: str
    is_native: bool = False
    goes_through_flask: bool = False
    is_mounted: bool = False

    def application_of(self, server):
        if not self.is_mounted:
            return server.getWSGI()
        application = flask.Flask("theirs")
        server.init_app(application)
        return application


WAYS = (
    Way("direct"),
    Way("through_flask", goes_through_flask=True),
    Way("mounted", is_mounted=True),
    Way("native", is_native=True),  # which answers without an environ
    Way("native_through_flask", is_native=True, goes_through_flask=True),
)


class Servers:
    """The servers of the table. Each is made at its first request, and kept until the end of all."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self._caller_of = functools.cache(self._make_caller)

    def ask(self, way, configuration, request):
        """Send a request of the table, and return its answer."""
        return self._caller_of(way, configuration)(request)

    def caller_of(self, way, make, **options):
        """Return a function that sends requests to the server that `make` makes."""
        server = make(flaskContext=way.goes_through_flask, **options)
        application = way.application_of(server)
        if way.is_native:
            return functools.partial(call_connection, self._serve(server, application))
        return functools.partial(call_wsgi, application)

    def close(self):
        self._stack.close()

    def _make_caller(self, way, configuration):
        return self.caller_of(way, functools.partial(make_server, configuration))

    def _serve(self, server, application):
        """Serve an application as a started server does, and return the address.

        The server itself is not started: those of the table are only mounted. A server that listens on a loopback
        address accepts only loopback names and no foreign origins; that is a separate configuration.
        """
        gate = Gate()
        gate.open(application)
        listener = self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        backend = NativeBackend()
        manager = backend.start(("127.0.0.1", listener), gate, server, joinLoop=False)
        self._stack.callback(backend.stop, manager, 0, server, 0)
        return listener.getsockname()
