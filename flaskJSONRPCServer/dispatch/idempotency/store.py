"""The stored answers of one server, in memory, bounded in number, bytes and time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from ...runtime.concurrency import make_lock

__all__ = ["AnswerStore", "Bounds", "Entry", "KeyReusedError", "State", "StoreFullError"]


class KeyReusedError(Exception):
    """The key has another payload."""


class StoreFullError(Exception):
    """The calls of all keys are under way, so none of them can make room."""


class State(Enum):
    """What has become of the call of a key."""

    UNDER_WAY = auto()
    FINISHED = auto()
    NOT_RUN = auto()


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of a store.

    Attributes:
        keys: The most keys.
        answer_bytes: The most bytes of all answers together.
        lifetime_s: How long a key is kept after its answer, in seconds.
    """

    keys: int
    answer_bytes: int
    lifetime_s: float


class Entry:
    """The call of one key.

    Attributes:
        slot: The key, hashed with its caller.
        fingerprint: The payload, hashed.
        state: What has become of the call.
        answer: The answer; None before the end, and if there was no room for it.
        size_bytes: The size of the answer.
        ends_at: When the key is forgotten, once it has an answer.
        has_waiters: Whether any thread waits for the end.
    """

    __slots__ = ("answer", "ends_at", "fingerprint", "has_waiters", "size_bytes", "slot", "state")

    def __init__(self, slot: bytes, fingerprint: bytes) -> None:
        self.slot = slot
        self.fingerprint = fingerprint
        self.state = State.UNDER_WAY
        self.answer: Any = None
        self.size_bytes = 0
        self.ends_at = 0.0
        self.has_waiters = False


class AnswerStore:
    """Holds the keys of a server with their answers.

    Args:
        bounds: The bounds.
        wake: Lets the threads that wait for the end of a call look again.
        clock: Returns the time in seconds.
    """

    def __init__(self, bounds: Bounds, wake: Callable[[], object], clock: Callable[[], float] = time.monotonic) -> None:
        self.bounds = bounds  # replaced while no request is served
        self._wake = wake
        self._clock = clock
        self._lock = make_lock()
        self._under_way: dict[bytes, Entry] = {}  # guarded by _lock
        self._finished: OrderedDict[bytes, Entry] = OrderedDict()  # the oldest first; guarded by _lock
        self._answered: OrderedDict[bytes, Entry] = OrderedDict()  # those with an answer; guarded by _lock
        self._answer_bytes = 0  # guarded by _lock

    def begin(self, slot: bytes, fingerprint: bytes) -> tuple[Entry, bool]:
        """Return the entry of a key, and whether it is new: then the caller has to run the call and to end the entry.

        An entry under way that is returned to another caller has waiters from then on.

        Raises:
            KeyReusedError: The key has another payload.
            StoreFullError: The calls of all keys are under way.
        """
        with self._lock:
            self._forget_old()
            entry = self._under_way.get(slot) or self._finished.get(slot)
            if entry is None:
                self._make_room()
                entry = self._under_way[slot] = Entry(slot, fingerprint)
                return entry, True
            if entry.fingerprint != fingerprint:
                raise KeyReusedError
            if entry.state is State.UNDER_WAY:
                entry.has_waiters = True
            return entry, False

    def finish(self, entry: Entry, answer: Any, size_bytes: int) -> None:
        """Store the answer of a key. If it is larger than the bound alone, only the fact that the call ran is kept."""
        with self._lock:
            del self._under_way[entry.slot]
            entry.ends_at = self._clock() + self.bounds.lifetime_s
            self._finished[entry.slot] = entry
            if size_bytes <= self.bounds.answer_bytes:
                entry.answer, entry.size_bytes = answer, size_bytes
                self._answered[entry.slot] = entry
                self._answer_bytes += size_bytes
                while self._answer_bytes > self.bounds.answer_bytes:
                    self._drop_answer(next(iter(self._answered.values())))
            entry.state = State.FINISHED
        if entry.has_waiters:
            self._wake()

    def forget(self, entry: Entry) -> None:
        """Forget a key whose call was not run: the next request with it runs the call."""
        with self._lock:
            del self._under_way[entry.slot]
            entry.state = State.NOT_RUN
        if entry.has_waiters:
            self._wake()

    def counts(self) -> tuple[int, int, int]:
        """Return the number of keys, of the bytes of their answers, and of the calls under way."""
        with self._lock:
            return len(self._under_way) + len(self._finished), self._answer_bytes, len(self._under_way)

    def _forget_old(self) -> None:
        now = self._clock()
        while self._finished and (oldest := next(iter(self._finished.values()))).ends_at <= now:
            self._remove(oldest)

    def _make_room(self) -> None:
        while len(self._under_way) + len(self._finished) >= self.bounds.keys:
            if not self._finished:
                raise StoreFullError
            self._remove(next(iter(self._finished.values())))

    def _remove(self, entry: Entry) -> None:
        # The entry keeps its answer, for a thread that is about to send it.
        del self._finished[entry.slot]
        if self._answered.pop(entry.slot, None) is not None:
            self._answer_bytes -= entry.size_bytes

    def _drop_answer(self, entry: Entry) -> None:
        del self._answered[entry.slot]
        self._answer_bytes -= entry.size_bytes
        entry.answer = None
