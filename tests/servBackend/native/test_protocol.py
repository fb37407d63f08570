"""The state of one connection, without a socket: bytes and clock readings in, requests and bytes out."""

import dataclasses
import math

import pytest

from flaskJSONRPCServer.http.refusals import CallTimeout, ServiceUnavailable
from flaskJSONRPCServer.servBackend.native import protocol
from flaskJSONRPCServer.servBackend.native.messages import CONTINUE
from flaskJSONRPCServer.servBackend.native.protocol import HttpConnection, Phase
from tests.servBackend.native.samples import GET, KIB, LIMITS, TIMEOUTS, chunked, head, plain, post

ASKS = (b"Expect: 100-continue",)


class Wire:
    """A connection, answered by the test."""

    def __init__(self, *, is_tls=False, send_queue=None, **timeouts):
        timeouts = dataclasses.replace(TIMEOUTS, **timeouts)
        self.http = HttpConnection(LIMITS, timeouts, {}, 0.0, is_tls=is_tls, send_queue=send_queue)

    def receive(self, *pieces, now=0.0):
        for piece in pieces:
            self.http.receive_data(piece, now)
            self.http.send_continue(now)
        return self

    def next(self, now=0.0):
        """Take the next request, and return it as a value."""
        request = self.http.next_request(now)
        if request is None:
            return None
        self.request = request
        return plain(request)

    def answer(self, data=b"answer", now=0.0, *, keeps_alive=None):
        """Answer the request, and send the answer. Return all sent bytes."""
        if keeps_alive is None:
            keeps_alive = self.request.keeps_alive
        self.http.queue(data, now)
        self.http.finish_answer(now, keeps_alive=keeps_alive)
        self.http.send_continue(now)
        return self.sent(now)

    def sent(self, now=0.0):
        """Send all outgoing bytes, and return them."""
        data = b""
        while self.http.outgoing.size:
            first = self.http.outgoing.first()
            data += bytes(first)
            self.http.mark_sent(len(first), now)
        return data

    def status(self, now=0.0):
        """Send all outgoing bytes, and return the status of the first answer; None if there is none."""
        data = self.sent(now)
        return int(data[9:12]) if data else None


@pytest.mark.parametrize(
    ("received", "phase", "deadline"),
    [
        (b"", Phase.IDLE, 15),
        (b"\r\n\r\n", Phase.IDLE, 15),
        (b"G", Phase.HEAD, 16),
        (post(b"abc")[:-1], Phase.BODY, 11),
        (chunked(b"abc")[:-2], Phase.BODY, 11),
        (GET, Phase.IDLE, 15),
    ],
)
def test_input_determines_phase_and_deadline(received, phase, deadline):
    wire = Wire().receive(received, now=1.0)

    assert wire.http.phase is phase
    assert wire.http.deadline == deadline


def test_body_after_a_head_in_pieces_has_its_own_deadline():
    wire = Wire().receive(b"POST ", now=1.0)
    assert (wire.http.phase, wire.http.deadline) == (Phase.HEAD, 16)
    wire.receive(post(b"abc")[5:-1], now=9.0)
    assert (wire.http.phase, wire.http.deadline) == (Phase.BODY, 19)


def test_connection_goes_through_its_phases():
    wire = Wire(is_tls=True)
    assert (wire.http.phase, wire.http.deadline) == (Phase.HANDSHAKE, 3)
    wire.http.finish_handshake(1.0)
    assert (wire.http.phase, wire.http.deadline) == (Phase.IDLE, 16)
    wire.receive(GET, now=2.0)
    assert wire.next(2.0) == ("GET", "/api", b"", True)
    assert (wire.http.phase, wire.http.deadline) == (Phase.PENDING, math.inf)
    assert wire.answer(now=3.0) == b"answer"
    assert (wire.http.phase, wire.http.deadline) == (Phase.IDLE, 53)
    wire.receive(head(b"Connection: close", method=b"GET"), now=4.0)
    assert wire.next(4.0) == ("GET", "/api", b"", False)
    assert wire.answer(now=5.0) == b"answer"
    assert (wire.http.phase, wire.http.deadline) == (Phase.LINGERING, 7)
    assert wire.http.should_end_writing
    wire.http.receive_eof(6.0)
    assert (wire.http.phase, wire.http.deadline) == (Phase.CLOSED, math.inf)


@pytest.mark.parametrize(
    ("beginning", "deadline", "status"),
    [
        (b"", 15, None),
        (b"GET /", 15, 408),
        (head(b"Content-Length: 9"), 10, 408),
        (head(b"Transfer-Encoding: chunked"), 10, 408),
    ],
)
def test_silent_client_is_answered_at_the_deadline(beginning, deadline, status):
    wire = Wire().receive(beginning)
    wire.http.expire(math.nextafter(deadline, 0))
    assert wire.http.phase is not Phase.LINGERING
    wire.http.expire(deadline)

    assert wire.http.phase is Phase.LINGERING
    assert wire.status() == status


def test_dripping_head_is_answered_at_the_deadline():
    wire = Wire().receive(b"GET /", now=1.0)
    for second in range(2, 16):
        wire.receive(b"a", now=second)
        wire.http.expire(second)
        assert wire.http.phase is Phase.HEAD
    wire.http.expire(16.0)
    assert wire.status() == 408


def test_silence_in_a_head_is_bounded_where_that_is_shorter():
    wire = Wire(read_timeout_s=2).receive(b"GET /", now=1.0)
    assert wire.http.deadline == 3.0


@pytest.mark.parametrize(
    ("rate", "status", "ended_at"), [(99, 408, 10), (100, 408, 60), (200, 408, 60)], ids=["slow", "enough", "fast"]
)
def test_body_has_a_minimum_rate_and_a_time_limit(rate, status, ended_at):
    wire = Wire().receive(head(b"Content-Length: 90000"))
    for second in range(1, 100):
        wire.receive(b"x" * rate, now=second)
        wire.http.expire(second)
        if wire.http.phase is not Phase.BODY:
            break

    assert (second, wire.status()) == (ended_at, status)


def test_body_that_was_fast_once_is_not_trusted_for_long():
    wire = Wire().receive(head(b"Content-Length: 90000"), b"x" * 50_000)
    wire.http.expire(wire.http.deadline)
    assert wire.http.phase is Phase.BODY
    wire.http.expire(wire.http.deadline)
    assert wire.status() == 408


def test_without_minimum_rates_two_timeouts_bound_a_body():
    wire = Wire(min_body_rate=0, min_answer_rate=0).receive(head(b"Content-Length: 9"))
    assert wire.http.deadline == 30.0
    wire.receive(b"x", now=29.0)
    assert wire.http.deadline == 59.0
    wire.receive(b"x", now=58.0)
    assert wire.http.deadline == 60.0


def test_client_that_does_not_read_its_answer_is_cut_off():
    wire = Wire().receive(GET)
    wire.next()
    wire.http.queue(b"x" * 10_000, 5.0)
    wire.http.finish_answer(5.0, keeps_alive=True)
    assert wire.http.deadline == 15.0
    wire.http.mark_sent(2000, 14.0)
    wire.http.expire(15.0)
    assert (wire.http.phase, wire.http.deadline) == (Phase.IDLE, 25.0)
    wire.http.mark_sent(1999, 24.0)
    wire.http.expire(25.0)
    assert wire.http.phase is Phase.CLOSED
    assert not wire.http.outgoing.size


def test_client_that_reads_a_long_answer_is_not_idle():
    wire = Wire().receive(GET)
    wire.next()
    wire.http.queue(b"x" * 100_000, 0.0)
    wire.http.finish_answer(0.0, keeps_alive=True)
    for second in range(1, 101):
        wire.http.mark_sent(1000, second)
        wire.http.expire(second)

    assert (wire.http.phase, wire.http.deadline) == (Phase.IDLE, 150)


def test_call_has_a_deadline_where_one_is_set():
    wire = Wire(request_timeout_s=7).receive(GET, now=1.0)
    wire.next(2.0)
    assert wire.http.deadline == 9.0
    wire.http.refuse(CallTimeout("too long"), 9.0)
    assert wire.status(9.0) == 504
    wire.http.queue(b"late", 10.0)
    wire.http.finish_answer(10.0, keeps_alive=True)
    assert wire.http.phase is Phase.LINGERING


HEAD_REQUEST = GET.replace(b"GET", b"HEAD")
WITHOUT_HOST = b"HEAD /api HTTP/1.1\r\n\r\n"
LONG_URL = head(method=b"HEAD", target=b"/" * 2000)
MALFORMED = head(method=b"HEAD", target=b"/a\1b")


@pytest.mark.parametrize(
    "data", [WITHOUT_HOST, LONG_URL, HEAD_REQUEST[:-1], HEAD_REQUEST + WITHOUT_HOST, MALFORMED, b"\r\n" + MALFORMED]
)
def test_refusal_of_a_head_has_no_body(data):
    wire = Wire().receive(data)
    if wire.next():
        wire.answer()
        wire.next()
    wire.http.receive_eof(0.0)
    answer = wire.sent()
    assert answer.startswith(b"HTTP/1.1 4")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(("running", "coming"), [(GET, HEAD_REQUEST[:-1]), (HEAD_REQUEST, GET[:-1])])
def test_refusal_of_a_running_call_has_a_body_where_that_request_wants_one(running, coming):
    wire = Wire().receive(running)
    wire.next()
    wire.receive(coming)
    wire.http.refuse(CallTimeout("too long"), 0.0, wire.request.head)
    assert wire.sent().endswith(b"\r\n\r\n") is (running is HEAD_REQUEST)


def test_pipelined_requests_are_answered_in_order_one_at_a_time():
    wire = Wire().receive(post(b"1") + post(b"2"), post(b"3"))
    assert wire.next() == ("POST", "/api", b"1", True)
    assert wire.next() is None
    assert wire.http.wants_to_receive  # for the end of the client
    assert wire.answer(b"one") == b"one"
    assert wire.next() == ("POST", "/api", b"2", True)
    assert wire.answer(b"two") == b"two"
    assert wire.next() == ("POST", "/api", b"3", True)
    assert wire.answer(b"three") == b"three"
    assert wire.next() is None
    assert wire.http.phase is Phase.IDLE


@pytest.mark.parametrize("rest", [b"", b"GE", post(b"abc")[:-1]])
def test_request_that_comes_meanwhile_goes_on_after_the_answer(rest):
    wire = Wire().receive(GET + rest)
    wire.next()
    assert wire.http.deadline == math.inf
    wire.answer(now=5.0)

    phase = {b"": Phase.IDLE, b"GE": Phase.HEAD}.get(rest, Phase.BODY)
    assert wire.http.phase is phase
    assert wire.http.deadline == {Phase.IDLE: 55, Phase.HEAD: 20, Phase.BODY: 15}[phase]


def test_refusal_comes_after_the_answers_to_earlier_requests():
    wire = Wire().receive(GET + b"nonsense\r\n\r\n" + GET)
    assert wire.next() is not None
    assert wire.answer(b"one") == b"one"
    assert wire.next() is None
    assert wire.status() == 400
    assert str(wire.http.last_refusal).startswith("malformed request")
    wire.receive(GET)
    assert wire.next() is None


@pytest.mark.parametrize("data", [head(*ASKS, b"Content-Length: 3"), head(*ASKS, b"Transfer-Encoding: chunked")])
def test_continue_is_sent_once(data):
    wire = Wire().receive(data)
    assert wire.sent() == CONTINUE
    for piece in (b"3\r\n", b"abc\r\n", b"0\r\n\r\n"):
        wire.receive(piece)
        assert wire.sent() == b""


def test_continue_waits_for_the_answer_to_the_current_request():
    wire = Wire().receive(GET + head(*ASKS, b"Content-Length: 3"))
    wire.next()
    assert wire.sent() == b""
    assert wire.answer(b"one") == b"one" + CONTINUE


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (head(*ASKS, b"Content-Length: 999999"), 413),
        (head(b"Expect: other", b"Content-Length: 3"), 417),
        (head(*ASKS, b"Content-Length: 3") + b"abc", None),
        (head(*ASKS, b"Content-Length: 0"), None),
        (head(*ASKS, b"Content-Length: 3", version=b"1.0"), None),
    ],
)
def test_continue_is_not_sent_for_a_refusal_or_without_need(data, status):
    wire = Wire().receive(data)
    wire.next()

    assert wire.status() == status


def test_refusal_is_sent_while_the_body_is_still_coming():
    wire = Wire().receive(head(b"Content-Length: 999999"))
    assert wire.next() is None
    assert wire.status(1.0) == 413
    for second in range(1, 31):
        assert wire.http.wants_to_receive
        wire.receive(b"x" * KIB + GET, now=second)
        wire.http.expire(second)
        assert wire.http.phase is Phase.LINGERING
        assert wire.next() is None
    wire.http.expire(31.0)
    assert wire.http.phase is Phase.CLOSED


def test_client_that_is_silent_after_the_last_answer_is_closed():
    wire = Wire().receive(head(b"Content-Length: 999999"))
    wire.next()
    wire.sent(5.0)
    assert wire.http.deadline == 5.0 + protocol.LINGER_SILENCE_S
    wire.http.expire(wire.http.deadline)
    assert wire.http.phase is Phase.CLOSED


def test_input_after_the_last_answer_is_bounded(monkeypatch):
    monkeypatch.setattr(protocol, "LINGER_BYTES", 1000)
    wire = Wire().receive(head(b"Content-Length: 999999"))
    wire.next()
    wire.receive(b"x" * 1000)
    assert wire.http.phase is Phase.LINGERING
    wire.receive(b"x")
    assert wire.http.phase is Phase.CLOSED


def test_input_behind_a_last_request_is_bounded(monkeypatch):
    monkeypatch.setattr(protocol, "LINGER_BYTES", 1000)
    wire = Wire().receive(post(b"abc", b"Connection: close"))
    wire.next()
    wire.receive(b"x" * 1000)
    assert wire.http.wants_to_receive
    wire.receive(b"x")
    assert not wire.http.wants_to_receive
    assert wire.http.phase is Phase.PENDING
    assert wire.answer() == b"answer"


@pytest.mark.parametrize("data", [b"", b"\r\n"])
def test_end_between_requests_closes(data):
    wire = Wire().receive(data)
    wire.http.receive_eof(0.0)
    assert wire.http.phase is Phase.CLOSED


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"GET /", "the request ended before it was complete"),
        (post(b"abc")[:-1], "the body ended before its declared length"),
        (chunked(b"abc")[:-1], "the body ended before its declared length"),
    ],
)
def test_end_in_the_middle_of_a_request_is_refused(data, text):
    wire = Wire().receive(data)
    wire.http.receive_eof(0.0)
    assert str(wire.http.last_refusal) == text
    assert wire.status() == 400
    assert wire.http.phase is Phase.CLOSED


@pytest.mark.parametrize("rest", [b"", b"GET /"])
def test_client_that_ends_its_side_is_answered(rest):
    wire = Wire().receive(post(b"1") + post(b"2") + rest)
    wire.http.receive_eof(0.0)
    for number in (b"1", b"2"):
        assert wire.next()[2] == number
        assert wire.http.phase is Phase.PENDING
        assert wire.answer(number) == number
    assert wire.http.phase is Phase.CLOSED


def test_end_while_a_call_runs_is_followed_by_the_answer_and_the_end():
    wire = Wire().receive(GET)
    wire.next()
    wire.http.receive_eof(0.0)
    assert not wire.http.wants_to_receive
    assert wire.answer() == b"answer"
    assert wire.http.phase is Phase.CLOSED


def test_number_of_requests_of_a_connection_is_bounded():
    wire = Wire()
    for number in range(1, 6):
        wire.receive(GET)
        wire.next()
        assert wire.request.keeps_alive is (number < 5)
        wire.answer()
    assert wire.http.phase is Phase.LINGERING


def test_requests_behind_the_last_answer_are_dropped_and_the_rest_is_read():
    wire = Wire().receive(GET * 3)
    wire.next()
    wire.answer(keeps_alive=False)

    assert wire.next() is None
    assert wire.http.phase is Phase.LINGERING
    assert wire.http.wants_to_receive  # else the client would be reset, and might not find the answer
    assert not wire.http.memory_bytes


@pytest.mark.parametrize("is_tls", [True, False])
def test_stop_ends_a_connection_without_a_request(is_tls):
    wire = Wire(is_tls=is_tls)
    wire.http.stop(0.0)
    assert wire.http.phase is Phase.LINGERING
    assert wire.http.should_end_writing


@pytest.mark.parametrize("cut", [3, len(post(b"abc")) - 1, len(post(b"abc"))])
def test_stop_lets_a_request_that_is_coming_be_answered(cut):
    wire = Wire().receive(post(b"abc")[:cut])
    wire.http.stop(0.0)
    wire.receive(post(b"abc")[cut:])
    assert wire.next() == ("POST", "/api", b"abc", False)
    assert wire.answer() == b"answer"
    assert wire.http.phase is Phase.LINGERING


def test_stop_ends_a_connection_behind_an_answer_that_promised_to_go_on():
    wire = Wire().receive(GET)
    wire.next()
    keeps_alive = wire.request.keeps_alive
    wire.http.stop(0.0)
    wire.answer(keeps_alive=keeps_alive)
    assert wire.http.phase is Phase.LINGERING


def test_next_request_waits_for_a_client_that_does_not_read():
    wire = Wire().receive(GET * 2)
    wire.next()
    wire.http.queue(b"x" * (protocol.UNSENT_BYTES + 1), 0.0)
    wire.http.finish_answer(0.0, keeps_alive=True)
    assert wire.next() is None
    assert not wire.http.wants_to_receive
    wire.http.mark_sent(1, 1.0)
    assert wire.next() is not None


def test_memory_counts_bodies_in_every_phase():
    wire = Wire().receive(head(b"Content-Length: 5000"))
    assert wire.http.memory_bytes == 5000  # all that is to come
    wire.receive(b"x" * 4000)
    assert wire.http.memory_bytes == 5000
    wire.receive(b"x" * 1000)
    assert wire.http.memory_bytes == 5000
    wire.request = wire.http.next_request(0.0)
    assert wire.http.memory_bytes == 5000
    wire.receive(post(b"y" * 3000))
    assert wire.http.memory_bytes == 8000
    wire.answer()
    assert wire.http.memory_bytes == 3000
    wire.http.abort()
    assert wire.http.memory_bytes == 0


def test_chunked_body_counts_as_it_comes():
    wire = Wire().receive(head(b"Transfer-Encoding: chunked") + b"5\r\nabc")
    assert wire.http.memory_bytes == 3
    wire.receive(b"de\r\n5\r\n")
    assert wire.http.memory_bytes == 5
    wire.http.abort()


def test_body_that_is_read_ahead_counts_as_it_comes():
    wire = Wire().receive(GET)
    wire.next()
    wire.receive(head(b"Content-Length: 5000") + b"x" * 10)
    assert wire.http.memory_bytes == 10
    wire.answer()
    assert wire.http.memory_bytes == 5000
    wire.http.abort()


def test_body_that_is_refused_for_want_of_room_is_not_asked_for():
    wire = Wire()
    wire.http.receive_data(head(*ASKS, b"Content-Length: 5000"), 0.0)
    assert wire.http.awaits_continue
    assert not wire.http.outgoing.size
    wire.http.refuse(ServiceUnavailable("no room"), 0.0)
    wire.http.send_continue(0.0)
    assert wire.status() == 503
    assert wire.http.memory_bytes == 0


def test_spooled_body_takes_no_memory():
    wire = Wire().receive(head(b"Content-Length: 90000") + b"x" * 100)
    assert wire.http.memory_bytes == 0
    wire.receive(b"x" * 79_900)
    assert wire.http.memory_bytes == 0
    wire.receive(b"x" * 10_000)
    assert wire.next() == ("POST", "/api", b"x" * 90_000, True)
    wire.request.body.close()


def test_next_body_is_read_ahead_a_little_only():
    wire = Wire().receive(GET + head(b"Content-Length: 90000"))
    wire.next()
    received = 0
    while wire.http.wants_to_receive:
        wire.receive(b"x" * 1000)
        received += 1000
    assert received < protocol.READ_AHEAD_BYTES + 1000
    wire.answer(now=5.0)
    assert wire.http.wants_to_receive
    assert wire.http.phase is Phase.BODY
    wire.http.abort()


def test_thousands_of_requests_at_once_are_kept_as_bytes():
    data = GET * 2000
    wire = Wire(max_requests_per_connection=10_000).receive(data)
    wire.next()
    assert wire.http.memory_bytes > len(data) - protocol.PARSE_BYTES - len(GET)
    count = 1
    wire.answer()
    while wire.next() is not None:
        wire.answer()
        count += 1
    assert count == 2000
    assert wire.http.memory_bytes == 0


def test_nothing_is_sent_after_the_end():
    wire = Wire().receive(GET)
    wire.next()
    wire.http.queue(b"x" * 100, 0.0)
    wire.http.abort()
    wire.http.mark_sent(100, 0.0)  # the send during which the connection broke
    wire.http.queue(b"late", 0.0)
    assert not wire.http.outgoing.size
    wire.http.refuse(ServiceUnavailable("late"), 0.0)
    wire.http.finish_answer(0.0, keeps_alive=True)
    wire.receive(GET)
    wire.http.receive_eof(0.0)
    wire.http.stop(0.0)
    wire.http.expire(math.inf)

    assert wire.http.phase is Phase.CLOSED
    assert not wire.http.outgoing.size
    assert wire.next() is None


class Queue:
    """What a system holds for a client."""

    def __init__(self, size, step_bytes=0):
        self.held = size
        self.step_bytes = step_bytes

    def size(self):
        return self.held


def lingering(size, send_queue=None):
    """Return a connection that has been sending its last answer, of ``size`` bytes, since 0 s."""
    wire = Wire(send_queue=send_queue).receive(head(b"Connection: close", method=b"GET"))
    wire.next()
    wire.http.queue(b"x" * size, 0.0)
    wire.http.finish_answer(0.0, keeps_alive=False)
    return wire.http


def test_answer_that_keeps_its_rate_has_all_the_time_that_it_needs():
    http = lingering(size=100_000)
    for now in range(1, 100):
        http.mark_sent(1000, float(now))
        http.expire(float(now))
        assert http.phase is Phase.LINGERING


def test_answer_that_is_not_read_is_aborted():
    http = lingering(size=100_000)
    assert http.deadline == 10.0
    http.expire(10.0)
    assert http.phase is Phase.CLOSED


def test_client_has_its_time_to_close_from_the_end_of_the_answer_on():
    http = lingering(size=100_000)
    for now in range(1, 101):
        http.mark_sent(1000, float(now))
    assert http.deadline == 102.0
    http.receive_data(b"x", 101.0)
    assert http.deadline == 103.0
    for now in range(102, 130):
        http.receive_data(b"x", float(now))
    assert http.deadline == 130.0


def test_bytes_that_the_system_holds_are_not_taken():
    queue = Queue(5000)
    http = lingering(100_000, queue)
    http.mark_sent(60_000, 1.0)
    queue.held = 62_000  # the client has taken 3000
    http.expire(10.0)
    assert http.answer_speed(10.0) == 300
    assert http.phase is Phase.LINGERING
    queue.held = 60_001
    http.expire(20.0)
    assert http.phase is Phase.CLOSED


def test_client_takes_bytes_though_its_socket_accepts_none():
    queue = Queue(100_000)
    http = lingering(100_000, queue)
    for now in range(10, 400, 10):
        queue.held -= 2000
        http.expire(float(now))
        assert http.phase is Phase.LINGERING


def test_system_of_a_client_may_take_bytes_in_steps():
    queue = Queue(1_000_000, step_bytes=5000)
    http = lingering(100_000, queue)
    for now in range(10, 400, 10):
        queue.held = 1_000_000 - 200 * now // 5000 * 5000
        http.expire(float(now))
        assert http.phase is Phase.LINGERING
    for now in (400, 410, 420):  # in which it takes nothing
        http.expire(float(now))
    assert http.phase is Phase.CLOSED


def test_tls_body_may_come_in_large_records():
    wire = Wire(is_tls=True)
    wire.http.finish_handshake(0.0)
    wire.receive(head(b"Content-Length: 6000"))
    wire.http.expire(10.0)
    wire.http.expire(20.0)
    assert wire.http.phase is Phase.BODY
    wire.receive(b"x" * 6000, now=25.0)
    assert wire.next() is not None
