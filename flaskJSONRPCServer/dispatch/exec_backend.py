"""The contract between the pipeline and the exec backends."""

from __future__ import annotations

from typing import Any, Protocol

from .facade import ServerFacade

__all__ = ["CallAnswer", "ExecBackend"]

CallAnswer = tuple[bool, Any, Any]
"""``(status, params, result)``: the result where the status is True, else what went wrong."""


class ExecBackend(Protocol):
    """An exec backend: it runs dispatchers, each by ``server._callDispatcher()``. An object, or a dict with these keys.

    ``start``, ``stop`` and ``stats`` may be missing, and ``check`` too where only notifications are given to it. It may
    have a function ``is_ready``, which takes nothing and returns whether it can take calls now: a check of ``/readyz``.
    It may have a function ``cancel``, which takes the ``uniqueId`` and the ticket of a call that its caller has
    cancelled: the call then does not begin, or ends where that is possible, and ``check`` returns. Any thread may call
    ``cancel``. It returns soon, and does nothing if the call has ended.

    Attributes:
        _id: Its name, which no other backend of the server has.
    """

    _id: str

    def add(
        self, uniqueId: str, path: str, dataIn: dict[str, Any], request: Any, isJSONP: str | bool = False
    ) -> tuple[bool, Any, Any]:
        """Take a call, without waiting for its answer. It is called in the thread that serves the request.

        Args:
            uniqueId: The id of the request; the calls of a batch share it.
            path: The path of the dispatcher, such as ``/api/``.
            dataIn: ``method``, ``params`` (a list, a dict or None) and ``id``; ``notify`` is True for a notification,
                the id of which is None; ``deadline`` is when the call has to be answered, by :func:`time.monotonic`,
                and is missing without a timeout; ``begin_by`` is when it has to begin, by the same clock, if its caller
                has said so, which ``_callDispatcher`` checks; ``trace`` is the trace of the call, a dict of texts, with
                the setting ``tracing``; ``control`` is a dict by which ``_callDispatcher`` finds the caller, in the
                same process, if the caller wants progress or may be asked.
            request: The copy of the request, a dict. The calls of a batch share it.
            isJSONP: The JSONP output format; False for plain JSON.

        Returns:
            ``(status, info, ticket)``. A status of False refuses the call: the client gets the error -32002 with the
            text ``info``, or ``info`` itself if it is a JsonRpcException. The ticket is what ``check`` is given.
        """

    def check(self, uniqueId: str, ticket: Any) -> CallAnswer:
        """Wait for the answer of a call.

        Returns:
            ``(status, params, result)``, as ``_callDispatcher`` gives it. A status of False makes an error of
            ``result``: a JsonRpcException or JsonRpcError as it is, anything else is logged and answered with -32603.
        """

    def start(self, server: ServerFacade) -> None:
        """Make ready, once for each start of the server."""

    def stop(self, server: ServerFacade, timeout: float, processingDispatcherCountMax: int) -> int | None:
        """Finish what has been taken, within ``timeout`` seconds.

        Returns:
            How many notifications were taken and not finished, if that is known: they are counted as lost.
        """

    def stats(self, inMS: bool) -> dict[str, Any]:
        """Return what ``server.stats()`` shows too; a dict under a key that is there already is merged into it."""
