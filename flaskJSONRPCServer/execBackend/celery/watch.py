"""What the broker and the workers tell for the statistics. Nobody waits for it long, and it is not asked for often."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from kombu.exceptions import ChannelError

from ...runtime.concurrency import make_condition, start_thread
from .app import Options
from .link import BrokerGone, Link

__all__ = ["Watch"]

_FRESH_S = 2.0  # for how long what was learnt is not asked for again
_ANSWER_S = 0.5  # how long workers have to answer
_PATIENCE_S = 1.0  # how long a reader waits for news, at most


class Watch:
    """Looks at the queues and the workers when somebody wants to know, in a thread of its own.

    Args:
        options: The options.
        link: The way to the broker.
    """

    def __init__(self, options: Options, link: Link) -> None:
        self._options = options
        self._link = link
        self._changed = make_condition()
        self._looks = False  # guarded by _changed, as all below
        self._seen: dict[str, Any] = {"queue": None, "dead": None, "workers": []}
        self._seen_at: float | None = None

    def report(self) -> tuple[dict[str, Any], float | None]:
        """Return what is known, and how many seconds old that is; None where nothing is known.

        Returns:
            ``queue`` and ``dead``, the lengths of the queues, None where the broker cannot be asked; ``workers``, the
            names of those that have answered.
        """
        with self._changed:
            if not self._is_fresh():
                self._look_soon()
                self._changed.wait_for(self._is_fresh, _PATIENCE_S)
            age = None if self._seen_at is None else time.monotonic() - self._seen_at
            return dict(self._seen), age

    def _is_fresh(self) -> bool:
        return self._seen_at is not None and time.monotonic() - self._seen_at < _FRESH_S

    def _look_soon(self) -> None:
        if not self._looks:
            self._looks = True
            start_thread(self._look, name="celery-watch")

    def _look(self) -> None:
        seen: dict[str, Any] = {"queue": None, "dead": None, "workers": []}
        with contextlib.suppress(BrokerGone):
            seen = self._ask()
        with self._changed:
            self._seen, self._seen_at, self._looks = seen, time.monotonic(), False
            self._changed.notify_all()

    def _ask(self) -> dict[str, Any]:
        with self._link.producer() as producer:
            connection = producer.connection
            lengths = {
                "queue": length_of(connection, self._options.queue),
                "dead": length_of(connection, self._options.dead_queue),
            }
            answers = self._link.control.ping(timeout=_ANSWER_S, connection=connection)
        return {**lengths, "workers": sorted(name for answer in answers or () for name in answer)}


def length_of(connection: Any, queue: str) -> int:
    """Return how many messages wait in a queue; a queue that there is not has none."""
    with connection.channel() as channel:  # one of its own: RabbitMQ closes it where there is no such queue
        try:
            return int(channel.queue_declare(queue=queue, passive=True).message_count)
        except ChannelError:
            return 0
        except connection.channel_errors:
            return 0
