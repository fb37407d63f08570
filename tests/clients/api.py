"""A server on a real socket, with dispatchers that record their calls."""

import contextlib
import threading

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer

PATIENCE_S = 20


class Teapot(JsonRpcApplicationError):
    """An error with a code of the application."""

    ERROR_CODE = 418
    ERROR_MESSAGE = "I am a teapot"


class Api:
    """The functions of the tests, with a record of their arguments.

    Attributes:
        calls: The names of the methods that have run, in order.
        server: The server, registered on /api.
    """

    def __init__(self, **options):
        self.calls = []
        self._called = threading.Condition()
        self.server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, controlGC=False, tweakDescriptors=False, **options)
        for function in (self.subtract, self.echo, self.nothing, self.teapot, self.fail, self.sign_in, self.large):
            self.server.registerFunction(function, path="/api")

    @property
    def origin(self):
        host, port = self.server.addresses[0]
        return f"http://{host}:{port}"

    @property
    def url(self):
        return f"{self.origin}/api"

    def wait_for(self, *names):
        """Wait until exactly these methods have run, in this order."""
        with self._called:
            assert self._called.wait_for(lambda: len(self.calls) >= len(names), PATIENCE_S), self.calls
        assert self.calls == list(names)

    def _note(self, name):
        with self._called:
            self.calls.append(name)
            self._called.notify_all()

    def subtract(self, minuend, subtrahend=1):
        self._note("subtract")
        return minuend - subtrahend

    def echo(self, value):
        self._note("echo")
        return value

    def nothing(self):
        self._note("nothing")

    def teapot(self):
        self._note("teapot")
        raise Teapot(data={"short": True, "stout": True})

    def fail(self):
        self._note("fail")
        raise RuntimeError("of no concern to clients")

    def large(self):
        self._note("large")
        return "x" * 50_000

    def sign_in(self, _connection):
        self._note("sign_in")
        _connection.cookiesOut.append({"name": "session", "value": "abc", "httponly": True})
        return _connection.cookies.get("session")


@contextlib.contextmanager
def serving(**options):
    """Serve an `Api` while the block runs."""
    api = Api(**options)
    api.server.start()
    try:
        yield api
    finally:
        api.server.stop()
