"""The server, as dispatchers see it in a child process of the backend ``parallel``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, cast

from ...dispatch.locks import Locks
from ...dispatch.overrides import json_limits
from ...errors import ServerStateError
from ...message_helpers import MessageHelpers
from ...runtime.asynchronous import call_async
from ...runtime.logs import ServerLog
from ...runtime.stats import Stats, paired
from ...sansio_jsonrpc import Codec, make_codec
from ...settings import Settings
from .channel import ChannelClient
from .messages import ChildSetup

__all__ = ["PARENT_ONLY", "ChildFacade", "ChildSettings"]

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


class ChildFacade(MessageHelpers):
    """The server's stand-in. Methods that concern the server act on the parent's; helpers work in this process.

    The methods of :data:`PARENT_ONLY`, which concern the parent's process, raise
    :class:`~flaskJSONRPCServer.errors.ServerStateError`.

    Args:
        setup: The setup of the child.
        channel: The channel to the parent.
        locks: The locks of the parent.
        stats: The counts of this process.
        log: Writes to the parent's log.
    """

    def __init__(self, setup: ChildSetup, channel: ChannelClient, locks: Locks, stats: Stats, log: ServerLog) -> None:
        self._setup = setup
        super().__init__()
        self._ask = channel.request
        self._locks = locks
        self._stats = stats
        self._log = log
        self._codec_if_made: Codec | None = None
        self.settings = cast("Settings", ChildSettings(setup.settings))

    @property
    def _codec(self) -> Codec:
        # Made when first used: most dispatchers never need it, and its module takes a while to import.
        if self._codec_if_made is None:
            settings = self.settings
            limits = json_limits(settings)
            self._codec_if_made = make_codec(settings.jsonBackend, default=self._fixJSON, limits=limits)
        return self._codec_if_made

    @property
    def name(self) -> str:
        """The server's name."""
        return self._setup.name

    @property
    def log(self) -> ServerLog:
        """The log, which writes to the server's log."""
        return self._log

    @property
    def addresses(self) -> list[Any]:
        """The addresses that the server listens on."""
        addresses = self._ask("addresses", {})
        return [tuple(address) if isinstance(address, list) else address for address in addresses]

    @property
    def flaskApp(self) -> NoReturn:
        """In the parent only."""
        raise parent_only("flaskApp")

    @property
    def urls(self) -> NoReturn:
        """In the parent only."""
        raise parent_only("urls")

    @property
    def metrics_address(self) -> NoReturn:
        """In the parent only."""
        raise parent_only("metrics_address")

    @property
    def celery(self) -> NoReturn:
        """In the parent only."""
        raise parent_only("celery")

    def _inChild(self) -> bool:
        """Return True: this is a child."""
        return True

    def _findParentModule(self) -> None:
        """Set ``_parentModule`` to the child's copy of the main program: its file, and the globals that were sent."""
        super()._findParentModule()
        if self._setup.script is not None:
            vars(self._parentModule).setdefault("__file__", self._setup.script)

    def lock(self, dispatcher: Dispatcher | None = None) -> None:
        """Hold every call, or those of one dispatcher, until :meth:`unlock`."""
        self._locks.lock(self._locks.key_of(dispatcher))

    def unlock(self, dispatcher: Dispatcher | None = None, exclusive: bool = False) -> None:
        """Release calls; with ``exclusive``, even while the server is locked."""
        self._locks.unlock(self._locks.key_of(dispatcher), exclusive=exclusive)

    def wait(
        self,
        dispatcher: Dispatcher | None = None,
        sleepMethod: Callable[[float], Any] | None = None,
        returnStatus: bool = False,
    ) -> bool | None:
        """Block until the server, or a dispatcher, is unlocked; with ``returnStatus``, return whether it is locked."""
        key = self._locks.key_of(dispatcher)
        if returnStatus:
            return self._locks.is_locked(key)
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
        """Wait until at most so many dispatchers run, this thread's own not counted; return whether they do."""
        own = self._stats.own_calls()
        allowed = processingDispatcherCountMax + own
        timeout_s = min(timeout, threading.TIMEOUT_MAX)  # JSON has no infinity
        return bool(self._ask("waitProcessingDispatchers", {"timeout": timeout_s, "allowed": allowed}))

    def _speedStatsAdd(self, name: str | Sequence[str], val: float | Sequence[float]) -> None:
        """Add durations in milliseconds to ``stats()['speedStats']``."""
        pairs = paired(name, val)
        names, durations = [name for name, _ in pairs], [duration for _, duration in pairs]
        self._ask("speedStatsAdd", {"names": names, "durations": durations})

    def _logger(self, level: Any, *args: Any) -> None:
        """Write to the server's log; a message without a level from 0 to 4 is critical."""
        self._log.write_documented(level, args)

    def _getServerUrl(self, *args: Any) -> list[str]:
        """Return the Flask rules of the served application."""
        urls: list[str] = self._ask("urls", {})
        return urls


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
    "addReadinessCheck",
    "checkExamples",
    "fromConfig",
    "getWSGI",
    "init_app",
    "mapException",
    "mcp",
    "method",
    "openrpc",
    "registerFunction",
    "registerInstance",
    "reload",
    "restart",
    "serveForever",
    "start",
    "stop",
    "use",
)
"""The methods that work in the parent only: they change its routes and backends, or need its modules."""


def parent_only(name: str) -> ServerStateError:
    """Return the error for the use of a member that only the parent has."""
    return ServerStateError(
        f"{name} is used in a child process of the exec backend 'parallel'; use it in the server's own process"
    )


def refuse(name: str) -> Callable[..., NoReturn]:
    """Return a method that raises the error of :func:`parent_only`."""

    def method(self: ChildFacade, *args: Any, **kwargs: Any) -> NoReturn:
        raise parent_only(f"{name}()")

    method.__name__ = name
    return method


for _name in PARENT_ONLY:
    setattr(ChildFacade, _name, refuse(_name))
