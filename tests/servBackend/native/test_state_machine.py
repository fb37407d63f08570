"""Interleavings of the actions of a client, a clock, a socket and the answering threads on one connection."""

import dataclasses
import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flaskJSONRPCServer.http.refusals import CallTimeout
from flaskJSONRPCServer.servBackend.native import protocol
from flaskJSONRPCServer.servBackend.native.protocol import HttpConnection, Phase
from tests.servBackend.native.samples import GET, KIB, LIMITS, TIMEOUTS, chunked, head, post

MARK = b"X-Number: %d"

GOOD = (
    lambda field: head(field, method=b"GET"),
    lambda field: head(field, method=b"HEAD", target=b"http://a/x"),
    lambda field: post(b"abc", field),
    lambda field: post(b"x" * 30 * KIB, field),
    lambda field: post(b"abc", field, version=b"1.0"),
    lambda field: post(b"abc", field, b"Connection: close"),
    lambda field: post(b"abc", field, b"Connection: upgrade", b"Upgrade: h2c"),
    lambda field: post(b"abc", field, b"Expect: 100-continue"),
    lambda field: chunked(b"ab", (b"c", b";a=b"), fields=(field,), trailers=b"T: 1\r\n"),
    lambda field: chunked(*[b"x"] * 500, fields=(field, b"Expect: 100-continue")),
    lambda field: b"\r\n" + head(field, method=b"OPTIONS", target=b"*"),
)
BAD = (
    b"nonsense\r\n\r\n",
    GET.replace(b"Host", b"Nost"),
    GET.replace(b"\r\n", b"\n"),
    GET.replace(b"1.1", b"2.0"),
    head(b"Content-Length: 1", b"Content-Length: 2"),
    head(b"Content-Length: 9", b"Transfer-Encoding: chunked"),
    head(b"Content-Length: 9999999", b"Expect: 100-continue"),
    head(b"Transfer-Encoding: chunked") + b"zz\r\n",
    chunked(b"x" * 101 * KIB),
    head(*[b"A: b"] * 30),
    head(b"A: " + b"b" * 5 * KIB),
    head(target=b"/" * 2 * KIB),
    b"\x00\xff" * 50,
)

# Events that end a connection are rare, so that something happens before.
RARELY = st.integers(0, 14).map(lambda number: number == 14)

# The next body is read ahead up to a bound, plus the piece that exceeds it, of at most this many bytes.
MAX_PIECE = 64 * KIB
MAX_MEMORY = 2 * LIMITS.spool_body_bytes + protocol.READ_AHEAD_BYTES + 2 * MAX_PIECE


class Connection(RuleBasedStateMachine):
    """Numbers the good requests: they must be answered in order, none twice, and none behind a bad one."""

    def __init__(self):
        super().__init__()
        timeouts = dataclasses.replace(TIMEOUTS, max_requests_per_connection=20)
        self.now = 0.0
        self.http = HttpConnection(LIMITS, timeouts, {}, self.now)
        self.incoming = b""  # on its way to the server
        self.expected = 0  # the number of the next request
        self.number = 0  # of the last request that was sent
        self.last = None  # the number of the last request before a bad one
        self.request = None
        self.is_over = False  # whether the last answer has begun
        self.continues = self.asked = 0

    def teardown(self):
        if self.request is not None:
            self.request.body.close()
        self.http.abort()
        assert not self.http.memory_bytes or self.request is not None

    @rule(make=st.sampled_from(GOOD))
    def client_sends_a_request(self, make):
        data = make(MARK % self.number)
        self.asked += b"Expect" in data
        self.number += 1
        self.incoming += data

    @rule(data=st.sampled_from(BAD), happens=RARELY)
    def client_sends_what_is_refused(self, data, happens):
        if not happens:
            return
        if self.last is None:
            self.last = self.number
        self.incoming += data

    @rule(size=st.just(MAX_PIECE) | st.integers(1, MAX_PIECE) | st.integers(1, 40))
    @precondition(lambda self: self.incoming and self.http.wants_to_receive)
    def bytes_come(self, size):
        piece, self.incoming = self.incoming[:size], self.incoming[size:]
        self.http.receive_data(piece, self.now)
        self.http.send_continue(self.now)

    @rule(happens=RARELY)
    @precondition(lambda self: not self.http.has_eof and self.http.wants_to_receive)
    def client_ends(self, happens):
        if not happens:
            return
        self.incoming = b""
        self.http.receive_eof(self.now)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 2.0]))
    def time_passes(self, seconds):
        self.now += seconds
        before = self.http.phase
        self.http.expire(self.now)
        if before is not Phase.CLOSED and self.http.phase is not Phase.PENDING:
            assert self.http.deadline > self.now, "the deadline is over, and nothing came of it"

    @rule(happens=RARELY)
    def deadline_comes(self, happens):
        if happens and self.http.deadline < math.inf:
            self.now = max(self.now, self.http.deadline)
            before = self.http.phase
            self.http.expire(self.now)
            assert self.http.deadline > self.now
            assert self.http.phase is not Phase.PENDING or before is Phase.PENDING

    @rule()
    def request_is_taken(self):
        before = self.http.phase
        request = self.http.next_request(self.now)
        if request is None:
            return
        assert before in (Phase.IDLE, Phase.HEAD, Phase.BODY)
        assert self.request is None
        assert not self.is_over
        number = int(request.head["HTTP_X_NUMBER"])
        assert number == self.expected
        assert self.last is None or number < self.last, "a request behind a refused one"
        self.expected += 1
        self.request = request

    @rule(wishes_to_close=RARELY, size=st.sampled_from([0, 10, 500_000]))
    @precondition(lambda self: self.request is not None)
    def request_is_answered(self, wishes_to_close, size):
        keeps_alive = self.request.keeps_alive and not wishes_to_close
        if self.http.phase is Phase.PENDING:
            self.is_over = not keeps_alive
            self.http.queue(b"x" * size, self.now)
        self.http.finish_answer(self.now, keeps_alive=keeps_alive)
        self.http.send_continue(self.now)
        assert keeps_alive or self.http.phase in (Phase.LINGERING, Phase.CLOSED)
        self.request.body.close()
        self.request = None

    @rule(share=st.just(1) | st.floats(0.001, 1))
    @precondition(lambda self: self.http.outgoing.size)
    def socket_takes_bytes(self, share):
        first = self.http.outgoing.first()
        self.continues += bytes(first) == protocol.CONTINUE
        self.http.mark_sent(math.ceil(len(first) * share), self.now)

    @rule(happens=RARELY)
    def server_stops(self, happens):
        if happens:
            self.http.stop(self.now)

    @rule(happens=RARELY)
    @precondition(lambda self: self.request is not None)
    def call_takes_too_long(self, happens):
        if not happens:
            return
        if self.http.phase is Phase.PENDING:
            self.is_over = True
        self.http.refuse(CallTimeout("too long"), self.now)

    @rule(happens=RARELY)
    def connection_breaks(self, happens):
        if happens:
            self.http.abort()
            assert not self.http.outgoing.size

    @invariant()
    def what_is_closed_sends_nothing(self):
        if self.http.phase is Phase.CLOSED:
            assert not self.http.outgoing.size

    @invariant()
    def deadline_is_finite_unless_a_call_runs(self):
        assert self.http.phase in (Phase.PENDING, Phase.CLOSED) or self.http.deadline < math.inf

    @invariant()
    def memory_is_bounded(self):
        assert 0 <= self.http.memory_bytes <= MAX_MEMORY

    @invariant()
    def nothing_is_kept_behind_the_last_answer(self):
        if self.http.phase in (Phase.LINGERING, Phase.CLOSED) and self.request is None:
            assert self.http.memory_bytes == 0

    @invariant()
    def nobody_is_asked_to_go_on_unasked(self):
        assert self.continues <= self.asked

    @invariant()
    def running_is_whose_request_is_out(self):
        assert self.http.phase is not Phase.PENDING or self.request is not None


TestConnection = Connection.TestCase
TestConnection.settings = settings(stateful_step_count=100)  # the profile sets the number of examples
