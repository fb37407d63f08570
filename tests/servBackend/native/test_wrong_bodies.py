"""Bodies of WSGI applications that are late, replaced, wrong or closed (PEP 3333)."""

import array
import contextlib
import sys

import pytest

from flaskJSONRPCServer.http.request import SEND_HEAD
from tests.servBackend.native.samples import get, head, receive_all, receive_all_until, receive_answer

TEXT = [("Content-Type", "text/plain")]
WORDS = memoryview(array.array("I", [0x41414141] * 3))  # 3 items, 12 bytes


def app_of(body, *, status="200 OK", headers=()):
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/call":
            start_response("200 OK", TEXT)
            return [b"answer"]
        start_response(status, [*TEXT, *headers])
        return body

    return app


def all_of(client):
    """Return all bytes until the connection ends, in one way or another."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := client.recv(65536):
            received += data
    return bytes(received)


class ClosedList(list):
    closed = 0

    def close(self):
        self.closed += 1


class ClosedTuple(tuple):
    closed = 0

    def close(self):
        self.closed += 1


@pytest.mark.parametrize("cls", [ClosedList, ClosedTuple])
def test_list_of_a_class_of_its_own_is_closed(serve, cls):
    body = cls([b"ab", b"c"])
    assert receive_answer(serve(app_of(body)).connect(get()))[2] == b"abc"
    assert body.closed == 1


def test_list_that_cannot_be_sent_is_closed(serve, caplog):
    body = ClosedList([b"ab", None])
    assert receive_answer(serve(app_of(body)).connect(get()))[0] == 500
    assert body.closed == 1


def test_error_after_empty_parts_is_the_answer(serve, caplog):
    def body():
        yield b""
        yield b""
        raise ValueError("the body failed")

    assert receive_answer(serve(app_of(body())).connect(get()))[0] == 500
    assert "the body failed" in caplog.text


def test_answer_may_be_replaced_until_the_first_bytes(serve):
    def app(environ, start_response):
        start_response("200 OK", [*TEXT, ("X-A", "early")])
        yield b""
        try:
            raise ValueError
        except ValueError:
            start_response("503 Sorry", [*TEXT, ("X-A", "late")], sys.exc_info())
        yield b""
        yield b"sorry"

    received = receive_all(serve(app).connect(get("/", b"Connection: close")))
    assert received.startswith(b"HTTP/1.1 503 Sorry\r\n")
    assert b"X-A: late\r\n" in received
    assert b"early" not in received
    assert received.endswith(b"\r\n\r\n5\r\nsorry\r\n0\r\n\r\n")


def test_head_of_a_body_of_empty_parts_goes_out_at_its_end(serve):
    received = receive_all(serve(app_of(iter([b"", b""]))).connect(get("/", b"Connection: close")))
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\n0\r\n\r\n")


def test_application_may_have_its_head_sent_before_the_first_bytes(serve, calls):
    def app(environ, start_response):
        start_response("200 OK", TEXT)

        def body():
            environ[SEND_HEAD]()
            yield b""
            yield from calls({"PATH_INFO": "/slow"}, lambda status, headers: None)

        return body()

    client = serve(app).connect(get("/", b"Connection: close"))
    assert client.recv(65536).endswith(b"\r\n\r\n")
    calls.gate.set()
    assert receive_all(client) == b"5\r\n/slow\r\n0\r\n\r\n"


@pytest.mark.parametrize("part", [None, 30, "text", array.array("I", [1])], ids=["none", "int", "str", "array"])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("as_list", [True, False], ids=["list", "iterable"])
def test_first_part_that_is_no_bytes_is_an_error(serve, caplog, part, version, as_list):
    body = [part] if as_list else iter([part])
    front = serve(app_of(body))
    assert receive_answer(front.connect(head(method=b"GET", target=b"/", version=version)))[0] == 500
    assert "as a part of its body; a part is bytes" in caplog.text


@pytest.mark.parametrize("part", [None, 30, "text"])
@pytest.mark.parametrize("headers", [[], [("Content-Length", "35")]], ids=["chunked", "declared"])
def test_later_part_that_is_no_bytes_breaks_the_answer_off(serve, caplog, part, headers):
    received = all_of(serve(app_of(iter([b"first", part, b"second"]), headers=headers)).connect(get()))
    assert not received.endswith(b"0\r\n\r\n")
    assert b"second" not in received
    assert b"\0" not in received
    assert "as a part of its body" in caplog.text


def test_written_part_that_is_no_bytes_is_an_error(serve, caplog):
    def app(environ, start_response):
        start_response("200 OK", TEXT)("text")
        return []

    assert receive_answer(serve(app).connect(get()))[0] == 500
    assert "as a part of its body" in caplog.text


def test_part_that_is_written_after_the_head_breaks_the_answer_off(serve, caplog):
    def app(environ, start_response):
        write = start_response("200 OK", TEXT)
        yield b"first"
        write(b"second")

    assert not all_of(serve(app).connect(get())).endswith(b"0\r\n\r\n")
    assert "write() is refused" in caplog.text


@pytest.mark.parametrize("body", [[WORDS], iter([WORDS])], ids=["list", "iterable"])
def test_length_of_a_part_is_its_bytes(serve, caplog, body):
    client = serve(app_of(body, headers=[("Content-Length", "12")])).connect(get() + get("/call"))
    received = receive_all_until(client, b"answer")
    assert b"\r\n\r\nAAAAAAAAAAAAHTTP/1.1 200 OK\r\n" in received


def test_part_of_more_bytes_than_declared_is_not_sent(serve, caplog):
    received = all_of(serve(app_of(iter([WORDS]), headers=[("Content-Length", "3")])).connect(get()))
    assert b"AAAA" not in received
    assert "more bytes than its Content-Length" in caplog.text


def test_chunk_is_framed_by_its_bytes(serve):
    parts = iter([WORDS, bytearray(b"ab"), memoryview(b"abcdef")[::2]])
    received = receive_all(serve(app_of(parts)).connect(get("/", b"Connection: close")))
    assert received.endswith(b"\r\n\r\nc\r\nAAAAAAAAAAAA\r\n2\r\nab\r\n3\r\nace\r\n0\r\n\r\n")


def test_part_may_be_reused_once_it_was_returned(serve):
    part = bytearray(b"first")

    def app(environ, start_response):
        start_response("200 OK", TEXT)(part)
        part[:] = b"other"
        return [part]

    assert receive_answer(serve(app).connect(get()))[2] == b"firstother"


@pytest.mark.parametrize("as_list", [True, False], ids=["list", "iterable"])
@pytest.mark.parametrize(("status", "has_length"), [("204 No Content", False), ("304 Not Modified", True)])
def test_answer_without_a_body_has_the_length_that_its_status_permits(serve, as_list, status, has_length):
    body = [b"abcd"] if as_list else iter([b"abcd"])
    client = serve(app_of(body, status=status, headers=[("Content-Length", "4")])).connect(get() + get("/call"))
    answer, _, rest = receive_all_until(client, b"answer").partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status.encode())
    assert (b"content-length" in answer.lower()) is has_length
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
