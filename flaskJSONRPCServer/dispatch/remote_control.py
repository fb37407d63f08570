"""The control of a call in another process than its caller's."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

from .call_control import CallControl, Log, Report, find_control

__all__ = ["RemoteControl", "log_message", "progress_message", "report_message"]

# At most ten reports in a second leave the process; guessed.
_EVERY_S: Final = 0.1

Progress = tuple[float, float | None, str | None]


class RemoteControl(CallControl):
    """Takes the place of a call's control in the process that runs the call, within ``with``.

    Progress travels at most ten times a second. The last one travels before the end of the block. Log messages travel
    at once.

    Args:
        values: The control, from the data of the call.
        send: Sends a progress to the process of the caller, and returns once it is on its way.
        send_log: Sends a log message there in the same way, if the caller wants any.
    """

    def __init__(self, values: Mapping[str, Any], send: Report, send_log: Log | None = None) -> None:
        log = send_log if values.get("log") else None
        super().__init__(self._throttle, values["answers"], control_id=values["id"], log=log)
        self._send = send
        self._waiting: Progress | None = None  # guarded by _reporting, as all below
        self._next_at = -float("inf")
        self._timer: threading.Timer | None = None

    def __enter__(self) -> RemoteControl:
        self.as_data()  # so that it is found by its id
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._send_waiting()
        self.end()

    def _throttle(self, done: float, total: float | None, message: str | None) -> None:
        """Send a progress now, or later if one was sent just now. The caller holds the lock."""
        self._waiting = done, total, message
        left_s = self._next_at - time.monotonic()
        if left_s <= 0:
            self._send_waiting()
        elif self._timer is None:
            self._timer = threading.Timer(left_s, self._send_waiting)
            self._timer.daemon = True
            self._timer.start()

    def _send_waiting(self) -> None:
        with self._reporting:
            progress, self._waiting = self._waiting, None
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            if progress is not None:
                self._next_at = time.monotonic() + _EVERY_S
                self._send(*progress)


def progress_message(control_id: str, done: float, total: float | None, message: str | None) -> dict[str, Any]:
    """Return a progress as plain values, for the process of the caller; :func:`report_message` takes them there."""
    return {"id": control_id, "done": done, "total": total, "message": message}


def log_message(control_id: str, level: str, text: bytes, logger: str | None) -> dict[str, Any]:
    """Return a log message as plain values, as :func:`progress_message` returns a progress.

    Args:
        control_id: The id of the control.
        level: How severe it is.
        text: The data as JSON.
        logger: The name of the logger; None for none.
    """
    return {"id": control_id, "level": level, "data": text.decode(), "logger": logger}


def report_message(values: Mapping[str, Any]) -> None:
    """Report a progress or a log message that another process has sent, unless its call has ended.

    Raises:
        KeyError, TypeError, ValueError: The values are neither.
    """
    control = find_control(values["id"])
    if control is None:
        return
    if "level" in values:
        control.log(values["level"], json.loads(values["data"]), values["logger"])
    else:
        control.report(values["done"], values["total"], values["message"])
