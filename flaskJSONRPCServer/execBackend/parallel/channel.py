"""The channel from a child process of the backend ``parallel`` to the server: JSON-RPC over a pair of sockets.

A dispatcher in a child has a stand-in for the server. Each use of locks, the log or statistics there is a question over
this channel. The child asks, the parent answers; what may be asked is a closed table, :class:`~.methods.ParentMethods`,
and the parent unpickles nothing. A call that asks nothing sends nothing here.

The child inherits its end of the pair, so no other process can reach the channel.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any, Final

from ...errors import ServerStateError
from ...runtime.concurrency import (
    in_native_thread,
    is_patched,
    make_event,
    native,
    spawn_in_hub,
    start_native_thread,
    start_thread,
)
from ...runtime.forks import release_in_forks
from ...runtime.interrupts import is_interrupt, is_raised_by_handler
from ...runtime.logs import WARNING, ServerLog
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

__all__ = ["ChannelClient", "ChannelSession"]

_LIMIT_BYTES: Final = 64 * 1024 * 1024
_PEER: Final = JsonRpcPeer()
_FRAMING: Final = NewlineFraming(limit_bytes=_LIMIT_BYTES)
_CHUNK_BYTES: Final = 64 * 1024

# How long the end of a session waits for the brief method that it may be running; guessed.
_JOIN_S: Final = 5

_FAILED: Final = 1
_RAISED: Final[dict[str, type[Exception]]] = {
    "ServerStateError": ServerStateError,
    "TypeError": TypeError,
    "ValueError": ValueError,
}
"""The exceptions of a method that the child raises again as they are; it raises any other as a RuntimeError."""


class ChannelSession:
    """The parent's end of the channel of one child: answers its questions.

    One thread reads the questions and runs the methods that answer at once. Under gevent it is a greenlet of the
    server's hub, because these methods use locks and call methods of the user that belong there. A method that may wait
    runs in a thread of its own: the session goes on reading meanwhile, and so notices the end of the child.

    Args:
        connected: The socket, one that gevent has not patched. The session closes it.
        methods: The methods that the child may call.
        log: The server's log.

    Raises:
        OSError: There are too many descriptors.
    """

    def __init__(self, connected: socket.socket, methods: ParentMethods, log: ServerLog) -> None:
        self._socket = connected
        # Made here, because a child whose session lacks a descriptor would start, and never get an answer. Under gevent
        # serve() makes a socket of the patched class of it, in its hub.
        self._duplicate = connected.dup()
        release_in_forks(self._duplicate)
        self._methods = methods
        self._log = log
        self._is_gone = False  # set once, by the first of serve() and end()
        self._sending = threading.Lock()
        self._stream: socket.socket  # it has the descriptor of the duplicate; set by serve()
        self._has_ended = make_event()
        self._thread: Any = None

    def start(self) -> None:
        """Start the thread that answers.

        Raises:
            RuntimeError: There are too many threads.
        """
        try:
            if in_native_thread():
                spawn_in_hub(self.serve)
            else:
                self._thread = start_thread(self.serve, name="channel")
        except BaseException:
            self._duplicate.close()
            raise

    def serve(self) -> None:
        """Answer questions until the child or :meth:`end` closes the channel."""
        try:
            with socket.socket(fileno=self._duplicate.detach()) as self._stream:
                release_in_forks(self._stream)
                for message in messages_from(self._stream):
                    self._answer(message)
        except OSError:  # the child was killed while it wrote
            pass
        except JsonRpcException as exc:
            self._log.write(WARNING, "the channel of a child process is closed:", exc.message)
        finally:
            self._release()
            self._has_ended.set()

    def end(self) -> None:
        """Close the channel, and wait for the thread that answers."""
        self._release()
        self._has_ended.wait(_JOIN_S)
        if self._thread is not None:
            self._thread.join(_JOIN_S)
        self._socket.close()

    def _release(self) -> None:
        """End the methods that wait: the child does not read their answers any more."""
        shut_down(self._socket)
        self._is_gone = True  # after the shutdown: a method that stops waiting must not send its return as an answer
        self._methods.wake_waiting()

    def _answer(self, message: Any) -> None:
        if not isinstance(message, JsonRpcRequest):
            error = getattr(message, "error", None) or JsonRpcError(-32600, "Invalid Request: one call at a time")
            self._send(_PEER.respond_with_error(None, error))
        elif message.method in self._methods.waiting:
            self._run_elsewhere(self._methods.waiting[message.method], message)
        else:
            self._run(self._methods.brief.get(message.method), message)

    def _run_elsewhere(self, method: Method, request: JsonRpcRequest) -> None:
        try:
            start_thread(self._run, (method, request), name="channel-wait")
        except RuntimeError as exc:  # too many threads: that costs this question its answer, and not the channel
            self._send(_PEER.respond_with_error(request, error_for(exc)))

    def _run(self, method: Method | None, request: JsonRpcRequest) -> None:
        try:
            if method is None:
                raise JsonRpcMethodNotFoundError(f"the channel has no method {request.method!r}")
            params = request.params if isinstance(request.params, dict) else {}
            answer = _PEER.respond_with_result(request, method(params, lambda: self._is_gone))
            check_size(f"the answer of {request.method!r}", answer)
        except JsonRpcException as exc:
            answer = _PEER.respond_with_error(request, exc.get_error())
        except BaseException as exc:  # the child that asked raises it again
            answer = _PEER.respond_with_error(request, error_for(exc))
            if is_interrupt(exc):
                self._send(answer)  # first: the interrupt may end this session
                raise
        self._send(answer)

    def _send(self, message: bytes) -> None:
        with self._sending, contextlib.suppress(OSError):  # a child that has ended needs no answer
            self._stream.sendall(_FRAMING.frame(message))


class ChannelClient:
    """The child's end of the channel, for all threads of the child.

    One thread writes all questions. Another reads all answers, and finds the thread that waits for each by its id. The
    threads that ask touch no socket, because a signal handler may raise in them, or ask a question of its own: half a
    message would stay behind, and every later one would be garbage.

    Args:
        connected: The socket.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._pid = os.getpid()
        # Without a lock, which a signal handler could find held by its own thread: each access is one step of a dict.
        self._unanswered: dict[Any, Question] = {}
        self._is_closed = False  # written by the reader, before it fails the unanswered questions
        self._frames: Any = native("queue", "SimpleQueue")()
        self._own_threads: list[int] = []  # their idents
        start_native_thread(self._write_questions, name="channel-writer")
        start_native_thread(self._read_answers, name="channel-reader")

    def request(self, method: str, params: dict[str, Any]) -> Any:
        """Ask the parent, and wait for its answer.

        Args:
            method: A name in the table of :class:`~.methods.ParentMethods`.
            params: The parameters by name; JSON values.

        Raises:
            ServerStateError: The parent cannot be reached, or answers so. Or a dispatcher forked this process, or the
                question comes from a thread that must not wait.
            TypeError: The parameters cannot be written as JSON, or the parent answers so.
            ValueError: The parameters are too large, or the parent answers so.
            RuntimeError: The method raised any other exception.
        """
        if os.getpid() != self._pid:  # it has neither the two threads nor the socket
            raise ServerStateError(
                f"{method!r} is asked in a process that a dispatcher forked, which has no channel to the server; "
                "ask before the fork, or in the process that runs the call"
            )
        if thread_ident() in self._own_threads:  # the garbage collector may run a finalizer there
            raise ServerStateError(f"{method!r} is asked by a finalizer in a thread of the channel, which cannot wait")
        answer = self._answer_to(method, *make_question(method, params))
        if answer is None:
            raise ServerStateError(f"the server has stopped, or ended the connection, before it answered {method!r}")
        if answer.error is not None:
            raise exception_for(answer.error)
        return answer.result

    def _answer_to(self, method: str, question_id: int, text: bytes) -> JsonRpcResponse | None:
        question = Question()
        try:
            self._unanswered[question_id] = question
            if self._is_closed:  # read after the question is there: the reader fails it, or this does
                raise ServerStateError(
                    f"a child process cannot ask {method!r}: the server has stopped, or ended the connection"
                )
            self._frames.put(_FRAMING.frame(text))
            return question.wait()
        finally:
            self._unanswered.pop(question_id, None)

    def _write_questions(self) -> None:
        self._own_threads.append(thread_ident())
        try:
            while (frame := self._frames.get()) is not None:
                self._socket.sendall(frame)
        except OSError:
            shut_down(self._socket)  # so that the reader ends too

    def _read_answers(self) -> None:
        self._own_threads.append(thread_ident())
        try:
            for message in messages_from(self._socket):
                if not isinstance(message, JsonRpcResponse):
                    self._fail_questions()  # it is an answer that cannot be read, and any of them may wait for it
                elif (question := self._unanswered.get(message.id)) is not None:  # else its thread was interrupted
                    question.end(message)
        except (OSError, JsonRpcException):
            pass  # as at the end: no answer comes any more
        finally:
            self._is_closed = True
            self._fail_questions()
            self._frames.put(None)

    def _fail_questions(self) -> None:
        for question in list(self._unanswered.values()):
            question.end(None)


class Question:
    """A question, and its answer once there is one."""

    def __init__(self) -> None:
        self._answer: JsonRpcResponse | None = None
        self._end = make_event() if is_patched() else LockEvent()

    def end(self, answer: JsonRpcResponse | None) -> None:
        """End the wait; None: there is no answer. For the reader alone, and only the first answer counts."""
        if not self._end.is_set():
            self._answer = answer
            self._end.set()

    def wait(self) -> JsonRpcResponse | None:
        """Wait for the answer, and return it."""
        self._end.wait()
        return self._answer


class LockEvent:
    """An event that one thread sets once, and another waits for once.

    Signal handlers run in the thread that waits, at any instruction of it. The locks inside a :class:`threading.Event`
    are then in any state. If a handler raises, the wait may raise another exception in its place. If it asks a question
    of its own, it may wait for a lock that its own thread holds. A plain lock has no steps in between.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._lock = native("_thread", "allocate_lock")()
        self._lock.acquire()

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._is_set

    def set(self) -> None:
        """End the wait."""
        self._is_set = True
        self._lock.release()

    def wait(self) -> None:
        """Wait until it is set."""
        self._lock.acquire()


def thread_ident() -> int:
    ident: int = native("_thread", "get_ident")()
    return ident


def make_question(method: str, params: dict[str, Any]) -> tuple[int, bytes]:
    """Return the id and the text of a question.

    Raises:
        TypeError: The parameters cannot be written as JSON.
        ValueError: The text is too large.
    """
    try:
        question_id, text = _PEER.request(method, params)
    except JsonRpcSerializationError as exc:
        reason = exc.__cause__
        if reason is not None and is_raised_by_handler(reason):  # a signal came while the text was made
            raise reason from reason.__cause__
        raise TypeError(f"{method!r} cannot take {params!r} to the server's process: it is not JSON") from exc
    check_size(f"the question {method!r}", text)
    return question_id, text


def check_size(name: str, text: bytes) -> None:
    """Refuse a message that the other end would not read: it would close the channel.

    Raises:
        ValueError: It is too large.
    """
    if len(text) > _LIMIT_BYTES:
        raise ValueError(f"{name} has {len(text)} bytes; a message between the processes has {_LIMIT_BYTES} at most")


def messages_from(connected: socket.socket) -> Iterator[Any]:
    """Yield the messages that arrive on a socket, until it is closed.

    Raises:
        OSError: The connection broke.
        JsonRpcFramingError: The bytes are no stream of messages.
    """
    stream = JsonRpcStream(_FRAMING, _PEER)
    while data := connected.recv(_CHUNK_BYTES):
        stream.receive_data(data)
        yield from stream


def shut_down(connected: socket.socket) -> None:
    """End both directions of a socket, which wakes the threads that read from it."""
    with contextlib.suppress(OSError):  # the other end was faster
        connected.shutdown(socket.SHUT_RDWR)


def error_for(exc: BaseException) -> JsonRpcError:
    """Return the error by which a child learns of an exception."""
    for name, exception_class in _RAISED.items():
        if isinstance(exc, exception_class):
            return JsonRpcError(_FAILED, str(exc), name)
    return JsonRpcError(_FAILED, f"{type(exc).__name__}: {exc}")


def exception_for(error: JsonRpcError) -> Exception:
    """Return the exception that an error of :func:`error_for` was made of; a RuntimeError for one it does not name."""
    exception_class = _RAISED.get(error.data, RuntimeError) if isinstance(error.data, str) else RuntimeError
    return exception_class(error.message)
