"""The exec backends of one server."""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from typing import Any

from ..dispatch.submission import CallAnswer
from ..errors import ServerStateError, SettingsError, unknown_name
from ..runtime.asynchronous import in_hub
from ..runtime.logs import WARNING, ServerLog
from ..runtime.stats import Stats
from .base import Members

__all__ = ["ExecBackends", "Registered", "merge"]

_EXIT_TIMEOUT_S = 20


class Registered:
    """A backend of one server. The first call starts it, if the server has not.

    Args:
        members: Its members.
        owner: The backends of the server.
    """

    def __init__(self, members: Members, owner: ExecBackends) -> None:
        self.members = members
        self.is_started = False  # written under the owner's lock, read without it
        self._owner = owner

    def add(
        self, uniqueId: str, path: str, dataIn: dict[str, Any], request: Any, isJSONP: str | bool = False
    ) -> tuple[bool, Any, Any]:
        """As :meth:`ExecBackend.add`."""
        if not self.is_started:
            self._owner.start_one(self)
        return self.members.add(uniqueId, path, dataIn, request, isJSONP)  # type: ignore[no-any-return]

    def check(self, uniqueId: str, ticket: Any) -> CallAnswer:
        """As :meth:`ExecBackend.check`."""
        return self.members.check(uniqueId, ticket)  # type: ignore[no-any-return]


class ExecBackends:
    """Starts, stops and asks the backends of one server.

    Args:
        facade: The object that the user made.
        log: Its log.
        stats: Where lost notifications are counted.
    """

    def __init__(self, facade: Any, log: ServerLog, stats: Stats) -> None:
        self._facade = facade
        self._log = log
        self._stats = stats
        self._changing = threading.RLock()  # reentrant: a backend's start may register another
        self._by_id: dict[str, Registered] = {}  # guarded by _changing
        self._stops_at_exit = False  # guarded by _changing

    @in_hub
    def register(self, wanted: Any, *, notif: bool) -> Registered | None:
        """Take a backend to those of the server; the same one is taken once.

        Args:
            wanted: A name, an object or a dict.
            notif: Whether it is to run notifications.

        Returns:
            The backend; None for ``simple``, the serving thread.

        Raises:
            SettingsError: No prepared one has this name, it is incomplete, or another one has the same ``_id``.
        """
        from . import find_exec_backend

        with self._changing:
            if isinstance(wanted, str) and (known := self._prepared(wanted)) is not None:
                return known
            members = find_exec_backend(wanted, notif=notif)
            if members is None:
                return None
            known = self._by_id.setdefault(members.id, Registered(members, self))
            if known.members.given is not members.given and not isinstance(wanted, str):
                raise SettingsError(f"another exec backend has the _id {members.id!r} already; give this one its own")
            return known

    @in_hub
    def start(self) -> None:
        """Start all that have not been started.

        Raises:
            Exception: What a backend's own ``start`` raises.
        """
        with self._changing:
            for backend in list(self._by_id.values()):
                self.start_one(backend)

    def start_one(self, backend: Registered) -> None:
        """Start one, unless that has been done."""
        with self._changing:
            if backend.is_started:
                return
            backend.members.start(self._facade)
            backend.is_started = True
            if not self._stops_at_exit:  # a program that serves getWSGI() by other means never stops the server
                self._stops_at_exit = True
                atexit.register(stop_at_exit, weakref.ref(self))

    @in_hub
    def stop(self, timeout_s: float = _EXIT_TIMEOUT_S, allowed: int = 0) -> None:
        """Stop all that have been started, and count what they lose.

        Args:
            timeout_s: How long to wait for all of them together, in seconds.
            allowed: How many running dispatchers need not be waited for.
        """
        deadline = time.monotonic() + timeout_s
        for backend in self._taken_out():  # not under the lock: a call that is waited for may ask for statistics
            lost = backend.members.stop(self._facade, max(0.0, deadline - time.monotonic()), allowed)
            self._count_lost(backend.members.id, lost)

    def celery_app(self, backend_id: str | None = None) -> Any:
        """Return the Celery application of a backend that has one.

        Args:
            backend_id: Its ``_id``; None for the first of them.

        Raises:
            ServerStateError: None of them has one, or this one has not.
        """
        makers = {
            backend.members.id: backend.members.given.celery_app
            for backend in list(self._by_id.values())
            if hasattr(backend.members.given, "celery_app")
        }
        if not makers:
            raise ServerStateError(
                f"server {self._facade.name!r} has no celery backend; give it dispatcherBackend='celery', or "
                "notifBackend='celery'"
            )
        chosen = next(iter(makers)) if backend_id is None else backend_id
        if chosen not in makers:
            raise ServerStateError(unknown_name("celery backend", chosen, makers))
        return makers[chosen](self._facade)

    @in_hub
    def report(self, *, in_ms: bool) -> dict[str, Any]:
        """Return what the started backends tell of themselves, in one dict."""
        with self._changing:
            started = self._started()
        merged: dict[str, Any] = {}
        for backend in started:
            merge(merged, backend.members.stats(in_ms) or {})
        return merged

    def _started(self) -> list[Registered]:
        return [backend for backend in self._by_id.values() if backend.is_started]

    def _taken_out(self) -> list[Registered]:
        with self._changing:
            started = self._started()
            for backend in started:
                backend.is_started = False
            return started

    def _prepared(self, name: str) -> Registered | None:
        from . import execBackendMap

        known = self._by_id.get(getattr(execBackendMap.get(name), "_id", name))
        return known if known is not None and name in execBackendMap else None

    def _count_lost(self, backend_id: str, lost: Any) -> None:
        if isinstance(lost, int) and lost > 0:
            self._stats.count_lost(lost)
            self._log.write(WARNING, f"exec backend {backend_id!r} stopped with {lost} notifications not finished")


def merge(into: dict[str, Any], told: dict[str, Any]) -> None:
    """Add what is told; dicts are merged, and nothing that is there already is replaced."""
    for key, value in told.items():
        present = into.setdefault(key, dict(value) if isinstance(value, dict) else value)
        if isinstance(present, dict) and isinstance(value, dict):
            into[key] = {**value, **present}


def stop_at_exit(reference: weakref.ref[ExecBackends]) -> None:
    if (backends := reference()) is not None:
        backends.stop()
