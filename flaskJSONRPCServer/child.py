"""The server, as dispatchers see it in a child process of an exec backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, NoReturn

from .dispatch.connection import ABOUT
from .dispatch.overrides import parsed_request, prepared_response
from .dispatch.routes import format_path
from .errors import ServerStateError
from .execBackend.parallel.child import ChildServer
from .helpers import ProcessHelpers
from .http import gzip
from .http.body import gunzip
from .http.json_types import to_json_type
from .http.response import calculated_type, compressed
from .runtime.asynchronous import call_async
from .runtime.logs import ServerLog, split_level
from .runtime.stats import paired
from .sansio_jsonrpc import Codec, JsonLimits, make_codec

__all__ = ["ChildFacade"]

Dispatcher = Callable[..., Any]


class ChildSettings:
    """The settings of the server that are plain values, as attributes. They cannot be changed.

    Args:
        values: The settings by name.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        vars(self).update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"setting {name!r} is unknown, or an object that only the server's own process has")

    def __setattr__(self, name: str, value: Any) -> None:
        raise ServerStateError(
            f"setting {name!r} cannot be changed in a child process; set it before the server starts"
        )


class ChildFacade(ProcessHelpers):
    """What stands for the server in a child. What is about the server acts on the parent's; helpers work right here.

    The methods of :data:`PARENT_ONLY`, which are about the parent's process, raise
    :class:`~flaskJSONRPCServer.errors.ServerStateError`.

    Args:
        child: What makes the calls of this process.
    """

    aboutMagicVarForDispatcher = ABOUT

    def __init__(self, child: ChildServer) -> None:
        self._child = child
        super().__init__()
        self._ask = child.channel.request
        self._locks = child.locks
        self.settings = ChildSettings(child.setup.settings)

    @property
    def setts(self) -> ChildSettings:
        """The settings, under their short name."""
        return self.settings

    @property
    def name(self) -> str:
        """The server's name."""
        return self._child.setup.name

    @property
    def log(self) -> ServerLog:
        """What writes to the server's log."""
        return self._child.log

    @property
    def addresses(self) -> list[Any]:
        """Where the server listens."""
        return [tuple(each) if isinstance(each, list) else each for each in self._ask("addresses", {})]

    @property
    def flaskApp(self) -> NoReturn:
        """Only the parent has it."""
        raise parent_only("flaskApp")

    @property
    def celery(self) -> NoReturn:
        """In the parent only."""
        raise parent_only("celery")

    def _inChild(self) -> bool:
        """Tell that this is a child."""
        return True

    def _findParentModule(self) -> None:
        """Let ``_parentModule`` be what a child has of the main program: its file, and the globals that were sent."""
        super()._findParentModule()
        if self._child.setup.script is not None:
            vars(self._parentModule).setdefault("__file__", self._child.setup.script)

    def lock(self, dispatcher: Dispatcher | None = None) -> None:
        """Hold every call, or those of one dispatcher, until :meth:`unlock`."""
        self._locks.lock(self._locks.key_of(dispatcher))

    def unlock(self, dispatcher: Dispatcher | None = None, exclusive: bool = False) -> None:
        """Let calls run again; ``exclusive`` even while the server is locked."""
        self._locks.unlock(self._locks.key_of(dispatcher), exclusive=exclusive)

    def wait(
        self,
        dispatcher: Dispatcher | None = None,
        sleepMethod: Callable[[float], Any] | None = None,
        returnStatus: bool = False,
    ) -> bool | None:
        """Block until the server, or a dispatcher, may run; with ``returnStatus`` tell at once whether it is locked."""
        key = self._locks.key_of(dispatcher)
        if returnStatus:
            return self._locks.is_locked(key)
        if sleepMethod is None:
            self._locks.wait_in_period(key)
        else:
            self._locks.wait(key, sleepMethod, self.settings.sleepTime_waitLock)
        return None

    def stats(self, inMS: bool = False) -> dict[str, Any]:
        """Return the statistics of the server."""
        report: dict[str, Any] = self._ask("stats", {"inMS": bool(inMS)})
        return report

    def callAsync(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        sleepTime: float = 0.45,
        sleepMethod: Callable[[float], Any] | None = None,
        returnChecker: bool = False,
    ) -> Any:
        """Run a function in a native thread of this process, and wait for it."""
        return call_async(target, args, kwargs, sleep=sleepMethod, sleep_s=sleepTime, return_checker=returnChecker)

    def _deepLock(self) -> None:
        """Hold every request until :meth:`_deepUnlock`."""
        self._ask("deepLock", {})

    def _deepUnlock(self) -> None:
        """End :meth:`_deepLock`."""
        self._ask("deepUnlock", {})

    def _waitProcessingDispatchers(self, timeout: float = 20, processingDispatcherCountMax: int = 0) -> bool:
        """Wait until no more than so many dispatchers run, this thread's own not counted; tell whether that is so."""
        own = self._child.stats.thread_counters().calls_running()
        allowed = processingDispatcherCountMax + own
        return bool(self._ask("waitProcessingDispatchers", {"timeout": timeout, "allowed": allowed}))

    def _speedStatsAdd(self, name: str | Sequence[str], val: float | Sequence[float]) -> None:
        """Count durations in milliseconds, for ``stats()['speedStats']``."""
        counted = paired(name, val)
        names, durations = [each for each, _ in counted], [duration for _, duration in counted]
        self._ask("speedStatsAdd", {"names": names, "durations": durations})

    def _logger(self, level: Any, *args: Any) -> None:
        """Write to the server's log; without a level from 0 to 4 the message is critical."""
        self._child.log.write_documented(level, args)

    def _loggerPrep(self, level: Any, args: Iterable[Any]) -> tuple[int, list[Any]]:
        """Return the level and the parts of a message; where no level is given, that of a critical one."""
        return split_level(level, args)

    def _getServerUrl(self, *args: Any) -> list[str]:
        """Return the Flask rules of the served application."""
        urls: list[str] = self._ask("urls", {})
        return urls

    def _formatPath(self, path: str = "") -> str:
        """Return the path with a slash at both ends."""
        return format_path(path)

    def _fixJSON(self, o: Any) -> Any:
        """Return what stands for a value that JSON has no type for."""
        return to_json_type(o)

    def _parseJSON(self, data: str | bytes) -> Any:
        """Return the value of a JSON text."""
        return self._codec.loads(data.encode() if isinstance(data, str) else data)

    def _serializeJSON(self, data: Any) -> str:
        """Return a value as JSON text."""
        return self._codec.dumps(data).decode()

    def _parseRequest(self, data: str | bytes) -> tuple[bool, Any]:
        """Read a request's text, and return ``(status, requests)``."""
        return parsed_request(self._parseJSON, data, max_batch_length=self.settings.max_batch_length)

    def _prepResponse(self, data: Mapping[str, Any], isError: bool = False) -> dict[str, Any]:
        """Return a response object."""
        return prepared_response(data, is_error=isError)

    def _calcMimeType(self, request: Any) -> str:
        """Return the media type of the answer to a Flask or Werkzeug request."""
        return calculated_type(request)

    def _compressGZIP(self, data: str | bytes) -> bytes:
        """Compress with gzip."""
        return gzip.compress(data.encode() if isinstance(data, str) else data)

    def _compressResponse(self, resp: Any) -> Any:
        """Compress a Flask or Werkzeug response in its place, and return it."""
        return compressed(resp, self._compressGZIP)

    def _uncompressGZIP(self, data: bytes) -> bytes:
        """Decompress gzip under ``max_body_bytes``."""
        return gunzip(data, limit_bytes=self.settings.max_body_bytes)

    @cached_property
    def _codec(self) -> Codec:
        settings = self.settings
        limits = JsonLimits(max_depth=settings.max_nesting_depth, max_integer_digits=settings.max_integer_digits)
        return make_codec(settings.jsonBackend, default=self._fixJSON, limits=limits)


PARENT_ONLY: Final = (
    "_callDispatcher",
    "_controlGC",
    "_copyRequestContext",
    "_mergeGlobalsToParent",
    "_patchWithGevent",
    "_registerExecBackend",
    "_registerServBackend",
    "_registerServerUrl",
    "_reload",
    "_requestHandler",
    "_requestProcess",
    "_startExecBackends",
    "_stopExecBackends",
    "getWSGI",
    "init_app",
    "registerFunction",
    "registerInstance",
    "reload",
    "restart",
    "serveForever",
    "start",
    "stop",
)
"""What can be done in the parent only: it changes its routes and backends, or needs its modules."""


def parent_only(name: str) -> ServerStateError:
    return ServerStateError(
        f"{name} is used in a child process of the exec backend 'parallel'; use it in the server's own process"
    )


def refused(name: str) -> Callable[..., NoReturn]:
    """Return a method that only says where to call it instead."""

    def method(self: ChildFacade, *args: Any, **kwargs: Any) -> NoReturn:
        raise parent_only(f"{name}()")

    method.__name__ = name
    return method


for _name in PARENT_ONLY:
    setattr(ChildFacade, _name, refused(_name))
