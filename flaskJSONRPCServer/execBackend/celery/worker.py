"""The worker's side of the Celery backend: a task finds the dispatcher that a message names, and calls it."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import json
import operator
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, cast

import kombu
from celery import bootsteps, signals
from celery.exceptions import Ignore, Reject
from celery.worker import state
from celery.worker.consumer import Consumer

from ...dispatch.backends import CallAnswer
from ...dispatch.connection import FieldsAsKeys
from ...dispatch.context import BackendContext
from ...dispatch.invoker import logged_error
from ...dispatch.remote import WORKER_LOST, outcome_of_answer, parts_of_outcome
from ...dispatch.submission import server_exception
from ...errors import ServerStateError
from ...runtime.interrupts import is_interrupt
from ...runtime.logs import ERROR, WARNING, remove_console_handler
from ...sansio_jsonrpc import Codec, JsonRpcException, JsonRpcInternalError, find_unwritable
from .app import CALL, END_COMMAND, NOTIFY, Application, Options
from .calls import Catalogue, request_of
from .dead_letters import set_aside
from .deliveries import Deliveries
from .redis import put_back
from .shapes import misfit_of_task

__all__ = ["WORKER_DIFFERS", "attach", "become_worker", "let_celery_follow_dots", "run_worker"]

WORKER_DIFFERS: Final = -32007
"""Code of the error where a worker has not the dispatcher that the server has, or takes other parameters."""

_LOOK_EVERY_S = 0.5

_OF_THE_SERVER = ("lock", "unlock", "wait", "_deepLock", "_deepUnlock")
"""What a server does to its own calls, and nobody else can."""


def attach(app: Application, context: BackendContext, options: Options) -> None:
    """Give an application the tasks that run the server's dispatchers."""
    worker = Worker(app, context, options)
    again = options.repeat_lost_calls

    # What a client gets is nobody's business who reads the worker's log: hence resultrepr_maxsize.
    @app.task(name=CALL, bind=True, resultrepr_maxsize=1, acks_late=again, reject_on_worker_lost=again)
    def call(task: Any, message: dict[str, Any]) -> list[Any]:
        return worker.call(task.request, message)

    @app.task(name=NOTIFY, bind=True, resultrepr_maxsize=1, acks_late=True, reject_on_worker_lost=True)
    def notify(task: Any, message: dict[str, Any]) -> list[Any]:
        return worker.notify(task.request, message)

    signals.celeryd_after_setup.connect(worker.begin)  # weakly: it lives as long as the tasks
    app.steps["worker"].add(LostProcesses)
    if options.is_redis:
        app.steps["consumer"].add(Heartbeat)


def become_worker() -> None:
    """Make this process one that runs Celery's command line: no server starts in it."""
    importlib.import_module("celery.bin.celery")


def let_celery_follow_dots() -> None:
    """Let ``celery -A my_module:server.celery`` find what it names.

    Celery asks the module for one attribute of the name ``server.celery``. Hence the modules that are being imported,
    of which it named one, get a ``__getattr__`` (PEP 562), unless they have their own. Elsewhere nothing happens.
    """
    frame = inspect.currentframe() if "celery.bin.celery" in sys.modules else None
    while frame is not None:
        names = frame.f_globals
        if frame.f_code.co_name == "<module>" and names["__name__"] != "__main__":
            names.setdefault("__getattr__", functools.partial(dotted_attribute, names))
        frame = frame.f_back


def dotted_attribute(names: Mapping[str, Any], name: str) -> Any:
    first, _, others = name.partition(".")
    if not others or first not in names:
        raise AttributeError(f"module {names['__name__']!r} has no attribute {name!r}")
    return operator.attrgetter(others)(names[first])


class Worker:
    """Runs what the messages name, by the server of this process.

    Args:
        app: The Celery application.
        context: The parts of the server, which does not serve here.
        options: The options of the backend.
    """

    def __init__(self, app: Application, context: BackendContext, options: Options) -> None:
        self._app = app
        self._context = context
        self._options = options
        self._catalogue = Catalogue(context.router)
        self._ledger = Deliveries(app)
        self._warned_of: set[str] = set()
        self._host = socket.gethostname()
        self._pool_size = 1

    def begin(self, sender: str, instance: Any, **_: Any) -> None:
        """Make ready in the main process of a worker, before its pool is there."""
        if instance.app is not self._app:
            return
        self._host, self._pool_size = sender, instance.concurrency
        remove_console_handler()  # Celery has set up the log of the process
        add_end_command()
        for name in _OF_THE_SERVER:
            setattr(self._context.facade, name, refusal(f"server.{name}()"))

    def call(self, request: Any, message: dict[str, Any]) -> list[Any]:
        """Run a call; return whether it failed, and its outcome as text."""
        if (refused := self._refused(request)) is not None:
            return [True, self._text({"error": {"code": WORKER_LOST, "message": refused}}, message)]
        status, params, result = self._answer(message)
        outcome = outcome_of_answer((status, params, result), self._context.settings.magicVarForDispatcher)
        return [not status, self._text(outcome, message)]

    def _refused(self, request: Any) -> str | None:
        """Say why a call is not run: it may have been run, or has been tried too often; else None.

        Raises:
            Ignore: Another worker runs it, or has run it, and gives the answer.
        """
        was_delivered = request.delivery_info.get("redelivered")
        if self._options.repeat_lost_calls:
            too_often = was_delivered and self._tries(request) > self._options.tries
            return f"Worker lost: this has happened {self._options.tries} times" if too_often else None
        if not self._options.is_redis:
            return (
                "Worker lost: the call was given to another one before, which may have run it"
                if was_delivered
                else None
            )
        if not self._ledger.claim(request.id):
            self._context.log.write(WARNING, f"a call was delivered twice, and is run once: {request.id}")
            raise Ignore
        return None

    def notify(self, request: Any, message: dict[str, Any]) -> list[Any]:
        """Run a notification, or put it among the dead; return whether it failed, and a report."""
        tries = self._tries(request) if request.delivery_info.get("redelivered") else 1
        report = {"url": message["path"] + message["method"], "tries": tries, "dead": self._hopeless(tries, message)}
        if report["dead"]:
            self._dead_letter(message, request.id, report["dead"])
            return [True, report]
        status, _, _ = self._answer(message)
        return [not status, report]

    def _hopeless(self, tries: int, message: Mapping[str, Any]) -> str | None:
        """Say why a notification cannot be run; None where it can."""
        if tries > self._options.tries:
            return f"was begun {tries - 1} times and never finished"
        try:
            self._refuse_other(message)
        except JsonRpcException as exc:
            return f"was not run: {exc.message}"
        return None

    def _answer(self, message: Mapping[str, Any]) -> CallAnswer:
        try:
            self._refuse_other(message)
            return self._called(message)
        except JsonRpcException as exc:
            return False, {}, exc
        except Exception:  # noqa: BLE001  the edge: whatever went wrong, somebody waits for an answer
            return False, {}, self._internal_error("a call could not be run", message)

    def _called(self, message: Mapping[str, Any]) -> CallAnswer:
        params = message["params"]
        data = {
            "method": message["method"],
            "params": None if params is None else self._context.codec.loads(params.encode()),
            "id": message["id"],
            "notify": message["notify"],
        }
        request = request_of(message["request"])
        connect = self._overload(message)
        answer: CallAnswer = self._context.call_dispatcher(
            message["uniqueId"], message["path"], data, request, message["jsonp"], overload=connect
        )
        return answer

    def _overload(self, message: Mapping[str, Any]) -> Callable[[Any], None]:
        def overload(connection: Any) -> None:
            connection.servedBy = tuple(message["servedBy"])
            connection.parallelType = "celery"
            connection.parallelPoolSize = self._pool_size
            connection.parallelId = f"{self._host}:{os.getpid()}"
            connection.call = WorkerTools(connection.call)

        return overload

    def _refuse_other(self, message: Mapping[str, Any]) -> None:
        """Hold what the server has against what is here.

        Raises:
            JsonRpcException: The dispatcher is missing, or takes other parameters.
        """
        url = message["path"] + message["method"]
        here = self._catalogue.signature(url)
        self._warn_of(message["fingerprint"])
        if here == message["signature"]:
            return
        has = "has no such dispatcher" if here is None else f"has {message['method']}{here}"
        text = (
            f"Worker differs: the server calls {message['method']}{message['signature']} on {message['path']}, and the "
            f"worker {self._host} {has}; start the worker again with the server's code"
        )
        self._context.log.write(ERROR, text)
        raise server_exception(WORKER_DIFFERS, text)

    def _warn_of(self, fingerprint: str) -> None:
        here = self._catalogue.fingerprint
        if fingerprint != here and fingerprint not in self._warned_of:
            self._warned_of.add(fingerprint)
            self._context.log.write(
                WARNING,
                f"the dispatchers of this worker ({here}) are not those of a server ({fingerprint}); start both with "
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
        failed = self._unwritable(codec, outcome, failure, message)
        return json.dumps(outcome_of_answer((False, {}, failed), self._context.settings.magicVarForDispatcher))

    def _unwritable(
        self, codec: Codec, outcome: dict[str, Any], failure: BaseException, message: Mapping[str, Any]
    ) -> JsonRpcInternalError:
        part = find_unwritable(codec, parts_of_outcome(outcome), failure)
        try:
            raise part.reason
        except BaseException:  # noqa: BLE001  raised here, so that it is logged with its traceback
            return self._internal_error("the outcome of a call cannot be sent as JSON", message, f": {part}")

    def _internal_error(self, what: str, message: Mapping[str, Any], why: str = "") -> JsonRpcInternalError:
        url, unique_id = message["path"] + message["method"], message["uniqueId"]
        return logged_error(self._context.log, f"{what}: {url}{why}", unique_id, debug=self._context.settings.debug)

    def _tries(self, request: Any) -> int:
        """Count another try of what has been delivered before; return which one it is.

        RabbitMQ counts by itself. Where the broker cannot be asked, the message goes back to it.
        """
        if not self._options.is_redis:
            return int(request.get("x-delivery-count") or 1) + 1
        try:
            return self._ledger.count_try(request.id)
        except Exception as exc:
            raise Reject(exc, requeue=True) from exc

    def _dead_letter(self, message: dict[str, Any], task_id: str, why: str) -> None:
        queue = kombu.Queue(self._options.dead_queue, routing_key=self._options.dead_queue)
        try:
            with self._app.connection_for_write() as connection:
                kombu.Producer(connection).publish(
                    message, serializer="json", routing_key=queue.name, declare=[queue], correlation_id=task_id
                )
        except Exception as exc:
            raise Reject(exc, requeue=True) from exc
        url = message["path"] + message["method"]
        what = f"notification {url} [{message['uniqueId']}] {why}"
        self._context.log.write(ERROR, f"{what}; it is in the queue {queue.name!r} now")


def run_worker(app: Application, options: Sequence[str]) -> int:
    """Run a worker until a signal ends it, and return the status to end the process with; 0 after an orderly end.

    Args:
        app: The application.
        options: Options of Celery's worker.
    """
    workers: list[Any] = []

    def note(instance: Any, **_: Any) -> None:
        workers.append(instance)

    signals.celeryd_after_setup.connect(note)
    app.worker_main(["worker", *options])  # which keeps the status to itself
    failed = next((worker.exitcode for worker in workers if worker.exitcode), 0)
    return int(failed or state.should_terminate or 0)  # a cold shutdown leaves its status in the latter


class PromptConsumer(Consumer):
    """Celery's consumer without its queues for messages with a delay: no call has one, and on RabbitMQ they are 28."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[valid-type,misc]  # the stubs leave its base out
        """Its steps."""

        default_steps = tuple(
            each for each in Consumer.Blueprint.default_steps if not each.endswith(":DelayedDelivery")
        )

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return what takes a message, and puts one that is no task for this worker among the dead ones."""
        handle: Callable[[Any], None] = super().create_task_handler(*args, **kwargs)

        def take(message: Any) -> None:
            app = cast("Application", self.app)
            misfit = misfit_of_task(message, app.tasks, (CALL, NOTIFY))
            if misfit is None:
                handle(message)
            else:
                set_aside(app, message, misfit)

        return take


class LostProcesses(bootsteps.StartStopStep):
    """Looks often for processes of the pool that have ended.

    Celery is told of an end before the process can be waited for, misses it then, and looks again after five seconds.
    """

    requires = ("celery.worker.components:Pool",)

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        """Begin to look."""
        if (maintain := getattr(worker.pool, "maintain_pool", None)) is not None:
            hub.call_repeatedly(_LOOK_EVERY_S, maintain)


class Heartbeat(bootsteps.StartStopStep):
    """Tells Redis that the messages of this worker are in good hands, and puts back what dead workers have left behind.

    Redis gives a message to another worker when it has heard nothing of it for ``redeliver_after`` seconds. Without
    this, a notification that takes longer would run twice.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """Begin to tell."""
        self._left: set[bytes] = set()
        every_s = consumer.app.rpc_options.redeliver_after_s / 4
        self._timer = consumer.timer.call_repeatedly(every_s, self._tell, (consumer,))

    def stop(self, consumer: Any) -> None:
        """End, with the connection."""
        if (timer := getattr(self, "_timer", None)) is not None:
            timer.cancel()

    def _tell(self, consumer: Any) -> None:
        channel = consumer.task_consumer.channel
        held = dict.fromkeys(list(channel.qos._delivered), time.time())  # the only place that knows them
        with contextlib.suppress(*channel.connection_errors), channel.conn_or_acquire() as client:
            if held:
                client.zadd(channel.unacked_index_key, held, xx=True)
            self._left = put_back(client, consumer.app.rpc_options.queue, self._left)


class WorkerTools(FieldsAsKeys):
    """``_connection.call`` in a worker: what concerns the server cannot work there.

    Args:
        tools: What it is in the server.
    """

    def __init__(self, tools: Any) -> None:
        self.sleep = tools.sleep
        self.log = tools.log
        for name in ("lockThis", "unlockThis", "waitThis", "lock", "unlock", "wait", "copyGlobal", "eval", "execute"):
            setattr(self, name, refusal(f"_connection.call.{name}()"))


def refusal(name: str) -> Callable[..., NoReturn]:
    """Return what raises ServerStateError in the place of something that needs the server's process."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise ServerStateError(
            f"{name} cannot work in a celery worker; calls are held in the server's process: do it there, in a "
            "dispatcher with dispatcherBackend='simple'"
        )

    return refuse


def add_end_command() -> None:
    """Let workers know the remote control command that ends calls."""
    from celery.concurrency.base import BasePool
    from celery.worker.control import control_command, revoke  # type: ignore[attr-defined]

    def end(state: Any, task_ids: list[str], **_: Any) -> Any:
        """Drop calls that have not begun; end those that run, where the pool can end one without the others."""
        pool = state.consumer.pool
        can_end = getattr(pool.terminate_job, "__func__", None) is not BasePool.terminate_job
        return revoke(state, task_ids, terminate=can_end, signal="SIGKILL")

    control_command(name=END_COMMAND, args=[("task_ids", list)])(end)
