"""The documented underscore methods that need the whole server: one statement each, which delegates to a component.

Those that a child process has too are in :mod:`flaskJSONRPCServer.message_helpers`, and those that need no server in
:mod:`flaskJSONRPCServer.helpers`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import flask

from .dispatch.overrides import OVERRIDABLE
from .engine import Engine
from .http.request import RequestCopy
from .message_helpers import MessageHelpers
from .mounting.answers import answer_of_flask, environ_at, process_of_flask
from .reloading import Reloader
from .runtime.logs import WARNING
from .runtime.parent import in_parent_only
from .runtime.patching import patch
from .sansio_jsonrpc import Codec

__all__ = ["DocumentedHelpers"]


class DocumentedHelpers(MessageHelpers):
    """The documented underscore methods of the server."""

    _engine: Engine
    _reloader: Reloader

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in OVERRIDABLE and "_engine" in vars(self):  # a subclass may assign before it calls our __init__
            self._engine.rebuild()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name in OVERRIDABLE:
            self._engine.rebuild()

    @property
    def _codec(self) -> Codec:
        return self._engine.codec

    def _getServerUrl(self, *args: Any) -> list[str]:
        """Return the Flask rules of the served application, such as ``/api/<method>``."""
        return self._engine.mounts.urls()

    @in_parent_only
    def _registerServerUrl(
        self, urlMap: Mapping[str, Callable[..., Any]], methods: Collection[str] | None = None
    ) -> None:
        """Add URLs with their view functions; see :meth:`~flaskJSONRPCServer.engine.Engine.add_urls`."""
        self._engine.mounts.add_pages(urlMap, methods or ("GET", "OPTIONS", "POST"))

    def _requestHandler(self, path: str, method: str | None = None) -> flask.Response:
        """Answer ``flask.request`` for a path, or by GET for a method.

        See :func:`~flaskJSONRPCServer.mounting.answers.answer_of_flask`.
        """
        return answer_of_flask(self._engine.pipeline(), environ_at("", path, method))

    def _requestProcess(self, path: str, method: str | None) -> flask.Response:
        """Answer ``flask.request``, and raise errors to the caller.

        See :func:`~flaskJSONRPCServer.mounting.answers.process_of_flask`.
        """
        return process_of_flask(self._engine.pipeline(), environ_at("", path, method))

    def _copyRequestContext(self, request: Any) -> RequestCopy:
        """Return a Flask or Werkzeug request as the dict that ``auth`` gets, which outlives the request's thread."""
        return self._engine.request_copy(request)

    def _logger(self, level: Any, *args: Any) -> None:
        """Write to the server's log; a message without a level from 0 to 4 is critical."""
        self._engine.log.emit(*self._loggerPrep(level, args))

    def _patchWithGevent(self) -> None:
        """Patch this process with gevent, unless it is patched already; warn of modules imported too early.

        See :func:`~flaskJSONRPCServer.runtime.patching.patch`.
        """
        for sentence in patch():
            self._engine.log.write(WARNING, sentence)

    @in_parent_only
    def _registerExecBackend(self, execBackend: Any, notif: bool) -> str:
        """Register an exec backend, which starts with the server, and return its ``_id``.

        See :meth:`~flaskJSONRPCServer.engine.Engine.register_exec_backend`.
        """
        return self._engine.register_exec_backend(execBackend, notif=notif)

    @in_parent_only
    def _registerServBackend(self, servBackend: Any) -> str:
        """Register the serving backend for the next start, and return its ``_id``.

        See :meth:`~flaskJSONRPCServer.engine.Engine.register_serv_backend`.
        """
        return self._engine.register_serv_backend(servBackend)

    @in_parent_only
    def _startExecBackends(self) -> None:
        """Start the exec backends that do not run yet."""
        self._engine.exec_backends.start()

    @in_parent_only
    def _stopExecBackends(self, timeout: float = 20, processingDispatcherCountMax: int = 0) -> None:
        """Stop the exec backends; see :meth:`~flaskJSONRPCServer.engine.Engine.stop_exec_backends`."""
        self._engine.stop_exec_backends(timeout, processingDispatcherCountMax)

    def _callDispatcher(
        self,
        uniqueId: str,
        path: str,
        data: Mapping[str, Any],
        request: Mapping[str, Any],
        isJSONP: str | bool = False,
        nativeThread: bool | None = None,
        overload: Mapping[str, Any] | Callable[[Any], Any] | None = None,
    ) -> tuple[bool, Any, Any]:
        """Make a call for an exec backend, and return ``(status, params, result)``.

        See :meth:`~flaskJSONRPCServer.dispatch.execution.Execution.call`.
        """
        return self._engine.execution().call(
            uniqueId, path, data, request, is_jsonp=isJSONP, native_thread=nativeThread, overload=overload
        )

    @in_parent_only
    def _waitProcessingDispatchers(self, timeout: float = 20, processingDispatcherCountMax: int = 0) -> bool:
        """Wait until at most ``processingDispatcherCountMax`` dispatchers run; return whether they do at the end.

        ``timeout`` is in seconds.
        """
        left = self._engine.stats.wait_calls_idle(timeout, processingDispatcherCountMax)
        return left <= processingDispatcherCountMax

    @in_parent_only
    def _deepLock(self) -> None:
        """Hold every request, also for pages of Flask, until :meth:`_deepUnlock`. Requests under way are finished."""
        self._engine.locks.deep_lock()

    @in_parent_only
    def _deepUnlock(self) -> None:
        """End :meth:`_deepLock`; ``unlock()`` does not end it."""
        self._engine.locks.deep_unlock()

    @in_parent_only
    def _reload(
        self,
        api: Any,
        clearOld: bool = False,
        timeout: float = 60,
        processingDispatcherCountMax: int = 0,
        safely: bool = True,
        *,
        contract: str | None = None,
    ) -> bool:
        """Replace dispatchers by newer ones; see :meth:`~flaskJSONRPCServer.reloading.Reloader.reload`."""
        return self._reloader.reload(
            api,
            clear_old=clearOld,
            timeout_s=timeout,
            allowed=processingDispatcherCountMax,
            safely=safely,
            contract=contract,
        )

    def _speedStatsAdd(self, name: str | Sequence[str], val: float | Sequence[float]) -> None:
        """Add durations in milliseconds to ``stats()['speedStats']``: one, or a list for one name or for several.

        See :meth:`~flaskJSONRPCServer.runtime.stats.Stats.add_durations`.
        """
        self._engine.stats.add_durations(name, val)

    @in_parent_only
    def _controlGC(self, force: bool = False) -> bool:
        """Collect garbage if it is time, or with ``force``; see :meth:`~.runtime.garbage.GarbageControl.collect`."""
        return self._engine.garbage.collect(force=force)
