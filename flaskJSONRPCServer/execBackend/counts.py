"""The counts of exec backends, for those who watch a server: their statistics may be the user's own code."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, Protocol

from ..runtime.interrupts import is_interrupt
from ..runtime.logs import ERROR, ServerLog

__all__ = ["CountReader", "Counts"]

Counts = dict[str, float]
"""The numbers among the statistics of a backend, by their names without its ``_id``."""


class Reporting(Protocol):
    """An exec backend that is running."""

    _id: str

    def stats(self, inMS: bool) -> dict[str, Any]:
        """Return its statistics."""


class CountReader:
    """Reads the counts of exec backends.

    Args:
        log: Gets the first of several failures of a backend in a row.
    """

    def __init__(self, log: ServerLog) -> None:
        self._log = log
        self._failing: set[str] = set()  # without a lock: at worst, a failure is logged twice

    def read(self, backend: Reporting) -> Counts | None:
        """Return the counts of a backend; None if its ``stats`` raises."""
        prefix = f"{backend._id}_"
        try:
            counts = {str(name).removeprefix(prefix): count_of(value) for name, value in backend.stats(False).items()}
        except BaseException as exc:  # the other backends are shown
            if is_interrupt(exc):
                raise
            self._log_failure(backend._id)
            return None
        self._failing.discard(backend._id)
        return {name: count for name, count in counts.items() if count is not None}

    def _log_failure(self, backend_id: str) -> None:
        if backend_id not in self._failing:
            self._failing.add(backend_id)
            self._log.write(ERROR, f"stats() of exec backend {backend_id!r} raised", traceback=True)


def count_of(value: Any) -> float | None:
    """Return a value as a finite number; None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if not math.isfinite(number):
        return None
    return value if isinstance(value, int) else number
