"""The exec backends of one server."""

from __future__ import annotations

import atexit
import inspect
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from ..dispatch.backend_context import BackendContext
from ..dispatch.exec_backend import CallAnswer, ExecBackend
from ..dispatch.facade import ServerFacade
from ..errors import ServerStateError, SettingsError, unknown_name
from ..runtime.asynchronous import in_hub
from ..runtime.logs import WARNING
from ..runtime.members import member_of
from ..runtime.stats import Stats
from .counts import CountReader, Counts

__all__ = ["BackendObject", "BackendOption", "ExecBackends", "RegisteredBackend", "check_complete", "merge"]

BackendObject = ExecBackend | Mapping[str, Any]
"""An exec backend as the user gives it: an object, or a dict of its members."""

BackendOption = str | BackendObject
"""The value of an option: also the name of a backend of the package."""

_EXIT_TIMEOUT_S = 20  # for the calls under way when the program ends without a stop


class RegisteredBackend:
    """An exec backend of one server. The first call starts it, unless the server has.

    Args:
        backend: The object or dict, which :func:`check_complete` has checked; see
            :class:`~flaskJSONRPCServer.dispatch.exec_backend.ExecBackend`.
        owner: The backends of the server.

    Attributes:
        _id: The name of the backend.
        backend: The object or dict.
        keeps_deadlines: Whether the backend itself answers each call at its deadline.
        cancel: Ends a call that its caller has cancelled; None if the backend cannot do that.
    """

    def __init__(self, backend: BackendObject, owner: ExecBackends) -> None:
        self.backend = backend
        self.keeps_deadlines = member_of(backend, "keeps_deadlines") is True
        self._id = str(member_of(backend, "_id"))
        self.is_started = False  # written under the owner's lock, read without it
        self.check: Callable[[str, Any], CallAnswer] = member_of(backend, "check")
        self.cancel: Callable[[str, Any], object] | None = member_of(backend, "cancel")
        self._add: Callable[..., tuple[bool, Any, Any]] = member_of(backend, "add")
        self._owner = owner

    def add(
        self, uniqueId: str, path: str, dataIn: dict[str, Any], request: Any, isJSONP: str | bool = False
    ) -> tuple[bool, Any, Any]:
        """Submit a call, as :meth:`~flaskJSONRPCServer.dispatch.exec_backend.ExecBackend.add`."""
        if not self.is_started:
            self._owner.start_one(self)
        return self._add(uniqueId, path, dataIn, request, isJSONP)

    def ensure_started(self) -> None:
        """Start the backend, unless it is running."""
        if not self.is_started:
            self._owner.start_one(self)

    def start(self, server: ServerFacade) -> None:
        """Start the backend, if it has a ``start``."""
        if start := member_of(self.backend, "start"):
            start(server)

    def stop(self, server: ServerFacade, timeout: float, processingDispatcherCountMax: int) -> int | None:
        """Stop the backend; return how many notifications it accepted and did not finish, None if it does not know."""
        stop = member_of(self.backend, "stop")
        return stop(server, timeout, processingDispatcherCountMax) if stop else None

    def stats(self, inMS: bool) -> dict[str, Any]:
        """Return the statistics of the backend; empty if it has none."""
        stats = member_of(self.backend, "stats")
        report = (stats(inMS) if stats else None) or {}
        if not isinstance(report, dict):
            raise TypeError(f"stats() of the exec backend {self._id!r} returned {report!r}; it returns a dict")
        return report


def check_complete(backend: BackendObject, *, notif: bool) -> None:
    """Raise SettingsError for a backend that lacks ``_id``, ``add`` or ``check``, or is a class, not an object."""
    option = "notifBackend" if notif else "dispatcherBackend"
    if isinstance(backend, type) and inspect.isfunction(inspect.getattr_static(backend, "add", None)):
        raise SettingsError(f"{option}={backend.__name__} is refused: it is a class; give it {backend.__name__}()")
    if not member_of(backend, "_id") or not callable(member_of(backend, "add")):
        raise SettingsError(f"{option}={backend!r} is refused: a custom one has '_id' and a function 'add'")
    if not notif and not callable(member_of(backend, "check")):
        raise SettingsError(f"{option}={backend!r} is refused: without a function 'check' it runs notifications only")
    for name in ("start", "stop", "stats", "cancel"):
        member = member_of(backend, name)
        if member is not None and not callable(member):
            raise SettingsError(f"{option}={backend!r} is refused: its {name!r} is {member!r}, which is no function")


class ExecBackends:
    """Registers, starts and stops the exec backends of one server.

    Args:
        context: The parts of the server.
        stats: The statistics that count lost notifications.
    """

    def __init__(self, context: BackendContext, stats: Stats) -> None:
        self._context = context
        self._stats = stats
        self._counts = CountReader(context.log)
        self._changing = threading.RLock()  # reentrant: a backend's start may register another
        self._by_id: dict[str, RegisteredBackend] = {}  # guarded by _changing
        self._unfinished: list[RegisteredBackend] = []  # an interrupted stop has left them; guarded by _changing
        self._stops_at_exit = False  # guarded by _changing

    @in_hub
    def register(self, option: BackendOption, *, notif: bool) -> RegisteredBackend | None:
        """Register a backend, unless it is registered already.

        Args:
            option: A name, an object or a dict.
            notif: Whether the backend is for notifications.

        Returns:
            The backend; None for ``simple``, which runs calls in the serving thread.

        Raises:
            SettingsError: The package has no backend of this name, the object is incomplete, or another backend has the
                same ``_id``.
        """
        from . import find_exec_backend

        with self._changing:
            if isinstance(option, str) and (registered := self._find(option)) is not None:
                return registered
            backend = find_exec_backend(option, notif=notif)
            if backend is None:
                return None
            new = RegisteredBackend(backend, self)
            registered = self._by_id.setdefault(new._id, new)
            if registered.backend is not backend and not isinstance(option, str):
                raise SettingsError(f"another exec backend has the _id {new._id!r} already; give this one its own")
            return registered

    @in_hub
    def start(self) -> None:
        """Start all backends that are not running.

        Raises:
            Exception: Any exception of a backend's own ``start``.
        """
        with self._changing:
            for backend in list(self._by_id.values()):
                self.start_one(backend)

    def start_one(self, backend: RegisteredBackend) -> None:
        """Start one backend, unless it is running."""
        with self._changing:
            if backend.is_started:
                return
            backend.start(self._context.facade)
            backend.is_started = True
            if not self._stops_at_exit:  # a program that serves getWSGI() on its own never calls stop()
                self._stops_at_exit = True
                atexit.register(stop_at_exit, weakref.ref(self))

    @in_hub
    def stop(self, timeout_s: float = _EXIT_TIMEOUT_S, allowed: int = 0) -> None:
        """Stop all running backends and count the notifications that they lose.

        If it is interrupted, the next call finishes it. A backend whose own stop raises is not stopped again.

        Args:
            timeout_s: How long to wait for all of them together, in seconds.
            allowed: The number of running dispatchers that need not be waited for.

        Raises:
            BaseException: An exception of a backend's own ``stop``; the others have been stopped too.
        """
        deadline = time.monotonic() + timeout_s
        with ExitStack() as stops:  # it goes on after a failure, and raises the last one at its end
            for backend in reversed(self._mark_stopped()):
                stops.callback(self._stop_one, backend, deadline, allowed)

    def _stop_one(self, backend: RegisteredBackend, deadline: float, allowed: int) -> None:
        # Not under the lock: a call that is waited for may read the statistics.
        try:
            lost = backend.stop(self._context.facade, max(0.0, deadline - time.monotonic()), allowed)
        except BaseException as exc:
            if not isinstance(exc, Exception):  # interrupted: the next stop goes on with it
                with self._changing:
                    self._unfinished.append(backend)
            raise
        self._count_lost(backend._id, lost)

    def readiness_checks(self) -> dict[str, Callable[[], object]]:
        """Return the functions of the backends that say whether they can take calls, by the backends' names."""
        checks = {backend._id: member_of(backend.backend, "is_ready") for backend in list(self._by_id.values())}
        return {name: check for name, check in checks.items() if callable(check)}

    def celery_app(self, backend_id: str | None = None) -> Any:
        """Return the Celery application of a backend.

        Args:
            backend_id: The ``_id`` of the backend; None for the first one that has an application.

        Raises:
            ServerStateError: No backend has an application, or this one has none.
        """
        makers = {
            registered._id: registered.backend.celery_app
            for registered in list(self._by_id.values())
            if hasattr(registered.backend, "celery_app")
        }
        if not makers:
            raise ServerStateError(
                f"server {self._context.name!r} has no celery backend; give it dispatcherBackend='celery', or "
                "notifBackend='celery'"
            )
        chosen = next(iter(makers)) if backend_id is None else backend_id
        if chosen not in makers:
            raise ServerStateError(unknown_name("celery backend", chosen, makers))
        return makers[chosen](self._context)

    @in_hub
    def report(self, *, in_ms: bool) -> dict[str, Any]:
        """Return the statistics of the running backends, merged into one dict."""
        merged: dict[str, Any] = {}
        for backend in self.running():
            merge(merged, backend.stats(in_ms))
        return merged

    @in_hub
    def running(self) -> list[RegisteredBackend]:
        """Return the backends that are running."""
        with self._changing:
            return self._running()

    @in_hub
    def counts(self) -> dict[str, Counts | None]:
        """Return the counts of each running backend by its ``_id``; None for one whose ``stats`` raises."""
        return {backend._id: self._counts.read(backend) for backend in self.running()}

    def _running(self) -> list[RegisteredBackend]:
        return [backend for backend in self._by_id.values() if backend.is_started]

    def _mark_stopped(self) -> list[RegisteredBackend]:
        """Mark all running backends as stopped and return them, and those that an earlier stop left."""
        with self._changing:
            running = self._running()
            for backend in running:
                backend.is_started = False
            left = [backend for backend in self._unfinished if backend not in running]
            self._unfinished.clear()
            return left + running

    def _find(self, name: str) -> RegisteredBackend | None:
        """Return the registered backend of the package that has this name, or None."""
        from . import execBackendMap

        if name not in execBackendMap:
            return None
        return self._by_id.get(getattr(execBackendMap[name], "_id", name))

    def _count_lost(self, backend_id: str, lost: int | None) -> None:
        if isinstance(lost, int) and lost > 0:  # a custom backend may return anything
            self._stats.count_lost(lost)
            self._context.log.write(
                WARNING, f"exec backend {backend_id!r} stopped with {lost} notifications not finished"
            )


def merge(target: dict[str, Any], update: Mapping[str, Any]) -> None:
    """Merge ``update`` into ``target`` without overwriting; nested dicts are merged one level deep."""
    for key, value in update.items():
        present = target.setdefault(key, dict(value) if isinstance(value, dict) else value)
        if isinstance(present, dict) and isinstance(value, dict):
            target[key] = {**value, **present}


def stop_at_exit(reference: weakref.ref[ExecBackends]) -> None:
    """Stop the backends of a server that still exists: the exit handler must not keep it alive."""
    if (backends := reference()) is not None:
        backends.stop()
