"""The records that workers keep in Redis about single calls: which ones have begun, and how often."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from .app import CeleryApplication, ProcessProducers
from .internals import client_of

__all__ = ["Deliveries"]

_KEEP_TRIES_S = 7 * 24 * 60 * 60
_KEEP_CLAIMS_S = 60  # longer than the timeout of a call, after which no worker runs it, for clocks that differ


class Deliveries:
    """Records deliveries in Redis, for all workers of a queue. So no call runs twice, and none is begun forever.

    Args:
        app: The Celery application.
    """

    def __init__(self, app: CeleryApplication) -> None:
        self._options = app.rpc_options
        self._producers = ProcessProducers(app, app.rpc_options.broker)

    def claim(self, task_id: str) -> bool:
        """Claim a call; return whether this worker is the first. A message may be delivered twice."""
        with self._client() as client:
            keep_s = int(self._options.timeout_s) + _KEEP_CLAIMS_S
            return bool(client.set(f"{self._options.queue}.begun.{task_id}", 1, nx=True, ex=keep_s))

    def count_try(self, task_id: str) -> int:
        """Count another try of a message that was delivered before; return the number of tries."""
        key = f"{self._options.queue}.tries.{task_id}"
        with self._client() as client:
            counted = client.incr(key)
            client.expire(key, _KEEP_TRIES_S)
            return int(counted) + 1  # the first try is not counted: most messages need no second one

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        with self._producers.acquire() as producer:
            yield client_of(producer.channel)
