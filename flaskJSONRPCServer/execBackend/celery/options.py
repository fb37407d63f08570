"""The options of the Celery backend: their checks, their defaults from the environment, and URLs without passwords."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from kombu.utils.url import maybe_sanitize_url

from ...errors import SettingsError

__all__ = ["DEAD_LETTER_SUFFIX", "CeleryOptions", "from_environment", "is_amqp", "masked", "without_secrets"]

DEAD_LETTER_SUFFIX = ".dead"
"""The suffix of the dead letter queue: its name is that of the queue with this."""

_BROKERS = ("redis", "rediss", "redis+socket", "sentinel", "valkey", "amqp", "amqps", "pyamqp")


@dataclass(frozen=True, slots=True)
class CeleryOptions:
    """The options of a :class:`~flaskJSONRPCServer.execBackend.celery.CeleryBackend`, which documents them.

    Attributes:
        answers: The URL of the broker of the answers.
        celery: Further settings of the Celery application.

    Raises:
        SettingsError: An option has an invalid value; the message names the option.
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
            check_scheme(name, url)
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
    def dead_letter_queue(self) -> str:
        """The queue of notifications that have failed too often, and of messages that cannot be run."""
        return f"{self.queue}{DEAD_LETTER_SUFFIX}"

    @property
    def is_redis(self) -> bool:
        """Whether calls travel by Redis, rather than by AMQP."""
        return not is_amqp(self.broker)

    @property
    def is_one_broker(self) -> bool:
        """Whether answers travel by the broker of the calls."""
        return self.answers == self.broker


def from_environment(value: Any, *names: str, default: str = "") -> str:
    """Return an option; if it is None, the first of these environment variables that is set."""
    if value is not None:
        return str(value)
    return next((os.environ[name] for name in names if os.environ.get(name)), default)


def check_scheme(name: str, url: str) -> None:
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
    """Return whether a URL is that of an AMQP broker."""
    return "amqp" in url.partition("://")[0]


def masked(urls: str) -> str:
    """Return a URL, or several separated by semicolons, without passwords."""
    return ";".join(maybe_sanitize_url(url) for url in urls.split(";"))


def without_secrets(text: str, *urls: str) -> str:
    """Return a text in which the passwords of these URLs are replaced by asterisks."""
    for url in ";".join(urls).split(";"):
        password = urlsplit(url).password
        for secret in filter(None, (url if password else None, password, unquote(password or ""))):
            text = text.replace(secret, masked(url) if secret == url else "**")
    return text
