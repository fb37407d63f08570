"""A priority queue of deadlines that move."""

from __future__ import annotations

import heapq
import itertools
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["Deadlines"]

_NEVER = float("inf")

# How many entries without an item are kept beside as many as there are with one; guessed.
_FREE_ENTRIES = 1024


class Scheduled(Protocol):
    """Something with a deadline. ``scheduled_at`` is when it is checked next; only the queue sets it."""

    scheduled_at: float


Item = TypeVar("Item", bound=Scheduled)


class Deadlines(Generic[Item]):
    """Finds the items that are due.

    An item stays queued under its earliest deadline. One that moves to a later time costs nothing until then: the
    owner looks at the item, finds that it is not due, and adds it again.
    """

    def __init__(self) -> None:
        # Each entry: a time; a number that breaks ties, since items have no order; the item, or None if discarded.
        self._heap: list[list[Any]] = []
        self._entries: dict[Item, list[Any]] = {}
        self._numbers = itertools.count()
        self._discarded = 0  # entries without an item

    @property
    def next(self) -> float:
        """When the first item is due. Infinity if there is none."""
        return float(self._heap[0][0]) if self._heap else _NEVER

    def add(self, at: float, item: Item) -> None:
        """Schedule an item at a time, unless it is scheduled earlier already."""
        if at < item.scheduled_at:
            self.discard(item)
            item.scheduled_at = at
            self._entries[item] = entry = [at, next(self._numbers), item]
            heapq.heappush(self._heap, entry)

    def discard(self, item: Item) -> None:
        """Unschedule an item, and drop the reference to it."""
        item.scheduled_at = _NEVER
        entry = self._entries.pop(item, None)
        if entry is not None:
            entry[2] = None
            self._discarded += 1
            if self._discarded > len(self._entries) + _FREE_ENTRIES:
                self._compact()

    def due(self, now: float) -> list[Item]:
        """Remove and return the items that are due. The caller adds those again whose deadline has moved."""
        items: list[Item] = []
        while self._heap and self._heap[0][0] <= now:
            item = heapq.heappop(self._heap)[2]
            if item is None:
                self._discarded -= 1
            else:
                item.scheduled_at = _NEVER
                del self._entries[item]
                items.append(item)
        return items

    def _compact(self) -> None:
        """Remove the entries without an item: their times may be days away."""
        self._heap = [entry for entry in self._heap if entry[2] is not None]
        heapq.heapify(self._heap)
        self._discarded = 0

    def clear(self) -> None:
        """Remove all items."""
        self._heap.clear()
        self._discarded = 0
        self._entries.clear()
