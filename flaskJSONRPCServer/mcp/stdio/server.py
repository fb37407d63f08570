"""An endpoint over the standard streams of a process, which its client has started: one message on each line.

Source: revision 2026-07-28, "stdio"; revision 2025-11-25, "Transports", section "stdio".
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, TypeGuard

from ...dispatch.exchange import Exchange
from ...http.refusals import Refusal
from ...runtime.counted_threads import CountedThreads
from ...runtime.interrupts import is_interrupt
from ...runtime.logs import ERROR
from ...runtime.ticker import Ticker
from ...sansio_jsonrpc import ABSENT, JsonRpcBatch, JsonRpcRequest, JsonRpcResponse
from ..protocol.errors import InvalidRequest, McpError, TooManyOpenRequests
from ..protocol.messages import checked, params_of, pong_text, read_body
from ..protocol.requests import is_self_contained
from ..protocol.revisions import BATCH_REVISION, LISTEN
from ..service import Service
from ..sessions.service import Caller, RunningRequest, SessionService
from ..sessions.state import Session
from ..sources import Sources
from .output import Output
from .replies import BatchReply, ReplyTo, reply_to_line
from .requests import SelfContained

__all__ = ["StdioServer"]

MOST_CALLS: Final = 100
"""The most requests that are answered at the same time; guessed."""

# How long the end of the input waits for answers and tasks, and then for cancelled ones, in seconds; guessed.
_LAST_ANSWERS_S: Final = 1.0
_CANCELLED_S: Final = 0.5

# How long a client may then read nothing until its messages are given up, in seconds; guessed.
_UNREAD_S: Final = 1.0


class StdioServer:
    """Answers the messages of one client, which come as lines.

    Args:
        sources: The parts of the server.
        path: The path of the endpoint.
        service: Answers messages without a session.
        session_service: Answers messages of a session.
        without_session: Answers the requests of revision 2026-07-28.
        write: Writes a line.
        context: Returns what surrounds the answer to each request.
    """

    def __init__(
        self,
        sources: Sources,
        path: str,
        service: Service,
        session_service: SessionService,
        without_session: SelfContained,
        write: Callable[[bytes], object],
        context: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._sources = sources
        self._path = path
        self._service = service
        self._session_service = session_service
        self._without_session = without_session
        self._output = Output(write, sources.facts.log)
        self._context = context
        self._threads = CountedThreads()
        self._session: Session | None = None
        self._leave: Callable[[], object] = lambda: None

    def serve(self, lines: Iterable[bytes]) -> bool:
        """Answer all lines, and return soon after the last one.

        Returns:
            Whether the client has got all messages: it may have stopped reading.
        """
        facts, background = self._sources.facts, self._sources.background
        ticker = Ticker(f"{facts.name}-ticker", [background.tick], lambda: None, facts.log)
        ticker.start()
        self._output.start()
        try:
            for line in lines:
                if self._output.is_lost:
                    break
                if line.strip():
                    self._take_line(line)
            self._drain(_LAST_ANSWERS_S)
        finally:
            ticker.stop()
            self._end()
            self._drain(_CANCELLED_S)
            has_written = self._output.finish(_UNREAD_S)
        return has_written

    def _drain(self, timeout_s: float) -> None:
        """Wait for the requests, and for the tasks that they have begun."""
        deadline = time.monotonic() + timeout_s
        self._threads.drain(timeout_s)
        self._sources.background.drain(max(0.0, deadline - time.monotonic()))

    def _end(self) -> None:
        """Cancel all that runs."""
        self._leave()
        self._sources.background.notify_end()  # first: subscriptions send notifications of the tasks that end
        self._without_session.end()
        if self._session is not None:
            self._session.end()

    def _take_line(self, line: bytes) -> None:
        try:
            self._check_size(line)
            message = read_body(line, self._sources.codec())
            if isinstance(message, JsonRpcBatch):
                self._take_batch(message)
            else:
                self._take(message, reply_to_line(self._output))
        except McpError as exc:
            if not has_notifications_only(line):
                self._output.post(self._service.refusal(exc, exc.request_id).text)

    def _check_size(self, line: bytes) -> None:
        """Refuse a line as a body of that size is by HTTP, before it takes several times its size as values.

        Raises:
            InvalidRequest: It is too long.
        """
        most = self._sources.settings.max_body_bytes
        if len(line) - line.endswith(b"\n") > most:
            raise InvalidRequest(f"Invalid Request: a line has at most {most} bytes")

    def _take_batch(self, batch: JsonRpcBatch) -> None:
        if self._session is None or self._session.revision != BATCH_REVISION:
            raise InvalidRequest("Invalid Request: a batch; send each message on a line of its own")
        messages = [checked(part) for part in batch]
        reply = BatchReply(sum(map(is_request, messages)), self._output)
        for message in messages:
            self._take(message, reply.to_one())

    def _take(self, message: JsonRpcRequest | JsonRpcResponse, reply_to: ReplyTo) -> None:
        """Take a message; answer a request in a thread of its own."""
        if is_request(message):
            self._answer_request(message, reply_to)
            return
        if isinstance(message, JsonRpcRequest) and message.method == "notifications/cancelled":
            self._without_session.cancel(params_of(message).get("requestId"))
        self._take_unanswered(message)

    def _take_unanswered(self, message: JsonRpcRequest | JsonRpcResponse) -> None:
        if self._session is not None:
            self._session_service.take(self._session, message)

    def _answer_request(self, message: JsonRpcRequest, reply_to: ReplyTo) -> None:
        session = self._session
        try:
            if is_self_contained(message):
                self._answer_self_contained(message, reply_to)
            elif session is not None:
                self._answer_in_session(session, message, reply_to)
            elif message.method == "initialize":
                self._begin(message, reply_to)
            elif message.method == "ping":
                reply_to.now(pong_text(self._sources.codec(), message.id))
            else:
                self._answer_self_contained(message, reply_to)  # which refuses it
        except (McpError, Refusal) as exc:
            reply_to.now(self._session_service.refusal(exc, message.id).text)

    def _begin(self, message: JsonRpcRequest, reply_to: ReplyTo) -> None:
        session = self._session_service.new_session("", message)
        reply_to.now(self._session_service.welcome(session, message))
        self._session = session
        self._leave = self._service.subscriptions.join(session.wanted, self._output.post)

    def _answer_in_session(self, session: Session, message: JsonRpcRequest, reply_to: ReplyTo) -> None:
        service = self._session_service
        # In the thread that reads: the next message may cancel the request.
        running = service.begin(session, service.read(session, message), self._output.send)
        try:
            self._start(lambda: self._send_answer(session, running, reply_to), reply_to)
        except BaseException:
            service.leave(session, running)
            raise

    def _send_answer(self, session: Session, running: RunningRequest, reply_to: ReplyTo) -> None:
        reply = self._session_service.answer_in_message(session, running, Caller(self._exchange()))
        reply_to.later(None if reply is None else reply.text)

    def _answer_self_contained(self, message: JsonRpcRequest, reply_to: ReplyTo) -> None:
        request = self._without_session.read(message)
        if request.method == LISTEN:
            self._without_session.listen(request, self._exchange(), self._output.post)
            reply_to.now(None)
            return
        answer = self._without_session.answer(request, self._exchange(), self._output.send, reply_to.later)
        try:
            self._start(answer, reply_to)
        except BaseException:
            self._without_session.remove(request)
            raise

    def _start(self, answer: Callable[[], object], reply_to: ReplyTo) -> None:
        """Answer a request in a thread of its own.

        Raises:
            TooManyOpenRequests: Too many requests are being answered.
        """
        if not self._threads.start(lambda: self._run(answer, reply_to), "mcp-request", MOST_CALLS):
            raise TooManyOpenRequests.over(MOST_CALLS)

    def _run(self, answer: Callable[[], object], reply_to: ReplyTo) -> None:
        try:
            with self._context():
                answer()
        except BaseException as exc:
            self._sources.facts.log.write(ERROR, "an answer could not be written", traceback=True)
            reply_to.later(None)  # the other responses of its batch must not wait for it
            if is_interrupt(exc):
                raise

    def _exchange(self) -> Exchange:
        """Return the exchange of one call, which has no HTTP request."""
        exchange = self._sources.pipeline().make_exchange(local_environ(self._path))
        exchange.is_local = True
        return exchange


def local_environ(path: str) -> dict[str, Any]:
    """Return the environ that the functions of a call see (PEP 3333)."""
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_LENGTH": "0",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "0",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def is_request(message: JsonRpcRequest | JsonRpcResponse) -> TypeGuard[JsonRpcRequest]:
    """Return whether a message is a request that is answered."""
    return isinstance(message, JsonRpcRequest) and message.id is not ABSENT


def has_notifications_only(line: bytes) -> bool:
    """Return whether a line that has been refused is a notification, or a batch of them: none is ever answered."""
    try:
        value = json.loads(line, parse_int=len)  # int() refuses long ones
    except (ValueError, RecursionError):
        return False
    parts = value if isinstance(value, list) and value else [value]
    return all(map(is_notification, parts))


def is_notification(value: Any) -> bool:
    """Return whether a value would be a notification with other parameters."""
    if not isinstance(value, dict) or "id" in value:
        return False
    return value.get("jsonrpc") == "2.0" and isinstance(value.get("method"), str)
