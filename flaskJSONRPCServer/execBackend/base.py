"""What an exec backend is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..dispatch.submission import CALL_NOT_RUN
from ..errors import ServerStateError, SettingsError
from ..sansio_jsonrpc import JsonRpcError

__all__ = ["ExecBackend", "Members", "runs_already", "stopped"]


class ExecBackend(Protocol):
    """An exec backend: it runs dispatchers, each by ``server._callDispatcher()``. An object, or a dict with these keys.

    ``start``, ``stop`` and ``stats`` may be missing, and ``check`` too where only notifications are given to it.

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
                the id of which is None.
            request: The copy of the request, a dict. The calls of a batch share it.
            isJSONP: The JSONP output format; False for plain JSON.

        Returns:
            ``(status, info, ticket)``. A status of False refuses the call: the client gets the error -32002 with the
            text ``info``, or ``info`` itself if it is a JsonRpcException. The ticket is what ``check`` is given.
        """

    def check(self, uniqueId: str, ticket: Any) -> tuple[bool, Any, Any]:
        """Wait for the answer of a call.

        Returns:
            ``(status, params, result)``, as ``_callDispatcher`` gives it. A status of False makes an error of
            ``result``: a JsonRpcException or JsonRpcError as it is, anything else is logged and answered with -32603.
        """

    def start(self, server: Any) -> None:
        """Make ready, once for each start of the server."""

    def stop(self, server: Any, timeout: float, processingDispatcherCountMax: int) -> int | None:
        """Finish what has been taken, within ``timeout`` seconds.

        Returns:
            How many notifications were taken and not finished, if that is known: they are counted as lost.
        """

    def stats(self, inMS: bool) -> dict[str, Any]:
        """Return what ``server.stats()`` shows too; a dict under a key that is there already is merged into it."""


class Members:
    """The members of a backend that was given as an object or a dict.

    Args:
        given: The object or dict.
        notif: Whether it is to run notifications only.

    Raises:
        SettingsError: It lacks ``_id``, ``add`` or ``check``.
    """

    def __init__(self, given: Any, *, notif: bool) -> None:
        self.given = given
        self.id = str(self._read("_id") or "")
        self.add = self._read("add")
        self.check = self._read("check")
        option = "notifBackend" if notif else "dispatcherBackend"
        if not self.id or not callable(self.add):
            raise SettingsError(f"{option}={given!r} is refused: a custom one has '_id' and a function 'add'")
        if not notif and not callable(self.check):
            raise SettingsError(f"{option}={given!r} is refused: without a function 'check' it runs notifications only")
        self.start = self._optional("start")
        self.stop = self._optional("stop")
        self.stats = self._optional("stats")

    def _read(self, name: str) -> Any:
        return self.given.get(name) if isinstance(self.given, Mapping) else getattr(self.given, name, None)

    def _optional(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = self._read(name) or do_nothing
        return found


def do_nothing(*_: Any) -> None:
    return None


def runs_already(backend_id: str, server: Any) -> ServerStateError:
    """Return the error for the start of a backend that runs for a server already."""
    return ServerStateError(f"exec backend {backend_id!r} runs for {server.name!r}; each server needs its own")


def stopped() -> JsonRpcError:
    """Return the answer of a call that was taken by a backend, which has stopped before it was run."""
    return JsonRpcError(CALL_NOT_RUN, "Not run: the exec backend has stopped")
