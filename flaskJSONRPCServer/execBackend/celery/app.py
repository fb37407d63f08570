"""The Celery application of a server: one for the server itself and, in other processes, for its workers.

Calls are messages on one queue of the broker, answers are messages on a queue of the server that has asked. Both are
JSON, and nothing else is accepted. The backend of Celery's results is used to send answers, but never asked for them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import kombu
from celery import Celery, states
from celery.app.amqp import AMQP
from celery.backends.rpc import RPCBackend
from kombu.pools import ProducerPool
from kombu.utils.url import maybe_sanitize_url

from ...errors import SettingsError
from .redis import CAREFUL_QUEUE, DEAD_QUEUE, careful

__all__ = [
    "CALL",
    "END_COMMAND",
    "NOTIFY",
    "Application",
    "Options",
    "ReplyBackend",
    "from_environment",
    "make_app",
    "make_producers",
    "masked",
    "reply_queue",
    "without_secrets",
]

CALL = "flaskJSONRPCServer.call"
"""The task that runs a call."""

NOTIFY = "flaskJSONRPCServer.notify"
"""The task that runs a notification: a worker acknowledges it when it is done."""

END_COMMAND = "flaskjsonrpc_end"
"""The remote control command that ends calls of which nobody awaits the answer any more."""

_REPLY_BACKEND = f"{__name__}:ReplyBackend"
_CONSUMER = f"{__package__}.worker:PromptConsumer"
_BROKERS = ("redis", "rediss", "redis+socket", "sentinel", "valkey", "amqp", "amqps", "pyamqp")
_DEAD_LETTER_SUFFIX = ".dead"
_WAIT_OF_ANSWERS_S = 3600
"""How long answers wait for a server that does not fetch them, before the broker drops them."""

_ANSWER_RETRIES = {"max_retries": 20, "interval_start": 0, "interval_step": 0.2, "interval_max": 1}
"""How often a worker tries to send an answer, and after how many seconds each time."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a :class:`~flaskJSONRPCServer.execBackend.celery.CeleryBackend` was given.

    Raises:
        SettingsError: One of them cannot be used; the message names it.
    """

    broker: str
    answers: str
    queue: str
    timeout_s: float
    enqueue_timeout_s: float
    tries: int
    redeliver_after_s: float
    repeat_lost_calls: bool
    headers: frozenset[str]
    cookies: frozenset[str]
    connections: int
    celery: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, url in (("broker", self.broker), ("backend", self.answers)):
            refuse_unknown_scheme(name, url)
        if not re.fullmatch(r"[\w.:-]+", self.queue):
            raise SettingsError(f"queue={self.queue!r} is refused: it takes letters, digits and ._:-")
        for name in ("timeout_s", "enqueue_timeout_s", "redeliver_after_s"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
                raise SettingsError(f"{name.removesuffix('_s')}={value!r} is refused: it takes seconds, more than 0")
        for name, least in (("tries", 2), ("connections", 1)):
            if type(value := getattr(self, name)) is not int or value < least:
                raise SettingsError(f"{name}={value!r} is refused: it takes a whole number of at least {least}")

    @property
    def dead_queue(self) -> str:
        """The queue of notifications that have failed too often."""
        return f"{self.queue}{_DEAD_LETTER_SUFFIX}"

    @property
    def is_redis(self) -> bool:
        """Whether calls travel by Redis, rather than by AMQP."""
        return not is_amqp(self.broker)

    @property
    def is_one_broker(self) -> bool:
        """Whether answers travel by the broker of the calls."""
        return self.answers == self.broker


def from_environment(given: Any, *names: str, default: str = "") -> str:
    """Return an option, or the first of these environment variables that is set in its place."""
    if given is not None:
        return str(given)
    return next((os.environ[name] for name in names if os.environ.get(name)), default)


def refuse_unknown_scheme(name: str, url: str) -> None:
    if not url:
        raise SettingsError(
            "the exec backend 'celery' needs a broker: CeleryBackend(broker='redis://127.0.0.1:6379/0'), or the "
            "environment variable FLASKJSONRPC_CELERY_BROKER or CELERY_BROKER_URL"
        )
    scheme = url.partition("://")[0]
    if scheme not in _BROKERS:
        raise SettingsError(
            f"{name}={masked(url)!r} is refused: calls and answers travel by a message broker, {', '.join(_BROKERS)}"
            + ("; rpc:// means the broker itself" if name == "backend" else "")
        )


def is_amqp(url: str) -> bool:
    return "amqp" in url.partition("://")[0]


def masked(url: str) -> str:
    """Return a URL, or several with semicolons between them, without their passwords."""
    return ";".join(maybe_sanitize_url(each) for each in url.split(";"))


def without_secrets(text: str, *urls: str) -> str:
    """Return a text in which the passwords of these URLs are replaced by asterisks."""
    for url in ";".join(urls).split(";"):
        password = urlsplit(url).password
        for secret in filter(None, (url if password else None, password, unquote(password or ""))):
            text = text.replace(secret, masked(url) if secret == url else "**")
    return text


class Connection(kombu.Connection):
    """A connection that comes back soon after its broker, and loses no message of Redis.

    By itself, a worker would wait for up to 30 seconds.
    """

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        """Connect, and try again after two seconds at most."""
        return super().ensure_connection(
            *arguments, **{"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2, **options}
        )

    def get_transport_cls(self) -> Any:
        """Return the class of the transport; that of Redis loses no message."""
        transport: Any = super().get_transport_cls()
        return careful(transport)


class Amqp(AMQP):
    """Celery's ways of sending, on such connections."""

    Connection = Connection


class Application(Celery):
    """A Celery application that knows the options of its backend."""

    amqp_cls = f"{__name__}:Amqp"
    rpc_options: Options


def make_app(name: str, options: Options) -> Application:
    """Return a Celery application of its own: it is nobody's current one, and takes JSON only."""
    app = Application(name, set_as_current=False, broker=options.broker, backend=_REPLY_BACKEND, fixups=[])
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
        result_expires=_WAIT_OF_ANSWERS_S,
    )
    app.conf.update(options.celery)
    app.conf.broker_transport_options = transport_options(options.broker, options)
    app.rpc_options = options
    return app


def transport_options(url: str, options: Options) -> dict[str, Any]:
    """Return what a connection to a broker is made with; what the user gave for his broker comes first."""
    given = options.celery.get("broker_transport_options", {}) if url == options.broker else {}
    return {**bounds(url, options), **given}


def bounds(url: str, options: Options) -> dict[str, Any]:
    """Return what bounds each step with a broker, so that nothing waits for ever on one that is frozen."""
    bound_s = options.enqueue_timeout_s / 2  # of connecting and of sending each
    if is_amqp(url):
        return {
            "confirm_publish": True,
            "connect_timeout": bound_s,
            "read_timeout": bound_s,
            "write_timeout": bound_s,
        }
    return {
        "socket_timeout": bound_s,
        "socket_connect_timeout": bound_s,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "visibility_timeout": options.redeliver_after_s,
        "unacked_restore_interval": max(1, min(10, options.redeliver_after_s / 4)),
        "unacked_restore_throttle": 1,
        "priority_steps": [0],
        CAREFUL_QUEUE: options.queue,
        DEAD_QUEUE: options.dead_queue,
        "unacked_mutex_expire": 10,  # of a worker that was killed while it looked
    }


def call_queue(options: Options) -> kombu.Queue:
    """Return the queue of calls. On RabbitMQ it is a quorum queue, which counts how often it delivers a message."""
    exchange = kombu.Exchange(options.queue, type="direct")
    arguments: dict[str, Any] = {}
    if not options.is_redis:
        arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": options.tries,  # one more than needed: a worker buries its dead, and tells the server
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": options.dead_queue,
        }
    kind = kombu.Queue if options.is_redis else QueueWithDeadLetters
    return kind(options.queue, exchange, routing_key=options.queue, queue_arguments=arguments)


class QueueWithDeadLetters(kombu.Queue):
    """A queue that declares the one to which the broker moves its dead messages too: it would drop them otherwise."""

    def declare(self, nowait: bool = False, channel: Any = None) -> Any:
        """Declare both."""
        dead = kombu.Queue(f"{self.name}{_DEAD_LETTER_SUFFIX}")
        dead(channel or self.channel).declare(nowait=nowait)
        return super().declare(nowait=nowait, channel=channel)


class ReplyQueue(kombu.Queue):
    """The queue of one server's answers. It expires when nobody uses it, and is declared once for each connection."""

    can_cache_declaration = True


def reply_queue(name: str) -> ReplyQueue:
    """Return the queue of answers with this name."""
    return ReplyQueue(name, durable=False, expires=_WAIT_OF_ANSWERS_S)


def make_producers(app: Application, url: str) -> ProducerPool:
    """Return producers with connections of their own, of which a failure is told at once."""
    settings = app.rpc_options
    at_once = {"max_retries": 0, "interval_start": 0, "interval_step": 0}
    connection = app.connection_for_write(url, transport_options={**transport_options(url, settings), **at_once})
    return ProducerPool(connection.Pool(settings.connections), limit=settings.connections)


class ReplyBackend(RPCBackend):
    """Celery's way to send answers to whoever has asked, without its way to receive them."""

    app: Application

    def __init__(self, app: Application, *arguments: Any, **options: Any) -> None:
        super().__init__(app, *arguments, **options)
        self._producers: ProducerPool | None = None

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Declare nothing: the server's own consumer does that once."""

    def get_task_meta(self, task_id: str, backlog_limit: int = 1000) -> dict[str, Any]:
        """Know nothing of a task: answers are for the server that has asked."""
        return {"status": states.PENDING, "result": None}

    def store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        """Send an answer."""
        reply_to = getattr(request, "reply_to", None)
        if not reply_to:
            return result
        with self._pool().acquire(block=True) as producer:
            producer.publish(
                {"task_id": task_id, "status": state, "result": self.encode_result(result, state)},
                exchange="",
                routing_key=reply_to,
                correlation_id=task_id,
                serializer="json",
                retry=True,
                retry_policy=_ANSWER_RETRIES,
                declare=[reply_queue(reply_to)],
                delivery_mode=1,
            )
        return result

    def _pool(self) -> ProducerPool:
        if self._producers is None:
            self._producers = make_producers(self.app, self.app.rpc_options.answers)
        return self._producers

    def _after_fork(self) -> None:
        self._producers = None
        super()._after_fork()  # type: ignore[misc]  # the stubs leave it out
