"""The methods of the server that the child processes of the backend ``parallel`` may call."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from ...dispatch.backend_context import BackendContext
from ...dispatch.remote_control import report_message
from ...dispatch.routes import Route
from ...errors import ServerStateError
from ...runtime.interrupts import is_interrupt
from ...runtime.logs import TracebackText
from ...runtime.text import short_repr

__all__ = ["REMEDY", "Method", "ParentMethods", "name_of_dispatcher"]

REMEDY: Final = "lock it from its own call by _connection.call.lockThis(), or in the server's own process"

Method = Callable[[dict[str, Any], Callable[[], bool]], Any]
"""It takes the parameters by name, and a function that returns whether the child that asked is gone."""


class ParentMethods:
    """The closed table of the methods that a child may call.

    Args:
        context: The parts of the server.

    Attributes:
        brief: The methods that answer at once, by name.
        waiting: The methods that may wait, by name.
    """

    def __init__(self, context: BackendContext) -> None:
        server = self._server = context.facade
        self._locks = context.locks
        self._router = context.router
        self.brief: dict[str, Method] = {
            "addresses": lambda params, _: server.addresses,
            "deepLock": lambda params, _: server._deepLock(),
            "deepUnlock": lambda params, _: server._deepUnlock(),
            "isLocked": self._is_locked,
            "lock": lambda params, _: self._locks.lock(self._key(params), by=params.get("by") or "a child process"),
            "log": self._write,
            "progress": lambda params, _: report_message(params),
            "speedStatsAdd": lambda params, _: server._speedStatsAdd(params["names"], params["durations"]),
            "stats": lambda params, _: server.stats(params["inMS"]),
            "unlock": lambda params, _: self._locks.unlock(self._key(params), exclusive=params["exclusive"]),
            "urls": lambda params, _: server._getServerUrl(),
        }
        main = context.facts.main
        self.waiting: dict[str, Method] = {
            "copyGlobal": lambda params, _: call_and_pickle(main.copy_global, params["text"]),
            "eval": lambda params, _: call_and_pickle(main.evaluate, params["text"]),
            "execute": lambda params, _: call_and_pickle(main.execute, params["text"]),
            "wait": self._wait,
            "waitProcessingDispatchers": lambda params, _: server._waitProcessingDispatchers(
                params["timeout"], params["allowed"]
            ),
        }

    def wake_waiting(self) -> None:
        """Wake the methods that wait for a lock, so that they ask again whether their child is gone."""
        self._locks.wake_waiting()

    def _key(self, params: dict[str, Any]) -> Any:
        dispatcher = params["dispatcher"]
        if dispatcher is None:
            return None
        if isinstance(dispatcher, str):
            return key_of_name(self._router.table.routes(), dispatcher)
        path, name = dispatcher
        route = self._router.table.find(path, name)
        if route is None:
            raise ServerStateError(f"the server has no dispatcher {path}{name} any more, so it cannot be locked")
        return route.lock_key

    def _is_locked(self, params: dict[str, Any], _: Callable[[], bool]) -> bool:
        is_locked = self._locks.is_locked(self._key(params))
        if is_locked and params.get("waits") and self._locks.period_has_ended():
            raise stopping_error()
        return is_locked

    def _wait(self, params: dict[str, Any], is_gone: Callable[[], bool]) -> None:
        if not self._locks.wait_in_period(self._key(params), is_gone):
            raise stopping_error()

    def _write(self, params: dict[str, Any], _: Callable[[], bool]) -> None:
        parts = list(params["parts"])
        if (text := params.get("traceback")) is not None:
            parts.append(ChildTraceback.as_part(text))
        self._server._logger(params["level"], *parts)


def stopping_error() -> ServerStateError:
    """Return the error of a dispatcher that waits for a lock until the server stops."""
    return ServerStateError("the server stops, and what this dispatcher waits for is still locked")


class ChildTraceback(Exception):
    """An exception of a child: its traceback, as text."""

    def __str__(self) -> str:
        return f'in a child process\n"""\n{self.args[0]}\n"""'

    @classmethod
    def as_part(cls, text: str) -> TracebackText:
        """Return a traceback as a part of a message for the log."""
        part = TracebackText(text)
        part.raised = cls(text)
        return part


def call_and_pickle(function: Callable[[Any], Any], argument: Any) -> dict[str, Any]:
    """Call a function, and return its value or its exception pickled.

    Raises:
        ServerStateError: The value or the exception cannot be pickled.
    """
    try:
        value, raised = function(argument), False
    except BaseException as exc:  # the child that asked raises it again
        if is_interrupt(exc):
            raise
        value, raised = exc.with_traceback(None), True
    try:
        return {"pickled": base64.b64encode(pickle.dumps(value)).decode(), "raised": raised}
    except Exception as exc:
        kind = "the exception" if raised else "the value"
        raise ServerStateError(
            f"{kind} {short_repr(value)} cannot travel to a child process ({exc}); ask for plain values"
        ) from exc


def name_of_dispatcher(function: Callable[..., Any]) -> str | None:
    """Return the name by which the server finds a dispatcher, as ``app:add`` or ``app:Api.add``; None without one."""
    owner = getattr(function, "__self__", None)
    plain = getattr(function, "__func__", function)
    name = getattr(plain, "__qualname__", None)
    if owner is not None and not isinstance(owner, ModuleType) and name is not None:
        owner_class = owner if isinstance(owner, type) else type(owner)
        return f"{owner_class.__module__}:{owner_class.__qualname__}.{plain.__name__}"
    return None if name is None else f"{plain.__module__}:{name}"


def key_of_name(routes: list[Route], dispatcher: str) -> Any:
    """Return the lock key of the dispatcher with a name of :func:`name_of_dispatcher`.

    Raises:
        ServerStateError: No dispatcher has this name, or several have it.
    """
    keys = {route.lock_key for route in routes if name_of_dispatcher(route.function) == dispatcher}
    if len(keys) == 1:
        return keys.pop()
    matches = "several dispatchers" if keys else "no dispatcher"
    raise ServerStateError(f"a child process names {dispatcher!r}, and the server has {matches} of this name; {REMEDY}")
