"""One connection and its socket, as its manager and the thread that answers share it."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from ...http.refusals import CallTimeout, Refusal, ServiceUnavailable
from ...runtime.thread_pool import Task
from ..tls import send_close_notify
from .exchange import HttpExchange
from .messages import CONTINUE
from .protocol import CLOSED, HANDSHAKE, RUNNING, HttpConnection

if TYPE_CHECKING:
    from .connections import ConnectionManager
    from .streams import Stream

__all__ = ["NOT_YET", "ClientConnection"]

NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""What a socket raises that has nothing to receive, or no room to send."""

RECEIVE_BYTES = 64 * 1024
SEND_BYTES = 256 * 1024
TLS_RECORD_BYTES = 16 * 1024  # the largest, by RFC 8446, section 5.1; SEND_BYTES is a multiple


class ClientConnection:
    """A connection and its socket. The manager and the thread that answers share it, under its lock.

    Args:
        manager: Its manager.
        opened: The socket, which does not block.
        address: The client's address, as ``accept()`` gives it.
        client: Its host; empty where it has none of its own.
        http: Its state.

    Attributes:
        server: What all connections of the address share.
        socket: The socket.
        is_closed: Whether nothing can be sent any more.
        stream: The stream that answers the request under way.
        certificate_variables: What the environ says of the client's certificate.
        exchange: The request under way.
        http: Its state.
        client: As given.
        scheduled_at: When the manager looks at its deadline next.
        registered: The events that the manager waits for.
        counted_bytes: How many bytes the manager counts for it, of bodies and unsent answers.
    """

    __slots__ = (
        "_handshake_awaits_write",
        "_lock",
        "_manager",
        "_task_when_drained",
        "_tls",
        "address",
        "certificate_variables",
        "client",
        "counted_bytes",
        "exchange",
        "http",
        "is_closed",
        "registered",
        "scheduled_at",
        "server",
        "socket",
        "stream",
    )

    def __init__(
        self, manager: ConnectionManager, opened: socket.socket, address: Any, client: str, http: HttpConnection
    ) -> None:
        self.server = manager.server
        self.socket = opened
        self.address = address
        self.client = client
        self.http = http
        self.is_closed = False
        self.exchange: HttpExchange | None = None
        self.stream: Stream | None = None
        self.certificate_variables: dict[str, Any] = {}
        self.scheduled_at = float("inf")
        self.registered = self.counted_bytes = 0
        self._manager = manager
        self._tls = opened if isinstance(opened, ssl.SSLSocket) else None
        self._lock = threading.Lock()
        self._handshake_awaits_write = False
        self._task_when_drained: Task | None = None

    @property
    def unsent_bytes(self) -> int:
        """How many bytes wait for the client."""
        return self.http.outgoing.size

    # What the thread that answers calls.

    @property
    def has_broken_off(self) -> bool:
        """Whether what is sent from now on goes nowhere; the manager may not have closed the socket yet."""
        return self.is_closed or self.http.phase is not RUNNING

    def is_gone(self) -> bool:
        """Return whether nobody waits for the answer any more: the client has gone, or its time is over."""
        http = self.http
        if self.is_closed or http.phase is not RUNNING:
            return True
        if not http.has_ended:
            return False
        with self._lock:  # so that a probe has been sent completely, or never will be
            return self.is_closed or self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    @property
    def has_ended(self) -> bool:
        """Whether the client has ended its side, or nothing reaches it any more."""
        return self.http.has_ended or self.has_broken_off

    @property
    def notices_end(self) -> bool:
        """Whether it would be noticed that the client ends its side, as it is not of one that sends ever more."""
        return not self.has_ended and self.http.wants_to_receive

    def send(self, data: bytes) -> bool:
        """Send some bytes, as many as the socket takes; the manager sends the rest.

        Returns:
            Whether nothing is left to be sent.
        """
        with self._lock:
            is_sent = self._send(data, time.monotonic())
            is_broken = self.http.phase is CLOSED
        if is_broken or not is_sent:  # nothing may be awaited of a client that has ended its side: no event would come
            self._manager.attend(self)
        return is_sent

    def complete(self, message: bytes, *, keeps_alive: bool) -> None:
        """Send a whole answer, and go on.

        Where other requests wait for a thread, the manager sends the answers of all in turn: a thread that sends one
        would lose the interpreter's lock, and get it back late.
        """
        if self.server.pool.has_waiting:
            self._manager.deliver(self, message, keeps_alive=keeps_alive)
        elif not self.deliver(message, time.monotonic(), keeps_alive=keeps_alive):
            self._manager.attend(self)

    def when_drained(self, task: Task) -> None:
        """Have a task run in the pool when all has been sent, or the connection has ended."""
        with self._lock:
            is_closed = self.is_closed
            if not is_closed:
                self._task_when_drained = task
        if is_closed:  # nobody would look after it any more
            self.server.pool.submit(task, is_bounded=False)
        else:
            self._manager.attend(self)

    def answered(self, *, keeps_alive: bool) -> None:
        """Go on after an answer, all of which has been given to :meth:`send`."""
        self.deliver(b"", time.monotonic(), keeps_alive=keeps_alive)
        self._manager.attend(self)

    def abort(self) -> None:
        """End the connection without another byte."""
        with self._lock:
            self.http.abort()
        self._manager.attend(self)

    # What the manager calls.

    def receive(self, now: float) -> None:
        """Take what has come.

        Raises:
            OSError: The connection is broken.
        """
        http = self.http
        with self._lock:
            if http.phase is HANDSHAKE:
                self._do_handshake(now)
            while http.wants_to_receive:
                data = self._receive_now()
                if data is None:
                    return
                if not data:
                    http.receive_end(now)
                    if self.stream is not None:  # who hears a stream has no reason to end one side alone
                        http.abort()
                    self._probe(now)
                    return
                http.receive_data(data, now)
                if self.stream is not None and not self.notices_end:
                    http.abort()
                if self._tls is None or not self._tls.pending():
                    return

    def deliver(self, message: bytes, now: float, *, keeps_alive: bool) -> bool:
        """Send the last part of an answer, and go on; returns whether nothing else has to be done."""
        http = self.http
        with self._lock:
            is_sent = self._send(message, now)
            self.exchange = None
            is_quiet = http.answered(now, keeps_alive=keeps_alive)
            return is_quiet and is_sent and self.registered == selectors.EVENT_READ and not self.counted_bytes

    @property
    def is_quiet(self) -> bool:
        """Whether the manager has all that it needs to know, and waits for the next request."""
        return self.http.is_quiet and self.registered == selectors.EVENT_READ and not self.counted_bytes

    def flush(self, now: float) -> None:
        """Send what waits.

        Raises:
            OSError: The connection is broken.
        """
        with self._lock:
            outgoing = self.http.outgoing
            while outgoing.size and not self.is_closed:
                first = outgoing.first()[:SEND_BYTES]
                taken = self._send_now(first)
                if self.http.phase is CLOSED:  # the client has gone, and nothing is left to be sent
                    return
                self.http.sent(taken, now)
                if taken < len(first):
                    return

    def take_request(self, now: float) -> HttpExchange | None:
        """Return the next request, to be given to the pool."""
        with self._lock:
            request = self.http.next_request(now)
            if request is None:
                return None
            self.exchange = HttpExchange(self, request)
            return self.exchange

    def shed(self, refusal: Refusal, now: float) -> None:
        """Refuse a request that has come for want of a thread; the connection goes on."""
        with self._lock:
            exchange, self.exchange = self.exchange, None
            if exchange is not None:
                self.http.shed(refusal, exchange.request, now)

    def refuse(self, refusal: Refusal, now: float) -> None:
        """Refuse what is coming, and end."""
        with self._lock:
            self.http.refuse(refusal, now)

    @property
    def wanted_events(self) -> int:
        """The events of the socket that have to be waited for."""
        http = self.http
        awaits_write = http.outgoing.size or self._handshake_awaits_write
        return (selectors.EVENT_READ if http.wants_to_receive else 0) | (selectors.EVENT_WRITE if awaits_write else 0)

    @property
    def is_busy(self) -> bool:
        """Whether a request is being answered, or an answer is being sent."""
        return self.http.phase is RUNNING or self.http.outgoing.size > 0

    def expire(self, now: float) -> None:
        """Do what a deadline is for, if it is over."""
        with self._lock:
            http, exchange = self.http, self.exchange
            if exchange is None or not http.is_request_late(now):
                http.expire(now)
            elif exchange.has_sent_head:
                http.abort()
            elif exchange.has_begun:
                http.refuse(CallTimeout("the call did not end within request_timeout_s"), now, exchange.head)
            else:
                http.refuse(
                    ServiceUnavailable("the request found no thread within request_timeout_s"), now, exchange.head
                )

    def stop(self, now: float) -> None:
        """End as soon as nothing is being answered."""
        with self._lock:
            self.http.stop(now)

    def end_writing(self) -> None:
        """Tell the client that nothing more comes."""
        with self._lock, contextlib.suppress(OSError):
            if self._tls is not None:
                send_close_notify(self._tls)
                self._tls = None
            socket.socket.shutdown(self.socket, socket.SHUT_WR)  # not its own, which would drop the TLS

    def close(self) -> None:
        """Close the socket. Whoever still answers finds that out."""
        with self._lock:
            self.is_closed = True
            if self._tls is not None and self.http.is_complete:
                send_close_notify(self._tls)
            self.http.abort()
            self.socket.close()
            stream, task = self.stream, self._task_when_drained
            self._task_when_drained = None
        if stream is not None:
            stream.client_gone()
        if task is not None:
            self.server.pool.submit(task, is_bounded=False)

    def drained_task(self) -> Task | None:
        """Return the task that waits until all has been sent, if it may go on."""
        if self._task_when_drained is None or self.http.outgoing.size:
            return None
        with self._lock:
            task, self._task_when_drained = self._task_when_drained, None
            return task

    def _send(self, data: bytes, now: float) -> bool:
        """Send what the socket takes, and keep the rest; returns whether nothing is left."""
        http = self.http
        if self.is_closed or http.phase is not RUNNING:
            return True
        taken = 0 if http.outgoing.size else self._send_now(data)
        if taken == len(data):
            return not http.outgoing.size
        http.queue(memoryview(data)[taken:], now)
        return False

    def _do_handshake(self, now: float) -> None:
        if self._tls is not None:
            self._handshake_awaits_write = False
            try:
                self._tls.do_handshake()
            except ssl.SSLWantWriteError:
                self._handshake_awaits_write = True
                raise
            if certificate := self._tls.getpeercert(binary_form=True):
                self.certificate_variables = {"SSL_CLIENT_CERT": ssl.DER_cert_to_PEM_cert(certificate)}
        self.http.handshake_done(now)

    def _receive_now(self) -> bytes | None:
        """Receive; None where nothing has come."""
        try:
            if self._tls is None:
                return socket.socket.recv(self.socket, RECEIVE_BYTES)
            return self._tls.recv(RECEIVE_BYTES)
        except NOT_YET:
            return None

    def _send_now(self, data: bytes | memoryview) -> int:
        """Send; returns how many bytes the socket took."""
        try:
            return self.socket.send(data) if self._tls is None else self._send_records(self._tls, data)
        except NOT_YET:
            return 0
        except OSError:
            self.http.abort()
            return len(data)

    def _send_records(self, tls: ssl.SSLSocket, data: bytes | memoryview) -> int:
        """Send record by record. OpenSSL wants all that it could not send offered again, with no byte less.

        Of a longer piece it would have sent a part without telling how much. A record goes as a whole or not at all.
        """
        sent, view = 0, memoryview(data)
        with contextlib.suppress(*NOT_YET):
            while sent < len(view):
                sent += tls.send(view[sent : sent + TLS_RECORD_BYTES])
        return sent

    def _probe(self, now: float) -> None:
        """Ask a client that has sent its last byte whether it still reads, while its request waits for a thread.

        A connection that is closed looks the same as one that is half closed, until something is sent: then the one
        that is gone is reset. An interim answer may be sent before any other (RFC 9110, section 15.2).
        """
        exchange = self.exchange
        if exchange is None or exchange.has_begun or exchange.head["SERVER_PROTOCOL"] != "HTTP/1.1":
            return
        if not self.http.outgoing.size:  # else it would come into the middle of an earlier answer
            self._send(CONTINUE, now)
