"""The line from the child processes of the backend ``parallel`` to the server: JSON-RPC over a private Unix socket.

A child asks, the parent answers. What may be asked is a closed table, :class:`~.methods.ParentMethods`, and
nothing is unpickled.
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
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ...dispatch.context import BackendContext
from ...errors import ServerStateError, UnsupportedError
from ...runtime.concurrency import start_thread
from ...runtime.logs import WARNING
from ...sansio_jsonrpc import (
    JsonRpcError,
    JsonRpcException,
    JsonRpcMethodNotFoundError,
    JsonRpcPeer,
    JsonRpcRequest,
    JsonRpcResponse,
    JsonRpcSerializationError,
    JsonRpcStream,
    NewlineFraming,
)
from .methods import Method, ParentMethods

__all__ = ["ChannelAddress", "ChildChannel", "ParentChannel"]

_AUTHENTICATE: Final = "authenticate"
_PEER: Final = JsonRpcPeer()
_FRAMING: Final = NewlineFraming(limit_bytes=64 * 1024 * 1024)
_SLICE_BYTES: Final = 64 * 1024
_LONGEST_PATH_BYTES: Final = 100
"""Below what the systems take for a Unix socket: 104 to 108, with the zero at its end."""
_JOIN_S: Final = 5
_PAUSE_S: Final = 1

_FAILED: Final = 1
_RAISED: Final[dict[str, type[Exception]]] = {
    "ServerStateError": ServerStateError,
    "TypeError": TypeError,
    "ValueError": ValueError,
}
"""What a method may raise in the parent, and is raised in the child again; all else is a RuntimeError there."""


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
        context: The parts of the server that is asked.
    """

    def __init__(self, context: BackendContext) -> None:
        self._name = context.name
        self._log = context.log
        self._methods = ParentMethods(context)
        self._address: ChannelAddress | None = None
        self._listening: socket.socket | None = None
        self._accepting: Any = None
        self._lock = threading.Lock()
        self._connected: dict[Connected, Any] = {}  # with their threads; guarded by _lock
        self._stopping = threading.Event()  # set under _lock

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
        listening, path = listening_socket()
        self._address = address = ChannelAddress(path, secrets.token_hex(32))
        self._listening = listening
        self._stopping.clear()
        self._accepting = start_thread(self._accept, (listening, address.token), name=f"{self._name}-channel")

    def stop(self) -> None:
        """End all connections, so that what children wait for fails, and remove the socket, if there is one."""
        address, self._address = self._address, None
        if address is None or self._listening is None:
            return
        with self._lock:
            self._stopping.set()
            connected = dict(self._connected)
        wake_accepting(address.path)
        self._accepting.join(_JOIN_S)
        self._listening.close()
        for each, thread in connected.items():
            each.end()
            thread.join(_JOIN_S)
        shutil.rmtree(Path(address.path).parent, ignore_errors=True)

    def _accept(self, listening: socket.socket, token: str) -> None:
        while not self._stopping.is_set():
            self._accept_one(listening, token)

    def _accept_one(self, listening: socket.socket, token: str) -> None:
        try:
            self._begin(listening.accept()[0], token)
        except (OSError, RuntimeError) as exc:  # too many files or threads: the socket stays ready, so look again later
            self._log.write(WARNING, "a child process cannot connect to its server:", repr(exc))
            self._stopping.wait(_PAUSE_S)

    def _begin(self, client: socket.socket, token: str) -> None:
        with self._lock:
            if self._stopping.is_set():
                client.close()
                return
            connected = Connected(client, self._methods, token, self._log)
            self._connected[connected] = start_thread(self._serve, (connected,), name=f"{self._name}-channel")

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
    """

    def __init__(self, client: socket.socket, methods: ParentMethods, token: str, log: Any) -> None:
        self._gone = threading.Event()
        self._is_gone = self._gone.is_set
        self._socket = client
        self._methods = methods
        self._token = token
        self._log = log
        self._sending = threading.Lock()

    def serve(self) -> None:
        """Answer until it is closed."""
        try:
            messages = messages_from(self._socket)
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
        with contextlib.suppress(OSError):  # the other side was faster
            self._socket.shutdown(socket.SHUT_RDWR)
        self._gone.set()  # after that: what gives up waiting now must not be taken for an answer
        self._methods.wake_waiting()

    def _is_authentic(self, first: Any) -> bool:
        said = first.params if isinstance(first, JsonRpcRequest) and first.method == _AUTHENTICATE else None
        token = said.get("token") if isinstance(said, dict) else None
        if isinstance(token, str) and hmac.compare_digest(token.encode(errors="replace"), self._token.encode()):
            return True
        if first is not None and not self._is_gone():
            self._log.write(WARNING, "a connection to the channel of the child processes is closed: wrong token")
        return False

    def _answer(self, message: Any) -> None:
        if not isinstance(message, JsonRpcRequest):
            error = getattr(message, "error", None) or JsonRpcError(-32600, "Invalid Request: one call at a time")
            self._send(_PEER.respond_with_error(None, error))
        elif message.method in self._methods.waiting:  # elsewhere: here it is noticed when the child ends
            start_thread(self._run, (self._methods.waiting[message.method], message), name="channel-wait")
        else:
            self._run(self._methods.brief.get(message.method), message)

    def _run(self, method: Method | None, request: JsonRpcRequest) -> None:
        try:
            if method is None:
                raise JsonRpcMethodNotFoundError(f"the channel has no method {request.method!r}")
            params = request.params if isinstance(request.params, dict) else {}
            answer = _PEER.respond_with_result(request, method(params, self._is_gone))
        except JsonRpcException as exc:
            answer = _PEER.respond_with_error(request, exc.get_error())
        except Exception as exc:  # noqa: BLE001  it is raised again in the child, which asked for it
            answer = _PEER.respond_with_error(request, error_for(exc))
        self._send(answer)

    def _send(self, message: bytes) -> None:
        with self._sending, contextlib.suppress(OSError):  # a child that has ended needs no answer
            self._socket.sendall(_FRAMING.frame(message))


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
            method: A name in the table of :class:`~.methods.ParentMethods`.
            params: By name; JSON values.

        Raises:
            ServerStateError: The parent cannot be reached (any more), or answers so.
            TypeError: The parameters cannot be written as JSON, or the parent answers so.
            ValueError: The parent answers so.
            RuntimeError: The method has raised any other exception.
        """
        try:
            return self._line().ask(method, params)
        except UnreadError:
            pass
        try:
            return self._line().ask(method, params)
        except UnreadError as exc:
            raise unreachable(exc) from exc

    def _line(self) -> Line:
        line: Line | None = getattr(self._local, "line", None)
        if line is None or not line.is_usable():
            line = self._local.line = Line(connected_to(self._address), self._address.token)
        return line


class UnreadError(Exception):
    """The connection was closed before the parent had read the question: it may be asked again."""


class Line:
    """One connection of a thread of a child.

    Args:
        opened: The connected socket.
        token: What the parent wants to hear first.
    """

    def __init__(self, opened: socket.socket, token: str) -> None:
        self._socket = opened
        self._pid = os.getpid()
        self._messages = messages_from(opened)
        self._unsent = _FRAMING.frame(_PEER.notify(_AUTHENTICATE, {"token": token}))
        self._is_idle = True
        weakref.finalize(self, opened.close)  # the thread that it belongs to has ended, or has another one

    def is_usable(self) -> bool:
        """Tell whether all was answered, and in this process: a forked one has to connect by itself."""
        return self._is_idle and self._pid == os.getpid()

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """Ask, and wait for the answer.

        Raises:
            UnreadError: It was closed before the parent had read this.
            ServerStateError: It was closed after that.
            TypeError: The parameters cannot be written as JSON.
            Exception: What the method has raised.
        """
        answer = self._answer_to(*self._question(method, params))
        if answer is None:
            raise ServerStateError(f"the server has stopped, or ended the connection, before it answered {method!r}")
        if answer.error is not None:
            raise raised_for(answer.error)
        return answer.result

    def _question(self, method: str, params: dict[str, Any]) -> tuple[int, bytes]:
        try:
            return _PEER.request(method, params)
        except JsonRpcSerializationError as exc:
            raise TypeError(f"{method!r} cannot take {params!r} to the server's process: it is not JSON") from exc

    def _answer_to(self, request_id: int, question: bytes) -> JsonRpcResponse | None:
        self._is_idle = False
        try:
            self._socket.sendall(self._unsent + _FRAMING.frame(question))
            self._unsent = b""
            answer = next(self._messages, None)
        except OSError as exc:
            raise UnreadError(str(exc)) from exc
        if not isinstance(answer, JsonRpcResponse) or answer.id != request_id:
            return None
        self._is_idle = True
        return answer


def connected_to(address: ChannelAddress) -> socket.socket:
    """Connect to the parent.

    Raises:
        ServerStateError: It does not listen.
    """
    opened = socket.socket(socket.AF_UNIX)
    try:
        opened.connect(address.path)
    except OSError as exc:
        opened.close()
        raise unreachable(exc) from exc
    return opened


def unreachable(cause: Exception) -> ServerStateError:
    return ServerStateError(f"a child process cannot reach the server, which may have stopped: {cause}")


def messages_from(connected: socket.socket) -> Iterator[Any]:
    """Yield the messages of a connection to its end.

    Raises:
        OSError: It broke.
        JsonRpcFramingError: What comes is not a stream of messages.
    """
    stream = JsonRpcStream(_FRAMING, _PEER)
    while data := connected.recv(_SLICE_BYTES):
        stream.receive_data(data)
        yield from stream


def error_for(exc: Exception) -> JsonRpcError:
    """Return what a child is told of an exception."""
    for name, kind in _RAISED.items():
        if isinstance(exc, kind):
            return JsonRpcError(_FAILED, str(exc), name)
    return JsonRpcError(_FAILED, f"{type(exc).__name__}: {exc}")


def raised_for(error: JsonRpcError) -> Exception:
    """Return the exception that stands for what a child is told."""
    kind = _RAISED.get(error.data, RuntimeError) if isinstance(error.data, str) else RuntimeError
    return kind(error.message)


def listening_socket() -> tuple[socket.socket, str]:
    """Return a listening socket and its path, in a folder that only this user may enter.

    Raises:
        UnsupportedError: The system has no Unix sockets.
        ServerStateError: The path of the temporary folder is too long.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise UnsupportedError("the exec backend 'parallel' needs Unix sockets, which this system does not have")
    folder = Path(tempfile.mkdtemp(prefix="rpc-"))
    path = str(folder / "parent.sock")
    with contextlib.ExitStack() as undone:
        undone.callback(shutil.rmtree, folder)
        if len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
            raise ServerStateError(f"the path {str(folder)!r} is too long for a socket; let TMPDIR be a shorter one")
        listening = undone.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(path)
        listening.listen()
        undone.pop_all()
    return listening, path


def wake_accepting(path: str) -> None:
    """Let the thread that accepts look up: closing a socket does not wake it on every system."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as waker:
        waker.connect(path)
