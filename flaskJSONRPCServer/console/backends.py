"""The figures of exec backends in one form: each backend names its counts in its own way."""

from __future__ import annotations

from typing import Any

from ..execBackend.counts import Counts

__all__ = ["backend_figures"]

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


def backend_figures(backend_id: str, counts: Counts | None) -> dict[str, Any]:
    """Return the counts of a backend by their common names, and its other counts under ``others``.

    Args:
        backend_id: The ``_id`` of the backend.
        counts: Its counts; None if they are unknown.
    """
    if counts is None:
        return {"name": backend_id, "unknown": True}
    common = {name: next((counts[count] for count in names if count in counts), None) for name, names in _NAMES.items()}
    others = [(name, count) for name, count in counts.items() if name not in _KNOWN][:_MOST_OTHERS]
    return {"name": backend_id, **common, "others": dict(others)}
