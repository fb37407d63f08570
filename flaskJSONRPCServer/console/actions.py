"""The actions of the console: what an operator may do to a running server from a browser.

Each is asked of ``auth`` under its own name, and logged with the client. They are off unless ``consoleActions`` is set.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from werkzeug.http import parse_options_header

from ..dispatch.connection import ServerFacts
from ..dispatch.exchange import Exchange
from ..dispatch.facade import ServerFacade
from ..dispatch.routes import Route, Router
from ..http.guard import is_cross_site
from ..http.refusals import BadRequest, Forbidden, Refusal, UnsupportedMediaType
from ..runtime.garbage import GarbageControl
from ..runtime.logs import INFO, WARNING, ServerLog
from ..servBackend.addresses import is_behind_loopback
from ..settings import Settings

__all__ = ["ACTIONS", "Actions"]

ACTIONS = ("lock", "unlock", "reload", "collectGarbage", "restart")
"""The actions by the names that ``auth`` is asked under."""

_OF_DISPATCHERS = ("lock", "unlock")

# Dispatchers that run longer end with the old code, as in an automatic reload.
_RELOAD_TIMEOUT_S = 20

Authorise = Callable[[Exchange, str | None], None]


class Conflict(Refusal):
    """The action is known, and cannot be done now."""

    status = "409 Conflict"


class RestartableFacade(ServerFacade, Protocol):
    """The server that the user made, with the member that a restart needs."""

    def restart(self) -> None:
        """Stop and start again."""


@dataclass(frozen=True, slots=True)
class Order:
    """An action that a client asks for.

    Attributes:
        action: One of :data:`ACTIONS`.
        dispatcher: The path and the name of a dispatcher, such as ``/api/echo``; None for the server.
    """

    action: str
    dispatcher: str | None

    def __str__(self) -> str:
        """Return the order as the log shows it."""
        return self.action if self.dispatcher is None else f"{self.action} {self.dispatcher!r}"


class Actions:
    """Does what clients ask for, if they may.

    Args:
        facts: The server, its log and its locks.
        settings: The settings of the server.
        router: Finds the dispatchers.
        garbage: Reports on collections.
        authorise: Asks ``auth`` whether a client may do something.
    """

    def __init__(
        self,
        facts: ServerFacts,
        settings: Settings,
        router: Router,
        garbage: GarbageControl,
        authorise: Authorise,
    ) -> None:
        self._facts = facts
        self._settings = settings
        self._router = router
        self._garbage = garbage
        self._authorise = authorise
        self._run: Mapping[str, Callable[[Order, str], str]] = {
            "lock": self._lock,
            "unlock": self._unlock,
            "reload": self._reload,
            "collectGarbage": self._collect,
            "restart": self._restart,
        }

    @property
    def _log(self) -> ServerLog:
        return self._facts.log

    def offered(self) -> list[str]:
        """Return the names of the actions that this server does; none if they are off."""
        if self._reason_off() is not None:
            return []
        without = set() if self._can_restart() else {"restart"}
        return [action for action in ACTIONS if action not in without]

    def answer(self, exchange: Exchange) -> dict[str, Any]:
        """Do what a client asks for, and return the answer to it.

        Raises:
            Refusal: The request is refused, and nothing was done.
        """
        if (reason := self._reason_off()) is not None:
            raise Forbidden(reason)
        refuse_foreign(exchange)
        order = read_order(exchange, self._settings.max_body_bytes)
        client = exchange.remote_addr or "a Unix socket"
        try:
            self._authorise(exchange, order.action)
            message = self._run[order.action](order, client)
        except Refusal as refusal:
            self._log.write(WARNING, f"console: {order} for {client} was refused: {refusal}")
            raise
        self._log.write(INFO, f"console: {order} for {client}: {message}")
        return {"action": order.action, "message": message}

    def _reason_off(self) -> str | None:
        if not self._settings.consoleActions:
            return "actions are off; consoleActions=True allows them"
        if self._settings.auth is None and not is_behind_loopback(self._settings):
            return "actions need auth= where other machines can reach the server"
        return None

    def _can_restart(self) -> bool:
        return bool(self._facts.facade.addresses)  # empty for a server that is only mounted

    def _lock(self, order: Order, client: str) -> str:
        self._facts.locks.lock(self._key(order), by=f"console, {client}")
        return f"{order.dispatcher or 'the server'} is locked"

    def _unlock(self, order: Order, client: str) -> str:
        self._facts.locks.unlock(self._key(order))
        return f"{order.dispatcher or 'the server'} is unlocked"

    def _key(self, order: Order) -> Any:
        return None if order.dispatcher is None else self._route(order.dispatcher).lock_key

    def _route(self, url: str) -> Route:
        for route in self._router.table.routes():
            if route.url == url:
                return route
        raise BadRequest(f"dispatcher {url!r} is unknown")

    def _reload(self, _: Order, client: str) -> str:
        from ..dispatch.reloadable import reloadable_api  # here: finding where Python installs packages takes long

        api = reloadable_api(self._router.table)
        if not api:
            raise Conflict("no dispatcher comes from a script that can be loaded again")
        if not self._facts.facade.reload(api, timeout=_RELOAD_TIMEOUT_S):
            raise Conflict("the reload failed, and all is as before; the log of the server says why")
        return f"reloaded {len(api)} dispatcher{'s' * (len(api) != 1)}"

    def _collect(self, _: Order, client: str) -> str:
        before = self._garbage.report(in_ms=True)
        self._facts.facade._controlGC(force=True)
        after = self._garbage.report(in_ms=True)
        return f"collected {after['collected'] - before['collected']} objects in {after['last']:.1f} ms"

    def _restart(self, _: Order, client: str) -> str:
        if not self._can_restart():
            raise Conflict("a server that is only mounted is restarted by the program that serves it")
        # Inside a request, so it begins after the answer.
        cast("RestartableFacade", self._facts.facade).restart()
        return "the server restarts after this answer"


def refuse_foreign(exchange: Exchange) -> None:
    """Refuse a request that a page of another origin makes, or that a form could make.

    Raises:
        Forbidden, UnsupportedMediaType: It is one.
    """
    head = exchange.head
    if is_cross_site(head) and not comes_from_own_page(exchange):
        raise Forbidden("a page of another origin may not do this")
    media_type, _ = parse_options_header(head.get("CONTENT_TYPE"))
    if media_type.lower() != "application/json":
        raise UnsupportedMediaType("send the action as application/json")


def comes_from_own_page(exchange: Exchange) -> bool:
    """Return whether the origin of a request is the server's own, as a trusted proxy shows it."""
    origin = exchange.head.get("HTTP_ORIGIN")
    if origin is None or "HTTP_SEC_FETCH_SITE" in exchange.head:
        return False
    return f"{exchange.base_url}/".startswith(f"{origin}/")


def read_order(exchange: Exchange, limit_bytes: int) -> Order:
    """Return the action that a client asks for.

    Raises:
        Refusal: The body cannot be read, or does not name an action.
    """
    try:
        order = json.loads(exchange.body(limit_bytes))
    except (ValueError, RecursionError) as exc:
        raise BadRequest("the body is not JSON") from exc
    if not isinstance(order, dict):
        raise BadRequest('the body is refused: send an object such as {"action": "lock", "dispatcher": "/api/echo"}')
    action, dispatcher = order.get("action"), order.get("dispatcher")
    if not isinstance(action, str) or action not in ACTIONS:
        raise BadRequest(f"action {action!r} is unknown; known: {', '.join(ACTIONS)}")
    if dispatcher is not None and not isinstance(dispatcher, str):
        raise BadRequest(f"dispatcher {dispatcher!r} is refused: it takes a path and a name, or null for the server")
    if dispatcher is not None and action not in _OF_DISPATCHERS:
        raise BadRequest(f"dispatcher {dispatcher!r} is refused: {action!r} is for the whole server")
    return Order(action, dispatcher)
