"""``auth``, the function of the user that says what a client may do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..http.refusals import Forbidden, Refusal
from ..http.request import Request
from ..runtime.interrupts import is_interrupt
from ..runtime.log_limits import LimitedTracebacks, WarnOnce
from .connection import ServerFacts
from .exchange import Exchange

__all__ = ["Authorizer"]


class Authorizer:
    """Asks ``auth``, before the body of a request is read.

    Args:
        auth: The function; None if there is none.
        server: The server, which ``auth`` gets, and its log.
        copy_request: Returns the request as ``auth`` gets it.
    """

    def __init__(
        self, auth: Callable[..., Any] | None, server: ServerFacts, copy_request: Callable[[Request], Any]
    ) -> None:
        self._auth = auth
        self._server = server
        self._copy_request = copy_request
        self._failures = LimitedTracebacks(server.log)
        self._wrong_results = WarnOnce(server.log)

    def authorise(self, exchange: Exchange, path: str, method: str | None) -> None:
        """Check that a client may do something on a path, if there is an ``auth``; a local one may.

        Raises:
            Forbidden: It may not.
        """
        if self._auth is not None and not exchange.is_local:
            self.ask(self._auth, exchange, path, method)

    def paths_allowed(self, exchange: Exchange, paths: Iterable[str], method: str) -> list[str]:
        """Return the paths on which a client may call a method."""
        return [path for path in paths if self._allows(exchange, path, method)]

    def _allows(self, exchange: Exchange, path: str, method: str) -> bool:
        try:
            self.authorise(exchange, path, method)
        except Forbidden:
            return False
        return True

    def ask(self, auth: Callable[..., Any], exchange: Exchange, path: str, method: str | None) -> None:
        """Ask a function as ``auth`` is asked.

        Raises:
            Forbidden: It returned anything but True, or raised.
        """
        request = self._copy_request(exchange)
        try:
            allowed = auth(self._server.facade, path, request, method)
        except Refusal:  # auth has read the body, which is refused
            raise
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            self._failures.write("auth raised", exc)
            raise Forbidden("not authorised") from exc
        if allowed is not True:
            if allowed:
                what = f"auth returned {type(allowed).__name__}, which refuses the request; return True to allow it"
                self._wrong_results.write(what)
            raise Forbidden("not authorised")
