"""All connections of one address, from accept to close, in one thread at a time.

The manager's thread accepts, does TLS handshakes, receives, and sends the bytes that a socket did not accept at once. A
thread of the pool gets a complete request, computes, and sends the answer, or appends to a deque what the manager has
to do: each step of the manager empties them. So a client that is silent, slow or gone
costs a descriptor and bounded memory, but no thread.

While requests wait for a thread, the manager sends the answers too. A thread that sends releases the interpreter's lock
and would lose it at each answer. For the same reason the pool wakes one thread at a time, and each thread that takes a
task wakes the next. The answers to several short calls go out together as well, at the end of a turn: a client with
many connections, such as a proxy, then wakes once for all of them.

"The manager's thread" is whichever thread leads, see :mod:`.leadership`. The lead passes on when a short call
blocks, and only between two steps, so one thread alone uses the manager at any time.
"""

from __future__ import annotations

import math
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...runtime.forks import release_in_forks
from ...runtime.logs import ERROR
from .acceptor import Acceptor
from .client_connection import WOULD_BLOCK, ClientConnection
from .deadlines import Deadlines
from .http_exchange import HttpExchange
from .leadership import Leadership
from .memory import UNCOUNTED_BYTES
from .protocol import CLOSED, HANDSHAKE, PENDING
from .request_queue import RequestQueue
from .shedding import LoadShedder
from .wakeup import Wakeup

if TYPE_CHECKING:
    from .backend import SharedState

__all__ = ["ConnectionManager"]

# How long an answer may wait to be sent together with others, while requests wait for threads. Too short to notice, and
# long enough for many answers.
_DELIVERY_S = 0.001

# The longest wait for events: epoll takes no more than 24 days. A deadline may be further away.
LONGEST_WAIT_S = 3600.0

# How many connections are accepted before the open ones have their turn; guessed.
ACCEPT_AT_ONCE = 64

# How long the listener pauses when descriptors run out, unless a connection of this server ends before; guessed.
PAUSE_S = 0.5

# How long the rest of an incomplete request may take when the server stops; guessed.
STOP_GRACE_S = 1.0


class ConnectionManager:
    """Owns all connections of one address, and passes their requests to threads.

    Args:
        shared: The state that all connections share.
        listener: The listening socket. The manager works on a duplicate.
        name: The name of the manager's thread.

    Attributes:
        shared: As given.
        is_stopping: Whether each connection ends after its current request.
    """

    def __init__(self, shared: SharedState, listener: socket.socket, name: str) -> None:
        self.shared = shared
        self.is_stopping = False
        self._acceptor = Acceptor(listener, shared.limits)
        self._selector = selectors.DefaultSelector()
        self._wakeup = Wakeup()
        self._to_update: deque[ClientConnection] = deque()  # appended to by any thread
        self._answers: deque[tuple[ClientConnection, bytes, bool]] = deque()  # appended to by any thread
        self._is_waiting = self._needs_wakeup = True  # written by the manager's thread
        # A connection whose deadline is checked within this time need not be scheduled when a request begins to run.
        self._next_check_within_s = shared.timeouts.idle_timeout_s
        if shared.timeouts.request_timeout_s < math.inf:
            self._next_check_within_s = -math.inf
        # Only the manager's thread uses the attributes below.
        self._connections: set[ClientConnection] = set()
        self._paused: set[ClientConnection] = set()  # not read while memory is short
        self._now = time.monotonic()
        self._deadlines: Deadlines[ClientConnection] = Deadlines()
        self._shedder = LoadShedder(
            shared, drop=self._drop_connection, update_later=self._to_update.append, resume=self._resume
        )
        self._stop_at = self._grace_ends_at = math.inf
        self._cut_off = 0  # connections that still had an answer to send when the stop ended
        self._leadership = Leadership(self._manage, shared.pool, name, self._on_lead_lost)
        self._queue = RequestQueue(shared, self._leadership, self._refuse_busy)

    def counts(self) -> dict[str, int]:
        """Return the number of connections, and the counts of the pool. Any thread may ask."""
        return {**self.shared.pool.counts(), "connections": len(self._connections)}

    def unfinished(self) -> list[str]:
        """Return a few words for each request whose answer has not been sent. Any thread may ask."""
        return [words for connection in list(self._connections) if (words := connection.unfinished())]

    def start(self) -> None:
        """Start to accept connections."""
        self._selector.register(self._wakeup.receiver, selectors.EVENT_READ, self._wakeup)
        self._leadership.start()

    def stop(self, timeout_s: float) -> int:
        """Stop accepting, finish the requests that are being answered, and close all connections.

        Returns:
            How many requests were still being answered after the timeout.
        """
        self._stop_at = time.monotonic() + timeout_s
        self.is_stopping = True
        self._wakeup.send()
        self._leadership.join()
        # A call whose client has gone may still run; it has the same time to end as the others.
        dropped, running = self.shared.pool.stop(max(0.0, self._stop_at - time.monotonic()))
        dropped += self.shared.immediate_pool.stop(0)[0]
        dropped += self.shared.callback_pool.stop(max(0.0, self._stop_at - time.monotonic()))[0]
        if self.shared.expiry is not None:
            dropped += self.shared.expiry.stop()
        for task in dropped:  # their connections are closed: each task only releases its request and closes its stream
            self.shared.pool.submit(task, is_bounded=False)
        return max(len(running), self._cut_off)

    def schedule_update(self, connection: ClientConnection) -> None:
        """Have the manager's thread update a connection that another thread has changed."""
        self._to_update.append(connection)
        self._wakeup.send()

    def queue_answer(self, connection: ClientConnection, message: bytes, *, keeps_alive: bool) -> None:
        """Have the manager's thread send a complete answer, together with others, soon.

        It does so within ``_DELIVERY_S`` or, if a short call queues the answer, at the end of the turn.
        """
        self._answers.append((connection, message, keeps_alive))
        if self._is_waiting and (self._needs_wakeup or not self.shared.pool.waiting):
            self._wakeup.send()

    def _manage(self) -> bool:
        """Run the event loop until the stop. Return False if another thread has taken the lead."""
        while not self._has_stopped():
            try:
                self._step()
            except Exception:  # noqa: BLE001  without this thread, nothing is served
                self.shared.write_failure("the connection manager failed at a step")
            if not self._queue.answer_short():
                return False
        self._close()
        return True

    def _step(self) -> None:
        now = self._now = time.monotonic()
        self._send_answers()  # to the short calls of the last turn
        if self.is_stopping and self._grace_ends_at == math.inf:
            self._begin_stop(now)
            return  # so that the loop checks whether anything is left before it waits
        if not self.is_stopping and self._acceptor.may_listen(len(self._connections), now):
            self._acceptor.listen(self._selector)
        for key, mask in self._wait(now):
            if isinstance(key.data, ClientConnection):
                self._process_events(key.data, mask)
            else:
                self._handle(key)
        self._send_answers()
        while self._to_update:
            self._run_step(self._update, self._to_update.popleft())
        for connection in self._deadlines.due(self._now):
            self._run_step(self._expire, connection)
        self._queue.submit()

    def _resume(self) -> None:
        """Have the paused connections read again: memory is no longer short."""
        self._to_update.extend(self._paused)
        self._paused.clear()

    def _wait(self, now: float) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events of the sockets, a wakeup or a deadline, and return the events."""
        # Set before _wait_timeout() looks for answers: one that is queued after that wakes this thread.
        self._is_waiting = self._needs_wakeup = True
        timeout_s = self._wait_timeout(now)
        # So short a wait needs no wakeup: it lets answers go out together.
        self._needs_wakeup = timeout_s != _DELIVERY_S
        events = self._selector.select(timeout_s)
        self._is_waiting = False  # it looks for answers again before the next wait
        self._now = time.monotonic()
        return events

    def _handle(self, key: selectors.SelectorKey) -> None:
        if key.data is self._wakeup:
            self._wakeup.receive()
        else:
            self._accept()

    def _run_step(self, step: Callable[..., None], connection: ClientConnection, *args: Any) -> None:
        """Run a step for one connection. An exception ends that connection alone."""
        if connection.is_closed:
            return
        try:
            step(connection, *args)
        except Exception as exc:  # noqa: BLE001  the edge: the other connections must not notice
            self._handle_failure(connection, exc)

    def _handle_failure(self, connection: ClientConnection, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self._log_broken(connection, exc)
        else:
            self.shared.log.write(ERROR, "a connection failed", traceback=True)
            self._drop_connection(connection)

    def _wait_timeout(self, now: float) -> float | None:
        """Return how long the selector may wait, in seconds; None for no limit."""
        if self._to_update or self._answers or not self._queue.is_empty:
            return 0
        if self.shared.pool.waiting:
            return _DELIVERY_S
        if self.is_stopping:
            grace_ends_at = self._grace_ends_at if now < self._grace_ends_at else math.inf
            until = min(self._deadlines.next, self._stop_at, grace_ends_at)
        else:
            until = min(self._deadlines.next, self._acceptor.resumes_at)
        return None if until == math.inf else min(max(0.0, until - now), LONGEST_WAIT_S)

    def _process_events(self, connection: ClientConnection, mask: int) -> None:
        """Receive and send on the events of a connection. An exception ends that connection alone."""
        if connection.is_closed:
            return
        now = self._now
        try:
            try:
                if mask & selectors.EVENT_WRITE:
                    connection.flush(now)
                is_readable = mask & selectors.EVENT_READ or connection.awaits_write_to_receive
                if is_readable and self._may_receive(connection):
                    exchange = connection.receive(now)
                    if exchange is not None and self._begin_request(connection, exchange):
                        return
            except WOULD_BLOCK:  # the handshake goes on with the next event
                pass
            self._update(connection)
        except Exception as exc:  # noqa: BLE001  the edge: the other connections must not notice
            self._handle_failure(connection, exc)

    def _send_answers(self) -> None:
        while self._answers:
            connection, message, keeps_alive = self._answers.popleft()
            if connection.is_closed:
                continue
            try:  # _run_step(), without the cost of its call
                if not connection.send_last_part(message, self._now, keeps_alive=keeps_alive):
                    self._update(connection)
            except Exception as exc:  # noqa: BLE001  the edge: the other connections must not notice
                self._handle_failure(connection, exc)

    def _expire(self, connection: ClientConnection) -> None:
        connection.expire(self._now)
        self._update(connection)

    def _on_lead_lost(self, exchange: HttpExchange) -> None:
        self._queue.on_lead_lost(exchange)

    def _refuse_busy(self, connection: ClientConnection) -> None:
        self._run_step(self._shed, connection)

    def _shed(self, connection: ClientConnection) -> None:
        connection.shed(self.shared.busy_refusal, self._now)
        client = connection.client or "a client"
        self.shared.write_warning("no thread is free, within threads and max_waiting_requests: refused", client)
        self._update(connection)

    def _update(self, connection: ClientConnection) -> None:
        """Act on the state of a connection: take its request, and register what it waits for."""
        now = self._now
        http, shared = connection.http, self.shared
        if self.is_stopping and not http.is_stopping:  # before a request is taken: its answer says Connection: close
            connection.stop(now)
        if (exchange := connection.take_request(now)) is not None and self._begin_request(connection, exchange):
            return
        if (task := connection.take_drained_task()) is not None:
            shared.pool.submit(task, is_bounded=False)
        self._shedder.update(connection, now)
        if http.awaits_continue:  # only now, as a body without room has been refused
            connection.send_continue(now)
        if http.last_refusal is not None:
            shared.write_log("refused:", connection.client or "a client", str(http.last_refusal))
            http.last_refusal = None
        if http.should_end_writing:
            connection.end_writing()
        if http.phase is CLOSED:
            self._drop_connection(connection)
        else:
            self._register(connection)
            self._schedule(connection, now)

    def _begin_request(self, connection: ClientConnection, exchange: HttpExchange) -> bool:
        """Queue a request. Return whether its connection needs no further update."""
        is_small = exchange.request.body.size <= UNCOUNTED_BYTES
        if is_small or self._shedder.admit(connection, self._now):
            self._queue.add(exchange, self._now, is_small=is_small)
        else:
            exchange.discard()
            self.schedule_update(connection)  # for the requests behind it
        # A running request has no deadline of its own, so an earlier scheduled check is enough.
        return (
            is_small
            and connection.scheduled_at <= self._now + self._next_check_within_s
            and connection.needs_no_update()
        )

    def _may_receive(self, connection: ClientConnection) -> bool:
        """Return whether to read a connection. While memory is short, no request is read ahead of the current one."""
        return not self._shedder.memory.is_exceeded or connection.http.phase is not PENDING

    def _schedule(self, connection: ClientConnection, now: float) -> None:
        deadline = connection.http.deadline
        if connection.http.phase is PENDING:
            # The thread that answers does not report that it has finished, which saves a wakeup. The idle time that
            # begins then is checked at the latest when it is over.
            deadline = min(deadline, now + self.shared.timeouts.idle_timeout_s)
        self._deadlines.add(deadline, connection)

    def _register(self, connection: ClientConnection) -> None:
        may_receive = self._may_receive(connection)
        if not may_receive:
            self._paused.add(connection)
        wanted = connection.wanted_events(may_receive=may_receive)
        if wanted == connection.registered:
            return
        if not connection.registered:
            self._selector.register(connection.socket, wanted, connection)
        elif wanted:
            self._selector.modify(connection.socket, wanted, connection)
        else:
            self._selector.unregister(connection.socket)
        connection.registered = wanted

    def _accept(self) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            if not self._acceptor.may_accept(len(self._connections)):
                self._acceptor.pause(self._selector)
                return
            try:
                sock, address = self._acceptor.accept()
            except (BlockingIOError, ConnectionAbortedError):  # another process has accepted it, or the client has gone
                return
            except OSError as exc:
                self.shared.write_warning("a connection cannot be accepted:", repr(exc))
                self._acceptor.pause(self._selector, until=time.monotonic() + PAUSE_S)
                return
            self._add_connection(sock, address)

    def _add_connection(self, sock: socket.socket, address: Any) -> None:
        """Add an accepted connection, unless its client has too many."""
        client = self._acceptor.client_host(address)
        if not self._acceptor.admit(client):
            self.shared.write_warning("max_connections_per_client is reached: closed a connection of", client)
            sock.close()
            return
        try:
            connection = self.shared.make_connection(self, sock, address, client)
        except OSError as exc:  # the client has gone already
            self.shared.write_log("a connection broke:", repr(exc))
            self._acceptor.release(client)
            sock.close()
            return
        release_in_forks(connection.socket)
        self._connections.add(connection)
        self._process_events(connection, selectors.EVENT_READ)

    def _log_broken(self, connection: ClientConnection, exc: OSError) -> None:
        if connection.http.phase is HANDSHAKE:  # plain HTTP, an old version, no certificate, a port scan
            self.shared.write_log("no TLS with", f"{connection.address or 'a client'}: {exc!r}")
        else:
            self.shared.write_log("a connection broke:", repr(exc))
        self._drop_connection(connection)

    def _drop_connection(self, connection: ClientConnection) -> None:
        """Close a connection once. One may be dropped for want of room while it is updated, which drops it again."""
        if connection not in self._connections:
            return
        if connection.registered:
            self._selector.unregister(connection.socket)
            connection.registered = 0
        self._connections.remove(connection)
        self._paused.discard(connection)
        self._deadlines.discard(connection)
        self._shedder.release(connection)
        self._acceptor.release(connection.client)
        connection.close()

    def _begin_stop(self, now: float) -> None:
        self._grace_ends_at = min(now + STOP_GRACE_S, self._stop_at)
        self._acceptor.close(self._selector)
        for connection in list(self._connections):
            self._process_events(connection, selectors.EVENT_READ)  # requests that have come by now are answered
        self._queue.submit()

    def _has_stopped(self) -> bool:
        """Return whether a stop is under way and no request is left to answer."""
        if not self.is_stopping or self._grace_ends_at == math.inf:
            return False
        now = time.monotonic()
        if not self._connections or now >= self._stop_at:
            return True
        return now >= self._grace_ends_at and not any(connection.is_busy for connection in self._connections)

    def _close(self) -> None:
        self._send_answers()
        self._cut_off = sum(connection.is_busy for connection in self._connections)
        for connection in list(self._connections):
            self._drop_connection(connection)
        self._queue.discard()
        self._deadlines.clear()
        self._selector.close()
        self._wakeup.close()
