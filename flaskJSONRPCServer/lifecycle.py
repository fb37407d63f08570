"""Starting, waiting and stopping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from .engine import Engine, addresses_of
from .errors import ServerStateError
from .runtime.garbage import GarbageControl
from .runtime.logs import INFO
from .runtime.resources import checked_limits, raise_descriptor_limit
from .runtime.signals import EndRequest, ended_by_signals
from .servBackend import find_serv_backend
from .servBackend.serving import Serving, refuse_unsupported
from .servBackend.sockets import Address

__all__ = ["Lifecycle"]


class Lifecycle:
    """Runs an engine behind a serving backend.

    Args:
        engine: The engine.
        facade: The object that the user made, which the serving backend is told.

    Raises:
        SettingsError: The serving backend or the descriptor limits cannot be used.
    """

    def __init__(self, engine: Engine, facade: Any) -> None:
        refuse_unsupported(find_serv_backend(engine.settings.servBackend), addresses_of(engine.settings))
        checked_limits(engine.settings.tweakDescriptors)
        self._engine = engine
        self._facade = facade
        self._serving = Serving(facade)
        self._changing = threading.RLock()
        self._started: ExitStack | None = None  # undoes a start; guarded by _changing
        self._end: EndRequest | None = None  # what serve_forever waits for; replaced by the thread that is in there

    @property
    def addresses(self) -> list[Any]:
        """Where the server listens: ``(host, port)``, with the real port, or the path of a Unix socket."""
        return self._serving.addresses

    @property
    def is_running(self) -> bool:
        """Whether the server has been started and not stopped."""
        return self._started is not None

    def start(self) -> None:
        """Start everything, or nothing.

        Raises:
            ServerStateError: It runs already, or has no address.
            BindError: The address cannot be listened on.
        """
        with self._changing:
            if self._started is not None:
                raise ServerStateError(f"server {self._engine.name!r} runs already; stop() it first")
            if self._engine.settings.bindAdress is None:
                raise ServerStateError("a server with bindAdress=None is only mounted: use init_app() or getWSGI()")
            with ExitStack() as undo:
                self._start(undo)
                self._started = undo.pop_all()
        self._engine.log.write(INFO, f"server {self._engine.name!r} listens on", *map(url_of, self.addresses))

    def stop(self, timeout_s: float, allowed_requests: int) -> None:
        """Stop accepting requests, wait for those being processed, and undo the start. Without a start nothing happens.

        Args:
            timeout_s: How long to wait, in seconds.
            allowed_requests: How many requests need not be waited for.

        Raises:
            ServerStateError: It is called from a dispatcher, which would wait for itself.
        """
        if self._engine.stats.is_calling():
            raise ServerStateError("stop() cannot be called from a dispatcher: it waits for running dispatchers to end")
        with self._changing:
            if self._started is None:  # exec backends may run for getWSGI() or init_app()
                self._engine.exec_backends.stop(timeout_s, allowed_requests)
                return
            undo, self._started = self._started, None
            deadline = latest = time.monotonic() + timeout_s
            if allowed_requests:
                self._engine.stats.wait_idle(timeout_s, allowed_requests)
                deadline = time.monotonic()
            with undo:
                self._serving.stop(max(0.0, deadline - time.monotonic()))
                self._engine.exec_backends.stop(max(0.0, latest - time.monotonic()), allowed_requests)
        self._engine.log.write(INFO, f"server {self._engine.name!r} has stopped")
        if self._end is not None:
            self._end.request()

    def join(self) -> None:
        """Block until the server has been stopped."""
        self._serving.join()

    def serve_forever(self, on_start: Callable[[Any], object] | None, timeout_s: float = 20) -> None:
        """Start, if that has not been done, block until a signal or another thread's :meth:`stop`, and stop.

        Args:
            on_start: Called with the facade once requests are accepted.
            timeout_s: How long requests being processed are waited for, in seconds.
        """
        with ended_by_signals() as self._end:
            if not self.is_running:
                self.start()
            if on_start is not None:
                on_start(self._facade)
            self._end.wait()
            self.stop(timeout_s, 0)

    def _start(self, undo: ExitStack) -> None:
        settings = self._engine.settings
        if (limits := checked_limits(settings.tweakDescriptors)) is not None:
            raise_descriptor_limit(*limits)
        undo.callback(self._engine.release)
        application = self._engine.application()
        undo.callback(self._engine.exec_backends.stop)
        self._engine.exec_backends.start()
        if settings.controlGC:
            undo.callback(self._start_garbage_control().stop)
        given = list(settings.bindAdress) if settings.multipleAdress else [settings.bindAdress]
        self._serving.start(find_serv_backend(settings.servBackend), addresses_of(settings), given, application)

    def _start_garbage_control(self) -> GarbageControl:
        settings = self._engine.settings
        control = GarbageControl(
            self._engine.stats.totals,
            every_s=settings.controlGC_everySeconds,
            every_requests=settings.controlGC_everyRequestCount,
            every_calls=settings.controlGC_everyDispatcherCount,
        )
        control.start()
        return control


def url_of(address: Any) -> str:
    """Return the URL of an address, if it is a host and a port; ``unix:`` and the path for a Unix socket."""
    match address:
        case [str(host), int(port)]:
            return f"http://{Address(host, port)}/"
    return f"unix:{address}" if isinstance(address, str) else str(address)
