"""The Celery application of a server: one in the server, another one in each worker.

Calls are messages on one queue of the broker. Answers are messages on a queue of the server that made the call. Both
are JSON, and nothing else is accepted. Workers send answers through Celery's result backend, but the server never asks
it for results: one thread of the server receives all answers.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any

import kombu
from celery import Celery
from celery.app.amqp import AMQP
from kombu.pools import ProducerPool

from .internals import CachedQueue, ClosingPool
from .options import DEAD_LETTER_SUFFIX, CeleryOptions, is_amqp
from .redis import DEAD_LETTER_QUEUE, RELIABLE_QUEUE, reliable

__all__ = [
    "CALL",
    "END_COMMAND",
    "NOTIFY",
    "PROGRESS",
    "CeleryApplication",
    "ProcessProducers",
    "make_app",
    "make_producers",
    "once",
    "reply_queue",
    "transport_options",
]

CALL = "flaskJSONRPCServer.call"
"""The task that runs a call."""

NOTIFY = "flaskJSONRPCServer.notify"
"""The task that runs a notification. A worker acknowledges it after it has run."""

PROGRESS = "PROGRESS"
"""The state of a task that reports progress. Its result is that of ``progress_message``."""

END_COMMAND = "flaskjsonrpc_end"
"""The remote control command that ends calls whose answers nothing waits for any more."""

_REPLY_BACKEND = f"{__package__}.reply_backend:ReplyBackend"
_CONSUMER = f"{__package__}.consumer:WorkerConsumer"

_KEEP_ANSWERS_S = 3600
"""How long the broker keeps answers for a server that does not fetch them."""


class BrokerConnection(kombu.Connection):
    """A connection that comes back soon after its broker, and that loses no message of Redis."""

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        """Connect, and try again after two seconds at most. Celery would wait for up to 30 seconds."""
        return super().ensure_connection(
            *arguments, **{"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2, **options}
        )

    def get_transport_cls(self) -> Any:
        """Return the class of the transport. The one of Redis loses no message."""
        transport: Any = super().get_transport_cls()
        return reliable(transport)


class BrokerAmqp(AMQP):
    """Celery's part for sending, on connections of :class:`BrokerConnection`."""

    Connection = BrokerConnection


class CeleryApplication(Celery):
    """A Celery application that knows the options of its backend."""

    amqp_cls = f"{__name__}:BrokerAmqp"
    rpc_options: CeleryOptions


def make_app(name: str, options: CeleryOptions) -> CeleryApplication:
    """Return a new Celery application. It is not Celery's current application, and it accepts JSON only."""
    app = CeleryApplication(name, set_as_current=False, broker=options.broker, backend=_REPLY_BACKEND, fixups=[])
    app.conf.update(
        accept_content=["json"],
        result_accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        event_serializer="json",
        broker_connection_timeout=options.enqueue_timeout_s,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker outlives any outage of its broker
        broker_pool_limit=options.connections,
        task_default_queue=options.queue,
        task_queues=[call_queue(options)],
        task_publish_retry=False,
        worker_consumer=_CONSUMER,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=True,
        result_expires=_KEEP_ANSWERS_S,
    )
    app.conf.update(options.celery)
    app.conf.broker_transport_options = transport_options(options.broker, options)
    app.rpc_options = options
    return app


def transport_options(url: str, options: CeleryOptions) -> dict[str, Any]:
    """Return the transport options for a broker. Those that the user set for their broker take precedence."""
    own = options.celery.get("broker_transport_options", {}) if url == options.broker else {}
    return {**timeouts(url, options), **own}


def timeouts(url: str, options: CeleryOptions) -> dict[str, Any]:
    """Return the transport options that bound each step, so that nothing waits forever for a frozen broker."""
    step_s = options.enqueue_timeout_s / 2  # a message takes two steps: connect and send
    if is_amqp(url):
        return {
            "confirm_publish": True,
            "connect_timeout": step_s,
            "read_timeout": step_s,
            "write_timeout": step_s,
        }
    return {
        "socket_timeout": step_s,
        "socket_connect_timeout": step_s,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "visibility_timeout": options.redeliver_after_s,
        "unacked_restore_interval": max(1, min(10, options.redeliver_after_s / 4)),
        "unacked_restore_throttle": 1,
        "priority_steps": [0],
        RELIABLE_QUEUE: options.queue,
        DEAD_LETTER_QUEUE: options.dead_letter_queue,
        "unacked_mutex_expire": 10,  # the mutex of a worker that was killed while it held it
    }


def call_queue(options: CeleryOptions) -> kombu.Queue:
    """Return the queue of calls. On RabbitMQ it is a quorum queue, which counts how often it delivers a message."""
    exchange = kombu.Exchange(options.queue, type="direct")
    if options.is_redis:
        return kombu.Queue(options.queue, exchange, routing_key=options.queue)
    arguments = {
        "x-queue-type": "quorum",
        # One delivery more than `tries`: the worker moves the notification away itself, and reports it to the server.
        "x-delivery-limit": options.tries,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": options.dead_letter_queue,
    }
    return QueueWithDeadLetters(options.queue, exchange, routing_key=options.queue, queue_arguments=arguments)


class QueueWithDeadLetters(kombu.Queue):
    """A queue that also declares its dead letter queue. RabbitMQ drops dead letters if there is none."""

    def declare(self, nowait: bool = False, channel: Any = None) -> Any:
        """Declare both queues."""
        dead_letters = kombu.Queue(f"{self.name}{DEAD_LETTER_SUFFIX}")
        dead_letters(channel or self.channel).declare(nowait=nowait)
        return super().declare(nowait=nowait, channel=channel)


def reply_queue(name: str) -> kombu.Queue:
    """Return the queue of one server's answers. The broker deletes it when it has been unused for an hour."""
    return CachedQueue(name, durable=False, expires=_KEEP_ANSWERS_S)


def once(url: str, options: CeleryOptions) -> dict[str, Any]:
    """Return the transport options for a broker of connections that are tried once."""
    return {**transport_options(url, options), "max_retries": 0, "interval_start": 0, "interval_step": 0}


def make_producers(app: CeleryApplication, url: str) -> ProducerPool:
    """Return a pool of producers with their own connections, which fail at once instead of trying again."""
    options = app.rpc_options
    connection = app.connection_for_write(url, transport_options=once(url, options))
    return ProducerPool(ClosingPool(connection, options.connections), limit=options.connections)


class ProcessProducers:
    """The producers of a process. A worker's child process makes new ones: a connection must not be shared by a fork.

    Args:
        app: The Celery application.
        url: The URL of the broker.
    """

    def __init__(self, app: CeleryApplication, url: str) -> None:
        self._app = app
        self._url = url
        self._pool: tuple[int, ProducerPool] | None = None  # with the id of the process that made it

    def acquire(self) -> contextlib.AbstractContextManager[kombu.Producer]:
        """Return a context manager that lends a producer. It waits until one is free."""
        pool = self._pool
        if pool is None or pool[0] != os.getpid():
            pool = self._pool = os.getpid(), make_producers(self._app, self._url)
        return pool[1].acquire(block=True)
