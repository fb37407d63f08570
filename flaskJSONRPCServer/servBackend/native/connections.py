"""All connections of one address, from accept to close, in one thread.

The manager's thread accepts, shakes hands for TLS, receives, and sends what a socket did not take at once. A thread of
the pool gets a complete request, computes, and hands the answer back. So a client that is silent, slow or gone costs a
descriptor and bounded memory, and no thread.
"""

from __future__ import annotations

import math
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...runtime.logs import ERROR
from .acceptor import Acceptor
from .client_connection import NOT_YET, ClientConnection
from .deadlines import Deadlines
from .exchange import HttpExchange
from .leadership import Leadership
from .memory import FREE_BYTES, MemoryBudget
from .protocol import BODY, CLOSED, HANDSHAKE, RUNNING
from .request_queue import RequestQueue
from .wakeup import Wakeup

if TYPE_CHECKING:
    from .backend import FrontServer

__all__ = ["ConnectionManager"]

# How long an answer may wait to be sent with others, while requests wait for threads. Below what anybody notices, and
# long enough for many answers.
_DELIVERY_S = 0.001

# How many connections are accepted before others have their turn; guessed.
ACCEPT_AT_ONCE = 64

# How long the listener pauses when descriptors run out, unless a connection of this server ends; guessed.
PAUSE_S = 0.5

# How long a request that is coming may take when the server stops; guessed.
STOP_GRACE_S = 1.0


class ConnectionManager:
    """Accepts connections, and has their requests answered in threads.

    Args:
        server: What all connections share.
        listener: The listening socket; it works on a duplicate.
        name: The name of its thread.

    Attributes:
        server: As given.
        is_stopping: Whether no further request is to come over a connection.
    """

    def __init__(self, server: FrontServer, listener: socket.socket, name: str) -> None:
        self.server = server
        self.is_stopping = False
        self._acceptor = Acceptor(listener, server.limits)
        self._selector = selectors.DefaultSelector()
        self._wakeup = Wakeup()
        self._attended: deque[ClientConnection] = deque()  # appended to by any thread
        self._answers: deque[tuple[ClientConnection, bytes, bool]] = deque()  # appended to by any thread
        self._waits_long = True  # written by the manager's thread
        # A connection that is looked at within this time need not be scheduled when a request begins to run.
        self._look_within_s = server.timeouts.idle_timeout_s
        if server.timeouts.request_timeout_s < math.inf:
            self._look_within_s = -math.inf
        # The manager's thread has all below for itself.
        self._connections: set[ClientConnection] = set()
        self._now = time.monotonic()
        self._deadlines: Deadlines[ClientConnection] = Deadlines()
        self._memory = MemoryBudget(server.limits.max_buffered_bytes)
        self._stop_at = self._grace_ends_at = math.inf
        self._cut_off = 0  # connections that had an answer on its way at the end of a stop
        self._leadership = Leadership(self._manage, server.pool, name, self._lost_lead)
        self._queue = RequestQueue(server, self._leadership, self._refuse_busy)

    def start(self) -> None:
        """Begin to accept."""
        self._selector.register(self._wakeup.receiver, selectors.EVENT_READ, self._wakeup)
        self._leadership.start()

    def stop(self, timeout_s: float) -> int:
        """Accept no more, let what is being answered end, and close the rest.

        Returns:
            How many requests were still being answered when the time was over.
        """
        self._stop_at = time.monotonic() + timeout_s
        self.is_stopping = True
        self._wakeup.send()
        self._leadership.join()
        dropped, running = self.server.pool.stop(0)
        for task in dropped:  # all connections are closed: what is left of each is to let go, and to tell of it
            self.server.pool.submit(task, is_bounded=False)
        return max(len(running), self._cut_off)

    def attend(self, connection: ClientConnection) -> None:
        """Look after a connection that another thread has changed."""
        self._attended.append(connection)
        self._wakeup.send()

    def deliver(self, connection: ClientConnection, message: bytes, *, keeps_alive: bool) -> None:
        """Send a whole answer: at the latest when no other request waits for a thread, or after a moment."""
        self._answers.append((connection, message, keeps_alive))
        if self._waits_long or not self.server.pool.has_waiting:
            self._wakeup.send()

    def _manage(self) -> bool:
        """Do all that there is to do, until the stop; False where another thread does it meanwhile."""
        while not self._has_stopped():
            try:
                self._step()
            except Exception:  # noqa: BLE001  the edge of the thread without which nothing is served
                self.server.log.write(ERROR, "the connection manager failed at a step", traceback=True)
            if not self._queue.answer_short():
                return False
        self._close()
        return True

    def _step(self) -> None:
        now = time.monotonic()
        if self.is_stopping and self._grace_ends_at == math.inf:
            self._begin_stop(now)
            return  # whether anything is left is looked at before anything is waited for
        if not self.is_stopping and self._acceptor.may_listen(len(self._connections), now):
            self._acceptor.listen(self._selector)
        for key, mask in self._wait(now):
            if isinstance(key.data, ClientConnection):
                self._advance(key.data, mask)
            else:
                self._handle(key)
        while self._answers:
            connection, message, keeps_alive = self._answers.popleft()
            self._guarded(self._send_answer, connection, message, keeps_alive)
        while self._attended:
            self._guarded(self._update, self._attended.popleft())
        for connection in self._deadlines.due(self._now):
            self._guarded(self._expire, connection)
        self._queue.submit()

    def _wait(self, now: float) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until there is something to do, and return the events of the sockets."""
        self._waits_long = True  # before it is looked whether there are answers: one that comes later wakes this thread
        patience = self._patience(now)
        self._waits_long = patience != _DELIVERY_S
        events = self._selector.select(patience)
        self._now = time.monotonic()
        return events

    def _handle(self, key: selectors.SelectorKey) -> None:
        if key.data is self._wakeup:
            self._wakeup.receive()
        else:
            self._accept()

    def _guarded(self, step: Callable[..., None], connection: ClientConnection, *args: Any) -> None:
        """Take a step for one connection; whatever goes wrong ends that one alone."""
        if connection.is_closed:
            return
        try:
            step(connection, *args)
        except Exception as exc:  # noqa: BLE001  the edge: the other connections must not notice
            self._failed(connection, exc)

    def _failed(self, connection: ClientConnection, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self._broke(connection, exc)
        else:
            self.server.log.write(ERROR, "a connection failed", traceback=True)
            self._forget(connection)

    def _patience(self, now: float) -> float | None:
        """Return how long nothing has to be done, in seconds; None for ever."""
        if self._attended or self._answers or not self._queue.is_empty:
            return 0
        if self.server.pool.has_waiting:
            return _DELIVERY_S
        if self.is_stopping:
            grace_ends_at = self._grace_ends_at if now < self._grace_ends_at else math.inf
            until = min(self._deadlines.next, self._stop_at, grace_ends_at)
        else:
            until = min(self._deadlines.next, self._acceptor.resumes_at)
        return None if until == math.inf else max(0.0, until - now)

    def _advance(self, connection: ClientConnection, mask: int) -> None:
        """Take what has come over a connection, and send what waits; whatever goes wrong ends that one alone."""
        if connection.is_closed:
            return
        now = self._now
        try:
            try:
                if mask & selectors.EVENT_WRITE:
                    connection.flush(now)
                if self._may_receive(connection) and (
                    mask & selectors.EVENT_READ or connection.http.phase is HANDSHAKE
                ):
                    connection.receive(now)
            except NOT_YET:  # it goes on with the next event
                pass
            self._update(connection)
        except Exception as exc:  # noqa: BLE001  the edge: the other connections must not notice
            self._failed(connection, exc)

    def _send_answer(self, connection: ClientConnection, message: bytes, keeps_alive: bool) -> None:
        if not connection.deliver(message, self._now, keeps_alive=keeps_alive):
            self._update(connection)

    def _expire(self, connection: ClientConnection) -> None:
        connection.expire(self._now)
        self._update(connection)

    def _lost_lead(self, exchange: HttpExchange) -> None:
        self._queue.distrust(exchange)

    def _refuse_busy(self, connection: ClientConnection) -> None:
        self._guarded(self._shed, connection)

    def _shed(self, connection: ClientConnection) -> None:
        connection.shed(self.server.busy, self._now)
        self._update(connection)

    def _update(self, connection: ClientConnection) -> None:
        """Do what follows from the state of a connection."""
        now = self._now
        http, server = connection.http, self.server
        if self.is_stopping and not http.is_stopping:  # before a request is taken, whose answer then says so
            connection.stop(now)
        if (exchange := connection.take_request(now)) is not None and self._begin_request(connection, exchange):
            return
        if (task := connection.drained_task()) is not None:
            server.pool.submit(task, is_bounded=False)
        if self._memory.count(connection):
            self._relieve(connection, now)
        if http.last_refusal is not None:
            server.write_log("refused:", connection.client or "a client", str(http.last_refusal))
            http.last_refusal = None
        if http.should_end_writing:
            connection.end_writing()
        if http.phase is CLOSED:
            self._forget(connection)
        else:
            self._register(connection)
            self._schedule(connection, now)

    def _begin_request(self, connection: ClientConnection, exchange: HttpExchange) -> bool:
        """Have a request answered; returns whether nothing else has to be done for its connection."""
        is_small = exchange.body_bytes <= FREE_BYTES
        if is_small or self._memory.has_room(connection):
            self._queue.add(exchange, self._now, is_small=is_small)
        else:
            exchange.discard()
            connection.shed(self.server.no_room, self._now)
            self.attend(connection)  # for what has come behind it
        # The deadline is looked at in time where an earlier one is, and a running request has none of its own.
        return is_small and connection.scheduled_at <= self._now + self._look_within_s and connection.is_quiet

    def _may_receive(self, connection: ClientConnection) -> bool:
        """Return whether a connection may be read: not ahead of the request under way where memory is short."""
        return not self._memory.is_exceeded or connection.http.phase is not RUNNING

    def _schedule(self, connection: ClientConnection, now: float) -> None:
        deadline = connection.http.deadline
        if connection.http.phase is RUNNING:
            # The thread that answers does not tell when it is done, which saves a wakeup: the time between two requests
            # is noticed at the latest when it is over.
            deadline = min(deadline, now + self.server.timeouts.idle_timeout_s)
        self._deadlines.add(deadline, connection)

    def _register(self, connection: ClientConnection) -> None:
        wanted = connection.wanted_events
        if not self._may_receive(connection):
            wanted &= ~selectors.EVENT_READ
        if wanted == connection.registered:
            return
        if not connection.registered:
            self._selector.register(connection.socket, wanted, connection)
        elif wanted:
            self._selector.modify(connection.socket, wanted, connection)
        else:
            self._selector.unregister(connection.socket)
        connection.registered = wanted

    def _relieve(self, connection: ClientConnection, now: float) -> None:
        """Refuse the body that finds no room; or end the connection that has read nothing for longest."""
        if connection.http.phase is BODY:
            connection.refuse(self.server.no_room, now)
            return
        slowest = min(
            (each for each in self._connections if each.unsent_bytes > FREE_BYTES),
            key=lambda each: each.http.deadline,
            default=None,
        )
        if slowest is not None:
            self.server.write_log("cut off, since max_buffered_bytes is reached:", slowest.client or "a client")
            self._forget(slowest)

    def _accept(self) -> None:
        for _ in range(ACCEPT_AT_ONCE):
            if not self._acceptor.may_accept(len(self._connections)):
                self._acceptor.pause(self._selector)
                return
            try:
                opened, address = self._acceptor.accept()
            except (BlockingIOError, ConnectionAbortedError):  # another process was faster, or the client has gone
                return
            except OSError as exc:
                self.server.write_log("a connection cannot be accepted:", repr(exc))
                self._acceptor.pause(self._selector, until=time.monotonic() + PAUSE_S)
                return
            self._begin(opened, address)

    def _begin(self, opened: socket.socket, address: Any) -> None:
        """Begin with a connection that has been accepted."""
        client = self._acceptor.client_of(address)
        if not self._acceptor.admit(client):
            self.server.write_log("refused, since max_connections_per_client is reached:", client)
            opened.close()
            return
        try:
            connection = self.server.make_connection(self, opened, address, client)
        except OSError as exc:  # the client has gone already
            self.server.write_log("a connection broke:", repr(exc))
            self._acceptor.leave(client)
            opened.close()
            return
        self._connections.add(connection)
        self._advance(connection, selectors.EVENT_READ)

    def _broke(self, connection: ClientConnection, exc: OSError) -> None:
        if connection.http.phase is HANDSHAKE:  # plain HTTP, an old version, no certificate, a scan of ports
            self.server.write_log("no TLS with", f"{connection.address or 'a client'}: {exc!r}")
        else:
            self.server.write_log("a connection broke:", repr(exc))
        self._forget(connection)

    def _forget(self, connection: ClientConnection) -> None:
        """Close a connection, once: one that has to make room for itself is come by twice."""
        if connection not in self._connections:
            return
        if connection.registered:
            self._selector.unregister(connection.socket)
            connection.registered = 0
        self._connections.remove(connection)
        self._deadlines.discard(connection)
        self._memory.release(connection)
        self._acceptor.leave(connection.client)
        connection.close()

    def _begin_stop(self, now: float) -> None:
        self._grace_ends_at = min(now + STOP_GRACE_S, self._stop_at)
        self._acceptor.close(self._selector)
        for connection in list(self._connections):
            self._advance(connection, selectors.EVENT_READ)  # what has come by now is answered
        self._queue.submit()

    def _has_stopped(self) -> bool:
        """Return whether a stop has been asked for, and nothing that is being answered is left."""
        if not self.is_stopping or self._grace_ends_at == math.inf:
            return False
        now = time.monotonic()
        if not self._connections or now >= self._stop_at:
            return True
        return now >= self._grace_ends_at and not any(each.is_busy for each in self._connections)

    def _close(self) -> None:
        self._cut_off = sum(connection.is_busy for connection in self._connections)
        for connection in list(self._connections):
            self._forget(connection)
        self._queue.discard()
        self._deadlines.clear()
        self._selector.close()
        self._wakeup.close()
