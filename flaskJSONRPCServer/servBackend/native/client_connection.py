"""One connection and its socket, shared by the manager and the thread that answers."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from ...http.networks import network_of
from ...http.refusals import CallTimeout, Refusal, ServiceUnavailable
from ...runtime.thread_pool import Task
from ..tls import send_close_notify
from .http_exchange import HttpExchange
from .messages import CONTINUE
from .protocol import CLOSED, HANDSHAKE, PENDING, HttpConnection
from .send_queue import TLS_RECORD_BYTES

if TYPE_CHECKING:
    from .connections import ConnectionManager
    from .streams import Stream

__all__ = ["WOULD_BLOCK", "ClientConnection"]

WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""The exceptions of a non-blocking socket that has nothing to receive, or no room to send."""

# Not SSLSocket.recv(): a connection that has ended its TLS still has to read what comes.
receive = socket.socket.recv

RECEIVE_BYTES = 64 * 1024
SEND_BYTES = 256 * 1024  # a multiple of TLS_RECORD_BYTES


class ClientConnection:
    """A connection and its socket. The manager and the thread that answers share it, under its lock.

    Args:
        manager: The manager of the connection.
        sock: The non-blocking socket.
        address: The address of the client, as ``accept()`` returns it.
        client: The host of the client; empty over a Unix socket.
        http: The state of the connection.

    Attributes:
        shared: The state that all connections of the address share.
        socket: The socket.
        is_closed: Whether the socket is closed.
        stream: The stream that answers the current request.
        certificate_variables: The variables of the environ for the certificate of the client.
        exchange: The current request.
        http: The state of the connection.
        client: As given.
        network: The part of its address that it cannot choose, which bytes are counted for.
        scheduled_at: When the manager checks the deadline next.
        registered: The events that the selector waits for.
        is_counted: Whether the manager counts bytes of bodies or unsent answers for this connection.
        awaits_write_to_receive: Whether TLS has to send something before it receives more.
    """

    __slots__ = (
        "_lock",
        "_manager",
        "_task_when_drained",
        "_tls",
        "address",
        "awaits_write_to_receive",
        "certificate_variables",
        "client",
        "exchange",
        "http",
        "is_closed",
        "is_counted",
        "network",
        "registered",
        "scheduled_at",
        "shared",
        "socket",
        "stream",
    )

    def __init__(
        self, manager: ConnectionManager, sock: socket.socket, address: Any, client: str, http: HttpConnection
    ) -> None:
        self.shared = manager.shared
        self.socket = sock
        self.address = address
        self.client = client
        self.network = network_of(client)
        self.http = http
        self.is_closed = self.is_counted = False
        self.exchange: HttpExchange | None = None
        self.stream: Stream | None = None
        self.certificate_variables: dict[str, Any] = {}
        self.scheduled_at = float("inf")
        self.registered = 0
        self._manager = manager
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None
        self._lock = threading.Lock()
        self.awaits_write_to_receive = False
        self._task_when_drained: Task | None = None

    @property
    def unsent_bytes(self) -> int:
        """How many bytes of answers are waiting to be sent."""
        return self.http.outgoing.size

    # The thread that answers calls these methods.

    @property
    def is_broken(self) -> bool:
        """Whether further bytes cannot reach the client. The manager may not have closed the socket yet."""
        return self.is_closed or self.http.phase is not PENDING

    def is_gone(self) -> bool:
        """Return whether nobody waits for the answer any more: the client has gone, or the request has timed out."""
        http = self.http
        if self.is_closed or http.phase is not PENDING:
            return True
        if not http.has_eof:
            return False
        with self._lock:  # so that a probe is either complete or never sent
            return self.is_closed or self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    @property
    def has_ended(self) -> bool:
        """Whether the client has ended its side, or the connection is broken."""
        return self.http.has_eof or self.is_broken

    @property
    def notices_end(self) -> bool:
        """Whether the end of the client would be noticed. It is not while unread data waits in the socket."""
        return not self.has_ended and self.http.wants_to_receive

    def send(self, data: bytes) -> bool:
        """Send as many bytes as the socket accepts; the manager sends the rest.

        Returns:
            Whether all bytes have been sent.
        """
        with self._lock:
            is_sent = self._send(data, time.monotonic())
            is_broken = self.http.phase is CLOSED
        if is_broken or not is_sent:  # the manager may wait for no event of a client that has ended its side
            self._manager.schedule_update(self)
        return is_sent

    def complete(self, message: bytes, *, keeps_alive: bool, is_followed: bool) -> None:
        """Send a complete answer, and finish the request.

        While other requests wait for a thread, the manager sends all answers in turn. A thread that sends releases
        the interpreter's lock for the system call, and gets it back late when many threads want it.

        Args:
            message: The answer.
            keeps_alive: Whether the connection goes on.
            is_followed: Whether the calling thread answers another short call next. Then their answers go together.
        """
        if is_followed or self.shared.pool.waiting:
            self._manager.queue_answer(self, message, keeps_alive=keeps_alive)
        elif not self.send_last_part(message, time.monotonic(), keeps_alive=keeps_alive):
            self._manager.schedule_update(self)

    def run_when_drained(self, task: Task) -> None:
        """Submit a task to the pool when all bytes have been sent, or the connection has ended."""
        with self._lock:
            is_closed = self.is_closed
            if not is_closed:
                self._task_when_drained = task
        if is_closed:  # the manager no longer looks at this connection
            self.shared.pool.submit(task, is_bounded=False)
        else:
            self._manager.schedule_update(self)

    def finish_answer(self, *, keeps_alive: bool) -> None:
        """Finish the request, after all of its answer has been passed to :meth:`send`."""
        self.send_last_part(b"", time.monotonic(), keeps_alive=keeps_alive)
        self._manager.schedule_update(self)

    def lift_request_timeout(self) -> None:
        """Let the rest of the current answer take as long as it likes."""
        with self._lock:
            self.http.lift_request_timeout()

    def drop_request_body(self) -> None:
        """Drop the body of the current request, which nobody reads any more, though its answer goes on."""
        with self._lock:
            if self.exchange is not None:
                self.exchange.request.body.close()
        if self.is_counted:
            self._manager.schedule_update(self)

    def abort(self) -> None:
        """End the connection without sending another byte."""
        with self._lock:
            self.http.abort()
        self._manager.schedule_update(self)

    # The manager calls these methods.

    def receive(self, now: float) -> HttpExchange | None:
        """Receive bytes, and pass them to the state of the connection. Return the next request as :meth:`take_request`.

        Raises:
            OSError: The connection is broken.
        """
        with self._lock:
            self._receive(now)
            return None if self._manager.is_stopping else self._next_exchange(now)

    def _receive(self, now: float) -> None:
        http = self.http
        self.awaits_write_to_receive = False
        if http.phase is HANDSHAKE:
            self._do_handshake(now)
        while http.wants_to_receive:
            try:
                data = receive(self.socket, RECEIVE_BYTES) if self._tls is None else self._receive_by(self._tls)
            except WOULD_BLOCK:
                return
            if not data:
                http.receive_eof(now)
                if self.stream is not None:  # a client that listens to a stream has no reason to half-close
                    http.abort()
                self._probe(now)
                return
            http.receive_data(data, now)
            if self.stream is not None and not self.notices_end:
                http.abort()
            if self._tls is None or not self._tls.pending():
                return

    def send_last_part(self, message: bytes, now: float, *, keeps_alive: bool) -> bool:
        """Send the last part of an answer, and finish the request. Return whether the manager need not act."""
        http = self.http
        with self._lock:
            is_sent = self._send(message, now)
            self.exchange = None
            is_idle = http.finish_answer(now, keeps_alive=keeps_alive)
            return is_sent and is_idle and self.registered == selectors.EVENT_READ and not self.is_counted

    def needs_no_update(self) -> bool:
        """Return whether the manager need not act before the current request has been answered."""
        return self.http.needs_no_update() and self.registered == selectors.EVENT_READ and not self.is_counted

    def flush(self, now: float) -> None:
        """Send the waiting bytes.

        Raises:
            OSError: The connection is broken.
        """
        with self._lock:
            outgoing = self.http.outgoing
            while outgoing.size and not self.is_closed:
                first = outgoing.first()[:SEND_BYTES]
                count = self._send_now(first)
                if self.http.phase is CLOSED:  # the client has gone, and nothing is left to send
                    return
                self.http.mark_sent(count, now)
                if count < len(first):
                    return

    def take_request(self, now: float) -> HttpExchange | None:
        """Return the next request to answer, or None."""
        with self._lock:
            return self._next_exchange(now)

    def _next_exchange(self, now: float) -> HttpExchange | None:
        request = self.http.next_request(now)
        if request is None:
            return None
        self.exchange = exchange = HttpExchange(self, request)
        return exchange

    def send_continue(self, now: float) -> None:
        """Send 100 Continue to a client that waits for it."""
        with self._lock:
            self.http.send_continue(now)

    def shed(self, refusal: Refusal, now: float) -> None:
        """Refuse the current request for want of a thread or memory; the connection goes on."""
        with self._lock:
            exchange, self.exchange = self.exchange, None
            if exchange is not None:
                self.http.shed(refusal, exchange.request, now)

    def refuse(self, refusal: Refusal, now: float) -> None:
        """Refuse the request that is coming, and end the connection."""
        with self._lock:
            self.http.refuse(refusal, now)

    def wanted_events(self, *, may_receive: bool) -> int:
        """Return the events to wait for in the selector."""
        wanted = selectors.EVENT_WRITE if self.http.outgoing.size else 0
        if may_receive and self.http.wants_to_receive:
            wanted |= selectors.EVENT_WRITE if self.awaits_write_to_receive else selectors.EVENT_READ
        return wanted

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered, or an answer is being sent."""
        return self.http.phase is PENDING or self.http.outgoing.size > 0

    def unfinished(self) -> str:
        """Return the method and the path of the current request, or what is left of it; empty if there is none."""
        exchange = self.exchange
        if exchange is not None:
            return exchange.request_line
        return "an answer that its client has not read" if self.http.outgoing.size else ""

    def expire(self, now: float) -> None:
        """Act on the deadline if it has passed."""
        cut_off, whose = "", self.client or "a client"
        with self._lock:
            http, exchange = self.http, self.exchange
            if exchange is None or not http.is_request_late(now):
                cut_off = http.expire(now)
            elif exchange.has_sent_head:
                http.abort()
                cut_off, whose = "an answer was cut off, since request_timeout_s has passed:", exchange.request_line
            elif exchange.has_begun:
                http.refuse(CallTimeout("the call did not end within request_timeout_s"), now, exchange.head)
            else:
                http.refuse(
                    ServiceUnavailable("the request found no thread within request_timeout_s"), now, exchange.head
                )
        if cut_off:  # without the lock, which a _logger that sends to streams takes
            self.shared.write_warning(cut_off, whose)

    def stop(self, now: float) -> None:
        """End the connection as soon as no request is being answered."""
        with self._lock:
            self.http.stop(now)

    def end_writing(self) -> None:
        """Shut down the sending side, so that the client reads EOF."""
        with self._lock, contextlib.suppress(OSError):
            if self._tls is not None:
                send_close_notify(self._tls)
                self._tls = None
            socket.socket.shutdown(self.socket, socket.SHUT_WR)  # not SSLSocket.shutdown(), which would drop the TLS

    def close(self) -> None:
        """Close the socket. A thread that still answers finds out at its next step."""
        with self._lock:
            self.is_closed = True
            if self.exchange is not None and not self.exchange.has_begun:  # nobody will read its body
                self.exchange.discard()
            if self._tls is not None and self.http.is_complete:
                send_close_notify(self._tls)
            self.http.abort()
            self.socket.close()
            stream, task = self.stream, self._task_when_drained
            self._task_when_drained = None
        if stream is not None:
            stream.client_gone()
        if task is not None:
            self.shared.pool.submit(task, is_bounded=False)

    def take_drained_task(self) -> Task | None:
        """Return the task that waits for all bytes to be sent, once they are; else None."""
        if self._task_when_drained is None or self.http.outgoing.size:
            return None
        with self._lock:
            task, self._task_when_drained = self._task_when_drained, None
            return task

    def _send(self, data: bytes, now: float) -> bool:
        """Send as many bytes as the socket accepts, and queue the rest. Return whether all bytes have been sent."""
        http = self.http
        if self.is_closed or http.phase is not PENDING:
            return True
        count = 0 if http.outgoing.size else self._send_now(data)
        if count == len(data):
            return not http.outgoing.size
        http.queue(memoryview(data)[count:], now)
        return False

    def _receive_by(self, tls: ssl.SSLSocket) -> bytes:
        try:
            return tls.recv(RECEIVE_BYTES)
        except ssl.SSLWantWriteError:  # TLS itself has to answer, such as a change of keys
            self.awaits_write_to_receive = True
            raise

    def _do_handshake(self, now: float) -> None:
        if self._tls is not None:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantWriteError:
                self.awaits_write_to_receive = True
                raise
            if certificate := self._tls.getpeercert(binary_form=True):
                self.certificate_variables = {"SSL_CLIENT_CERT": ssl.DER_cert_to_PEM_cert(certificate)}
        self.http.finish_handshake(now)

    def _send_now(self, data: bytes | memoryview) -> int:
        """Send bytes. Return how many the socket accepted."""
        try:
            return self.socket.send(data) if self._tls is None else self._send_records(self._tls, data)
        except WOULD_BLOCK:
            return 0
        except OSError:
            self.http.abort()
            return len(data)

    def _send_records(self, tls: ssl.SSLSocket, data: bytes | memoryview) -> int:
        """Send one TLS record at a time. Return how many bytes the socket accepted.

        OpenSSL wants a write that it could not complete repeated with the same bytes. Of several records it may have
        sent some without reporting how many. A single record is sent as a whole or not at all.
        """
        sent, view = 0, memoryview(data)
        with contextlib.suppress(*WOULD_BLOCK):
            while sent < len(view):
                sent += tls.send(view[sent : sent + TLS_RECORD_BYTES])
        return sent

    def _probe(self, now: float) -> None:
        """Find out whether a client that has ended its side still reads, while its request waits for a thread.

        A closed connection looks the same as a half-closed one until something is sent: then the closed one is reset.
        An interim answer may precede any other (RFC 9110, section 15.2).
        """
        exchange = self.exchange
        if exchange is None or exchange.has_begun or exchange.head["SERVER_PROTOCOL"] != "HTTP/1.1":
            return
        if not self.http.outgoing.size:  # else the probe would end up inside an earlier answer
            self._send(CONTINUE, now)
