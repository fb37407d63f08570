"""Serializing answers."""

import email.utils

import pytest

from flaskJSONRPCServer.http.refusals import BadRequest, ServiceUnavailable
from flaskJSONRPCServer.http.response import Response, json_response
from flaskJSONRPCServer.servBackend.native import messages

TEXT = [("Content-Type", "text/plain")]
DATE = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    monkeypatch.setattr(messages.time, "time", lambda: 784_111_777.9)
    monkeypatch.setattr(messages, "_second", messages.second_of(0.0))


@pytest.mark.parametrize(
    ("status", "headers", "body", "is_head", "expected"),
    [
        ("200 OK", TEXT, b"abc", False, "Content-Type: text/plain\r\nContent-Length: 3\r\n|abc"),
        ("200 OK", TEXT, b"abc", True, "Content-Type: text/plain\r\nContent-Length: 3\r\n|"),
        ("200 OK", TEXT, b"", False, "Content-Type: text/plain\r\nContent-Length: 0\r\n|"),
        ("200 OK", [("content-length", "9")], b"", True, "content-length: 9\r\n|"),
        ("204 No Content", [], b"", False, "|"),
        ("204 No Content", [], b"abc", False, "|"),
        ("204 No Content", [("Content-Length", "3"), ("A", "b")], b"abc", False, "A: b\r\n|"),
        ("304 Not Modified", [("ETag", '"a"')], b"abc", False, 'ETag: "a"\r\n|'),
        ("200 OK", [("A", "\xe9")], b"", False, "A: \xe9\r\nContent-Length: 0\r\n|"),
    ],
)
def test_answer_is_written_with_its_length(status, headers, body, is_head, expected):
    fields, _, written = expected.partition("|")
    message = messages.whole_message(status, headers, body, "", is_head=is_head)

    assert message.decode("latin-1") == f"HTTP/1.1 {status}\r\n{fields}{DATE}\r\n{written}"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK\r\nA: b", []),
        ("200 OK\n", []),
        ("200 OK", [("A", "b\r\nC: d")]),
        ("200 OK", [("A", "b\n")]),
        ("200 OK", [("A", "b\r")]),
        ("200 OK", [("A\r\n", "b")]),
        ("200 OK", [("A", "b\0")]),
        ("200 OK", [("A", "\u20ac")]),
        ("", []),
        ("OK", []),
        ("20 OK", []),
        ("100 Continue", []),
        ("101 Switching Protocols", []),
        ("2000 OK", []),
        ("200OK", []),
        ("200 OK", [("", "b")]),
        ("200 OK", [("A b", "c")]),
        ("200 OK", [("A:", "b")]),
        ("200 OK", [("\xc4", "b")]),
    ],
)
def test_header_with_a_line_break_is_refused(status, headers):
    with pytest.raises(ValueError):  # noqa: PT011  of several texts
        messages.head_message(status, headers, "")


@pytest.mark.parametrize(
    ("status", "headers", "subject"),
    [("200 \u20ac", TEXT, "the status"), ("200 OK", [*TEXT, ("X-Price", "1 \u20ac")], "the header 'X-Price'")],
    ids=["status", "header"],
)
def test_character_that_is_not_latin_1_is_refused_by_the_name_of_its_field(status, headers, subject):
    with pytest.raises(ValueError, match=f"^{subject} has a character that is not Latin-1$"):
        messages.head_message(status, headers, "")


@pytest.mark.parametrize(
    ("refusal", "keeps_alive", "fields"),
    [
        (BadRequest("no"), False, "Connection: close\r\n"),
        (BadRequest("no"), True, ""),
        (ServiceUnavailable("no"), False, "Connection: close\r\nRetry-After: 2\r\n"),
        (ServiceUnavailable("no"), True, "Retry-After: 2\r\n"),
    ],
)
def test_refusal_has_connection_and_retry_after(monkeypatch, refusal, keeps_alive, fields):
    monkeypatch.setattr(messages, "retry_after_s", lambda: 2)
    head, _, body = messages.refusal_message(refusal, keeps_alive=keeps_alive).decode().partition("\r\n\r\n")

    assert head.startswith(f"HTTP/1.1 {refusal.status}\r\n")
    assert f"{head}\r\n".endswith(f"{fields}{DATE}")
    assert f"Content-Length: {len(body)}\r\n" in head
    assert body.strip() == "no"


def test_refusal_of_a_head_has_the_length_of_its_body_alone():
    message = messages.refusal_message(BadRequest("no"), is_head=True)

    assert b"\r\nContent-Length: 3\r\n" in message
    assert message.endswith(b"\r\n\r\n")


def test_answer_of_the_pipeline_is_written_unchanged():
    response = Response("200 OK", [("Content-Length", "3")], b"abc")

    head = f"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: y\r\n{DATE}\r\n".encode()
    assert messages.rpc_head(response, "X: y\r\n") == head
    assert messages.rpc_message(response, "X: y\r\n") == head + b"abc"


@pytest.mark.parametrize("extra_lines", ["", "Connection: close\r\n"])
@pytest.mark.parametrize("body", [b'{"a":"%d"}', b""])
def test_plain_answer_is_the_same_with_and_without_its_headers(extra_lines, body):
    plain, complete = json_response(body), json_response(body)
    assert bool(complete.headers) == bool(body)

    expected = messages.rpc_message(complete, extra_lines)
    assert messages.rpc_message(plain, extra_lines) == expected
    assert messages.rpc_head(plain, extra_lines) + plain.body == expected
    assert expected.count(b"\r\nContent-Length: 10\r\n") == bool(body)


@pytest.mark.parametrize(("size", "begin"), [(1, b"1\r\n"), (255, b"ff\r\n"), (4096, b"1000\r\n")])
def test_chunk_has_its_size_in_hexadecimal(size, begin):
    assert messages.chunk(b"x" * size) == begin + b"x" * size + b"\r\n"


@pytest.mark.parametrize("now", [59.9, 60.0, 1_700_000_000.5, 0.5])
def test_date_is_the_current_second(monkeypatch, now):
    for at in (now - 0.3, now, now - 0.3):
        monkeypatch.setattr(messages.time, "time", lambda at=at: at)
        message = messages.rpc_message(json_response(b"{}"), "")

        assert f"\r\nDate: {email.utils.formatdate(int(at), usegmt=True)}\r\n".encode() in message


def test_clients_that_are_refused_together_come_back_at_different_times():
    assert {messages.retry_after_s() for _ in range(200)} == {1, 2, 3}
