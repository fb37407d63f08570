"""Answers that break HTTP: the synchronous and the asynchronous client refuse the same ones, for the same reason."""

import contextlib

import pytest

from flaskJSONRPCServer.client import AnswerTooLargeError, ClientError, ConnectionLostError, ProtocolError
from tests.client.faces import FACES
from tests.client.raw_server import answered, http, result

LIMIT_BYTES = 10_000
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = result("read", 1)
SIZE = b"%x" % len(BODY)


def with_head(*lines, end=b"\r\n"):
    """Return an answer with lines in its head that are taken as they are."""
    return OK + b"".join(lines) + b"Content-Length: %d\r\n" % len(BODY) + end + BODY


def chunk(data=BODY, size=SIZE, end=b"\r\n"):
    return CHUNKED + size + b"\r\n" + data + end + b"0\r\n\r\n"


MALFORMED = {
    "other protocol": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "HTTP/0.9": b"<html>\r\n\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "lower case": b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
    "status with a sign": b"HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    "space before": b" HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "empty line before": b"\r\n" + with_head(),
    "NUL in the reason": b"HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n",
    "switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "folded field": with_head(b"X: a\r\n b\r\n"),
    "field without a colon": with_head(b"X\r\n"),
    "field without a name": with_head(b": x\r\n"),
    "space before a colon": with_head(b"X : x\r\n"),
    "space before a name": with_head(b" X: x\r\n"),
    "name in quotes": with_head(b'"X": x\r\n'),
    "name beyond ASCII": with_head("Ä: x\r\n".encode()),
    "bare LF after a field": with_head(b"X: x\n"),
    "bare CR in a field": with_head(b"X: x\ry\r\n"),
    "NUL in a field": with_head(b"X: x\0\r\n"),
    "CRLF as CRCRLF": with_head(b"X: x\r\r\n"),
    "long head": with_head(b"X: " + b"x" * 70_000 + b"\r\n"),
    "two lengths": with_head(b"Content-Length: 5\r\n"),
    "length with a sign": OK + b"Content-Length: +2\r\n\r\n{}",
    "length with letters": OK + b"Content-Length: 0x2\r\n\r\n{}",
    "length of other digits": OK + "Content-Length: ²\r\n\r\n{}".encode("latin-1"),
    "empty length": OK + b"Content-Length:\r\n\r\n{}",
    "long length": OK + b"Content-Length: " + b"0" * 30 + b"2\r\n\r\n{}",
    "length and coding": with_head(b"Transfer-Encoding: chunked\r\n"),
    "two codings": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": OK + b"Transfer-Encoding: identity\r\n\r\n" + BODY,
    "chunk with a sign": chunk(size=b"+5"),
    "negative chunk": chunk(size=b"-5"),
    "chunk with 0x": chunk(size=b"0x5"),
    "chunk with an underscore": chunk(size=b"1_0"),
    "space before a chunk": chunk(size=b" 5"),
    "chunk without a size": chunk(size=b""),
    "chunk with words": chunk(size=b"5 words"),
    "bare LF after the size": CHUNKED + b"%x\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n",
    "chunk longer than its size": chunk(data=BODY + b"xx"),
    "chunk shorter than its size": CHUNKED + b"%x\r\n" % (len(BODY) + 1) + BODY + b"\r\n0\r\n\r\n",
    "long size": chunk(size=b"0" * 70_000),
    "long fields after the body": CHUNKED + b"0\r\n" + b"X: xxxxxxxx\r\n" * 10_000 + b"\r\n",
    "many interim answers": b"HTTP/1.1 102 Processing\r\n\r\n" * 101 + with_head(),
    "length over the limit": OK + b"Content-Length: 10001\r\n\r\n",
    "chunk over the limit": CHUNKED + b"2711\r\n",
    "chunks over the limit": CHUNKED + (b"1000\r\n" + b"x" * 0x1000 + b"\r\n") * 3,
    "body over the limit": OK + b"Connection: close\r\n\r\n" + b"x" * 10_001,
    "cut in the status line": b"HTTP/1.1 20",
    "cut after the status line": OK,
    "cut in a field": OK + b"X: x",
    "cut in the body": OK + b"Content-Length: 9\r\n\r\n{",
    "cut in the size": CHUNKED + b"5",
    "cut in a chunk": CHUNKED + b"5\r\n{",
    "cut before the last chunk": CHUNKED + b"2\r\n{}\r\n",
    "cut after the last chunk": CHUNKED + b"0\r\n",
}

# Unusual, and clear all the same.
READ = {
    "no reason": b"HTTP/1.1 200\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "empty reason": b"HTTP/1.1 200 \r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "reason in Latin-1": b"HTTP/1.1 200 \xe4\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "space around a value": with_head(b"X: \t x \t\r\n"),
    "no value": with_head(b"X:\r\n"),
    "value in Latin-1": with_head(b"X: \xe4\r\n"),
    "zeros before a size": chunk(size=b"00%X" % len(BODY)),
    "extension of a chunk": chunk(size=b"%x ;name=value" % len(BODY)),
    "fields after the body": CHUNKED + b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\nX: x\r\n\r\n",
    "interim answers": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + with_head(),
    "until the end": OK + b"\r\n" + BODY,
}


def outcome(kind, raw, data):
    """Call a server with an answer of these bytes. Return the outcome, and the result of a second call."""

    def serve(connection):
        if connection.number == 1:
            connection.read_id()
            connection.send(data)
        while connection.number > 1:
            connection.send(answered("again", connection.read_id()))

    server = raw(serve)
    with contextlib.closing(FACES[kind](server.url, timeout=20, max_answer_bytes=LIMIT_BYTES)) as face:
        try:
            first = face.call("add")
        except ClientError as exc:
            first = exc
        assert len(server.requests) == 1, "it was sent twice"
        second = face.call("add", options={"idempotent": True})
    return first, second


@pytest.mark.parametrize("name", MALFORMED)
def test_both_clients_refuse_the_answer_for_the_same_reason(raw, name):
    (first, after_first), (second, after_second) = (outcome(kind, raw, MALFORMED[name]) for kind in FACES)

    assert isinstance(first, (ProtocolError, ConnectionLostError))
    assert (type(first), str(first)) == (type(second), str(second))
    assert (after_first, after_second) == ("again", "again")
    assert isinstance(first, AnswerTooLargeError) == ("over the limit" in name)
    assert isinstance(first, ConnectionLostError) == name.startswith("cut")


@pytest.mark.parametrize("name", READ)
def test_both_clients_read_the_answer(raw, name):
    assert [outcome(kind, raw, READ[name]) for kind in FACES] == [("read", "again")] * 2


def test_head_of_a_tunnel_has_the_same_rules(raw):
    def handle(connection):
        connection.read()
        connection.send(b"HTTP/1.1 200 OK\nX: y\r\n\r\n")

    proxy = raw(handle)
    texts = set()
    for kind in FACES:
        with contextlib.closing(
            FACES[kind]("https://127.0.0.1:9/api", proxy=f"http://127.0.0.1:{proxy.port}", retry=None)
        ) as face:
            with pytest.raises(ClientError, match="not HTTP") as raised:
                face.call("add")
            texts.add((type(raised.value), str(raised.value)))
    assert len(texts) == 1


def test_answer_that_is_not_json_has_the_same_text(raw):
    texts = {str(outcome(kind, raw, http(b"{"))[0]) for kind in FACES}
    assert len(texts) == 1


def test_empty_answer_to_a_notification_may_name_a_coding(connect, raw):
    def handle(connection):
        connection.read()
        connection.send(b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n")

    assert connect(raw(handle).url, retry=None).notify("log") is None
