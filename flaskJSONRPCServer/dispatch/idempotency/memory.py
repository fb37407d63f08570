"""The store of one process, in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ...runtime.concurrency import make_lock
from .shares import AgeOrder, CallerShares, oldest_to_displace
from .store import StoreBounds, StoredCall, StoreFullError

__all__ = ["MemoryStore"]


@dataclass(slots=True)
class Kept:
    """The call of one key.

    Attributes:
        caller: Its caller.
        payload: Its payload.
        is_finished: Whether it has ended.
        answer: The answer; None before the end, and if there was no room for it.
        ends_at: When the key is forgotten, once it has an answer.
    """

    caller: bytes
    payload: bytes
    is_finished: bool = False
    answer: bytes | None = None
    ends_at: float = 0.0


class MemoryStore:
    """Keeps answers in memory: an `IdempotencyStore`.

    Args:
        bounds: The bounds.
        clock: Returns the time in seconds.
    """

    def __init__(self, bounds: StoreBounds, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Guards all below.
        self._lock = make_lock()
        self._bounds = bounds
        self._kept: dict[bytes, Kept] = {}
        self._finished = AgeOrder()
        self._answered = AgeOrder()
        self._keys = CallerShares(bounds.keys_of_caller)
        self._bytes = CallerShares(bounds.bytes_of_caller)

    def use(self, bounds: StoreBounds) -> None:
        """See `IdempotencyStore.use`."""
        with self._lock:
            self._bounds = bounds
            self._keys.use(bounds.keys_of_caller)
            self._bytes.use(bounds.bytes_of_caller)

    def claim(self, key: bytes, payload: bytes, caller: bytes) -> StoredCall | None:
        """See `IdempotencyStore.claim`."""
        with self._lock:
            self._forget_old()
            kept = self._kept.get(key)
            if kept is not None:
                return StoredCall(kept.payload, kept.is_finished, kept.answer)
            while self._keys.total >= self._bounds.keys:
                oldest = oldest_to_displace(self._finished, self._keys, caller, more=1)
                if oldest is None:
                    raise StoreFullError
                self._remove(oldest)
            self._kept[key] = Kept(caller, payload)
            self._keys.add(caller, 1)
            return None

    def finish(self, key: bytes, answer: bytes) -> None:
        """See `IdempotencyStore.finish`."""
        with self._lock:
            kept = self._kept[key]
            kept.is_finished = True
            kept.ends_at = self._clock() + self._bounds.lifetime_s
            self._finished.append(key, kept.caller)
            if len(answer) > self._bounds.answer_bytes:
                return
            kept.answer = answer
            self._answered.append(key, kept.caller)
            self._bytes.add(kept.caller, len(answer))
            while self._bytes.total > self._bounds.answer_bytes:
                oldest = oldest_to_displace(self._answered, self._bytes, kept.caller)
                assert oldest is not None  # noqa: S101  a caller beyond its share has answers
                self._drop_answer(oldest)

    def release(self, key: bytes) -> None:
        """See `IdempotencyStore.release`."""
        with self._lock:
            self._remove(key)

    def count(self) -> int:
        """See `IdempotencyStore.count`."""
        with self._lock:
            return self._keys.total

    def _forget_old(self) -> None:
        now = self._clock()
        while (oldest := self._finished.oldest()) is not None and self._kept[oldest].ends_at <= now:
            self._remove(oldest)

    def _remove(self, key: bytes) -> None:
        self._drop_answer(key)
        self._finished.discard(key)
        self._keys.add(self._kept.pop(key).caller, -1)

    def _drop_answer(self, key: bytes) -> None:
        kept = self._kept[key]
        self._answered.discard(key)
        self._bytes.add(kept.caller, -len(kept.answer or b""))
        kept.answer = None
