"""The line from the child processes of the backend ``parallel`` to the server: JSON-RPC over a private Unix socket.

A child asks, the parent answers. What may be asked is a closed table, :class:`ParentMethods`, and nothing is unpickled.
Whoever connects says a random token first, and the socket lies in a folder that nobody else may enter.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..dispatch.locks import lock_key
from ..dispatch.routes import Route
from ..errors import ServerStateError, UnsupportedError
from ..runtime.concurrency import start_thread
from ..runtime.logs import WARNING, TracebackText
from ..sansio_jsonrpc import (
    JsonRpcApplicationError,
    JsonRpcError,
    JsonRpcException,
    JsonRpcMethodNotFoundError,
    JsonRpcPeer,
    JsonRpcRequest,
    JsonRpcResponse,
    JsonRpcStream,
    NewlineFraming,
)

__all__ = ["ChannelAddress", "ChildChannel", "ParentChannel", "name_of_dispatcher"]

AUTHENTICATE: Final = "authenticate"
FRAMING: Final = NewlineFraming(limit_bytes=64 * 1024 * 1024)
_SLICE_BYTES: Final = 64 * 1024
_LONGEST_PATH_BYTES: Final = 100
"""Below what the systems take for a Unix socket: 104 to 108, with the zero at its end."""
_JOIN_S: Final = 5

RAISED: Final[dict[str, type[Exception]]] = {
    each.__name__: each for each in (ServerStateError, TypeError, ValueError, OverflowError)
}
"""What a method may raise in the parent, and is raised in the child again."""

Method = Callable[[dict[str, Any], "Connected"], Any]


@dataclass(frozen=True, slots=True)
class ChannelAddress:
    """Where a child reaches its parent.

    Attributes:
        path: The path of the Unix socket.
        token: What the child proves by that it is one of the parent's.
    """

    path: str
    token: str = field(repr=False)


class ParentChannel:
    """The parent's end: a thread for each connection answers what a child asks.

    Args:
        server: The server that is asked.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._log = server._engine.log
        self._methods = ParentMethods(server)
        self._address: ChannelAddress | None = None
        self._listening: socket.socket | None = None
        self._accepting: Any = None
        self._lock = threading.Lock()
        self._connected: dict[Connected, Any] = {}  # with their threads; guarded by _lock
        self._is_stopping = False  # guarded by _lock

    @property
    def address(self) -> ChannelAddress:
        """Where children connect to.

        Raises:
            ServerStateError: The channel has not been started.
        """
        if self._address is None:
            raise ServerStateError("the channel to the child processes is not open; call start() before")
        return self._address

    def start(self) -> None:
        """Make the socket, and answer whoever connects.

        Raises:
            UnsupportedError: The system has no Unix sockets.
            ServerStateError: It is open already, or the path of the temporary folder is too long for a socket.
        """
        if self._address is not None:
            raise ServerStateError("the channel to the child processes is open already")
        folder = private_folder()
        self._address = ChannelAddress(str(folder / "parent.sock"), secrets.token_hex(32))
        self._is_stopping = False
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(self._address.path)
        self._listening.listen()
        self._accepting = start_thread(self._accept, (self._listening,), name=f"{self._server.name}-channel")

    def stop(self) -> None:
        """End all connections, so that what children wait for fails, and remove the socket, if there is one."""
        address, self._address = self._address, None
        if address is None or self._listening is None:
            return
        with self._lock:
            self._is_stopping = True
            connected = dict(self._connected)
        wake_accepting(address.path)
        self._accepting.join(_JOIN_S)
        self._listening.close()
        for each, thread in connected.items():
            each.end()
            thread.join(_JOIN_S)
        shutil.rmtree(Path(address.path).parent, ignore_errors=True)

    def _accept(self, listening: socket.socket) -> None:
        token = self.address.token
        while True:
            client, _ = listening.accept()
            with self._lock:
                if self._is_stopping:
                    client.close()
                    return
                connected = Connected(client, self._methods, token, self._log)
                self._connected[connected] = start_thread(
                    self._serve, (connected,), name=f"{self._server.name}-channel"
                )

    def _serve(self, connected: Connected) -> None:
        try:
            connected.serve()
        finally:
            with self._lock:
                self._connected.pop(connected, None)


class Connected:
    """A connection of a child, as the parent has it.

    Args:
        client: The connected socket.
        methods: What it may ask.
        token: What it has to say first.
        log: Where a wrong token is told.

    Attributes:
        is_gone: Whether the child has closed it, or the parent.
    """

    def __init__(self, client: socket.socket, methods: ParentMethods, token: str, log: Any) -> None:
        self.is_gone = False
        self._socket = client
        self._methods = methods
        self._token = token
        self._log = log
        self._peer = JsonRpcPeer()
        self._sending = threading.Lock()

    def serve(self) -> None:
        """Answer until it is closed."""
        try:
            messages = messages_from(self._socket, self._peer)
            if self._is_authentic(next(messages, None)):
                for message in messages:
                    self._answer(message)
        except OSError:  # the child was ended while it wrote
            pass
        except JsonRpcException as exc:
            self._log.write(WARNING, "a connection to the channel of the child processes is closed:", exc.message)
        finally:
            self.end()
            self._socket.close()

    def end(self) -> None:
        """Close it, and let go what waits on its behalf."""
        self.is_gone = True
        self._methods.wake_waiting()
        with contextlib.suppress(OSError):  # the other side was faster
            self._socket.shutdown(socket.SHUT_RDWR)

    def _is_authentic(self, first: Any) -> bool:
        said = first.params if isinstance(first, JsonRpcRequest) and first.method == AUTHENTICATE else None
        token = said.get("token") if isinstance(said, dict) else None
        if isinstance(token, str) and hmac.compare_digest(token.encode(errors="replace"), self._token.encode()):
            return True
        if not self.is_gone and first is not None:
            self._log.write(WARNING, "a connection to the channel of the child processes is closed: wrong token")
        return False

    def _answer(self, message: Any) -> None:
        if not isinstance(message, JsonRpcRequest):
            error = getattr(message, "error", None) or JsonRpcError(-32600, "Invalid Request: one call at a time")
            self._send(self._peer.respond_with_error(None, error))
        elif message.method in self._methods.waiting:  # elsewhere: here it is noticed when the child ends
            start_thread(self._run, (self._methods.waiting[message.method], message), name="channel-wait")
        else:
            self._run(self._methods.brief.get(message.method), message)

    def _run(self, method: Method | None, request: JsonRpcRequest) -> None:
        try:
            if method is None:
                raise JsonRpcMethodNotFoundError(f"the channel has no method {request.method!r}")
            params = request.params if isinstance(request.params, dict) else {}
            answer = self._peer.respond_with_result(request, method(params, self))
        except JsonRpcException as exc:
            answer = self._peer.respond_with_error(request, exc.get_error())
        except Exception as exc:  # noqa: BLE001  it is raised again in the child, which asked for it
            error = JsonRpcApplicationError(str(exc), data={"type": type(exc).__name__})
            answer = self._peer.respond_with_error(request, error.get_error())
        self._send(answer)

    def _send(self, message: bytes) -> None:
        with self._sending, contextlib.suppress(OSError):  # a child that has ended needs no answer
            self._socket.sendall(FRAMING.frame(message))


class ParentMethods:
    """What a child may ask: the closed table.

    Args:
        server: The server that is asked.

    Attributes:
        brief: The methods that answer at once, by name.
        waiting: Those that may wait, by name.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._locks = server._engine.locks
        self._router = server._engine.router
        self.brief: dict[str, Method] = {
            "addresses": lambda params, _: server.addresses,
            "deepLock": lambda params, _: server._deepLock(),
            "deepUnlock": lambda params, _: server._deepUnlock(),
            "isLocked": lambda params, _: self._locks.is_locked(self._key(params)),
            "lock": lambda params, _: self._locks.lock(self._key(params)),
            "log": self._write,
            "speedStatsAdd": lambda params, _: server._speedStatsAdd(params["names"], params["durations"]),
            "stats": lambda params, _: server.stats(params["inMS"]),
            "unlock": lambda params, _: self._locks.unlock(self._key(params), exclusive=params["exclusive"]),
            "urls": lambda params, _: server._getServerUrl(),
        }
        self.waiting: dict[str, Method] = {
            "wait": self._wait,
            "waitProcessingDispatchers": lambda params, _: server._waitProcessingDispatchers(
                params["timeout"], params["allowed"]
            ),
        }

    def wake_waiting(self) -> None:
        """Let those look again that wait for a lock to open."""
        self._locks.wake_waiting()

    def _key(self, params: dict[str, Any]) -> Any:
        named = params["dispatcher"]
        if named is None:
            return None
        if isinstance(named, str):
            return key_of_named(self._router.table.routes(), named)
        path, name = named
        route = self._router.table.find(path, name)
        if route is None:
            raise ServerStateError(f"the server has no dispatcher {path}{name} any more, so it cannot be locked")
        return route.lock_key

    def _wait(self, params: dict[str, Any], connected: Connected) -> None:
        if not self._locks.wait_in_run(self._key(params), lambda: connected.is_gone):
            raise ServerStateError("the server stops, and what this dispatcher waits for is still locked")

    def _write(self, params: dict[str, Any], _: Connected) -> None:
        parts = list(params["parts"])
        if (text := params.get("traceback")) is not None:
            parts.append(ChildTraceback.as_part(text))
        self._server._logger(params["level"], *parts)


class ChildTraceback(Exception):
    """What was raised in a child: its traceback, as text."""

    def __str__(self) -> str:
        return f'in a child process\n"""\n{self.args[0]}"""'

    @classmethod
    def as_part(cls, text: str) -> TracebackText:
        """Return it as a part of a message of the log."""
        part = TracebackText(text)
        part.raised = cls(text)
        return part


class ChildChannel:
    """A child's end: each thread that asks has a connection of its own, made when it asks first.

    Args:
        address: Where the parent listens.
    """

    def __init__(self, address: ChannelAddress) -> None:
        self._address = address
        self._local = threading.local()

    def request(self, method: str, params: dict[str, Any]) -> Any:
        """Ask the parent, and wait for its answer.

        Args:
            method: A name in the table of :class:`ParentMethods`.
            params: By name; JSON values.

        Raises:
            ServerStateError: The parent cannot be reached (any more), or answers so.
            Exception: What else the method has raised in the parent; as RuntimeError unless :data:`RAISED` has it.
        """
        line = self._line()
        try:
            return line.ask(method, params)
        except NotAskedError:
            line.close()
        try:
            return self._line().ask(method, params)
        except NotAskedError as exc:
            raise ServerStateError(f"{method}() in a child process: the server closes the connection") from exc

    def _line(self) -> Line:
        line: Line | None = getattr(self._local, "line", None)
        if line is None or not line.is_usable():
            line = self._local.line = Line(self._address)
        return line


class NotAskedError(Exception):
    """The connection was closed before the question had been read: it may be asked again."""


class Line:
    """One connection of a thread of a child.

    Args:
        address: Where the parent listens.

    Raises:
        ServerStateError: Nobody listens there.
    """

    def __init__(self, address: ChannelAddress) -> None:
        self._pid = os.getpid()
        self._peer = JsonRpcPeer()
        self._socket = socket.socket(socket.AF_UNIX)
        self._is_open = True
        try:
            self._socket.connect(address.path)
        except OSError as exc:
            self.close()
            raise ServerStateError("the server has stopped: a child process cannot reach it any more") from exc
        self._messages = messages_from(self._socket, self._peer)
        with contextlib.suppress(OSError):  # the question that follows finds it closed
            self._send(self._peer.notify(AUTHENTICATE, {"token": address.token}))

    def __del__(self) -> None:
        self.close()  # the thread that it belongs to has ended

    def is_usable(self) -> bool:
        """Tell whether it is open, and this process has made it: a forked one has to make its own."""
        return self._is_open and self._pid == os.getpid()

    def close(self) -> None:
        """Close it."""
        self._is_open = False
        self._socket.close()

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """Ask, and wait for the answer.

        Raises:
            NotAskedError: It is closed, and the parent has not read this.
            ServerStateError: It was closed after that.
            Exception: What the method has raised.
        """
        request_id, question = self._peer.request(method, params)
        try:
            self._send(question)
            answer = next(self._messages, None)
        except OSError as exc:
            raise NotAskedError from exc
        if not isinstance(answer, JsonRpcResponse) or answer.id != request_id:
            self.close()
            raise ServerStateError(f"{method}() in a child process: the server has stopped before it answered")
        if answer.error is not None:
            raise raised_for(answer.error)
        return answer.result

    def _send(self, message: bytes) -> None:
        self._socket.sendall(FRAMING.frame(message))


def messages_from(connected: socket.socket, peer: JsonRpcPeer) -> Iterator[Any]:
    """Yield the messages of a connection to its end.

    Raises:
        OSError: It broke.
        JsonRpcFramingError: What comes is not a stream of messages.
    """
    stream = JsonRpcStream(FRAMING, peer)
    while data := connected.recv(_SLICE_BYTES):
        stream.receive_data(data)
        yield from stream


def raised_for(error: JsonRpcError) -> Exception:
    """Return the exception that stands for an answered error."""
    name = error.data.get("type", "") if isinstance(error.data, dict) else type(error).__name__
    known = RAISED.get(name)
    return RuntimeError(f"{name}: {error.message}") if known is None else known(error.message)


def name_of_dispatcher(function: Callable[..., Any]) -> str | None:
    """Return what a function is found by in another process, as ``app:add`` or ``app:Api.add``; None: by nothing."""
    owner = getattr(function, "__self__", None)
    plain = getattr(function, "__func__", function)
    name = getattr(plain, "__qualname__", None)
    if owner is not None and not isinstance(owner, type(os)) and name is not None:
        kind = owner if isinstance(owner, type) else type(owner)
        return f"{kind.__module__}:{kind.__qualname__}.{plain.__name__}"
    return None if name is None else f"{plain.__module__}:{name}"


def key_of_named(routes: list[Route], named: str) -> Any:
    """Return the key of the dispatcher that has this name.

    Raises:
        ServerStateError: There is none, or there are several.
    """
    keys = {lock_key(route.function) for route in routes if name_of_dispatcher(route.function) == named}
    if len(keys) == 1:
        return keys.pop()
    remedy = "lock it from its own call by _connection.call.lockThis(), or from the server's own process"
    what = "several dispatchers" if keys else "no dispatcher"
    raise ServerStateError(f"a child process names {named!r}, and the server has {what} of this name; {remedy}")


def private_folder() -> Path:
    """Make a folder that only this user may enter.

    Raises:
        UnsupportedError: The system has no Unix sockets.
        ServerStateError: The path of the temporary folder is too long.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise UnsupportedError("the exec backend 'parallel' needs Unix sockets, which this system does not have")
    folder = Path(tempfile.mkdtemp(prefix="rpc-"))
    if len(os.fsencode(folder)) > _LONGEST_PATH_BYTES - len("/parent.sock"):
        folder.rmdir()
        raise ServerStateError(f"the path {str(folder)!r} is too long for a socket; let TMPDIR be a shorter one")
    return folder


def wake_accepting(path: str) -> None:
    """Let the thread that accepts look up: closing a socket does not wake it on every system."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as waker:
        waker.connect(path)
