"""A stream whose client has gone."""

import socket
import threading

import flask

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import wait_until


def test_send_to_a_client_that_has_gone_closes_the_stream():
    opened, closed = [], threading.Event()
    server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend="native", log=0)

    @server.flaskApp.get("/stream")
    def stream():
        exchange = flask.request.environ["flaskJSONRPCServer.exchange"]
        opened.append(exchange.open_stream("200 OK", [("Content-Type", "text/plain")], on_close=closed.set))
        return ""

    server.start()
    try:
        with socket.create_connection(server.addresses[0], timeout=20) as client:
            client.sendall(b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: opened and not opened[0].send(b"x"))
        assert closed.wait(20)
        assert opened[0].is_closed
    finally:
        server.stop()
