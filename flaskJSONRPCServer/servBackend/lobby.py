"""Where connections wait without a thread of their own, until there is a request to answer.

One thread accepts connections, shakes hands for TLS, and reads until a head and a small body are there. Only then one
of a bounded number of threads takes over. So whoever is silent, stalls a handshake or sends byte by byte costs a
descriptor, and no thread.
"""

from __future__ import annotations

import contextlib
import functools
import io
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from ..runtime.logs import DEBUG, ERROR, INFO, WARNING, ServerLog
from .arriving import Arriving
from .heads import MAX_HEAD_BYTES, BadHead, check_head
from .sockets import is_unix
from .tls import send_close_notify, server_context
from .workers import Workers

__all__ = ["Connection", "Lobby", "LobbyBackend"]

# How long a stop or a deadline may go unnoticed; on systems without epoll or kqueue, a kept connection too.
_LOOK_EVERY_S = 0.1

# How long what a client still sends is read after the last answer, so that it finds that rather than a reset; guessed.
_LINGER_S = 2.0

_RECEIVE_BYTES = 64 * 1024

_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Connection:
    """One connection. A thread that answers a request has it for itself.

    Args:
        opened: The socket.
        address: The client's address, as ``accept()`` gives it.
        max_body_bytes: The largest body.

    Attributes:
        socket: The socket; in a thread that answers, it has a timeout.
        address: The client's address.
        arriving: What has come of the next request.
        reader: That, and then what comes.
        shakes_hands: Whether the handshake of TLS is not done.
        has_ended: Whether the client has said that it sends no more.
        is_late: Whether a body has not come in time; reading what lacks raises TimeoutError.
        is_leaving: Whether there is nothing to answer any more.
        deadline: When waiting for it is over, by the monotonic clock.
        backend: Whatever the backend wants to keep with it.
    """

    def __init__(self, opened: socket.socket, address: Any, max_body_bytes: int) -> None:
        self.socket = opened
        self._tls = opened if isinstance(opened, ssl.SSLSocket) else None
        self.address = address
        self.arriving = Arriving(max_body_bytes)
        self._source = Source(self)
        self.reader = io.BufferedReader(self._source)
        self.shakes_hands = self._tls is not None
        self.has_ended = self.is_late = self.is_leaving = False
        self.deadline = 0.0
        self.backend: Any = None

    @property
    def peer(self) -> str:
        """The client's IP address; empty for a Unix socket, whose peer has none."""
        return self.address[0] if isinstance(self.address, tuple) else ""

    @property
    def progress(self) -> tuple[bool, bool]:
        """What makes the time for the next step begin: the end of the handshake, and the first byte."""
        return self.shakes_hands, bool(self.arriving.received)

    def shake_hands(self) -> None:
        """Go on with the handshake.

        Raises:
            OSError: It has failed, or the client has to send more.
        """
        if self._tls is not None:
            self._tls.do_handshake()
        self.shakes_hands = False

    def receive(self) -> None:
        """Read until enough of a request is there, or the end.

        Raises:
            OSError: Nothing more has come yet, or the connection broke.
        """
        while not self.has_ended and not self.arriving.is_enough():
            received = self.socket.recv(_RECEIVE_BYTES)
            self.arriving.received += received
            self.has_ended = not received

    def discard(self) -> None:
        """Read what nobody wants any more, until the end.

        Raises:
            OSError: As :meth:`receive`.
        """
        while socket.socket.recv(self.socket, _RECEIVE_BYTES):  # as it is: TLS has been ended
            pass

    def read_no_more(self) -> None:
        """Let the reader find its end after what it has already."""
        self._source.is_paused = True

    def next_request(self) -> bool:
        """Go on to the next request; returns whether something of it may be there already."""
        self.read_no_more()
        ahead = self.reader.read(len(self.reader.peek()))
        self._source.is_paused = False
        self.arriving.received[:0] = ahead
        self.arriving.begin()
        return bool(self.arriving.received) or (self._tls is not None and self._tls.pending() > 0)

    def end_writing(self) -> None:
        """Tell the client that there is no more to come."""
        if self._tls is not None and not self.shakes_hands:
            send_close_notify(self._tls)
        with contextlib.suppress(OSError):  # the client has gone already
            # Not its own shutdown(), which would drop the TLS.
            socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def close(self) -> None:
        """Close it, and let go of what would be garbage for the collector, which may come late."""
        self.reader.close()
        self.socket.close()
        self.backend = None
        del self._source, self.reader


class Source(io.RawIOBase):
    """What has been received, and then what the socket gives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.is_paused = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.is_paused:
            return 0
        received = self._connection.arriving.received
        if received:
            read = min(len(buffer), len(received))
            buffer[:read] = received[:read]
            del received[:read]
            return read
        if self._connection.is_late:
            raise TimeoutError("the body did not come in time")
        return self._connection.socket.recv_into(buffer)


def in_lobby(task: Callable[[Lobby, Connection], None]) -> Callable[[Lobby, Connection], None]:
    """Let a step of the lobby end the connection that it breaks on."""

    @functools.wraps(task)
    def step(self: Lobby, connection: Connection) -> None:
        try:
            task(self, connection)
        except OSError as exc:
            self.broke(connection, exc)

    return step


class HttpServer(Protocol):
    """Parses the requests that come over a lobby's connections, and answers them."""

    def enter(self, lobby: Lobby) -> None:
        """Serve the connections of a lobby, which does not run yet."""

    def answer(self, connection: Connection) -> bool:
        """Answer the request that has come over a connection, in a thread of the lobby's.

        Returns:
            Whether the connection stays open.
        """


class Lobby:
    """Accepts connections, and has requests answered in threads.

    Args:
        listener: The listening socket; it works on a duplicate.
        http: Answers the requests.
        settings: The settings of the flaskJSONRPCServer.
        log: The log of the flaskJSONRPCServer.
        write_log: Takes the parts of a message about a request or a connection.
        name: The name of the threads.

    Attributes:
        tls: What wraps the connections; None for plain ones.
        is_stopping: Whether no further request is to come over a connection.
    """

    def __init__(
        self,
        listener: socket.socket,
        http: HttpServer,
        settings: Any,
        log: ServerLog,
        write_log: Callable[..., None],
        name: str,
    ) -> None:
        self._http = http
        self._log = log
        self._write_log = write_log
        self._timeout_s = settings.read_timeout_s or None
        self._max_body_bytes = settings.max_body_bytes
        self.tls = server_context(settings.ssl)
        self._listener = listener.dup()
        self._was_blocking = listener.getblocking()
        self._workers = Workers(settings.threads, name)
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._waiting: set[Connection] = set()  # guarded by _lock
        self._is_accepting = False  # the lobby's thread has this and the next for itself
        self._next_look = 0.0
        self.is_stopping = False
        self._is_closed = False  # guarded by _lock
        self._thread = threading.Thread(target=self._run, name=f"{name}-lobby", daemon=True)

    def start(self) -> None:
        """Begin to accept."""
        self._http.enter(self)
        self._listener.setblocking(False)
        self._thread.start()

    def stop(self, timeout_s: float) -> int:
        """Accept no more, end the connections that have asked for nothing, and wait for the others.

        Returns:
            How many were still being answered when the time was over.
        """
        self.is_stopping = True
        self._thread.join()
        return self._workers.finish(timeout_s)

    def broke(self, connection: Connection, exc: OSError) -> None:
        """End a connection that failed."""
        if connection.is_leaving:
            pass  # what it was to get, it has got
        elif connection.shakes_hands:  # plain HTTP, an old version, no certificate, silence, a scan of ports
            self._write_log(f"no TLS with {connection.address or 'a client'}: {exc!r}")
        else:
            self._write_log("a connection broke:", repr(exc))
        self._forget(connection)
        connection.close()

    def _run(self) -> None:
        while not self.is_stopping:
            if not self._is_accepting:
                self._selector.register(self._listener, selectors.EVENT_READ)
                self._is_accepting = True
            for key, _ in self._selector.select(_LOOK_EVERY_S):
                if key.data is None:
                    self._accept()
                else:
                    self._advance(key.data)
            if time.monotonic() >= self._next_look:
                self._end_late()
        self._close()

    def _accept(self) -> None:
        try:
            opened, address = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):  # another process was faster, or the client has gone
            return
        except OSError as exc:
            self._write_log("a connection cannot be accepted:", repr(exc))
            self._selector.unregister(self._listener)  # which stays ready, until the next look
            self._is_accepting = False
            return
        try:
            self._await(Connection(self._prepared(opened), address, self._max_body_bytes))
        except OSError as exc:  # the client has gone already
            self._write_log("a connection broke:", repr(exc))
            opened.close()

    def _prepared(self, opened: socket.socket) -> socket.socket:
        opened.settimeout(0)
        if not is_unix(opened):  # else a client that is kept alive waits 40 ms for an answer in two segments
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is None:
            return opened
        return self.tls.wrap_socket(opened, server_side=True, do_handshake_on_connect=False)

    @in_lobby
    def _advance(self, connection: Connection) -> None:
        """Take what has come over a connection."""
        before = connection.progress
        try:
            self._read(connection)
        except _NOT_YET as exc:
            if connection.progress != before:
                connection.deadline = self._after(self._timeout_s)
            awaited = selectors.EVENT_WRITE if isinstance(exc, ssl.SSLWantWriteError) else selectors.EVENT_READ
            self._selector.modify(connection.socket, awaited, connection)
            return
        self._forget(connection)
        if connection.is_leaving or not connection.arriving.received:
            connection.end_writing()
            connection.close()
        else:
            self._workers.give(functools.partial(self._attend, connection))

    def _read(self, connection: Connection) -> None:
        if connection.is_leaving:
            connection.discard()
            return
        if connection.shakes_hands:
            connection.shake_hands()
        connection.receive()

    @in_lobby
    def _give_up(self, connection: Connection) -> None:
        """End the wait for a connection whose time is over."""
        if connection.shakes_hands:
            raise TimeoutError("the handshake did not come in time")
        self._forget(connection)
        if connection.arriving.head_bytes:
            connection.is_late = True
            self._workers.give(functools.partial(self._attend, connection))
        else:
            connection.end_writing()
            connection.close()

    def _attend(self, connection: Connection) -> None:
        """Answer a request, in a thread of its own."""
        stays = False
        try:
            connection.socket.settimeout(self._timeout_s)
            refusal = refusal_of(connection)
            if refusal is None:
                stays = self._http.answer(connection)
            else:
                self._write_log(connection.peer, "refused:", refusal[1])
                connection.socket.sendall(refused(*refusal))
        except OSError as exc:
            self._write_log("a connection broke:", repr(exc))
        except BaseException:  # noqa: BLE001  of a page; no thread may end by it, or requests would wait for ever
            self._log.write(ERROR, "an answer broke off", traceback=True)
        finally:
            (self._stay if stays else self._leave)(connection)

    @in_lobby
    def _stay(self, connection: Connection) -> None:
        may_be_there = connection.next_request()
        connection.socket.settimeout(0)
        if may_be_there:
            with contextlib.suppress(*_NOT_YET):
                connection.receive()
                self._workers.give(functools.partial(self._attend, connection))
                return
        self._await(connection)

    def _leave(self, connection: Connection) -> None:
        """Close a connection when the client has closed it, or a little later."""
        connection.socket.settimeout(0)
        connection.end_writing()
        if connection.has_ended:
            connection.close()
        else:
            connection.is_leaving = True
            self._await(connection)

    def _await(self, connection: Connection) -> None:
        connection.deadline = self._after(_LINGER_S if connection.is_leaving else self._timeout_s)
        with self._lock:
            if not self._is_closed:
                self._waiting.add(connection)
                self._selector.register(connection.socket, selectors.EVENT_READ, connection)
                return
        connection.close()

    def _forget(self, connection: Connection) -> None:
        with self._lock:
            if connection in self._waiting:
                self._waiting.remove(connection)
                self._selector.unregister(connection.socket)

    def _end_late(self) -> None:
        now = time.monotonic()
        self._next_look = now + _LOOK_EVERY_S
        with self._lock:
            late = [connection for connection in self._waiting if connection.deadline <= now]
        for connection in late:
            self._give_up(connection)

    def _close(self) -> None:
        """Listen no more, and end what waits. Requests that have come by now are still answered."""
        with self._lock:
            self._is_closed = True
            waiting = list(self._waiting)
        for connection in waiting:
            self._advance(connection)
            if connection in self._waiting:
                self._forget(connection)
                connection.end_writing()
                connection.close()
        self._selector.close()
        self._listener.setblocking(self._was_blocking)
        self._listener.close()

    def _after(self, seconds: float | None) -> float:
        return time.monotonic() + seconds if seconds else float("inf")


class LobbyBackend:
    """What the serving backends have in common in front of which stands a lobby."""

    _id: str
    _make_server: Callable[..., HttpServer]

    _supportGevent = False
    _supportNative = True
    _supportRawSocket = True
    _supportTLS = True
    _supportSSLContext = True

    def start(self, bindAdress: Any, wsgiApp: Callable[..., Any], server: Any, joinLoop: bool) -> Lobby:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.start`."""
        settings = server.settings
        _, listener = bindAdress
        write_log = functools.partial(server.log.write, INFO if settings.debug else DEBUG)
        http = self._make_server(listener, wsgiApp, write_log)
        lobby = Lobby(listener, http, settings, server.log, write_log, f"{server.name}-{self._id}")
        lobby.start()
        return lobby

    def stop(self, serverInstance: Lobby, serverIndex: int, server: Any, timeout: float) -> None:
        """As :meth:`~flaskJSONRPCServer.servBackend.base.ServBackend.stop`."""
        cut_off = serverInstance.stop(timeout)
        if cut_off:
            server.log.write(WARNING, f"{cut_off} connections were still being answered after {timeout} s")


def refusal_of(connection: Connection) -> tuple[str, str] | None:
    """Return the status and the reason, if a request cannot even be given to an HTTP parser."""
    arriving = connection.arriving
    if (arriving.head_bytes or len(arriving.received)) > MAX_HEAD_BYTES:
        if b"\n" in arriving.received[:MAX_HEAD_BYTES]:
            return "431 Request Header Fields Too Large", f"the head is over {MAX_HEAD_BYTES} bytes"
        return "414 URI Too Long", f"the request line is over {MAX_HEAD_BYTES} bytes"
    try:
        check_head(bytes(arriving.received[: arriving.head_bytes]))
    except BadHead as exc:
        return "400 Bad Request", str(exc)
    return None


def refused(status: str, why: str) -> bytes:
    """Return the answer that refuses a request; the connection ends with it."""
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {len(why)}\r\n\r\n"
    return (head + why).encode("latin-1")
