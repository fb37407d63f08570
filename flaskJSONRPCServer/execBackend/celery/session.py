"""One session of the Celery backend, from its start to its stop: calls go out, and answers come in for them.

Celery carries the messages and no more. Calls and answers are JSON texts of the server's own codec inside Celery's
messages, so an answer is the same as in the serving thread.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import kombu
from celery import states

from ...dispatch.backend_context import BackendContext
from ...dispatch.call_control import CONTROL, cancelled_error
from ...dispatch.call_data import BEGIN_BY, TRACE
from ...dispatch.deadlines import CALL_TIMED_OUT, deadline_error, remaining_s
from ...dispatch.exec_backend import CallAnswer
from ...dispatch.remote import WORKER_LOST, RemoteCall, answer_of_outcome
from ...dispatch.remote_control import report_message
from ...runtime.concurrency import make_condition, make_event
from ...runtime.logs import ERROR, WARNING
from ...sansio_jsonrpc import JsonRpcError, JsonRpcException, JsonRpcInternalError
from .app import CALL, NOTIFY, PROGRESS, CeleryApplication, reply_queue, transport_options
from .broker import STOPPED, BrokerClient, BrokerUnavailableError
from .calls import DispatcherSignatures, context_of
from .monitor import BrokerMonitor
from .options import CeleryOptions, masked, without_secrets
from .replies import ReplyReceiver

__all__ = ["CallSession", "PendingCall"]


class PendingCall:
    """A call that was sent, and its answer once it has arrived.

    Args:
        task_id: The id of its task.
        call: The count of the call in the server's statistics; None for a call that was never sent.
        timeout_s: How long its answer may take, in seconds.
        give_up: Called when the answer takes longer; returns an answer instead.
        has_deadline: Whether the timeout is the deadline of the call, rather than the timeout of the backend.
    """

    __slots__ = ("_arrived", "_call", "_deadline", "_give_up", "_read", "has_deadline", "task_id")

    def __init__(
        self,
        task_id: str,
        call: RemoteCall | None,
        timeout_s: float,
        give_up: Callable[[PendingCall], CallAnswer],
        *,
        has_deadline: bool = False,
    ) -> None:
        self.task_id = task_id
        self.has_deadline = has_deadline
        self._call = call
        self._deadline = time.monotonic() + timeout_s
        self._give_up = give_up
        self._arrived = make_event()
        self._read: Callable[[], CallAnswer]

    def finish(self, read: Callable[[], CallAnswer], *, failed: bool, code: int | None = None) -> None:
        """Wake the waiting thread. To be called once.

        Args:
            read: Returns the answer. It is called in the waiting thread, so that decoding does not hold up others.
            failed: Whether the call counts as failed.
            code: The code of its error, if that is known.
        """
        self._read = read
        if self._call is not None:
            self._call.end(failed=failed, code=code)
        self._arrived.set()

    def wait(self) -> CallAnswer:
        """Wait for the answer and return it, until the call times out."""
        if self._arrived.wait(max(0.0, self._deadline - time.monotonic())):
            return self._read()
        return self._give_up(self)

    def read(self) -> CallAnswer:
        """Return the answer that another thread is setting right now."""
        self._arrived.wait()
        return self._read()


class CallSession:
    """Sends the calls of a server and assigns the answers to them, from a start of the backend to its stop.

    Args:
        app: The Celery application.
        context: The parts of the server.
        options: The options.
    """

    def __init__(self, app: CeleryApplication, context: BackendContext, options: CeleryOptions) -> None:
        self._app = app
        self._options = options
        self._context = context
        self._calls = context.remote_calls
        self._magic_name = context.settings.magicVarForDispatcher
        self._signatures = DispatcherSignatures(context.router)
        self._ended = make_condition()
        self._pending: dict[str, PendingCall] = {}  # by the ids of their tasks; guarded by _ended
        self._is_stopped = False  # guarded by _ended
        self._done = self._failed = self._retried = 0  # guarded by _ended
        # Celery reports one that its time limit has ended twice, one report after the other. Guarded by _ended.
        self._failed_notifications: deque[str] = deque(maxlen=100)
        self._broker = BrokerClient(app, options, context.log, self._describe)
        name = f"{options.queue}.answers.{uuid.uuid4().hex}"
        self._replies = ReplyReceiver(
            self._connect, name, self._receive, context.log, self._answers_lost, self._describe_answers
        )
        self._monitor = BrokerMonitor(options, self._broker)

    def add(
        self, unique_id: str, path: str, data: dict[str, Any], request: Any, is_jsonp: str | bool
    ) -> tuple[bool, Any, Any]:
        """Send a call, as ``add`` of the backend."""
        message = self._message(unique_id, path, data, request, is_jsonp)
        try:
            call = self._calls.begin(path, data)
        except JsonRpcException as exc:
            return True, None, self._answered((False, {}, exc))
        if message["notify"]:
            return self._notify(call, message)
        return self._send_call(call, message, data.get("deadline"))

    def _message(
        self, unique_id: str, path: str, data: dict[str, Any], request: Any, is_jsonp: str | bool
    ) -> dict[str, Any]:
        url = path + data["method"]
        params, deadline = data.get("params"), data.get("deadline")
        message = {
            "uniqueId": unique_id,
            "path": path,
            "method": data["method"],
            "params": None if params is None else self._context.codec.dumps(params).decode(),
            "id": data.get("id"),
            "notify": bool(data.get("notify")),
            "jsonp": is_jsonp,
            "request": context_of(request, self._options.headers, self._options.cookies),
            "servedBy": served_by(self._context, request),
            "signature": self._signatures.signature(url),
            "fingerprint": self._signatures.fingerprint,
        }
        for key in (TRACE, CONTROL):
            if (value := data.get(key)) is not None:
                message[key] = value
        if (begin_by := data.get(BEGIN_BY)) is not None:  # as with expiresAt, the machines need the same time
            message["beginUntil"] = time.time() + remaining_s(begin_by)
        return message if deadline is None else {**message, "remaining": remaining_s(deadline)}

    def _notify(self, call: RemoteCall, message: dict[str, Any]) -> tuple[bool, Any, Any]:
        failed = True
        try:
            self._send(NOTIFY, str(uuid.uuid4()), message, **limits_of(message))
            failed = False
        except BrokerUnavailableError as exc:
            return False, str(exc), None
        finally:
            call.end(failed=failed)
        return True, None, None

    def _send_call(self, call: RemoteCall, message: dict[str, Any], deadline: float | None) -> tuple[bool, Any, Any]:
        self._replies.wait_settled(self._options.enqueue_timeout_s)
        timeout_s = self._options.timeout_s
        has_deadline = message.get("remaining", math.inf) < timeout_s
        limits = limits_of(message) if has_deadline else {"expires": timeout_s}
        if has_deadline and deadline is not None:
            timeout_s = remaining_s(deadline)
        pending = PendingCall(str(uuid.uuid4()), call, timeout_s, self._give_up, has_deadline=has_deadline)
        try:
            self._register(pending)
            if self._replies.failure is not None:
                raise BrokerUnavailableError(self._replies.failure)
            self._send(CALL, pending.task_id, message, **limits)
        except BrokerUnavailableError as exc:
            self._finish(pending.task_id, lambda: (False, {}, None), failed=True)
            return False, str(exc), None
        return True, None, pending

    def _register(self, pending: PendingCall) -> None:
        with self._ended:
            self._pending[pending.task_id] = pending
            if self._is_stopped:  # stop() has looked at the pending calls already
                raise BrokerUnavailableError(STOPPED)

    def _send(self, task: str, task_id: str, message: dict[str, Any], **options: Any) -> None:
        if "expires" in options:  # Celery looks at this before its pool takes the call, but not afterwards
            message = {**message, "expiresAt": time.time() + options["expires"]}
        self._broker.send(
            task,
            message,
            task_id=task_id,
            reply_to=self._replies.name,
            shadow=message["path"] + message["method"],
            **options,
        )

    def _answered(self, answer: CallAnswer) -> PendingCall:
        """Return a call that is not sent, because its answer is known."""
        pending = PendingCall("", None, 0, self._give_up)
        pending.finish(lambda: answer, failed=True)
        return pending

    def _give_up(self, pending: PendingCall) -> CallAnswer:
        if self._take(pending.task_id, failed=True) is None:  # the answer has arrived at the last moment
            return pending.read()
        text = f"Call timed out after {self._options.timeout_s:g} s; it may have been run"
        error = JsonRpcError(CALL_TIMED_OUT, text)
        if pending.has_deadline:
            error = deadline_error(self._broker.give_up(pending.task_id))
        answer: CallAnswer = False, {}, error
        pending.finish(lambda: answer, failed=True, code=error.code)
        self._broker.revoke(pending.task_id)
        return answer

    def cancel(self, pending: PendingCall) -> None:
        """Answer a call that its caller has cancelled, unless it has its answer. It does not begin, or is ended."""
        if self._take(pending.task_id, failed=True) is None:
            return
        error = cancelled_error(self._broker.give_up(pending.task_id))
        pending.finish(lambda: (False, {}, error), failed=True, code=error.code)
        self._broker.revoke(pending.task_id)

    def _receive(self, message: Mapping[str, Any]) -> None:
        """Assign an answer to its call. The answer is Celery's: ``task_id``, ``status``, ``result``."""
        status, result = message["status"], message["result"]
        if status == PROGRESS:
            report_message(result)
        if status not in states.READY_STATES:
            return
        if status == states.SUCCESS and isinstance(result[1], dict):
            self._count_notification(result[0], result[1])
        elif status == states.SUCCESS:
            code = code_of(result[1]) if result[0] else None
            self._finish(message["task_id"], lambda: self._read(result[1]), failed=result[0], code=code)
        elif message.get("task") == NOTIFY:
            self._fail_notification(message["task_id"], str(message.get("url")), status)
        else:
            self._finish(message["task_id"], lambda: self._read_failure(status, result), failed=True)

    def _count_notification(self, failed: bool, report: Mapping[str, Any]) -> None:
        with self._ended:
            self._count(failed=failed)
            self._retried += report["tries"] - 1
        if report.get("expired"):
            self._context.lose(report["url"])
        if report["dead"]:
            notification = f"notification {report['url']} {report['dead']}"
            queue = self._options.dead_letter_queue
            self._context.log.write(ERROR, f"{notification}; it is in the queue {queue!r} now")

    def _fail_notification(self, task_id: str, url: str, status: str) -> None:
        """Count a notification that Celery itself reports as failed: it has not come to its end."""
        with self._ended:
            if task_id in self._failed_notifications:
                return
            self._failed_notifications.append(task_id)
            self._count(failed=True)
        if status == states.REVOKED:  # it has expired in the queue
            self._context.lose(url)
        else:
            self._context.log.write(WARNING, f"notification {url} failed: it was ended in its worker")

    def _count(self, *, failed: bool) -> None:
        self._done += 1
        self._failed += failed

    def _finish(self, task_id: str, read: Callable[[], CallAnswer], *, failed: bool, code: int | None = None) -> None:
        if (pending := self._take(task_id, failed=failed)) is not None:
            pending.finish(read, failed=failed, code=code)

    def _take(self, task_id: str, *, failed: bool) -> PendingCall | None:
        """Remove a call from the pending ones and count it; return None if another thread has done so."""
        with self._ended:
            if (pending := self._pending.pop(task_id, None)) is not None:
                self._count(failed=failed)
                self._ended.notify_all()
            return pending

    def _read(self, text: str) -> CallAnswer:
        # Not with the server's codec: its limits are for requests, and a worker of the server has written this.
        return answer_of_outcome(json.loads(text), self._magic_name)

    def _read_failure(self, status: str, result: Any) -> CallAnswer:
        """Return the answer for a call that Celery itself reports as failed: it has not come to its end."""
        kind = result.get("exc_type", "") if isinstance(result, Mapping) else ""
        if kind == "WorkerLostError":
            return error_answer(
                WORKER_LOST, "Worker lost: the process that ran the call has ended; it may have been run"
            )
        if status == states.REVOKED or kind in ("TaskRevokedError", "TimeLimitExceeded"):
            return error_answer(CALL_TIMED_OUT, "Call timed out in its worker; it may have been run")
        self._context.log.write(ERROR, "a celery worker could not run a call:", result)
        return False, {}, JsonRpcInternalError()

    def counts(self) -> dict[str, Any]:
        """Return the counts by name."""
        reading, age_s = self._monitor.report()
        return {
            **reading,
            "age": age_s,
            "running": len(self._pending),
            "done": self._done,
            "failed": self._failed,
            "retried": self._retried,
        }

    def stop(self, timeout_s: float, allowed: int) -> None:
        """Wait for the answers of the pending calls; answer the rest with the error that they may have run.

        Args:
            timeout_s: How long to wait, in seconds.
            allowed: The number of pending calls that need not be waited for.
        """
        deadline = time.monotonic() + timeout_s
        with self._ended:
            self._ended.wait_for(lambda: len(self._pending) <= allowed, timeout_s)
            self._is_stopped = True
            left = list(self._pending)
        if left:
            self._context.log.write(WARNING, f"stopped while {len(left)} calls were in celery workers")
        late = error_answer(
            CALL_TIMED_OUT, "The server has stopped before the call's answer came; it may have been run"
        )
        for task_id in left:
            self._finish(task_id, lambda: late, failed=True)
        self._replies.stop(self._wake, max(1.0, deadline - time.monotonic()))
        self._broker.close()

    def _wake(self) -> None:
        if not self._options.is_one_broker:  # sent to the other broker, it would stay there forever
            return
        name = self._replies.name
        with contextlib.suppress(BrokerUnavailableError), self._broker.producer() as producer:
            producer.publish({}, exchange="", routing_key=name, serializer="json", declare=[reply_queue(name)])

    def _connect(self) -> kombu.Connection:
        options = self._options
        rarely = {"unacked_restore_throttle": 40, "max_retries": 0}  # workers restore the unacknowledged messages
        return self._app.connection_for_read(
            options.answers, transport_options={**transport_options(options.answers, options), **rarely}
        )

    def _answers_lost(self) -> None:
        if self._options.is_one_broker:
            self._broker.renew()

    def _describe_answers(self, exc: BaseException) -> str:
        url = masked(self._options.answers)
        return f"answers of celery workers cannot be received from {url}: {self._describe(exc)}"

    def _describe(self, exc: BaseException) -> str:
        text = f"{type(exc).__name__}: {str(exc) or repr(exc.__cause__)}"
        return without_secrets(text, self._options.broker, self._options.answers)


def limits_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return Celery's options for a message with a deadline: it does not begin later, and its process is killed.

    The worker counts the second from the begin of the call. A call is ended sooner, at the server's request.
    """
    remaining = message.get("remaining")
    return {} if remaining is None else {"expires": remaining, "time_limit": remaining}


def error_answer(code: int, text: str) -> CallAnswer:
    return False, {}, JsonRpcError(code, text)


def served_by(context: BackendContext, request: Mapping[str, Any]) -> list[Any]:
    """Return the value of ``_connection.servedBy`` for a worker. A socket cannot travel, so its place is None."""
    is_raw, host, port = context.facts.served_by(request.get("environ") or {})
    return [is_raw, host, port if isinstance(port, int) else None]


def code_of(text: str) -> int | None:
    """Return the code of the error in the text of an outcome; None if there is none."""
    try:
        code = json.loads(text)["error"]["code"]
    except (ValueError, LookupError, TypeError):  # the thread that waits for the answer fails to read it, and logs that
        return None
    return code if type(code) is int else None
