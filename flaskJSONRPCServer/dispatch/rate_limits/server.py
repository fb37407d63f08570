"""The rate limits of one server, which outlive its restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ...http.request import Request
from ...runtime.logs import ServerLog
from ..routes import Route
from .limiter import RateLimiter, names_of
from .plan import RateLimitPlan, read_plan

if TYPE_CHECKING:
    from .counters import Counters

__all__ = ["ServerRateLimits"]


class ServerRateLimits:
    """Makes the limiter of each pipeline, and keeps the counters, so that a restart gives no client new units.

    Args:
        log: The log of the server.
        format_path: Adds a slash at both ends of a path.
        name: The common name of the servers that share counters in one storage.
    """

    def __init__(self, log: ServerLog, format_path: Callable[[str], str], name: str) -> None:
        self._log = log
        self._format_path = format_path
        self._name = name
        self._has_limited_routes = False
        self._option: Any = None
        self._plan = RateLimitPlan()
        self._counters: Counters | None = None

    def check(self, option: Any) -> None:
        """Check the option ``rateLimit``.

        Raises:
            SettingsError: The option has an invalid value.
            MissingExtraError: ``limits`` is not installed, or the client library of the storage.
        """
        if option is not None:
            self._make_counters(read_plan(option, self._format_path))

    def add_routes(self, routes: Iterable[Route]) -> bool:
        """Record new routes; return whether they have the first limit of any route, so that a limiter is needed now."""
        if self._has_limited_routes or not any(route.rate_limit for route in routes):
            return False
        self._has_limited_routes = True
        return True

    def limiter(self, option: Any, copy_request: Callable[[Request], Any]) -> RateLimiter | None:
        """Return the limiter of a pipeline; None without limits.

        Args:
            option: The option ``rateLimit``. The caller must not change it afterwards.
            copy_request: Copies a request for the identity function.

        Raises:
            SettingsError, MissingExtraError: As :meth:`check`.
        """
        if option is None and not self._has_limited_routes:
            return None
        if self._counters is None or option != self._option:
            self._plan = read_plan(option, self._format_path)
            self._counters = self._make_counters(self._plan)
            self._option = option
        return RateLimiter(self._plan, self._counters, self._log, copy_request, self._name)

    def report(self) -> dict[str, int]:
        """Return the number of refused calls, for the statistics; an empty dict without limits."""
        return {} if self._counters is None else {"rateLimitedCount": self._counters.refused}

    def unmatched(self, routes: Sequence[Route]) -> list[str]:
        """Describe the paths and methods of the option that no route has: they limit nothing."""
        paths = {route.path for route in routes}
        methods = {name for route in routes for name in names_of(route)}
        return [
            *(f"the path {path!r}" for path in self._plan.paths if path not in paths),
            *(f"the method {name!r}" for name in self._plan.methods if name not in methods),
        ]

    def _make_counters(self, plan: RateLimitPlan) -> Counters:
        from .counters import Counters

        return Counters(plan, self._log)
