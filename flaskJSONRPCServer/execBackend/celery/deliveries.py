"""What workers write down in Redis about single calls, so that none runs twice and none is begun for ever."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from kombu.pools import ProducerPool

from .app import Application, make_producers

__all__ = ["Deliveries"]

_KEEP_TRIES_S = 7 * 24 * 60 * 60
_KEEP_CLAIMS_S = 60  # beyond the timeout of a call, after which no worker runs it, for clocks that differ


class Deliveries:
    """Written by all workers of a queue.

    Args:
        app: The Celery application.
    """

    def __init__(self, app: Application) -> None:
        self._app = app
        self._options = app.rpc_options
        self._pool: tuple[int, ProducerPool] | None = None  # with the process that has made it

    def claim(self, task_id: str) -> bool:
        """Tell whether this is the first to run a call: a message may be delivered twice."""
        with self._client() as client:
            keep_s = int(self._options.timeout_s) + _KEEP_CLAIMS_S
            return bool(client.set(f"{self._options.queue}.begun.{task_id}", 1, nx=True, ex=keep_s))

    def count_try(self, task_id: str) -> int:
        """Count another try of what has been delivered before; return which one it is."""
        key = f"{self._options.queue}.tries.{task_id}"
        with self._client() as client:
            counted = client.incr(key)
            client.expire(key, _KEEP_TRIES_S)
            return int(counted) + 1  # the first one was not counted: most need no second

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        pool = self._pool
        if pool is None or pool[0] != os.getpid():  # connections of a parent process are the parent's
            pool = self._pool = os.getpid(), make_producers(self._app, self._options.broker)
        with pool[1].acquire(block=True) as producer:
            channel: Any = producer.channel
            yield channel.client
