"""The warning about requests that a stop did not wait for any longer."""

from __future__ import annotations

from ..runtime.logs import WARNING, ServerLog

__all__ = ["warn_of_unfinished"]


def warn_of_unfinished(log: ServerLog, count: int, noun: str, timeout_s: float) -> None:
    """Log a warning about what was still being answered when the time for the stop was over.

    Args:
        log: The log of the server.
        count: How many.
        noun: What is counted, in the singular, such as ``request``.
        timeout_s: How long the stop has waited, in seconds.
    """
    subject = f"1 {noun} was" if count == 1 else f"{count} {noun}s were"
    log.write(WARNING, f"{subject} still being answered after {timeout_s:.1f} s")
