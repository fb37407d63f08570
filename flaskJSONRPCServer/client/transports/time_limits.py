"""Time limits of coroutines."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Any

from ..deadlines import Deadline

__all__ = ["TimeLimit"]


class TimeLimit:
    """Cancels the block at a deadline, and raises its exception: as `asyncio.timeout`, which Python 3.10 lacks.

    Args:
        deadline: The deadline.

    Raises:
        RequestTimeoutError: The deadline has passed.
    """

    __slots__ = ("_cancelling", "_deadline", "_handle", "_has_expired", "_task")

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._has_expired = False
        self._handle: asyncio.TimerHandle | None = None
        self._task: Any = None

    def __enter__(self) -> None:
        wait_s = self._deadline.wait_s()
        self._task = asyncio.current_task()
        self._cancelling = self._task.cancelling() if hasattr(self._task, "cancelling") else 0
        if wait_s is not None and wait_s != math.inf:
            self._handle = asyncio.get_running_loop().call_later(wait_s, self._expire)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.cancel()
        if not self._has_expired:
            return
        # The user may have cancelled the task at the same time: then the cancellation goes on.
        is_ours = not hasattr(self._task, "uncancel") or self._task.uncancel() <= self._cancelling
        if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise self._deadline.passed() from exc

    def _expire(self) -> None:
        self._has_expired = True
        self._task.cancel()
