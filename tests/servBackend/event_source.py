"""A built-in URL that answers with streams, and its clients."""

import contextlib
import http.client
import socket
import threading

from flaskJSONRPCServer.dispatch.built_in import BuiltInUrl
from flaskJSONRPCServer.http.event_streams import StreamedResponse
from tests.helpers import wait_until

HEADERS = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")]
PATIENCE_S = 30


class EventSource:
    """Answers each request with a stream.

    Attributes:
        opened: The streams whose functions have begun.
        closed: How often a stream has said that it is closed.
        run: Called with each stream.
    """

    def __init__(self, run=None, **options):
        self.opened = []
        self.closed = 0
        self.run = run or (lambda stream: stream.send(b"hello"))
        self._options = options
        self._lock = threading.Lock()

    def url(self, segment="events", methods=("GET", "HEAD", "POST", "DELETE", "OPTIONS"), **options):
        return BuiltInUrl(segment, self.answer, methods, **options)

    def answer(self, exchange, rest):
        return StreamedResponse("200 OK", list(HEADERS), self._run, **self._options)

    def wait_opened(self, count=1):
        return wait_until(lambda: self.opened[count - 1 :])[0]

    def wait_closed(self, count=1):
        wait_until(lambda: self.closed >= count)
        assert self.closed == count

    def _run(self, stream):
        stream.on_close(self._on_close)
        self.opened.append(stream)
        self.run(stream)

    def _on_close(self):
        with self._lock:
            self.closed += 1


class Listener:
    """A client that reads the answer to one request as it comes."""

    def __init__(self, address, method="GET", target="/events", version="1.1", fields=(), body=b""):
        self.socket = socket.create_connection(address, timeout=PATIENCE_S)
        lines = [f"{method} {target} HTTP/{version}", "Host: 127.0.0.1", *fields]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.socket.close()

    def receive_until(self, part):
        """Receive until a part has come; return everything that has come."""
        while part not in self.received:
            data = self.socket.recv(65536)
            assert data, f"the connection ended after {self.received[-200:]!r}"
            self.received += data
        return self.received

    def receive_all(self):
        """Receive until the connection ends; return everything that has come."""
        with contextlib.suppress(ConnectionError):
            while data := self.socket.recv(65536):
                self.received += data
        return self.received

    def answer(self):
        """Return the whole answer as the standard library parses it, and its body."""
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        return response, response.read()


def ask(address, method="GET", target="/events", headers=(), body=None):
    """Return the whole answer to a request, and its body."""
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=PATIENCE_S)) as connection:
        connection.request(method, target, body, dict(headers))
        response = connection.getresponse()
        return response, response.read()
