"""Streams, which any thread sends."""

import contextlib
import resource
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.http.request import EXCHANGE
from flaskJSONRPCServer.runtime.resources import raise_descriptor_limit
from tests.helpers import wait_until
from tests.servBackend.native.conftest import PATIENCE_S
from tests.servBackend.native.samples import get, head, receive_all, receive_all_until, receive_answer

TEXT = [("Content-Type", "text/plain")]


class Streams:
    """A WSGI application that opens a stream for each request of ``/stream``, and answers all other requests."""

    def __init__(self, **options):
        self.opened = []
        self.closed = threading.Semaphore(0)
        self.closed_count = 0
        self.before_open = lambda exchange: None
        self._options = options
        self._lock = threading.Lock()

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] != "/stream":
            start_response("200 OK", TEXT)
            return [b"answer"]
        exchange = environ[EXCHANGE]
        self.before_open(exchange)
        stream = exchange.open_stream("200 OK", TEXT, on_close=self.on_close, **self._options)
        with self._lock:
            self.opened.append(stream)
        return [b"ignored"]

    def on_close(self):
        with self._lock:
            self.closed_count += 1
        self.closed.release()

    def wait_opened(self, count=1):
        wait_until(lambda: len(self.opened) >= count)
        return self.opened[0]


def test_thousand_streams_are_open_on_four_threads_while_calls_are_answered(serve):
    count = 1000
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raise_descriptor_limit(3000, 3000)[0] >= 3000, "the system grants too few descriptors; raise `ulimit -Hn`"
    try:
        streams = Streams()
        front = serve(streams, threads=4)
        clients = [front.connect(get("/stream")) for _ in range(count)]
        streams.wait_opened(count)
        assert front.shared.pool.counts()["threads"] <= 4
        caller = front.connect()
        for _ in range(100):
            caller.sendall(get("/call"))
            assert receive_answer(caller)[2] == b"answer"
        with ThreadPoolExecutor(4) as senders:
            assert all(senders.map(lambda stream: stream.send(b"part"), streams.opened))
        for client in clients:
            received = b""
            while b"\r\n4\r\npart\r\n" not in received:
                received += client.recv(65536)
        for client in clients:
            client.close()
        for _ in range(count):
            assert streams.closed.acquire(timeout=PATIENCE_S)
        assert streams.closed_count == count
        wait_until(lambda: len(front.manager._connections) == 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_stream_is_chunked_and_followed_by_the_next_request(serve):
    streams = Streams()
    client = serve(streams).connect(get("/stream") + get("/call", b"Connection: close"))
    stream = streams.wait_opened()
    assert stream.send(b"one")
    assert stream.send(b"")
    assert stream.send(b"two")
    stream.close()
    stream.close()
    assert not stream.send(b"late")
    assert stream.is_closed
    received = receive_all(client)

    beginning, _, rest = received.partition(b"\r\n\r\n")
    assert b"\r\nTransfer-Encoding: chunked\r\n" in beginning + b"\r\n"
    assert rest.startswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert rest.endswith(b"answer")
    assert streams.closed.acquire(timeout=PATIENCE_S)
    assert streams.closed_count == 1


def test_stream_over_http_1_0_ends_with_the_connection(serve):
    streams = Streams()
    client = serve(streams).connect(head(b"Connection: keep-alive", method=b"GET", target=b"/stream", version=b"1.0"))
    stream = streams.wait_opened()
    stream.send(b"one")
    stream.send(b"two")
    stream.close()
    beginning, _, body = receive_all(client).partition(b"\r\n\r\n")

    assert b"chunked" not in beginning
    assert b"Connection: close" in beginning
    assert body == b"onetwo"


def test_stream_to_head_is_closed_at_once(serve):
    streams = Streams()
    client = serve(streams).connect(head(method=b"HEAD", target=b"/stream") + get("/call", b"Connection: close"))
    stream = streams.wait_opened()
    assert stream.is_closed
    assert not stream.send(b"part")
    received = receive_all(client)
    assert received.count(b"\r\n\r\n") == 2
    assert received.endswith(b"answer")
    assert streams.closed.acquire(timeout=PATIENCE_S)


def test_stream_whose_client_has_gone_before_it_is_opened_is_closed(serve):
    streams = Streams()
    front = serve(streams)
    client = None

    def disconnect(exchange):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        wait_until(lambda: exchange.connection.is_closed)

    streams.before_open = disconnect
    client = front.connect()
    client.sendall(get("/stream"))
    stream = streams.wait_opened()
    assert streams.closed.acquire(timeout=PATIENCE_S)
    assert stream.is_closed
    assert not stream.send(b"part")
    assert streams.closed_count == 1


@pytest.mark.parametrize("policy", ["close", "drop"])
def test_client_that_does_not_read_is_handled_by_policy(serve, policy):
    streams = Streams(buffer_bytes=100_000, when_full=policy)
    front = serve(streams)
    client = front.connect(get("/stream"))
    stream = streams.wait_opened()
    sent = 0
    while stream.send(b"=" * 10_000):
        sent += 1
        assert sent < 10_000
    assert all(connection.unsent_bytes <= 100_000 for connection in list(front.manager._connections))
    if policy == "close":
        assert stream.is_closed
        assert streams.closed.acquire(timeout=PATIENCE_S)
        with contextlib.suppress(ConnectionError):
            receive_all(client)
        return
    assert not stream.is_closed
    stream.close()
    received = receive_all_until(client, b"\r\n0\r\n\r\n")
    assert received.count(b"=") == sent * 10_000


def test_stop_closes_streams(serve):
    streams = Streams()
    front = serve(streams)
    client = front.connect(get("/stream"))
    streams.wait_opened()
    assert client.recv(12) == b"HTTP/1.1 200"
    front.manager.stop(0)
    assert streams.closed.acquire(timeout=PATIENCE_S)
    assert not streams.opened[0].send(b"part")


def test_stream_cannot_be_opened_twice(serve):
    def app(environ, start_response):
        environ[EXCHANGE].open_stream("200 OK", TEXT).close()
        with pytest.raises(RuntimeError, match="has begun"):
            environ[EXCHANGE].open_stream("200 OK", TEXT)
        return []

    assert receive_all(serve(app).connect(get("/", b"Connection: close"))).endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("status", ["302 FOUND", "404 NOT FOUND", "500 INTERNAL SERVER ERROR"])
def test_error_page_after_a_stream_was_opened_ends_the_connection(serve, status):
    """Flask answers this if a view raises after it has opened a stream, which nobody would close then."""
    closed = threading.Event()

    def app(environ, start_response):
        environ[EXCHANGE].open_stream("200 OK", TEXT, on_close=closed.set).send(b"first")
        start_response(status, TEXT)
        return [b"error"]

    client = serve(app).connect(get("/stream"))
    received = b""
    with contextlib.suppress(ConnectionError):
        received = receive_all(client)
    assert b"error" not in received
    assert closed.wait(PATIENCE_S)


def test_abort_of_a_closed_stream_leaves_the_next_request_of_its_connection(serve):
    streams = []

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/stream":
            streams.append(environ[EXCHANGE].open_stream("200 OK", TEXT))
            streams[0].close()
            return []
        streams[0].abort()
        start_response("200 OK", TEXT)
        return [b"answer"]

    client = serve(app).connect(get("/stream") + get("/call", b"Connection: close"))
    assert receive_all(client).endswith(b"answer")


@pytest.mark.parametrize("behind", [b"", get("/call"), get("/call") * 1000], ids=["nothing", "a call", "many calls"])
def test_stream_is_told_that_its_client_has_gone_whatever_was_sent_behind_it(serve, behind):
    streams = Streams()
    client = serve(streams).connect(get("/stream") + behind)
    stream = streams.wait_opened()
    client.close()
    assert streams.closed.acquire(timeout=PATIENCE_S)
    assert stream.is_closed


def test_stream_whose_client_has_ended_its_side_before_it_is_opened_is_closed(serve):
    streams = Streams()
    streams.before_open = lambda exchange: wait_until(lambda: exchange.connection.http.has_eof)
    client = serve(streams).connect(get("/stream"))
    client.shutdown(socket.SHUT_WR)
    assert streams.closed.acquire(timeout=PATIENCE_S)
    with contextlib.suppress(ConnectionError):
        receive_all(client)  # to its end
    wait_until(lambda: streams.opened)  # the stream is closed before its view has it
    assert not streams.opened[0].send(b"part")


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
