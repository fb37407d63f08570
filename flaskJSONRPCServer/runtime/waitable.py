"""A call that runs elsewhere, as the thread sees it that waits for it."""

from __future__ import annotations

from typing import Any

from .concurrency import make_event

__all__ = ["WaitableCall"]


class WaitableCall:
    """A call with a result or an exception once it has ended."""

    def __init__(self) -> None:
        self._done = make_event()
        self._result: Any = None
        self._error: BaseException | None = None

    def _outcome(self) -> Any:
        """Return the result, or raise the exception with its traceback. Use this once, after the end."""
        try:
            if self._error is not None:
                raise self._error
            return self._result
        finally:
            self._error = None  # its traceback holds this frame, which holds it
