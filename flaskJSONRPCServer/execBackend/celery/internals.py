"""The names that Celery and kombu do not document. No other module touches them.

The package needs a few of them: kombu pops a message of Redis before it records it, so a worker that is killed in
between loses the message; Celery's remote control opens connections that outlive a stop of the server; and the exit
status of a worker is kept nowhere else. Some methods that the package overrides are documented, but not when Celery
calls them; these are checked too.

All of these names are listed below with their parameters. They are checked when this module is imported, before it uses
one of them, so that another version of Celery is one clear error and not a worker that loses messages. The extra
``celery`` pins the versions that were tested.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import operator
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from queue import Empty
from typing import Any, Final

import kombu
import redis  # noqa: F401  without it, kombu's transport fails with an error that does not name it

from ...errors import UnsupportedError
from ...extras import install_command

__all__ = [
    "COMMAND_MODULE",
    "CachedQueue",
    "ClosingPool",
    "FilteringConsumer",
    "MovingReceive",
    "PoolMaintenance",
    "WorkerControl",
    "acquire_client",
    "check_contract",
    "client_of",
    "close_producers",
    "end_tasks",
    "exit_status",
    "kills_processes",
    "refresh_visibility",
    "transport_options_of",
]

COMMAND_MODULE: Final = "celery.bin.celery"
"""The module of Celery's command line. It is imported in the processes of workers only."""

_MAINTAIN_EVERY_S = 0.5

# Module and qualified name -> the names of the parameters; None for a class or a value. A module alone has to exist; it
# is not imported.
_CONTRACT: Final[dict[str, list[str] | None]] = {
    COMMAND_MODULE: None,
    "celery.app.amqp:AMQP.Connection": None,
    "celery.app.base:Celery.amqp_cls": None,
    "celery.app.control:Control.Mailbox": None,
    "celery.app.utils:find_app": ["app", "symbol_by_name", "imp"],
    "celery.backends.base:Backend.encode_result": ["self", "result", "state"],
    "celery.backends.rpc:RPCBackend.get_task_meta": ["self", "task_id", "backlog_limit"],
    "celery.backends.rpc:RPCBackend.on_task_call": ["self", "producer", "task_id"],
    "celery.backends.rpc:RPCBackend.store_result": [
        *("self", "task_id", "result", "state", "traceback", "request", "kwargs"),
    ],
    "celery.concurrency.base:BasePool.maintain_pool": ["self", "args", "kwargs"],
    "celery.concurrency.base:BasePool.terminate_job": ["self", "pid", "signal"],
    "celery.concurrency.prefork:TaskPool": None,
    "celery.worker.components:Pool": None,
    "celery.worker.consumer.consumer:Consumer.Blueprint.default_steps": None,
    "celery.worker.consumer.consumer:Consumer.create_task_handler": ["self", "promise"],
    "celery.worker.consumer.delayed_delivery:DelayedDelivery": None,
    "celery.worker.consumer.tasks:Tasks": None,
    "celery.worker.control:revoke": ["state", "task_id", "terminate", "signal", "kwargs"],
    "celery.worker.state:should_terminate": None,
    "celery.worker.worker:WorkController.exitcode": None,
    "kombu.asynchronous.hub:Hub.call_repeatedly": ["self", "delay", "callback", "args"],
    "kombu.connection:Connection._close": ["self"],
    "kombu.connection:Connection.get_transport_cls": ["self"],
    "kombu.connection:ConnectionPool.collect_resource": ["self", "resource", "socket_timeout"],
    "kombu.entity:Queue.can_cache_declaration": None,
    "kombu.pidbox:Mailbox.producer_pool": None,
    "kombu.resource:Resource.force_close_all": ["self", "close_pool"],
    "kombu.transport.redis:Channel._brpop_read": ["self", "options"],
    "kombu.transport.redis:Channel._brpop_sent_at": None,
    "kombu.transport.redis:Channel._brpop_start": ["self", "timeout"],
    "kombu.transport.redis:Channel._flush_brpop_reauth": ["self"],
    "kombu.transport.redis:Channel._in_poll": None,
    "kombu.transport.redis:Channel.active_queues": None,
    "kombu.transport.redis:Channel.client": None,
    "kombu.transport.redis:Channel.conn_or_acquire": ["self", "client"],
    "kombu.transport.redis:Channel.global_keyprefix": None,
    "kombu.transport.redis:Channel.unacked_index_key": None,
    "kombu.transport.redis:Transport.brpop_timeout": None,
    "kombu.transport.virtual.base:QoS._delivered": None,
    "kombu.transport.virtual.base:Transport._deliver": ["self", "message", "queue"],
}


def check_contract() -> None:
    """Check that Celery and kombu have the names that this package relies on.

    Raises:
        UnsupportedError: A name is missing or takes other parameters. The message names it, the installed versions and
            the remedy.
    """
    for path, parameters in _CONTRACT.items():
        if (difference := difference_of(path, parameters)) is not None:
            raise UnsupportedError(
                f"celery {version('celery')} and kombu {version('kombu')} cannot be used here: "
                f"{path.replace(':', '.')} {difference}; install the versions that were tested: "
                f"{install_command('celery')}"
            )


def difference_of(path: str, parameters: Sequence[str] | None) -> str | None:
    """Return how a name differs from the contract; None if it does not."""
    module, _, name = path.partition(":")
    try:
        owner: Any = importlib.import_module(module) if name else importlib.util.find_spec(module)
    except ImportError as exc:
        if not (exc.name or "").startswith(("celery.", "kombu.")):
            raise  # a package is not installed: Celery, or one that Celery needs
        return f"cannot be imported: {exc}"
    if not name:
        return "is missing" if owner is None else None
    try:
        value = operator.attrgetter(name)(owner)
    except AttributeError:
        return "is missing"
    if parameters is None:
        return None
    try:
        names = list(inspect.signature(value).parameters)
    except (TypeError, ValueError):
        return f"is {value!r}, which has no parameters"
    return None if names == parameters else f"takes ({', '.join(names)}) instead of ({', '.join(parameters)})"


check_contract()

# After the check: a name that another version lacks would be an ImportError, and read like a missing package.
from celery import bootsteps  # noqa: E402
from celery.app.control import Control  # noqa: E402
from celery.concurrency.base import BasePool  # noqa: E402
from celery.concurrency.prefork import TaskPool as PreforkPool  # noqa: E402
from celery.worker import state as worker_state  # noqa: E402
from celery.worker.consumer import Consumer  # noqa: E402
from celery.worker.control import revoke  # type: ignore[attr-defined]  # noqa: E402
from kombu.connection import ConnectionPool  # noqa: E402
from kombu.pidbox import Mailbox  # noqa: E402
from kombu.pools import ProducerPool  # noqa: E402


def client_of(channel: Any) -> Any:
    """Return the Redis client of a channel."""
    return channel.client


def acquire_client(channel: Any) -> contextlib.AbstractContextManager[Any]:
    """Return a context manager that lends a Redis client, which no receiving call of the channel blocks."""
    client: contextlib.AbstractContextManager[Any] = channel.conn_or_acquire()
    return client


def transport_options_of(channel: Any) -> dict[str, Any]:
    """Return the transport options of a channel's connection."""
    options: dict[str, Any] = channel.connection.client.transport_options
    return options


def refresh_visibility(channel: Any, client: Any) -> None:
    """Restart the visibility timeout of the messages that a channel has received and not acknowledged.

    Args:
        channel: A channel of Redis.
        client: A Redis client.
    """
    held = dict.fromkeys(list(channel.qos._delivered), time.time())  # kept nowhere else
    if held:
        client.zadd(channel.unacked_index_key, held, xx=True)


class MovingReceive:
    """Mixin for a channel of Redis: moves a message to another list instead of popping it.

    kombu sends BRPOP and reads the reply later, when the socket is readable. This sends BLMOVE in its place.
    """

    _source: str | None = None  # the queue of the BLMOVE that was sent; None if it was BRPOP

    def lists_of_move(self) -> tuple[str, str] | None:
        """Return the queue to receive from and the list to move its messages to; None to pop messages."""
        raise NotImplementedError

    def receive(self, item: bytes, queue: str) -> None:
        """Deliver an item that was moved."""
        raise NotImplementedError

    def deliver(self: Any, message: Any, queue: str) -> None:
        """Record a message as delivered and hand it to the consumer of its queue."""
        self.connection._deliver(message, queue)

    def _brpop_start(self: Any, timeout: float | None = None) -> None:
        source, target = self.lists_of_move() or (None, None)
        # Only for a channel of this queue alone: BLMOVE takes one list, and is sent without kombu's key prefix.
        self._source = source if self.active_queues == [source] and not self.global_keyprefix else None
        if self._source is None:
            super()._brpop_start(timeout)  # type: ignore[misc]
            return
        self._in_poll = self.client.connection
        self._brpop_sent_at = time.monotonic()
        wait_s = self.brpop_timeout if timeout is None else timeout
        self.client.connection.send_command("BLMOVE", source, target, "RIGHT", "LEFT", wait_s)

    def _brpop_read(self: Any, **options: Any) -> bool:
        if self._source is None:
            return super()._brpop_read(**options)  # type: ignore[misc,no-any-return]
        try:
            self.receive(self._moved_item(**options), self._source)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _moved_item(self: Any, **options: Any) -> bytes:
        try:
            item: bytes | None = self.client.parse_response(self.client.connection, "BLMOVE", **options)
        except self.connection_errors:
            self.client.connection.disconnect()  # the next round connects again
            raise
        if item is None:
            raise Empty
        return item


class CachedQueue(kombu.Queue):
    """A queue that is declared once for each connection. kombu declares a queue that expires for each message."""

    can_cache_declaration = True


class ClosingPool(ConnectionPool):
    """A pool of connections that closes them without a default timeout of sockets.

    kombu sets one meanwhile, of 0.1 s, for all new sockets of the process. If two threads close at once, it remains.
    """

    def collect_resource(self, resource: Any, socket_timeout: float | None = 0.1) -> None:
        """Close a connection, or do nothing with a place for one."""
        if hasattr(self.connection.get_transport_cls(), "_collect"):  # that of AMQP sets no timeout
            super().collect_resource(resource, socket_timeout)
        elif isinstance(resource, kombu.Connection):
            resource._close()


def close_producers(producers: ProducerPool) -> None:
    """Close the connections of a pool, even those in use."""
    # A connection that is in use or broken fails here or where it is used. Either way it is closed.
    with contextlib.suppress(Exception):
        producers.force_close_all(close_pool=False)  # type: ignore[attr-defined]  # missing in the stubs
    with contextlib.suppress(Exception):
        producers.connections.force_close_all(close_pool=False)


class GivenConnectionMailbox(Mailbox):
    """Sends by the connection that it is given. Celery's mailbox opens others, which outlive a stop of the server."""

    producer_pool = None


class WorkerControl(Control):
    """Celery's remote control of workers, without connections of its own."""

    Mailbox = GivenConnectionMailbox


class FilteringConsumer(Consumer):
    """Celery's consumer, which offers each message to :meth:`is_task` first.

    It leaves out the queues for delayed messages: no call is delayed, and on RabbitMQ they are 28.
    """

    class Blueprint(Consumer.Blueprint):  # type: ignore[valid-type,misc]  # its base is missing in the stubs
        """The steps of the consumer."""

        default_steps = tuple(
            step for step in Consumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")
        )

    def is_task(self, message: Any) -> bool:
        """Return whether Celery is to run the message; otherwise dispose of it."""
        raise NotImplementedError

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return the callback for each message of the queue."""
        run_task: Callable[[Any], None] = super().create_task_handler(*args, **kwargs)

        def receive(message: Any) -> None:
            if self.is_task(message):
                run_task(message)

        return receive


class PoolMaintenance(bootsteps.StartStopStep):
    """Looks for processes of the pool that have ended, twice a second.

    Celery is notified of the end of a process before it can wait for the process. It misses the end then, and looks
    again after five seconds; a caller would wait for the error that long.
    """

    requires = ("celery.worker.components:Pool",)

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        """Start to look."""
        if (maintain := getattr(worker.pool, "maintain_pool", None)) is not None:
            hub.call_repeatedly(_MAINTAIN_EVERY_S, maintain)


def end_tasks(state: Any, task_ids: list[str]) -> Any:
    """Drop tasks that have not begun. End those that run, if the pool can end one without the others.

    Args:
        state: The state of the worker, as a remote control command gets it.
        task_ids: The ids of the tasks.
    """
    terminate_job = getattr(state.consumer.pool.terminate_job, "__func__", None)
    can_end = terminate_job is not BasePool.terminate_job
    return revoke(state, task_ids, terminate=can_end, signal="SIGKILL")


def kills_processes(worker: Any) -> bool:
    """Return whether a worker ends a call by killing its process."""
    pool = getattr(worker, "pool_cls", None)
    return isinstance(pool, type) and issubclass(pool, PreforkPool)


def exit_status(workers: Iterable[Any]) -> int:
    """Return the status with which the process of these workers must end; 0 after an orderly end."""
    failed = next((worker.exitcode for worker in workers if worker.exitcode), 0)
    return int(failed or worker_state.should_terminate or 0)  # a cold shutdown leaves its status in the latter
