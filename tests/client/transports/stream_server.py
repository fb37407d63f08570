"""A JSON-RPC server on standard input and output: `python stream_server.py newline|length`.

Its methods: `add`, `pid`, `sleep` (which answers after the next message has come), `die`, `write` (raw text).
"""

import contextlib
import os
import socket
import sys
import threading

from flaskJSONRPCServer.sansio_jsonrpc import (
    ContentLengthFraming,
    JsonRpcBatch,
    JsonRpcMethodNotFoundError,
    JsonRpcPeer,
    JsonRpcStream,
    NewlineFraming,
)

FRAMINGS = {"newline": NewlineFraming(), "length": ContentLengthFraming()}


class Server:
    """Answers messages; `held` are answers that go out after the next message."""

    def __init__(self, framing, write):
        self.peer = JsonRpcPeer()
        self.stream = JsonRpcStream(FRAMINGS[framing], self.peer)
        self.write = write
        self.held = []

    def receive(self, data):
        self.stream.receive_data(data)
        for message in self.stream:
            if isinstance(message, JsonRpcBatch):
                self.send(self.peer.respond_with_batch([self.answer(single) for single in message]))
            elif message.method == "sleep":
                self.held.append(self.peer.respond_with_result(message, "late"))
                continue
            else:
                self.send(self.answer(message))
            while self.held:
                self.send(self.held.pop())

    def send(self, text):
        self.write(self.stream.frame(text))

    def answer(self, message):
        params = message.params or []
        match message.method:
            case "add":
                return self.peer.respond_with_result(message, sum(params))
            case "pid":
                return self.peer.respond_with_result(message, os.getpid())
            case "die":
                os._exit(3)
            case "write":
                self.write(params[0].encode())
                return b""
            case "ask":
                self.send(self.peer.request("question")[1] if "id" in params else self.peer.notify("log"))
                return self.peer.respond_with_result(message, "asked")
        return self.peer.respond_with_error(message, JsonRpcMethodNotFoundError().get_error())


def encrypted(connected, tls):
    return connected if tls is None else tls.wrap_socket(connected, server_side=True)


@contextlib.contextmanager
def listening(framing, handle=None, address=("127.0.0.1", 0), family=socket.AF_INET, tls=None):
    """Serve a stream on a socket, with a TLS context or without, by a `Server` or by a function of the socket.

    Yield the address.
    """
    listener = socket.create_server(address, family=family)
    open_sockets, threads = [], []

    def serve(connected):
        with connected, contextlib.suppress(OSError), encrypted(connected, tls) as stream:
            open_sockets.append(stream)
            if handle is not None:
                handle(stream)
                return
            server = Server(framing, stream.sendall)
            while data := stream.recv(65536):
                server.receive(data)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connected, _ = listener.accept()
                open_sockets.append(connected)
                threads.append(threading.Thread(target=serve, args=[connected]))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield listener.getsockname()
    finally:
        for each in (listener, *open_sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        acceptor.join()
        for thread in threads:
            thread.join()
        listener.close()


def main():
    server = Server(sys.argv[1], lambda data: os.write(1, data))
    while data := os.read(0, 65536):
        server.receive(data)


if __name__ == "__main__":
    main()
