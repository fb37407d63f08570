"""A server that answers with any bytes, and records what it was sent."""

import contextlib
import json
import socket
import threading


class RawServer:
    """Serves each connection in a thread by a function of the test.

    Args:
        handle: A function of a `RawConnection`. The connection is closed when it returns, or raises OSError.

    Attributes:
        requests: All requests, in order: dicts with "line", "headers" and "body".
        connections: How many connections were accepted.
    """

    def __init__(self, handle):
        self.requests = []
        self.connections = 0
        self.stopping = threading.Event()
        self._handle = handle
        self._open = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def port(self):
        return self._listener.getsockname()[1]

    def messages(self):
        """Return the JSON values of all bodies."""
        return [json.loads(request["body"]) for request in self.requests]

    def stop(self):
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connected in self._open:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connected)
            thread = threading.Thread(target=self._serve, args=[connected, self.connections])
            self._threads.append(thread)
            thread.start()

    def _serve(self, connected, number):
        with connected, connected.makefile("rb") as file, contextlib.suppress(OSError, EOFError):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._handle(RawConnection(self, connected, file, number))
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)


class RawConnection:
    """One connection of a `RawServer`. `number` counts from 1."""

    def __init__(self, server, connected, file, number):
        self.server = server
        self.socket = connected
        self.number = number
        self._file = file

    def read(self):
        """Read one request; EOFError at the end of the connection."""
        line = self._file.readline()
        if not line:
            raise EOFError
        headers = {}
        while (field := self._file.readline().strip()) != b"":
            name, _, value = field.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = self._file.read(int(headers.get("content-length", 0)))
        request = {"line": line.decode().strip(), "headers": headers, "body": body}
        self.server.requests.append(request)
        return request

    def read_id(self):
        """Read one request, and return the id of its call."""
        return json.loads(self.read()["body"])["id"]

    def send(self, data):
        self.socket.sendall(data)

    def wait(self):
        """Wait until the client has closed the connection, or the server stops."""
        with contextlib.suppress(OSError):
            self.socket.recv(1)


def http(body=b"", status="200 OK", **fields):
    """Return an HTTP answer with a length."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def result(value, request_id):
    """Return the JSON of a result."""
    return json.dumps({"jsonrpc": "2.0", "result": value, "id": request_id}).encode()


def answered(value, request_id):
    """Return an HTTP answer with a result."""
    return http(result(value, request_id), Content_Type="application/json")
