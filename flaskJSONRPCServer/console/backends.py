"""The figures of exec backends in one form: each backend names its counts in its own way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, Protocol

from ..runtime.interrupts import is_interrupt
from ..runtime.logs import ERROR, ServerLog

__all__ = ["BackendFigures"]

# The counts of the backends of this package, by the name that they have in common.
_NAMES = {
    "queue": ("waiting", "queue"),
    "running": ("running",),
    "done": ("done",),
    "failed": ("failed",),
    "refused": ("refused",),
    "workers": ("threads", "alive", "workers"),
    "most_workers": ("poolSize",),
}
_KNOWN = {count for counts in _NAMES.values() for count in counts}

# The most counts of a custom backend that are shown.
_MOST_OTHERS = 20


class Reporting(Protocol):
    """A running exec backend."""

    _id: str

    def stats(self, inMS: bool) -> dict[str, Any]:
        """Return its statistics."""


class BackendFigures:
    """Reads the statistics of exec backends, which may be the user's own.

    Args:
        log: Gets the first failure of each.
    """

    def __init__(self, log: ServerLog) -> None:
        self._log = log
        self._failed: set[str] = set()  # only added to, so it needs no lock; at worst it logs twice

    def of(self, backend: Reporting) -> dict[str, Any]:
        """Return the figures of a backend; only its name and ``unknown`` if it cannot tell them."""
        try:
            return figures(backend._id, backend.stats(False))
        except BaseException as exc:  # the others are shown
            if is_interrupt(exc):
                raise
            if backend._id not in self._failed:
                self._failed.add(backend._id)
                self._log.write(ERROR, f"console: stats() of exec backend {backend._id!r} raised", traceback=True)
            return {"name": backend._id, "unknown": True}


def figures(backend_id: str, stats: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts of a backend by their common names, and its other numbers under ``others``."""
    prefix = f"{backend_id}_"
    counts = {
        str(name).removeprefix(prefix): count for name, value in stats.items() if (count := count_of(value)) is not None
    }
    common = {name: next((counts[count] for count in names if count in counts), None) for name, names in _NAMES.items()}
    others = [(name, count) for name, count in counts.items() if name not in _KNOWN][:_MOST_OTHERS]
    return {"name": backend_id, **common, "others": dict(others)}


def count_of(value: Any) -> float | None:
    """Return a value as a number that JSON has; None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
