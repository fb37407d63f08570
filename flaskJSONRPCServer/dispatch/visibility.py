"""Which methods a caller sees: the option ``visible`` of a method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..http.request import Request
from ..runtime.interrupts import is_interrupt
from ..runtime.log_limits import LimitedTracebacks
from ..runtime.logs import ServerLog
from .routes import Route

__all__ = ["Visibility", "is_conditional", "is_shown"]


def is_shown(route: Route) -> bool:
    """Return whether any caller may see a method."""
    return route.contract is not None and route.contract.options.visible is not False


def is_conditional(route: Route) -> bool:
    """Return whether only some callers see a method."""
    return route.contract is not None and callable(route.contract.options.visible)


class Visibility:
    """Decides which methods a caller sees.

    Args:
        log: Gets the failures of functions that decide on it.
        copy_request: Copies a request for these functions.
    """

    def __init__(self, log: ServerLog, copy_request: Callable[[Request], Any]) -> None:
        self._failures = LimitedTracebacks(log)
        self._copy_request = copy_request

    def sight(self, request: Request) -> Callable[[Route], bool]:
        """Return a function that says whether a caller sees a method."""
        copies: list[Any] = []  # one copy of the request, if any function needs it

        def is_visible(route: Route) -> bool:
            visible = None if route.contract is None else route.contract.options.visible
            if not callable(visible):
                return visible is not False
            if not copies:
                copies.append(self._copy_request(request))
            return self._decide(visible, copies[0], route)

        return is_visible

    def _decide(self, visible: Callable[[Any], bool], request: Any, route: Route) -> bool:
        try:
            return visible(request) is True
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            self._failures.write(f"visible of {route.url} raised; the method is not shown", exc)
            return False
