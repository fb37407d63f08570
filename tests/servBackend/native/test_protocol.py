"""One connection without a socket: phases, deadlines, order of answers."""

import math

import pytest

from flaskJSONRPCServer.servBackend.native.parser import ParserLimits
from flaskJSONRPCServer.servBackend.native.protocol import LINGER_BYTES, HttpConnection, HttpTimeouts, Phase

LIMITS = ParserLimits(4096, 1024, 20, 10_000, 5000, lambda head: (10_000, "max_body_bytes"))
TIMEOUTS = HttpTimeouts(
    handshake_timeout_s=1,
    head_timeout_s=2,
    body_timeout_s=30,
    read_timeout_s=20,
    idle_timeout_s=5,
    request_timeout_s=math.inf,
    rate_grace_s=10,
    min_body_rate=10,
    min_answer_rate=10,
    max_requests_per_connection=3,
)
HEAD = b"POST /api HTTP/1.1\r\nHost: a\r\n"
GET = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"


def connection(**options):
    return HttpConnection(LIMITS, TIMEOUTS, {}, 0.0, **options)


def sent(http):
    data = b""
    while http.outgoing.size:
        first = bytes(http.outgoing.first())
        data += first
        http.sent(len(first), 0.0)
    return data


@pytest.mark.parametrize(
    ("received", "phase", "deadline"),
    [
        (b"", Phase.IDLE, 2.0),
        (b"GET / HT", Phase.HEAD, 3.0),
        (HEAD + b"Content-Length: 500\r\n\r\n", Phase.BODY, 11.0),
    ],
)
def test_each_phase_has_its_deadline(received, phase, deadline):
    http = connection()
    if received:
        http.receive_data(received, 1.0)

    assert (http.phase, http.deadline) == (phase, deadline)


def test_handshake_that_does_not_come_is_given_up():
    http = connection(is_tls=True)
    assert http.deadline == 1.0
    http.expire(1.0)
    assert http.phase is Phase.CLOSED


@pytest.mark.parametrize("received", [b"GET / HT", HEAD + b"Content-Length: 500\r\n\r\n"])
def test_request_that_comes_too_late_is_answered_408(received):
    http = connection()
    http.receive_data(received, 0.0)
    http.expire(http.deadline)

    assert http.phase is Phase.LINGERING
    assert sent(http).startswith(b"HTTP/1.1 408 ")


def test_steady_body_is_held_to_its_rate_and_then_to_its_whole_time():
    http = connection()
    http.receive_data(HEAD + b"Content-Length: 9000\r\n\r\n", 0.0)
    for now in range(1, 30):
        http.receive_data(b"x" * 20, float(now))
        http.expire(float(now))
        assert http.phase is Phase.BODY
    http.expire(30.0)
    assert sent(http).startswith(b"HTTP/1.1 408 ")


def test_dripping_body_is_cut_at_the_end_of_a_window():
    http = connection()
    http.receive_data(HEAD + b"Content-Length: 9000\r\n\r\n", 0.0)
    for now in range(2, 10, 2):
        http.receive_data(b"x", float(now))
    http.expire(10.0)
    assert sent(http).startswith(b"HTTP/1.1 408 ")


def test_pipelined_requests_are_given_out_one_by_one_and_in_order():
    http = connection()
    http.receive_data(GET % 1 + GET % 2 + GET % 3, 0.0)
    for number in (1, 2, 3):
        request = http.next_request(0.0)
        assert request.head["PATH_INFO"] == f"/{number}"
        assert http.next_request(0.0) is None
        assert http.may_keep_alive(request) is (number < 3)  # max_requests_per_connection
        http.answered(0.0, keeps_alive=number < 3)
    assert http.phase is Phase.LINGERING


def test_one_request_is_read_ahead_and_no_more():
    http = connection()
    http.receive_data(GET % 1, 0.0)
    http.next_request(0.0)
    assert http.wants_to_receive
    http.receive_data(GET % 2, 0.0)
    assert not http.wants_to_receive


def test_refusal_waits_for_the_answers_before_it():
    http = connection()
    http.receive_data(GET % 1 + b"GET / HTTP/1.1\r\n\r\n", 0.0)
    http.next_request(0.0)
    assert not http.outgoing.size
    http.answered(0.0, keeps_alive=True)
    assert http.next_request(0.0) is None
    assert sent(http).startswith(b"HTTP/1.1 400 ")


ASKS = HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"


def test_client_that_waits_is_told_once_to_go_on():
    http = connection()
    http.receive_data(ASKS, 0.0)
    assert sent(http) == b"HTTP/1.1 100 Continue\r\n\r\n"
    http.receive_data(b"a", 0.0)
    http.receive_data(b"bc", 0.0)
    assert not http.outgoing.size
    assert http.next_request(0.0).body.read() == b"abc"


def test_client_that_has_begun_or_is_refused_is_not_told_to_go_on():
    begun, refused = connection(), connection()
    begun.receive_data(ASKS + b"a", 0.0)
    refused.receive_data(ASKS.replace(b": 3", b": 10001"), 0.0)
    assert refused.next_request(0.0) is None

    assert not begun.outgoing.size
    assert sent(refused).startswith(b"HTTP/1.1 413 ")


def test_client_that_waits_is_told_to_go_on_after_the_answer_before():
    http = connection()
    http.receive_data(GET % 1 + ASKS, 0.0)
    http.next_request(0.0)
    assert not http.outgoing.size
    http.answered(0.0, keeps_alive=True)
    assert sent(http) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_half_closed_client_is_answered_and_then_closed():
    http = connection()
    http.receive_data(GET % 1, 0.0)
    http.receive_end(0.0)
    assert http.next_request(0.0) is not None
    http.queue(b"answer", 0.0)
    http.answered(0.0, keeps_alive=True)
    assert http.phase is Phase.LINGERING
    assert sent(http) == b"answer"
    assert http.phase is Phase.CLOSED


def test_request_that_breaks_off_is_refused():
    http = connection()
    http.receive_data(HEAD, 0.0)
    http.receive_end(0.0)
    assert sent(http).startswith(b"HTTP/1.1 400 ")
    assert http.phase is Phase.CLOSED


def test_what_comes_behind_a_refusal_is_dropped_up_to_a_bound():
    http = connection()
    http.receive_data(HEAD + b"Content-Length: 10001\r\n\r\n", 0.0)
    http.next_request(0.0)
    piece = b"x" * (1024 * 1024)
    for _ in range(LINGER_BYTES // len(piece)):
        http.receive_data(piece, 0.0)
    assert http.phase is Phase.LINGERING
    assert http.memory_bytes == 0
    http.receive_data(piece, 0.0)
    assert http.phase is Phase.CLOSED


def test_reader_that_takes_nothing_is_cut_and_a_slow_one_is_not():
    slow, silent = connection(), connection()
    for http in (slow, silent):
        http.receive_data(GET % 1, 0.0)
        http.next_request(0.0)
        http.queue(b"x" * 10_000, 0.0)
        http.answered(0.0, keeps_alive=True)
    for now in (10.0, 20.0, 30.0):
        slow.sent(100, now)
        slow.expire(now)
        silent.expire(now)
    assert silent.phase is Phase.CLOSED
    assert slow.outgoing.size == 9700


def test_stop_ends_what_has_asked_for_nothing_and_lets_the_rest_finish():
    idle, running = connection(), connection()
    running.receive_data(GET % 1, 0.0)
    request = running.next_request(0.0)
    idle.stop(0.0)
    running.stop(0.0)
    assert idle.phase is Phase.LINGERING
    assert (running.phase, running.may_keep_alive(request)) == (Phase.RUNNING, False)
