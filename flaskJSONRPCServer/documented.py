"""The documented underscore methods of the server: each one statement, which delegates to the component that works.

Those that need no server are in :mod:`flaskJSONRPCServer.helpers`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import flask

from .dispatch.overrides import OVERRIDABLE, parsed_request, prepared_response
from .dispatch.routes import format_path
from .engine import Engine
from .helpers import ProcessHelpers
from .http import gzip
from .http.body import gunzip
from .http.json_types import to_json_type
from .http.request import RequestCopy
from .http.response import calculated_type, compressed
from .reloading import Reloader
from .runtime.logs import WARNING, split_level
from .runtime.parent import in_parent_only
from .runtime.patching import patch
from .sansio_jsonrpc import encode_object
from .wsgi import answer_of_flask, environ_at, process_of_flask

__all__ = ["DocumentedHelpers"]


class DocumentedHelpers(ProcessHelpers):
    """The helpers that users of the server may call."""

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

    def _formatPath(self, path: str = "") -> str:
        """Return the path with a slash at both ends; see :func:`~flaskJSONRPCServer.dispatch.routes.format_path`."""
        return format_path(path)

    def _getServerUrl(self, *args: Any) -> list[str]:
        """Return the Flask rules of the served application, such as ``/api/<method>``."""
        return self._engine.urls()

    @in_parent_only
    def _registerServerUrl(
        self, urlMap: Mapping[str, Callable[..., Any]], methods: Collection[str] | None = None
    ) -> None:
        """Add URLs with their view functions; see :meth:`~flaskJSONRPCServer.engine.Engine.add_urls`."""
        self._engine.add_urls(urlMap, methods or ("GET", "OPTIONS", "POST"))

    def _requestHandler(self, path: str, method: str | None = None) -> flask.Response:
        """Answer ``flask.request`` as one for a path, or by GET for a method.

        See :func:`~flaskJSONRPCServer.wsgi.answer_of_flask`.
        """
        return answer_of_flask(self._engine.pipeline(), environ_at(path, method))

    def _requestProcess(self, path: str, method: str | None) -> flask.Response:
        """Answer ``flask.request``, leaving errors to its caller.

        See :func:`~flaskJSONRPCServer.wsgi.process_of_flask`.
        """
        return process_of_flask(self._engine.pipeline(), environ_at(path, method))

    def _parseRequest(self, data: str | bytes) -> tuple[bool, Any]:
        """Read a request's text, and return ``(status, requests)``.

        See :func:`~flaskJSONRPCServer.dispatch.overrides.parsed_request`.
        """
        return parsed_request(self._parseJSON, data, max_batch_length=self._engine.settings.max_batch_length)

    def _prepResponse(self, data: Mapping[str, Any], isError: bool = False) -> dict[str, Any]:
        """Return a response object; see :func:`~flaskJSONRPCServer.dispatch.overrides.prepared_response`."""
        return prepared_response(data, is_error=isError)

    def _calcMimeType(self, request: Any) -> str:
        """Return the media type of the answer to a Flask or Werkzeug request."""
        return calculated_type(request)

    def _fixJSON(self, o: Any) -> Any:
        """Return what stands for a value that JSON has no type for; override it for types of your own.

        See :func:`~flaskJSONRPCServer.http.json_types.to_json_type`.
        """
        return to_json_type(o)

    def _parseJSON(self, data: str | bytes) -> Any:
        """Return the value of a JSON text, read by the ``jsonBackend`` under the limits of the settings."""
        return self._engine.codec.loads(data.encode() if isinstance(data, str) else data)

    def _serializeJSON(self, data: Any) -> str:
        """Return a value as JSON text, written by the ``jsonBackend``."""
        return encode_object(self._engine.codec, data).decode()

    def _compressGZIP(self, data: str | bytes) -> bytes:
        """Compress with gzip; see :func:`~flaskJSONRPCServer.http.gzip.compress`."""
        return gzip.compress(data.encode() if isinstance(data, str) else data)

    def _compressResponse(self, resp: Any) -> Any:
        """Compress a Flask or Werkzeug response in its place, and return it.

        See :func:`~flaskJSONRPCServer.http.response.compressed`.
        """
        return compressed(resp, self._compressGZIP)

    def _uncompressGZIP(self, data: bytes) -> bytes:
        """Decompress gzip under ``max_body_bytes``; see :func:`~flaskJSONRPCServer.http.body.gunzip`."""
        return gunzip(data, limit_bytes=self._engine.settings.max_body_bytes)

    def _copyRequestContext(self, request: Any) -> RequestCopy:
        """Return a Flask or Werkzeug request as a dict that outlives its thread, as ``auth`` is given it."""
        return self._engine.request_copy(request)

    def _logger(self, level: Any, *args: Any) -> None:
        """Write to the server's log; without a level from 0 to 4 the message is critical."""
        self._engine.log.emit(*self._loggerPrep(level, args))

    def _loggerPrep(self, level: Any, args: Iterable[Any]) -> tuple[int, list[Any]]:
        """Return the level and the parts of a message; where no level is given, that of a critical one."""
        return split_level(level, args)

    def _patchWithGevent(self) -> None:
        """Let gevent patch this process, unless that has been done; what came too early for it is logged.

        See :func:`~flaskJSONRPCServer.runtime.patching.patch`.
        """
        for sentence in patch():
            self._engine.log.write(WARNING, sentence)

    @in_parent_only
    def _registerExecBackend(self, execBackend: Any, notif: bool) -> str:
        """Add an exec backend, to be started with the server; return its ``_id``.

        See :meth:`~flaskJSONRPCServer.engine.Engine.register_exec_backend`.
        """
        return self._engine.register_exec_backend(execBackend, notif=notif)

    @in_parent_only
    def _registerServBackend(self, servBackend: Any) -> str:
        """Let another serving backend serve from the next start on; return its ``_id``.

        See :meth:`~flaskJSONRPCServer.engine.Engine.register_serv_backend`.
        """
        return self._engine.register_serv_backend(servBackend)

    @in_parent_only
    def _startExecBackends(self) -> None:
        """Start the exec backends that have not been started."""
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
        """Wait, for ``timeout`` seconds, until no more than so many dispatchers run; tell whether that is so."""
        left = self._engine.stats.wait_calls_idle(timeout, processingDispatcherCountMax)
        return left <= processingDispatcherCountMax

    @in_parent_only
    def _deepLock(self) -> None:
        """Hold every request, those for pages of Flask too, until :meth:`_deepUnlock`. What has begun is finished."""
        self._engine.locks.deep_lock()

    @in_parent_only
    def _deepUnlock(self) -> None:
        """End :meth:`_deepLock`; ``unlock()`` does not."""
        self._engine.locks.deep_unlock()

    @in_parent_only
    def _reload(
        self,
        api: Any,
        clearOld: bool = False,
        timeout: float = 60,
        processingDispatcherCountMax: int = 0,
        safely: bool = True,
    ) -> bool:
        """Replace dispatchers by newer ones; see :meth:`~flaskJSONRPCServer.reloading.Reloader.reload`."""
        return self._reloader.reload(
            api, clear_old=clearOld, timeout_s=timeout, allowed=processingDispatcherCountMax, safely=safely
        )

    def _speedStatsAdd(self, name: str | Sequence[str], val: float | Sequence[float]) -> None:
        """Count durations in milliseconds, for ``stats()['speedStats']``: one, or a list for one name or for several.

        See :meth:`~flaskJSONRPCServer.runtime.stats.Stats.add_durations`.
        """
        self._engine.stats.add_durations(name, val)

    @in_parent_only
    def _controlGC(self, force: bool = False) -> bool:
        """Collect garbage if it is due, or with ``force``; see :meth:`~.runtime.garbage.GarbageControl.collect`."""
        return self._engine.garbage.collect(force=force)
