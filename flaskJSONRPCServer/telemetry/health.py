"""The URLs ``/healthz`` and ``/readyz``: whether the process answers, and whether to send it requests.

Their answers never wait for a thread, a lock or a check that hangs. The checks run in threads of their own, and a
request waits for them only briefly, see :class:`.readiness.ReadinessChecks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ..dispatch.built_in import BuiltInUrl
from ..dispatch.exchange import Exchange
from ..dispatch.locks import Locks
from ..errors import RegistrationError
from ..http.response import Response, json_document
from ..runtime.function_sources import without_partials
from ..runtime.logs import ServerLog
from .readiness import Check, ReadinessChecks

__all__ = ["Health", "name_of_check"]

# The names of the server's own checks.
_RUNNING, _UNLOCKED = "running", "unlocked"

# Before the name of an exec backend, in the name of its check.
_BACKEND = "execBackend."

_MOST_NAME_CHARS = 100


class Health:
    """Whether a server is alive, and whether it is ready for requests.

    Args:
        locks: The locks of the server: while requests are held, it is not ready.
        backend_checks: Returns the checks of the exec backends, by their names.
        log: Gets a record when a check begins to fail, and when it passes again.

    Attributes:
        is_running: False while the server starts, restarts or stops. True for a server that is only mounted.
    """

    def __init__(
        self, locks: Locks, backend_checks: Callable[[], Mapping[str, Callable[[], object]]], log: ServerLog
    ) -> None:
        self.is_running = True
        self._locks = locks
        self._backend_checks = backend_checks
        self._checks = ReadinessChecks(log)

    def urls(self) -> Iterator[BuiltInUrl]:
        """Yield the URLs."""
        yield BuiltInUrl("healthz", answer_health, needs_auth=False, is_immediate=True)
        yield BuiltInUrl("readyz", self._answer_readiness, needs_auth=False, is_immediate=True)

    def add_check(self, check: Check, name: object) -> None:
        """Add a check of the user's.

        Raises:
            RegistrationError: It is no function, or its name is invalid or taken.
        """
        if isinstance(check, type) or not callable(check):
            raise RegistrationError(f"{check!r} is refused as a readiness check: it takes a function")
        checked = readiness_name(name)
        if checked in self._checks.names or checked in (_RUNNING, _UNLOCKED) or checked.startswith(_BACKEND):
            raise RegistrationError(f"there is a readiness check {checked!r} already; give this one another name=")
        self._checks.add(checked, check)

    def readiness(self) -> dict[str, bool]:
        """Return the outcome of each check by its name, after waiting briefly for the checks."""
        own = {_RUNNING: self.is_running, _UNLOCKED: not self._locks.closed}
        if not self.is_running:  # the checks may need parts that are being started or stopped
            return own
        for name, check in self._backend_checks().items():
            self._checks.add(f"{_BACKEND}{name}", check)
        outcomes = self._checks.outcomes()
        # Read again: a stop may have begun meanwhile.
        return {**own, _RUNNING: self.is_running, **outcomes}

    def _answer_readiness(self, exchange: Exchange, _: str) -> Response:
        return health_response(self.readiness())


def answer_health(exchange: Exchange, _: str) -> Response:
    """Answer that the process is alive: it has answered."""
    return health_response({})


def health_response(outcomes: Mapping[str, bool]) -> Response:
    """Return the answer with the outcomes of checks: 200, or 503 if one of them fails."""
    is_ok = all(outcomes.values())
    checks = {name: word_of(passes) for name, passes in outcomes.items()}
    return json_document({"status": word_of(is_ok), "checks": checks}, "200 OK" if is_ok else "503 Service Unavailable")


def word_of(passes: bool) -> str:
    """Return the word for the outcome of a check."""
    return "ok" if passes else "unavailable"


def name_of_check(check: object) -> str:
    """Return the name that a check has by itself: that of the function, or of the class of a callable object.

    Raises:
        RegistrationError: It has none, as a lambda.
    """
    function = without_partials(check)
    name = getattr(function, "__name__", type(function).__name__)
    if not isinstance(name, str) or not name.isidentifier():
        raise RegistrationError(f"{check!r} has no name of its own; give name=...")
    return name


def readiness_name(name: object) -> str:
    """Return the name of a check.

    Raises:
        RegistrationError: It is no short printable text.
    """
    if not isinstance(name, str) or not name or not name.isprintable() or len(name) > _MOST_NAME_CHARS:
        raise RegistrationError(
            f"name={name!r} of a readiness check is refused: it takes 1 to {_MOST_NAME_CHARS} printable characters"
        )
    return name
