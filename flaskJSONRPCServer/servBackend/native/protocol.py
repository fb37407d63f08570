"""The state of one HTTP connection, Sans-I/O: bytes and clock readings in, requests and bytes out.

Nothing here waits, reads a clock or touches a socket, so tests can reproduce every interleaving by calls alone. The
owner of the socket passes on the bytes that it receives, sends the bytes in :attr:`HttpConnection.outgoing`, and closes
the socket in phase ``CLOSED``.
"""

from __future__ import annotations

import enum
import math
from typing import Any

from ...http.body import broken_off
from ...http.refusals import BadRequest, Refusal, RequestTimeout
from .buffers import ReceiveBuffer, SendBuffer
from .known_heads import KnownHeads
from .limits import Head
from .messages import CONTINUE
from .parser import ParsedRequest, ParserLimits, RequestParser
from .send_queue import TLS_RECORD_BYTES, SendQueue
from .timeouts import HttpTimeouts, RateWindow

__all__ = ["BODY", "CLOSED", "HANDSHAKE", "PENDING", "HttpConnection", "Phase"]

# After the last answer, input is read and dropped for a while, so that the client reads the answer and not a reset
# (RFC 9112, section 9.6). http.client and urllib send a whole body before they read: 64 MiB covers their uploads.
LINGER_BYTES = 64 * 1024 * 1024
LINGER_S = 30.0
LINGER_SILENCE_S = 2.0

# How much input is parsed before the check whether a request is complete. A head of 25 bytes takes some 400 as a dict,
# so thousands of requests that a client sends at once stay unparsed bytes. Guessed, as the two below.
PARSE_BYTES = 8 * 1024

# The shortest time over which the speed of a client is measured; guessed.
LEAST_WAIT_S = 0.001

# How much of the next body is read while a request is being answered.
READ_AHEAD_BYTES = 64 * 1024

# How many unsent bytes of earlier answers hold up the next request of the same client.
UNSENT_BYTES = 256 * 1024


class Phase(enum.Enum):
    """The phase of a connection."""

    HANDSHAKE = enum.auto()
    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    PENDING = enum.auto()
    """A request is being answered, or waits for a thread."""
    LINGERING = enum.auto()
    """The last answer is being sent, or has been. Further input is dropped."""
    CLOSED = enum.auto()


# Python 3.11 takes ten times as long to look up a member of an enumeration as a global name.
HANDSHAKE, IDLE, HEAD, BODY, PENDING, LINGERING, CLOSED = Phase


class HttpConnection:
    """The state of one connection. Its owner calls one method at a time.

    Args:
        limits: The limits on one request.
        timeouts: The time limits.
        variables: CGI variables to add to the head of each request, such as REMOTE_ADDR.
        now: The time, by the monotonic clock.
        is_tls: Whether the connection begins with a TLS handshake.
        known_heads: The cache of heads that all connections of an address share.
        send_queue: What the system holds of the bytes that have been sent. Without it, sent bytes count as taken.

    Attributes:
        phase: The current phase.
        outgoing: The bytes to send.
        has_eof: Whether the client has ended its side.
        is_stopping: Whether the current request is the last one.
        is_complete: Whether both sides have ended, so that nothing was cut off.
        last_refusal: Why a request was refused. The owner may log it and set it to None.
        last_sent_at: When some of the bytes that wait were last sent; at first, when they began to wait.
        arrived_at: When the last request of :meth:`next_request` arrived: its head or, in one piece, all of it.
    """

    def __init__(
        self,
        limits: ParserLimits,
        timeouts: HttpTimeouts,
        variables: dict[str, Any],
        now: float,
        *,
        is_tls: bool = False,
        known_heads: KnownHeads | None = None,
        send_queue: SendQueue | None = None,
    ) -> None:
        self.phase = HANDSHAKE if is_tls else IDLE
        self.outgoing = SendBuffer()
        self.has_eof = self.is_stopping = self.is_complete = False
        self.last_refusal: Refusal | None = None
        self._parser = RequestParser(limits, variables, known_heads)
        self._timeouts = timeouts
        self._since = self._last_received = self.arrived_at = self.last_sent_at = now
        self._request_count = 0
        self._answer_ends_at = math.inf  # when the current answer exceeds request_timeout_s
        self._unparsed = b""  # input behind a complete request that waits for its turn
        self._received_bytes = self._dropped_bytes = 0
        self._running: ReceiveBuffer | None = None  # the body of the request that is being answered
        self._send_queue = send_queue
        step_bytes = TLS_RECORD_BYTES if is_tls else 0  # received bytes count when their record is complete
        self._body_rate = RateWindow(timeouts.min_body_rate, timeouts.rate_grace_s, step_bytes)
        step_bytes = 0 if send_queue is None else send_queue.step_bytes
        self._answer_rate = RateWindow(timeouts.min_answer_rate, timeouts.rate_grace_s, step_bytes)

    @property
    def wants_to_receive(self) -> bool:
        """Whether to read the socket. One complete request is read ahead of the one that is being answered."""
        parser = self._parser
        if self.has_eof or self._dropped_bytes > LINGER_BYTES:
            return False
        if parser.completed or self._unparsed:
            # Only to notice the end of a client that has sent its next request already.
            return self.phase is PENDING and len(self._unparsed) < PARSE_BYTES
        if self.phase is PENDING and parser.is_in_body and parser.body is not None:
            return parser.body.size < READ_AHEAD_BYTES
        return True

    def needs_no_update(self) -> bool:
        """Return whether the owner need not act before the next request comes, or the current one has been answered."""
        parser = self._parser
        return (self.phase is PENDING or self.phase is IDLE) and not (
            self.outgoing.size
            or self.has_eof
            or self.is_stopping
            or self._unparsed
            or parser.completed
            or parser.is_in_body
            or parser.is_finished
        )

    @property
    def should_end_writing(self) -> bool:
        """Whether to shut down the sending side: all answers have been sent."""
        return self.phase is LINGERING and not self.outgoing.size

    @property
    def memory_bytes(self) -> int:
        """How many bytes of bodies and of unparsed input are held in memory.

        The body that is coming counts with its declared length from its head on, so that bodies which come at the same
        time do not shut each other out when all of them are nearly complete. What is read ahead counts as it comes.
        """
        parser, body = self._parser, self._parser.body
        total = len(self._unparsed)
        if self._running is not None:
            total += self._running.memory_bytes
        if self.phase is BODY:
            total += parser.body_memory_bytes
        elif parser.is_in_body and body is not None:
            total += body.memory_bytes
        if parser.completed:
            total += sum(
                request.body.memory_bytes for request in parser.completed if isinstance(request, ParsedRequest)
            )
        return total

    @property
    def spooled_bytes(self) -> int:
        """How many bytes of temporary files bodies take. They count as in :attr:`memory_bytes`."""
        parser, body = self._parser, self._parser.body
        total = 0 if self._running is None else self._running.spooled_bytes
        if self.phase is BODY:
            total += parser.body_spooled_bytes
        elif parser.is_in_body and body is not None:
            total += body.spooled_bytes
        for message in parser.completed:
            if isinstance(message, ParsedRequest):
                total += message.body.spooled_bytes
        return total

    @property
    def awaits_continue(self) -> bool:
        """Whether the client sends its body only after :meth:`send_continue`."""
        return self.phase is BODY and self._parser.awaits_continue

    @property
    def last_received_at(self) -> float:
        """When the client has sent anything for the last time, by the same clock."""
        return self._last_received

    @property
    def deadline(self) -> float:
        """When to call :meth:`expire`, by the same clock, unless something else happens before."""
        send_deadline = self._answer_rate.ends_at if self.outgoing.size else math.inf
        return min(send_deadline, self._phase_deadline())

    def answer_wait_s(self, now: float) -> float:
        """Return for how long bytes have been waiting to be sent; 0 if there are none."""
        return self._answer_rate.elapsed_s(now)

    def answer_speed(self, now: float) -> float:
        """Return how many bytes per second the client has taken since bytes began to wait."""
        return self._answer_rate.passed_bytes(self._taken_bytes()) / max(self.answer_wait_s(now), LEAST_WAIT_S)

    def _taken_bytes(self) -> int:
        """Return a count of bytes that grows as the client takes them."""
        return self.outgoing.sent_bytes - (0 if self._send_queue is None else self._send_queue.size())

    def finish_handshake(self, now: float) -> None:
        """Begin to wait for the first request, after the TLS handshake."""
        self._enter(IDLE, now)

    def receive_data(self, data: bytes, now: float) -> None:
        """Process received bytes."""
        self._last_received = now
        self._received_bytes += len(data)
        if self.phase is LINGERING or self.phase is CLOSED:
            self._drop(len(data))
            return
        parser = self._parser
        if self._unparsed or len(data) > PARSE_BYTES or parser.completed or parser.is_finished:
            self._unparsed += data
            self._parse()
        else:
            parser.feed(data)
        if self.phase is not PENDING and not parser.completed:
            self._follow_parser(now)

    def receive_eof(self, now: float) -> None:
        """Process the end of the input. The client may still be waiting for an answer."""
        self.has_eof = True
        if self.phase is LINGERING:
            self._close_if_done()
        elif self.phase is not PENDING and not self._parser.completed:
            if self._parser.is_in_body:
                self._refuse(broken_off(None), now)
            elif self._parser.is_in_head:
                self._refuse(BadRequest("the request ended before it was complete"), now)
            else:
                self._begin_lingering(now)

    def next_request(self, now: float) -> ParsedRequest | None:
        """Return the next request to answer, or None.

        Its ``keeps_alive`` says whether the connection goes on after it. There is no next request while another one is
        being answered, or while the client does not read its earlier answers.
        """
        messages, phase = self._parser.completed, self.phase
        if not messages or phase is PENDING or phase is LINGERING or phase is CLOSED:
            return None
        if self.outgoing.size > UNSENT_BYTES:
            return None
        message = messages.popleft()
        if isinstance(message, Refusal):
            self._refuse(message, now)
            return None
        self._request_count += 1
        if self.is_stopping or self._request_count >= self._timeouts.max_requests_per_connection:
            message.keeps_alive = False
        self._running = message.body
        # In phase IDLE it came in one piece, perhaps while the one before it was being answered.
        self.arrived_at = self._last_received if phase is IDLE else self._since
        self.phase, self._since = PENDING, now
        self._answer_ends_at = now + self._timeouts.request_timeout_s
        return message

    def finish_answer(self, now: float, *, keeps_alive: bool) -> bool:
        """Finish an answer, all of which is in :attr:`outgoing` or has been sent.

        Returns:
            Whether the owner need not act before the next request comes.
        """
        self._running = None
        if self.phase is not PENDING:
            return False
        parser = self._parser
        if keeps_alive and self.needs_no_update() and not parser.is_in_head:  # nearly always
            self.phase, self._since = IDLE, now
            return True
        if keeps_alive and self._unparsed:
            self._parse()
        is_coming = parser.is_in_head or parser.is_in_body
        is_over = not parser.completed and (self.has_eof or (self.is_stopping and not is_coming))
        if is_over or not keeps_alive:
            self._begin_lingering(now)
        else:
            self._enter(IDLE, now)
            self._follow_parser(now)
        return False

    def send_continue(self, now: float) -> None:
        """Send 100 Continue to a client that waits for it. The owner has room for the body."""
        if self.awaits_continue:
            self._parser.awaits_continue = False
            self.queue(CONTINUE, now)

    def queue(self, data: bytes | memoryview, now: float) -> None:
        """Append bytes to :attr:`outgoing`."""
        if self.phase is CLOSED:
            return
        if not self.outgoing.size:
            self.last_sent_at = now
            self._answer_rate.start(self._taken_bytes(), now)
        self.outgoing.append(data)

    def mark_sent(self, count: int, now: float) -> None:
        """Remove the first bytes of :attr:`outgoing`, which have been sent."""
        if self.phase is CLOSED:  # the client went during the send
            return
        if count:
            self.last_sent_at = now
        self.outgoing.consume(count)
        if not self.outgoing.size:
            self._answer_rate.stop()
            if self.phase is LINGERING:
                self._since = self._last_received = now  # from here on, it is the client's turn to close
                self._close_if_done()
            elif self.phase is IDLE:
                self._since = now

    def refuse(self, refusal: Refusal, now: float, head: Head | None = None) -> None:
        """Refuse the current request, and end the connection.

        Args:
            refusal: The reason.
            now: The time.
            head: The head of the request; None for the current or latest one of the parser.
        """
        if self.phase is not LINGERING and self.phase is not CLOSED:
            self._refuse(refusal, now, head)

    def shed(self, refusal: Refusal, request: ParsedRequest, now: float) -> None:
        """Refuse the request that is being answered, and go on with the next one."""
        if self.phase is PENDING:  # else it has been refused already
            self.queue(self._parser.refusal_answer(refusal, request.head, keeps_alive=request.keeps_alive), now)
            self.finish_answer(now, keeps_alive=request.keeps_alive)

    def stop(self, now: float) -> None:
        """End after the request that is being received or answered; at once if there is none."""
        self.is_stopping = True
        if self.phase in (HANDSHAKE, IDLE) and not self._parser.completed:
            self._begin_lingering(now)

    def abort(self) -> None:
        """End without sending another byte, and release all buffers."""
        self.phase = CLOSED
        self.outgoing.clear()
        self._parser.close()
        self._unparsed = b""

    def is_request_late(self, now: float) -> bool:
        """Return whether a request is being answered and has exceeded ``request_timeout_s``."""
        return self.phase is PENDING and now >= self._answer_ends_at

    def lift_request_timeout(self) -> None:
        """Do not apply ``request_timeout_s`` to the rest of the current answer."""
        self._answer_ends_at = math.inf

    def expire(self, now: float) -> str:
        """Act on the deadline if it has passed.

        Returns:
            If the client has been cut off, the limit and what was cut off, as the beginning of a log line; else empty.
        """
        is_rated = self.outgoing.size and now >= self._answer_rate.ends_at
        if is_rated and not self._answer_rate.keeps_up(self._taken_bytes(), now):
            self.abort()
            return "min_answer_rate is not reached: cut off an answer to"
        if now < self._phase_deadline():
            return ""
        if self.phase is BODY and not self._is_late(now) and self._body_rate.keeps_up(self._received_bytes, now):
            return ""
        is_handshake = self.phase is HANDSHAKE
        self._time_out(now)
        return "handshake_timeout_s has passed: cut off the TLS handshake of" if is_handshake else ""

    def _time_out(self, now: float) -> None:
        if self.phase is HEAD:
            self._refuse(RequestTimeout("the head of the request did not come in time"), now)
        elif self.phase is BODY:
            self._refuse(broken_off(TimeoutError()), now)
        elif self.phase is IDLE:
            self._begin_lingering(now)
        else:
            self.abort()

    def _phase_deadline(self) -> float:
        since, last, timeouts = self._since, self._last_received, self._timeouts
        deadline = math.inf
        match self.phase:
            case Phase.PENDING:
                deadline = self._answer_ends_at
            case Phase.IDLE:
                idle_s = timeouts.idle_timeout_s if self._request_count else timeouts.head_timeout_s
                deadline = math.inf if self.outgoing.size else since + idle_s  # a client that reads is not idle
            case Phase.HEAD:
                deadline = min(since + timeouts.head_timeout_s, last + timeouts.read_timeout_s)
            case Phase.BODY:
                deadline = min(since + timeouts.body_timeout_s, last + timeouts.read_timeout_s, self._body_rate.ends_at)
            case Phase.LINGERING:
                # An answer that is being sent has a minimum rate, but no limit on its whole time, however long it is.
                deadline = math.inf if self.outgoing.size else min(since + LINGER_S, last + LINGER_SILENCE_S)
            case Phase.HANDSHAKE:
                deadline = since + timeouts.handshake_timeout_s
        return deadline

    def _parse(self) -> None:
        """Parse input until a request is complete. Those behind it can wait."""
        parser = self._parser
        while self._unparsed and not parser.completed:
            if parser.is_finished:
                self._drop(len(self._unparsed))
                self._unparsed = b""
            piece, self._unparsed = self._unparsed[:PARSE_BYTES], self._unparsed[PARSE_BYTES:]
            parser.feed(piece)

    def _is_late(self, now: float) -> bool:
        """Return whether a body exceeds a time limit other than its rate."""
        timeouts = self._timeouts
        return now >= min(self._since + timeouts.body_timeout_s, self._last_received + timeouts.read_timeout_s)

    def _follow_parser(self, now: float) -> None:
        """Enter the phase of the parser. Refuse a body whose head is refused, before the rest of it comes."""
        parser = self._parser
        if parser.completed:
            return
        if parser.is_in_body:
            if self.phase is BODY:
                return
            if (refusal := parser.head_refusal()) is not None:
                self._refuse(refusal, now)
                return
            self._enter(BODY, now)
            self._body_rate.start(self._received_bytes, now)
        elif parser.is_in_head and self.phase is not HEAD:
            self._enter(HEAD, now)

    def _refuse(self, refusal: Refusal, now: float, head: Head | None = None) -> None:
        self.last_refusal = refusal
        self.queue(self._parser.refusal_answer(refusal, head), now)
        self._begin_lingering(now)

    def _begin_lingering(self, now: float) -> None:
        self._enter(LINGERING, now)
        self._last_received = now
        self._parser.close()  # further requests are not answered
        self._dropped_bytes, self._unparsed = len(self._unparsed), b""
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self.has_eof and not self.outgoing.size:
            self.phase, self.is_complete = CLOSED, True

    def _drop(self, count: int) -> None:
        self._dropped_bytes += count
        if self._dropped_bytes > LINGER_BYTES and self.phase is LINGERING:
            self.abort()

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase = phase
        self._since = now
