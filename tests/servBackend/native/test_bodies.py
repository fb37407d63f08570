"""Bodies that a WSGI application returns as iterables."""

import contextlib
import itertools
import time

import pytest

from flaskJSONRPCServer.servBackend.native import bodies as bodies_module
from tests.helpers import wait_until
from tests.servBackend.native.samples import get, head, receive_all, receive_all_until, receive_answer

TEXT = [("Content-Type", "text/plain")]


class Parts:
    """A body in parts, which counts how it is used."""

    def __init__(self, parts, *, fails_to_close=False):
        self._parts = iter(parts)
        self._fails_to_close = fails_to_close
        self.taken = self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        part = next(self._parts)
        self.taken += 1
        return part

    def close(self):
        self.closed += 1
        if self._fails_to_close:
            raise ValueError("close failed")


def app_of(body, headers=()):
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/call":
            start_response("200 OK", TEXT)
            return [b"answer"]
        start_response("200 OK", [*TEXT, *headers])
        return body

    return app


def test_iterables_to_slow_clients_hold_no_thread(serve):
    bodies = [Parts([b"=" * 100_000] * 200) for _ in range(8)]

    def app(environ, start_response):
        start_response("200 OK", TEXT)
        path = environ["PATH_INFO"]
        return [b"answer"] if path == "/call" else bodies[int(path[1:])]

    front = serve(app, threads=2)
    clients = [front.connect(get(f"/{number}", b"Connection: close")) for number in range(8)]
    wait_until(lambda: all(0 < body.taken < 200 for body in bodies))
    caller = front.connect()
    for _ in range(20):
        caller.sendall(get("/call"))
        assert receive_answer(caller)[2] == b"answer"
    assert all(body.taken < 200 for body in bodies)
    for client in clients[:4]:
        assert receive_all(client).count(b"=") == 20_000_000
    for client in clients[4:]:
        client.close()
    wait_until(lambda: all(body.closed for body in bodies))
    assert [body.closed for body in bodies] == [1] * 8
    assert all(body.taken < 200 for body in bodies[4:])


@pytest.mark.parametrize(
    ("parts", "length", "is_whole"),
    [([b"ab", b"c"], 3, True), ([b"ab"], 3, False), ([b"ab", b"cd"], 3, False), ([], 0, True)],
)
def test_iterable_that_is_not_as_long_as_declared_ends_the_connection(serve, caplog, parts, length, is_whole):
    body = Parts(parts)
    client = serve(app_of(body, [("Content-Length", str(length))])).connect(get() + get("/call"))
    if is_whole:
        assert receive_all_until(client, b"answer").count(b"HTTP/1.1 200 OK") == 2
    else:
        with contextlib.suppress(ConnectionError):
            assert receive_all(client).count(b"HTTP/1.1 ") <= 1
        assert "Content-Length" in caplog.text
    wait_until(lambda: body.closed)
    assert body.closed == 1


@pytest.mark.parametrize("parts", [[b"="], [b"=" * 100_000] * 100], ids=["at once", "in turns"])
def test_iterable_that_cannot_be_closed_ends_its_connection_alone(serve, caplog, parts):
    body = Parts(parts, fails_to_close=True)
    front = serve(app_of(body), threads=1)
    client = front.connect(get())
    with contextlib.suppress(ConnectionError):
        receive_all(client)
    assert body.closed == 1
    assert "close failed" in caplog.text
    assert receive_answer(front.connect(get("/call")))[2] == b"answer"
    assert front.shared.pool.counts()["running"] == 0 or wait_until(lambda: front.shared.pool.counts()["running"] == 0)


@pytest.mark.parametrize("parts", [0, 1, 50])
def test_iterable_that_fails_is_500_if_nothing_was_sent(serve, caplog, parts):
    def body():
        for _ in range(parts):
            yield b"=" * 100_000
        raise ValueError("the body failed")

    front = serve(app_of(body()), threads=1)
    received = b""
    with contextlib.suppress(ConnectionError):
        received = receive_all(front.connect(get()))
    assert not received.endswith(b"0\r\n\r\n")
    if parts == 0:
        assert received.startswith(b"HTTP/1.1 500 ")
    assert "the body failed" in caplog.text
    assert receive_answer(front.connect(get("/call")))[2] == b"answer"


def endless_nothing():
    while True:
        time.sleep(0.001)
        yield b""


def test_iterable_that_sends_nothing_ends_after_its_client(serve, monkeypatch):
    monkeypatch.setattr(bodies_module, "SILENCE_S", 0.05)
    body = Parts(itertools.chain([b"begun"], endless_nothing()))
    front = serve(app_of(body), threads=1)
    client = front.connect(get())
    assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    client.close()
    wait_until(lambda: body.closed)
    assert receive_answer(front.connect(get("/call")))[2] == b"answer"


def test_iterable_is_not_run_for_a_body_that_is_not_sent(serve):
    body = Parts(itertools.repeat(b"=" * 1000))
    front = serve(app_of(body, [("Content-Length", "1000000000")]), threads=1)
    client = front.connect(head(method=b"HEAD", target=b"/") + get("/call"))
    assert receive_all_until(client, b"answer").count(b"HTTP/1.1 200 OK") == 2
    assert (body.taken, body.closed) == (1, 1)


@pytest.mark.parametrize(
    "headers",
    [[("Content-Length", "0_3")], [("Content-Length", "+3")], [("Content-Length", "3"), ("content-length", "4")]],
)
@pytest.mark.parametrize("body", [[b"abc"], Parts([b"abc"])], ids=["list", "iterable"])
def test_declared_length_that_clients_read_in_another_way_is_an_error(serve, caplog, headers, body):
    front = serve(app_of(body, headers))
    assert receive_answer(front.connect(get()))[0] == 500
    assert "declare one number" in caplog.text


def test_second_answer_needs_an_exception(serve, caplog):
    def app(environ, start_response):
        start_response("200 OK", TEXT)
        start_response("201 Created", TEXT)
        return [b"abc"]

    assert receive_answer(serve(app).connect(get()))[0] == 500
    assert "start_response has been called already; pass exc_info" in caplog.text


def test_application_that_never_calls_start_response_is_an_error(serve, caplog):
    assert receive_answer(serve(lambda environ, start_response: [b"abc"]).connect(get()))[0] == 500
    assert "is not a final code and a reason" in caplog.text
