import contextlib
import socket
import threading

import pytest

from flaskJSONRPCServer.runtime.logs import ServerLog
from flaskJSONRPCServer.servBackend.native.backend import SharedState
from flaskJSONRPCServer.servBackend.native.connections import ConnectionManager
from flaskJSONRPCServer.settings import Settings

PATIENCE_S = 30


class Front:
    """A WSGI application, served on a port that the kernel chooses, or by another listener."""

    def __init__(self, app, settings, listener=None):
        self.listener = listener or socket.create_server(("127.0.0.1", 0), backlog=2000)
        self.shared = SharedState(settings, ServerLog("native-test", 2), app, self.listener, "test")
        self.manager = ConnectionManager(self.shared, self.listener, "test-connections")
        self._clients = contextlib.ExitStack()
        self._is_stopped = False
        self.manager.start()

    def connect(self, data=b"", host="127.0.0.1"):
        """Connect a client from an address, and send bytes."""
        client = self._clients.enter_context(
            socket.create_connection(self.listener.getsockname(), timeout=PATIENCE_S, source_address=(host, 0))
        )
        if data:
            client.sendall(data)
        return client

    def stop(self, timeout_s=0):
        if self._is_stopped:
            return 0
        self._is_stopped = True
        try:
            return self.manager.stop(timeout_s)
        finally:
            self._clients.close()
            self.listener.close()


@pytest.fixture
def serve():
    """Return a function that serves a WSGI application with settings."""
    with contextlib.ExitStack() as stop:

        def start(app, listener=None, **options):
            settings = Settings()
            for name, value in options.items():
                setattr(settings, name, value)
            front = Front(app, settings, listener)
            stop.callback(front.stop)
            return front

        yield start


class Calls:
    """A WSGI application whose slow calls wait until the test opens the gate."""

    def __init__(self):
        self.begun = []
        self.gate = threading.Event()
        self.changed = threading.Condition()

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        with self.changed:
            self.begun.append(path)
            self.changed.notify_all()
        if path.startswith("/slow"):
            assert self.gate.wait(PATIENCE_S)
        body = environ["wsgi.input"].read() if path.startswith("/body") else path.encode()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body]

    def wait_begun(self, count):
        """Wait until ``count`` calls have begun."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.begun) >= count, PATIENCE_S)


@pytest.fixture
def calls():
    application = Calls()
    yield application
    application.gate.set()
