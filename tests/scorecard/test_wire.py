"""Reading answers, figures of loads, and test cases of other projects."""

import socket

import pytest

from scorecard.load import p99
from scorecard.outside_sources import unescape
from scorecard.wire import Received, answer_of, get, post, receive

OK = b'HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n{"result": 1}'
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("data", [OK, CONTINUE + OK, CONTINUE + CONTINUE + OK])
def test_interim_responses_are_skipped(data):
    received = Received(data, True, 0)

    assert (received.statuses, received.body, received.fields("x-a")) == ([200], b'{"result": 1}', ["1"])


def test_answer_needs_the_end_of_its_connection():
    assert answer_of(Received(OK, True, 0), 0).result == 1
    assert answer_of(Received(OK, False, 0), 0).status == 0


def test_requests_have_their_length_and_fields():
    assert post(b"{}", b"X: 1").endswith(b"X: 1\r\nContent-Length: 2\r\n\r\n{}")
    assert get("a", b"X: 1").startswith(b"GET /api/mark?text=a HTTP/1.1\r\nHost: 127.0.0.1\r\nX: 1\r\n\r\n")


@pytest.mark.parametrize(
    ("durations", "expected"),
    [([1.0], 1.0), ([3.0, 1.0, 2.0], 3.0), ([9.0] + [1.0] * 99, 1.0), ([9.0] * 2 + [1.0] * 98, 9.0)],
)
def test_p99_is_passed_by_one_in_a_hundred(durations, expected):
    assert p99(durations) == expected


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"GET / HTTP/1.1\\r\\n\n\\r\\n\n", b"GET / HTTP/1.1\r\n\r\n"),
        (b"X: a\\0\\tb\\n\n", b"X: a\0\tb\n"),
        (b"\\x0D\\xff", b"\r\xff"),
    ],
)
def test_escapes_of_cases_are_undone(text, data):
    assert unescape(text) == data


@pytest.mark.parametrize("ends", [True, False])
def test_receive_returns_whether_the_connection_has_ended(ends):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"x")
        if ends:
            theirs.shutdown(socket.SHUT_WR)
        received = receive(ours, 0.2)
    assert (received.data, received.ended) == (b"x", ends)
