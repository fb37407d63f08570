"""The records that workers keep in Redis about single calls: which ones have begun, and how often."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from .app import CeleryApplication, ProcessProducers
from .internals import client_of
from .options import CeleryOptions

__all__ = ["GIVEN_UP", "KILLED", "NOT_KILLED", "Deliveries", "claim_call"]

_KEEP_TRIES_S = 7 * 24 * 60 * 60
_KEEP_CLAIMS_S = 60  # longer than the timeout of a call, after which no worker runs it, for clocks that differ

GIVEN_UP: Final = "given up"
"""The claim of a server, at the deadline of a call that has not begun: no worker begins it any more."""

KILLED: Final = "killed"
"""The claim of a worker that kills the process of a call at its deadline. It has begun the call."""

NOT_KILLED: Final = "abandoned"
"""The claim of a worker that cannot do so. It has begun the call."""


class Deliveries:
    """Records deliveries in Redis, for all workers of a queue. So no call runs twice, and none is begun forever.

    Args:
        app: The Celery application.
    """

    def __init__(self, app: CeleryApplication) -> None:
        self._options = app.rpc_options
        self._producers = ProcessProducers(app, app.rpc_options.broker)

    def claim(self, task_id: str, claim: str) -> str | None:
        """Claim a call; return the claim before, None if this is the first. A message may be delivered twice."""
        with self._client() as client:
            return claim_call(client, self._options, task_id, claim)

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


def claim_call(client: Any, options: CeleryOptions, task_id: str, claim: str) -> str | None:
    """Claim a call; return the claim before, None if this is the first.

    Args:
        client: The Redis client.
        options: The options of the backend.
        task_id: The id of the task of the call.
        claim: :data:`KILLED` or :data:`NOT_KILLED` for a worker, :data:`GIVEN_UP` for a server.
    """
    keep_s = int(options.timeout_s) + _KEEP_CLAIMS_S
    before: bytes | None = client.set(f"{options.queue}.begun.{task_id}", claim, get=True, ex=keep_s)
    return None if before is None else before.decode()
