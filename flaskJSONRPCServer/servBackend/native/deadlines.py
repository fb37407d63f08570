"""A queue of deadlines that may move."""

from __future__ import annotations

import heapq
import itertools
from typing import Generic, Protocol, TypeVar

__all__ = ["Deadlines"]

_NEVER = float("inf")


class Scheduled(Protocol):
    """Something with a deadline. ``scheduled_at`` is when it is looked at next: the queue's to set."""

    scheduled_at: float


Item = TypeVar("Item", bound=Scheduled)


class Deadlines(Generic[Item]):
    """Finds what is due. A deadline that moves on costs nothing: it is found out when the earlier one is due."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Item]] = []
        self._numbers = itertools.count()  # for equal times: items have no order

    @property
    def next(self) -> float:
        """When the first item is due; infinity where there is none."""
        return self._heap[0][0] if self._heap else _NEVER

    def add(self, at: float, item: Item) -> None:
        """Look at an item at this time, unless it is looked at earlier."""
        if at < item.scheduled_at:
            item.scheduled_at = at
            heapq.heappush(self._heap, (at, next(self._numbers), item))

    def due(self, now: float) -> list[Item]:
        """Remove and return the items that are due. Those whose deadline has moved have to be added again."""
        items: list[Item] = []
        while self._heap and self._heap[0][0] <= now:
            at, _, item = heapq.heappop(self._heap)
            if item.scheduled_at == at:  # else a later entry than the one that was looked at
                item.scheduled_at = _NEVER
                items.append(item)
        return items

    def clear(self) -> None:
        """Forget all."""
        self._heap.clear()
