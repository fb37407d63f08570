"""The states that clients have brought back already: each may be used once."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from ...runtime.concurrency import make_lock

__all__ = ["UsedStates"]

_MOST_KEPT: Final = 100_000


class UsedStates:
    """Notes the ids of used states until they expire.

    It belongs to one process. Beyond a hundred thousand ids, the oldest one is forgotten.

    Args:
        ttl_s: How long a state is valid, in seconds.
        clock: Returns the time in seconds.
    """

    def __init__(self, ttl_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s = ttl_s
        self._clock = clock
        self._changing = make_lock()
        self._until: OrderedDict[str, float] = OrderedDict()  # the oldest first; guarded by _changing

    def use(self, state_id: str) -> bool:
        """Note that a state is used; return False if it has been used before."""
        now = self._clock()
        with self._changing:
            while self._until and (len(self._until) >= _MOST_KEPT or next(iter(self._until.values())) <= now):
                self._until.popitem(last=False)
            if state_id in self._until:
                return False
            self._until[state_id] = now + self._ttl_s
            return True
