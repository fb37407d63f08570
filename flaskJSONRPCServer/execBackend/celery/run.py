"""One run of the Celery backend: calls go out, answers come in, and each finds the call that waits for it."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import kombu
from celery import states

from ...dispatch.backends import CallAnswer
from ...dispatch.context import BackendContext
from ...dispatch.remote import CALL_TIMED_OUT, WORKER_LOST, RemoteCall, answer_of_outcome
from ...runtime.concurrency import make_condition, make_event
from ...runtime.logs import ERROR, WARNING
from ...sansio_jsonrpc import JsonRpcError, JsonRpcException, JsonRpcInternalError
from .app import CALL, NOTIFY, Application, Options, masked, reply_queue, transport_options, without_secrets
from .calls import Catalogue, context_of
from .link import STOPPED, BrokerGone, Link
from .replies import Replies
from .watch import Watch

__all__ = ["Run", "Ticket"]


class Ticket:
    """One call, and what has come of it.

    Args:
        task_id: The id of its task.
        call: How the server counts it; None for one that was never sent.
        timeout_s: How long its answer may take.
        give_up: Called where it took longer; gives the answer instead.
    """

    __slots__ = ("_arrived", "_call", "_deadline", "_give_up", "_read", "task_id")

    def __init__(
        self, task_id: str, call: RemoteCall | None, timeout_s: float, give_up: Callable[[Ticket], CallAnswer]
    ) -> None:
        self.task_id = task_id
        self._call = call
        self._deadline = time.monotonic() + timeout_s
        self._give_up = give_up
        self._arrived = make_event()
        self._read: Callable[[], CallAnswer]

    def finish(self, read: Callable[[], CallAnswer], *, failed: bool) -> None:
        """Wake whoever waits, who will read the answer himself. To be called once."""
        self._read = read
        if self._call is not None:
            self._call.end(failed=failed)
        self._arrived.set()

    def wait(self) -> CallAnswer:
        """Wait for the answer, until the call takes too long."""
        if self._arrived.wait(max(0.0, self._deadline - time.monotonic())):
            return self._read()
        return self._give_up(self)

    def read(self) -> CallAnswer:
        """Return the answer, which another thread is giving right now."""
        self._arrived.wait()
        return self._read()


class Run:
    """What is there from a start of the backend to its stop.

    Args:
        app: The Celery application.
        context: The parts of the server.
        options: The options.
    """

    def __init__(self, app: Application, context: BackendContext, options: Options) -> None:
        self._app = app
        self._options = options
        self._context = context
        self._calls = context.remote_calls
        self._magic_name = context.settings.magicVarForDispatcher
        self._catalogue = Catalogue(context.router)
        self._ended = make_condition()
        self._waiting: dict[str, Ticket] = {}  # by the ids of their tasks; guarded by _ended
        self._is_stopped = False  # guarded by _ended
        self._done = self._failed = self._retried = 0  # guarded by _ended
        self._link = Link(app, options, context.log, self._describe)
        name = f"{options.queue}.answers.{uuid.uuid4().hex}"
        self._replies = Replies(
            self._connect, name, self._receive, context.log, self._answers_lost, self._describe_answers
        )
        self._watch = Watch(options, self._link)

    def add(
        self, unique_id: str, path: str, data: dict[str, Any], request: Any, is_jsonp: str | bool
    ) -> tuple[bool, Any, Any]:
        """Send a call, as ``add`` of the backend."""
        message = self._message(unique_id, path, data, request, is_jsonp)
        try:
            call = self._calls.begin(path, data)
        except JsonRpcException as exc:
            return True, None, self._answered((False, {}, exc))
        return self._notify(call, message) if message["notify"] else self._ask(call, message)

    def _message(
        self, unique_id: str, path: str, data: dict[str, Any], request: Any, is_jsonp: str | bool
    ) -> dict[str, Any]:
        url = path + data["method"]
        params = data.get("params")
        return {
            "uniqueId": unique_id,
            "path": path,
            "method": data["method"],
            "params": None if params is None else self._context.codec.dumps(params).decode(),
            "id": data.get("id"),
            "notify": bool(data.get("notify")),
            "jsonp": is_jsonp,
            "request": context_of(request, self._options.headers, self._options.cookies),
            "servedBy": served_by(self._context, request),
            "signature": self._catalogue.signature(url),
            "fingerprint": self._catalogue.fingerprint,
        }

    def _notify(self, call: RemoteCall, message: dict[str, Any]) -> tuple[bool, Any, Any]:
        failed = True
        try:
            self._send(NOTIFY, str(uuid.uuid4()), message)
            failed = False
        except BrokerGone as exc:
            return False, str(exc), None
        finally:
            call.end(failed=failed)
        return True, None, None

    def _ask(self, call: RemoteCall, message: dict[str, Any]) -> tuple[bool, Any, Any]:
        self._replies.wait_settled(self._options.enqueue_timeout_s)
        ticket = Ticket(str(uuid.uuid4()), call, self._options.timeout_s, self._give_up)
        try:
            self._await(ticket)
            if self._replies.failure is not None:
                raise BrokerGone(self._replies.failure)
            self._send(CALL, ticket.task_id, message, expires=self._options.timeout_s)
        except BrokerGone as exc:
            self._finish(ticket.task_id, lambda: (False, {}, None), failed=True)
            return False, str(exc), None
        return True, None, ticket

    def _await(self, ticket: Ticket) -> None:
        with self._ended:
            self._waiting[ticket.task_id] = ticket
            if self._is_stopped:  # nobody would end it
                raise BrokerGone(STOPPED)

    def _send(self, task: str, task_id: str, message: dict[str, Any], **options: Any) -> None:
        self._link.send(
            task,
            message,
            task_id=task_id,
            reply_to=self._replies.name,
            shadow=message["path"] + message["method"],
            **options,
        )

    def _answered(self, answer: CallAnswer) -> Ticket:
        ticket = Ticket("", None, 0, self._give_up)
        ticket.finish(lambda: answer, failed=True)
        return ticket

    def _give_up(self, ticket: Ticket) -> CallAnswer:
        if self._take(ticket.task_id, failed=True) is None:  # the answer has come at the last moment
            return ticket.read()
        answer = failure(CALL_TIMED_OUT, f"Call timed out after {self._options.timeout_s:g} s; it may have been run")
        ticket.finish(lambda: answer, failed=True)
        self._link.revoke(ticket.task_id)
        return answer

    def _receive(self, message: Mapping[str, Any]) -> None:
        """Take an answer as Celery words it: ``task_id``, ``status``, ``result``."""
        status, result = message["status"], message["result"]
        if status not in states.READY_STATES:
            return
        if status == states.SUCCESS and isinstance(result[1], dict):
            self._notified(result[0], result[1])
        elif status == states.SUCCESS:
            self._finish(message["task_id"], lambda: self._read(result[1]), failed=result[0])
        else:
            self._finish(message["task_id"], lambda: self._read_failure(status, result), failed=True)

    def _notified(self, failed: bool, report: Mapping[str, Any]) -> None:
        with self._ended:
            self._count(failed=failed)
            self._retried += report["tries"] - 1
        if report["dead"]:
            what = f"notification {report['url']} {report['dead']}"
            self._context.log.write(ERROR, f"{what}; it is in the queue {self._options.dead_queue!r} now")

    def _count(self, *, failed: bool) -> None:
        self._done += 1
        self._failed += failed

    def _finish(self, task_id: str, read: Callable[[], CallAnswer], *, failed: bool) -> None:
        if (ticket := self._take(task_id, failed=failed)) is not None:
            ticket.finish(read, failed=failed)

    def _take(self, task_id: str, *, failed: bool) -> Ticket | None:
        """Take a call from those that wait for their answers; None where it is none of them any more."""
        with self._ended:
            if (ticket := self._waiting.pop(task_id, None)) is not None:
                self._count(failed=failed)
                self._ended.notify_all()
            return ticket

    def _read(self, text: str) -> CallAnswer:
        # Not by the server's own codec: its limits are for requests, and this is an answer that it wrote itself.
        return answer_of_outcome(json.loads(text), self._magic_name)

    def _read_failure(self, status: str, result: Any) -> CallAnswer:
        """Word what Celery itself says about a call that has not come to an end."""
        kind = result.get("exc_type", "") if isinstance(result, Mapping) else ""
        if kind == "WorkerLostError":
            return failure(WORKER_LOST, "Worker lost: the process that ran the call has ended; it may have been run")
        if status == states.REVOKED or kind in ("TaskRevokedError", "TimeLimitExceeded"):
            return failure(CALL_TIMED_OUT, "Call timed out in its worker; it may have been run")
        self._context.log.write(ERROR, "a celery worker could not run a call:", result)
        return False, {}, JsonRpcInternalError()

    def counts(self) -> dict[str, Any]:
        """Return the counts by name."""
        seen, age_s = self._watch.report()
        return {
            **seen,
            "age": age_s,
            "running": len(self._waiting),
            "done": self._done,
            "failed": self._failed,
            "retried": self._retried,
        }

    def stop(self, timeout_s: float, allowed: int) -> None:
        """Wait for the answers, and answer the calls of which none has come that they may have been run."""
        deadline = time.monotonic() + timeout_s
        with self._ended:
            self._ended.wait_for(lambda: len(self._waiting) <= allowed, timeout_s)
            self._is_stopped = True
            left = list(self._waiting)
        if left:
            self._context.log.write(WARNING, f"stopped while {len(left)} calls were in celery workers")
        late = failure(CALL_TIMED_OUT, "The server has stopped before the call's answer came; it may have been run")
        for task_id in left:
            self._finish(task_id, lambda: late, failed=True)
        self._replies.stop(self._wake, max(1.0, deadline - time.monotonic()))
        self._link.close()

    def _wake(self) -> None:
        if not self._options.is_one_broker:  # it would lie on the other one for ever
            return
        name = self._replies.name
        with contextlib.suppress(BrokerGone), self._link.producer() as producer:
            producer.publish({}, exchange="", routing_key=name, serializer="json", declare=[reply_queue(name)])

    def _connect(self) -> kombu.Connection:
        options = self._options
        seldom = {"unacked_restore_throttle": 40, "max_retries": 0}  # giving back what is lost is for the workers
        return self._app.connection_for_read(
            options.answers, transport_options={**transport_options(options.answers, options), **seldom}
        )

    def _answers_lost(self) -> None:
        if self._options.is_one_broker:
            self._link.renew()

    def _describe_answers(self, exc: BaseException) -> str:
        where = masked(self._options.answers)
        return f"answers of celery workers cannot be received from {where}: {self._describe(exc)}"

    def _describe(self, exc: BaseException) -> str:
        text = f"{type(exc).__name__}: {str(exc) or repr(exc.__cause__)}"
        return without_secrets(text, self._options.broker, self._options.answers)


def failure(code: int, text: str) -> CallAnswer:
    return False, {}, JsonRpcError(code, text)


def served_by(context: BackendContext, request: Mapping[str, Any]) -> list[Any]:
    """Return what ``_connection.servedBy`` tells, without a socket, which cannot travel."""
    is_raw, host, port = context.facts.served_by(request.get("environ") or {})
    return [is_raw, host, port if isinstance(port, int) else None]
