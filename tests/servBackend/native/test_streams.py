"""Answers that are sent part by part: pushed from any thread, or pulled from an application."""

import contextlib
import resource
import socket
import threading

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import wait_until

GET = b"GET /%b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CALL = (
    b"POST /api HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 39\r\n\r\n"
    b'{"jsonrpc":"2.0","method":"two","id":1}'
)


class Events:
    """A page that answers with a stream, and keeps the streams."""

    def __init__(self, **options):
        self.options = options
        self.streams = []
        self.closed = threading.Semaphore(0)

    def only(self):
        wait_until(lambda: self.streams)
        [stream] = self.streams
        return stream

    def __call__(self):
        exchange = flask.request.environ["flaskJSONRPCServer.exchange"]
        stream = exchange.open_stream(
            "200 OK", [("Content-Type", "text/event-stream")], on_close=self.closed.release, **self.options
        )
        self.streams.append(stream)
        return ""


@pytest.fixture
def serve():
    with contextlib.ExitStack() as stop:

        def start(page, **options):
            server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend="native", log=0, threads=4, **options)
            server.registerFunction(lambda: 2, path="/api", name="two")
            server.flaskApp.add_url_rule("/page", "page", page)
            server.start()
            stop.callback(server.stop)
            return server

        yield start


def connect(server, data):
    client = socket.create_connection(server.addresses[0], timeout=30)
    client.sendall(data)
    return client


def receive_until(client, end):
    """Receive until these bytes; return the last ones."""
    received = b""
    while not received.endswith(end):
        chunk = client.recv(65536)
        assert chunk, received
        received = received[-1000:] + chunk
    return received


def test_stream_is_sent_from_another_thread_and_the_connection_goes_on(serve):
    events = Events()
    server = serve(events)
    with connect(server, GET % b"page") as client:
        receive_until(client, b"\r\n\r\n")
        stream = events.only()
        assert stream.send(b"data: 1\n\n")
        assert receive_until(client, b"\r\n9\r\ndata: 1\n\n\r\n"[2:])
        stream.close()
        receive_until(client, b"0\r\n\r\n")
        assert not stream.send(b"late")
        client.sendall(CALL)
        assert b'"result":2' in receive_until(client, b"}")
        assert events.closed.acquire(timeout=30)


def test_thousand_open_streams_hold_no_thread(serve):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= 4096
    events = Events()
    server = serve(events)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server, GET % b"page")) for _ in range(1000)]
        for client in clients:
            receive_until(client, b"\r\n\r\n")
        with connect(server, CALL) as caller:
            assert b'"result":2' in receive_until(caller, b"}")
        wait_until(lambda: len(events.streams) == 1000)
        for stream in events.streams:
            assert stream.send(b"x")
        for client in clients:
            receive_until(client, b"1\r\nx\r\n")
    for _ in range(1000):
        assert events.closed.acquire(timeout=30)
    assert all(stream.is_closed for stream in events.streams)


@pytest.mark.parametrize("policy", ["close", "drop"])
def test_reader_that_has_stopped_is_dropped_or_misses_parts(serve, policy):
    events = Events(buffer_bytes=100_000, when_full=policy)
    server = serve(events)
    with connect(server, GET % b"page") as client:
        receive_until(client, b"\r\n\r\n")
        stream = events.only()
        while stream.send(b"x" * 50_000):
            pass
        assert stream.is_closed is (policy == "close")


@pytest.mark.parametrize(
    ("data", "end"), [(GET.replace(b"GET", b"HEAD"), b"\r\n\r\n"), (GET.replace(b"1.1", b"1.0"), b"")]
)
def test_head_has_no_body_and_http_1_0_ends_with_the_connection(serve, data, end):
    events = Events()
    server = serve(events)
    with connect(server, data % b"page") as client:
        head = receive_until(client, b"\r\n\r\n")
        assert b"chunked" in head if end else b"Connection: close" in head
        stream = events.only()
        assert stream.is_closed is bool(end)
        if not end:
            stream.send(b"part")
            stream.close()
            assert client.recv(4, socket.MSG_WAITALL) == b"part"
            assert client.recv(1) == b""


def test_generator_whose_client_does_not_read_holds_no_thread(serve):
    produced = []

    def page():
        def parts():
            for number in range(1000):
                produced.append(number)
                yield "x" * 100_000

        return flask.Response(parts())

    server = serve(page)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server, GET % b"page")) for _ in range(8)]  # more than there are threads
        for client in clients:
            receive_until_head(client)
        with connect(server, CALL) as caller:
            assert b'"result":2' in receive_until(caller, b"}")
        assert len(produced) < 8000
        receive_until(clients[0], b"\r\n0\r\n\r\n")


def receive_until_head(client):
    assert client.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 200"
