"""A proxy for tests: CONNECT, and requests with whole URLs."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class Proxy:
    """Forwards to the real servers.

    Args:
        answer: What it says to CONNECT.

    Attributes:
        heads: The heads of all requests to the proxy.
    """

    def __init__(self, answer=b"HTTP/1.1 200 Connection established\r\n\r\n"):
        self.heads = []
        self._answer = answer
        self._sockets = []
        self._threads = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._start(self._accept)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def stop(self):
        for connected in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for connected in (self._listener, *self._sockets):
            connected.close()

    def _start(self, function, *args):
        thread = threading.Thread(target=function, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                self._start(self._serve, client)

    def _serve(self, client):
        with contextlib.suppress(OSError):
            self._answer_one(client)

    def _answer_one(self, client):
        data = b""
        while b"\r\n\r\n" not in data:
            received = client.recv(65536)
            if not received:
                return
            data += received
        self.heads.append(data.partition(b"\r\n\r\n")[0].decode("latin-1"))
        method, target, _ = self.heads[-1].partition("\r\n")[0].split()
        place = urlsplit(f"//{target}" if method == "CONNECT" else target)
        if method == "CONNECT":
            client.sendall(self._answer)
            data = b""
        if b" 200 " in self._answer:
            self._forward(client, (place.hostname, place.port), data)
        else:
            client.shutdown(socket.SHUT_RDWR)

    def _forward(self, client, address, data):
        server = socket.create_connection(address)
        self._sockets.append(server)
        server.sendall(data)
        self._start(self._copy, server, client)
        self._copy(client, server)

    def _copy(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
