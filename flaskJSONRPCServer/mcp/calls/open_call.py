"""A request whose function runs: the notifications about it, and its cancellation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ...dispatch.call_control import CallControl
from ...runtime.concurrency import make_lock
from ...sansio_jsonrpc import JsonRpcSerializationError
from ..protocol.requests import ClientRequest
from .log_messages import is_wanted

__all__ = ["Notify", "OpenCall"]

Notify = Callable[[str, Mapping[str, Any]], object]
"""Sends a notification about a request, with its method and parameters."""


class OpenCall:
    """One request, from its beginning to its answer.

    Args:
        request: The request.
        notify: Sends a notification to the client.

    Attributes:
        notify: As given.
    """

    def __init__(self, request: ClientRequest, notify: Notify) -> None:
        self._request = request
        self.notify = notify
        self._changing = make_lock()
        self._control: CallControl | None = None  # this and the next two are guarded by _changing
        self._is_cancelled = False
        self._has_ended = False

    @property
    def is_cancelled(self) -> bool:
        """Whether the client has left, or wants no answer any more."""
        return self._is_cancelled

    def new_control(self, answers: Mapping[str, Any]) -> CallControl:
        """Return the control of the next run of the function, with the answers to what it asks."""
        wants_progress = self._request.progress_token is not None
        report = self._report if wants_progress else None
        control = CallControl(report, answers, log=self._log if self._request.log_level is not None else None)
        with self._changing:
            self._control = control
            is_cancelled = self._is_cancelled
        if is_cancelled:
            control.cancel()
        return control

    def cancel(self) -> None:
        """Stop the function where that is possible, unless the request has been answered."""
        with self._changing:
            if self._has_ended:
                return
            self._is_cancelled = True
            control = self._control
        if control is not None:
            control.cancel()

    def end(self) -> None:
        """Note that the request has its answer: nothing cancels it any more."""
        with self._changing:
            self._has_ended = True

    def _report(self, done: float, total: float | None, message: str | None) -> None:
        optional = {"total": total, "message": message}
        known = {name: value for name, value in optional.items() if value is not None}
        params = {"progressToken": self._request.progress_token, "progress": done, **known}
        with suppress(JsonRpcSerializationError):  # the client's token cannot be written
            self._send("notifications/progress", params)

    def _log(self, level: str, data: Any, logger: str | None) -> None:
        if is_wanted(level, self._request.log_level):
            named = {} if logger is None else {"logger": logger}
            self._send("notifications/message", {"level": level, **named, "data": data})

    def _send(self, method: str, params: Mapping[str, Any]) -> None:
        if not self._is_cancelled:
            self.notify(method, params)
