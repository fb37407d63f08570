"""The tasks of a worker: they find the dispatcher that a message names, and call it.

A call is acknowledged before it runs and claimed in Redis, so it runs at most once. A notification is acknowledged
after it has run, so it runs at least once.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from celery import signals
from celery.exceptions import Ignore, Reject
from celery.worker.control import control_command

from ...dispatch.backend_context import BackendContext
from ...dispatch.call_control import CONTROL, Log, Report
from ...dispatch.call_data import TRACE
from ...dispatch.deadlines import CALL_TIMED_OUT, deadline_exception
from ...dispatch.exec_backend import CallAnswer
from ...dispatch.invoker import logged_error
from ...dispatch.remote import WORKER_LOST, outcome_of_answer, parts_of_outcome
from ...dispatch.remote_control import RemoteControl, log_message, progress_message
from ...dispatch.submission import server_exception
from ...runtime.interrupts import is_interrupt
from ...runtime.logs import ERROR, WARNING, remove_console_handler
from ...sansio_jsonrpc import Codec, JsonRpcException, JsonRpcInternalError, find_unwritable
from .app import CALL, END_COMMAND, NOTIFY, PROGRESS, CeleryApplication
from .calls import DispatcherSignatures, request_of
from .consumer import Heartbeat
from .dead_letters import dead_letter_notification
from .deliveries import GIVEN_UP, KILLED, NOT_KILLED, Deliveries
from .internals import PoolMaintenance, end_tasks, kills_processes
from .options import CeleryOptions
from .tools import WorkerTools, refuse_locks

__all__ = ["WORKER_DIFFERS", "register_tasks"]

WORKER_DIFFERS: Final = -32007
"""Code of the error if a worker does not have the dispatcher of the server, or has it with other parameters."""


def register_tasks(app: CeleryApplication, context: BackendContext, options: CeleryOptions) -> None:
    """Register the tasks that run the server's dispatchers, and the steps of the worker."""
    tasks = WorkerTasks(app, context, options)
    repeat = options.repeat_lost_calls

    # resultrepr_maxsize: the answers of clients must not show to those who read the worker's log.
    @app.task(name=CALL, bind=True, resultrepr_maxsize=1, acks_late=repeat, reject_on_worker_lost=repeat)
    def call(task: Any, message: dict[str, Any]) -> list[Any]:
        return tasks.call(task.request, message)

    @app.task(name=NOTIFY, bind=True, resultrepr_maxsize=1, acks_late=True, reject_on_worker_lost=True)
    def notify(task: Any, message: dict[str, Any]) -> list[Any]:
        return tasks.notify(task.request, message)

    signals.celeryd_after_setup.connect(tasks.prepare)  # a weak reference; the two tasks keep the object alive
    app.steps["worker"].add(PoolMaintenance)
    if options.is_redis:
        app.steps["consumer"].add(Heartbeat)


class WorkerTasks:
    """Runs the calls that messages name, through the server of this process.

    Args:
        app: The Celery application.
        context: The parts of the server, which does not serve in this process.
        options: The options of the backend.
    """

    def __init__(self, app: CeleryApplication, context: BackendContext, options: CeleryOptions) -> None:
        self._app = app
        self._context = context
        self._options = options
        self._signatures = DispatcherSignatures(context.router)
        self._deliveries = Deliveries(app)
        self._warned_fingerprints: set[str] = set()
        self._host = socket.gethostname()
        self._pool_size = 1
        self._claim = NOT_KILLED

    def prepare(self, sender: str, instance: Any, **_: Any) -> None:
        """Prepare the main process of a worker, before it starts its pool."""
        if instance.app is not self._app:
            return
        self._host, self._pool_size = sender, instance.concurrency
        self._claim = KILLED if kills_processes(instance) else NOT_KILLED
        remove_console_handler()  # Celery has set up the log of the process
        register_end_command()
        refuse_locks(self._context.facade)

    def call(self, request: Any, message: dict[str, Any]) -> list[Any]:
        """Run a call; return whether it failed, and its outcome as JSON text."""
        if (refusal := self._refusal(request, message)) is not None:
            return [True, self._text(outcome_of_answer((False, {}, refusal), ""), message)]
        status, params, result = self._answer_with_control(request, message)
        outcome = outcome_of_answer((status, params, result), self._context.settings.magicVarForDispatcher)
        return [not status, self._text(outcome, message)]

    def _refusal(self, request: Any, message: Mapping[str, Any]) -> JsonRpcException | None:
        """Return the error of a call that must not run; None if it may run.

        It must not if its time is over, if it may have run before, or if it was tried too often.

        Raises:
            Ignore: Another worker has claimed the call, and gives the answer.
        """
        if has_expired(message):
            return expired()
        if is_late(message):
            return deadline_exception("not started")
        claim = self._deliveries.claim(request.id, self._claim) if self._options.is_redis else None
        if claim == GIVEN_UP:
            return expired()
        is_redelivered = request.delivery_info.get("redelivered")
        if self._options.repeat_lost_calls:
            is_hopeless = is_redelivered and self._tries(request) > self._options.tries
            return worker_lost(f"this has happened {self._options.tries} times") if is_hopeless else None
        if not self._options.is_redis:
            return (
                worker_lost("the call was given to another one before, which may have run it")
                if is_redelivered
                else None
            )
        if claim is not None:
            self._context.log.write(WARNING, f"a call was delivered twice, and is run once: {request.id}")
            raise Ignore
        return None

    def notify(self, request: Any, message: dict[str, Any]) -> list[Any]:
        """Run a notification, drop it, or move it to the dead letter queue; return whether it failed, and a report."""
        if has_expired(message) or is_late(message):
            return [True, {"url": message["path"] + message["method"], "tries": 1, "dead": None, "expired": True}]
        tries = self._tries(request) if request.delivery_info.get("redelivered") else 1
        reason = self._dead_letter_reason(tries, message)
        report = {"url": message["path"] + message["method"], "tries": tries, "dead": reason}
        if reason:
            self._dead_letter(message, request.id, reason)
            return [True, report]
        status, _, _ = self._answer(message)
        return [not status, report]

    def _dead_letter_reason(self, tries: int, message: Mapping[str, Any]) -> str | None:
        """Return why a notification cannot run; None if it can."""
        if tries > self._options.tries:
            return f"was begun {tries - 1} times and never finished"
        try:
            self._check_dispatcher(message)
        except JsonRpcException as exc:
            return f"was not run: {exc.message}"
        return None

    def _answer_with_control(self, request: Any, message: Mapping[str, Any]) -> CallAnswer:
        if (values := message.get(CONTROL)) is None:
            return self._answer(message)
        with RemoteControl(values, *self._senders(request, values["id"])):
            return self._answer(message)

    def _senders(self, request: Any, control_id: str) -> tuple[Report, Log]:
        """Return the functions that send the progress and the log messages of a call."""
        backend = self._app.backend  # here: each thread has its own, and a late report may come from another one

        def send(values: dict[str, Any]) -> None:
            with contextlib.suppress(Exception):  # the broker is gone, and the call goes on
                backend.store_result(request.id, values, PROGRESS, request=request)

        def send_progress(done: float, total: float | None, text: str | None) -> None:
            send(progress_message(control_id, done, total, text))

        def send_log(level: str, data: Any, logger: str | None) -> None:
            send(log_message(control_id, level, self._context.codec.dumps(data), logger))

        return send_progress, send_log

    def _answer(self, message: Mapping[str, Any]) -> CallAnswer:
        try:
            self._check_dispatcher(message)
            return self._call_dispatcher(message)
        except JsonRpcException as exc:
            return False, {}, exc
        except Exception:  # noqa: BLE001  the server waits for an answer, whatever the error
            return False, {}, self._internal_error("a call could not be run", message)

    def _call_dispatcher(self, message: Mapping[str, Any]) -> CallAnswer:
        params = message["params"]
        data = {
            "method": message["method"],
            "params": None if params is None else self._context.codec.loads(params.encode()),
            "id": message["id"],
            "notify": message["notify"],
        }
        if (remaining := message.get("remaining")) is not None:  # this machine has another monotonic clock
            data["deadline"] = time.monotonic() + remaining
        for key in (TRACE, CONTROL):
            if (value := message.get(key)) is not None:
                data[key] = value
        request = request_of(message["request"])
        overload = self._overload(message)
        answer: CallAnswer = self._context.call_dispatcher(
            message["uniqueId"], message["path"], data, request, message["jsonp"], overload=overload
        )
        return answer

    def _overload(self, message: Mapping[str, Any]) -> Callable[[Any], None]:
        """Return a function that sets the fields of the magic variable that differ in a worker."""

        def overload(connection: Any) -> None:
            connection.servedBy = tuple(message["servedBy"])
            connection.parallelType = "celery"
            connection.parallelPoolSize = self._pool_size
            connection.parallelId = f"{self._host}:{os.getpid()}"
            connection.call = WorkerTools(connection.call)

        return overload

    def _check_dispatcher(self, message: Mapping[str, Any]) -> None:
        """Compare the dispatcher of the server with the one of this worker.

        Raises:
            JsonRpcException: The worker does not have it, or has it with other parameters.
        """
        url = message["path"] + message["method"]
        own = self._signatures.signature(url)
        self._compare_fingerprints(message["fingerprint"])
        if own == message["signature"]:
            return
        difference = "has no such dispatcher" if own is None else f"has {message['method']}{own}"
        text = (
            f"Worker differs: the server calls {message['method']}{message['signature']} on {message['path']}, and the "
            f"worker {self._host} {difference}; start the worker again with the server's code"
        )
        self._context.log.write(ERROR, text)
        raise server_exception(WORKER_DIFFERS, text)

    def _compare_fingerprints(self, fingerprint: str) -> None:
        """Warn once of each server whose dispatchers differ from those of this worker."""
        own = self._signatures.fingerprint
        if fingerprint != own and fingerprint not in self._warned_fingerprints:
            self._warned_fingerprints.add(fingerprint)
            self._context.log.write(
                WARNING,
                f"the dispatchers of this worker ({own}) are not those of a server ({fingerprint}); start both with "
                "the same code",
            )

    def _text(self, outcome: dict[str, Any], message: Mapping[str, Any]) -> str:
        codec: Codec = self._context.codec
        try:
            return codec.dumps(outcome).decode()
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            failure = exc
        # Outside the except block, so that the log has the reason alone.
        error = self._unwritable(codec, outcome, failure, message)
        return json.dumps(outcome_of_answer((False, {}, error), self._context.settings.magicVarForDispatcher))

    def _unwritable(
        self, codec: Codec, outcome: dict[str, Any], failure: BaseException, message: Mapping[str, Any]
    ) -> JsonRpcInternalError:
        part = find_unwritable(codec, parts_of_outcome(outcome), failure)
        try:
            raise part.reason
        except BaseException:  # noqa: BLE001  raised here, so that it is logged with its traceback
            return self._internal_error("the outcome of a call cannot be sent as JSON", message, f": {part}")

    def _internal_error(self, event: str, message: Mapping[str, Any], reason: str = "") -> JsonRpcInternalError:
        url, unique_id = message["path"] + message["method"], message["uniqueId"]
        return logged_error(self._context.log, f"{event}: {url}{reason}", unique_id, debug=self._context.settings.debug)

    def _tries(self, request: Any) -> int:
        """Count another try of a message that was delivered before; return the number of tries.

        RabbitMQ counts deliveries itself. If Redis cannot be reached, the message goes back to the queue.
        """
        if not self._options.is_redis:
            return int(request.get("x-delivery-count") or 1) + 1
        try:
            return self._deliveries.count_try(request.id)
        except Exception as exc:
            raise Reject(exc, requeue=True) from exc

    def _dead_letter(self, message: dict[str, Any], task_id: str, reason: str) -> None:
        try:
            dead_letter_notification(self._app, message, task_id)
        except Exception as exc:
            raise Reject(exc, requeue=True) from exc
        notification = f"notification {message['path']}{message['method']} [{message['uniqueId']}]"
        queue = self._options.dead_letter_queue
        self._context.log.write(ERROR, f"{notification} {reason}; it is in the queue {queue!r} now")


def has_expired(message: Mapping[str, Any]) -> bool:
    """Return whether the time of a call is over: it must not begin any more."""
    expires_at: float = message.get("expiresAt", math.inf)
    return time.time() >= expires_at


def is_late(message: Mapping[str, Any]) -> bool:
    """Return whether the caller of a call has stopped waiting: it must not begin any more."""
    begin_until: float = message.get("beginUntil", math.inf)
    return time.time() >= begin_until


def expired() -> JsonRpcException:
    """Return the exception of a call whose time was over before it began."""
    return server_exception(CALL_TIMED_OUT, "Call timed out before it began; it was not run")


def worker_lost(why: str) -> JsonRpcException:
    """Return the exception of a call whose worker was lost."""
    return server_exception(WORKER_LOST, f"Worker lost: {why}")


def register_end_command() -> None:
    """Register the remote control command that ends calls whose answers nothing waits for any more."""

    def end(state: Any, task_ids: list[str], **_: Any) -> Any:
        """Drop calls that have not begun; end those that run, if the pool can end one without the others."""
        return end_tasks(state, task_ids)

    control_command(name=END_COMMAND, args=[("task_ids", list)])(end)
