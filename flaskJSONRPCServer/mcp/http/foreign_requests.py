"""The requests that are refused for their Host or Origin, in the log."""

from __future__ import annotations

from typing import Final

from ...http.refusals import Refusal
from ...runtime.concurrency import make_lock
from ...runtime.logs import WARNING, ServerLog

__all__ = ["ForeignRequests"]

# The most values that are logged, and the most characters of one: any client may send them; guessed.
_MOST_VALUES: Final = 100
_MOST_CHARS: Final = 300


class ForeignRequests:
    """Logs each refused value once, with the setting that would allow it.

    Args:
        log: The log of the server.
    """

    def __init__(self, log: ServerLog) -> None:
        self._log = log
        self._changing = make_lock()
        self._seen: set[str] = set()  # guarded by _changing

    def note(self, path: str, refusal: Refusal) -> None:
        """Log a refusal, unless it was logged before, or too many others were.

        Args:
            path: The path of the endpoint.
            refusal: The refusal, whose message names the value and the setting.
        """
        text = f"a request for {path} was refused: {refusal}"
        text = text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}..."
        with self._changing:
            if text in self._seen or len(self._seen) >= _MOST_VALUES:
                return
            self._seen.add(text)
            is_last = len(self._seen) == _MOST_VALUES
        self._log.write(WARNING, f"{text}; further values are not logged" if is_last else text)
