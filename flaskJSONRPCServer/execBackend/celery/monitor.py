"""The statistics of the broker and the workers. Readers wait for them briefly, and the broker is asked seldom."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from kombu.exceptions import ChannelError

from ...runtime.concurrency import make_condition, start_thread
from .broker import BrokerClient, BrokerUnavailableError
from .options import CeleryOptions

__all__ = ["BrokerMonitor"]

_FRESH_S = 2.0  # how long a reading is used before the broker is asked again
_PING_S = 0.5  # how long workers have to answer
_WAIT_S = 1.0  # the longest time that a reader waits for a new reading


class BrokerMonitor:
    """Reads the lengths of the queues and the names of the workers, on demand and in its own thread.

    Args:
        options: The options.
        broker: The client of the broker.
    """

    def __init__(self, options: CeleryOptions, broker: BrokerClient) -> None:
        self._options = options
        self._broker = broker
        self._changed = make_condition()
        self._is_reading = False  # guarded by _changed, as all below
        self._reading: dict[str, Any] = {"queue": None, "dead": None, "workers": []}
        self._read_at: float | None = None

    def report(self) -> tuple[dict[str, Any], float | None]:
        """Return the last reading and its age in seconds; the age is None if there is no reading yet.

        Returns:
            ``queue`` and ``dead``, the lengths of the queues, None if the broker cannot be asked; ``workers``, the
            names of the workers that answered.
        """
        with self._changed:
            if not self._is_fresh():
                self._start_reading()
                self._changed.wait_for(self._is_fresh, _WAIT_S)
            age_s = None if self._read_at is None else time.monotonic() - self._read_at
            return dict(self._reading), age_s

    def _is_fresh(self) -> bool:
        return self._read_at is not None and time.monotonic() - self._read_at < _FRESH_S

    def _start_reading(self) -> None:
        if not self._is_reading:
            self._is_reading = True
            start_thread(self._read, name="celery-monitor")

    def _read(self) -> None:
        reading: dict[str, Any] = {"queue": None, "dead": None, "workers": []}
        with contextlib.suppress(BrokerUnavailableError):
            reading = self._ask()
        with self._changed:
            self._reading, self._read_at, self._is_reading = reading, time.monotonic(), False
            self._changed.notify_all()

    def _ask(self) -> dict[str, Any]:
        with self._broker.producer() as producer:
            connection = producer.connection
            lengths = {
                "queue": length_of(connection, self._options.queue),
                "dead": length_of(connection, self._options.dead_letter_queue),
            }
            answers = self._broker.control.ping(timeout=_PING_S, connection=connection)
        return {**lengths, "workers": sorted(name for answer in answers or () for name in answer)}


def length_of(connection: Any, queue: str) -> int:
    """Return the number of messages in a queue; 0 if there is no such queue."""
    with connection.channel() as channel:  # a new one: RabbitMQ closes the channel if there is no such queue
        try:
            return int(channel.queue_declare(queue=queue, passive=True).message_count)
        except ChannelError:
            return 0
        except connection.channel_errors:
            return 0
