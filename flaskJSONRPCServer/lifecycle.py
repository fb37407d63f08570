"""Starts, restarts and stops a server, and waits for its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from .dispatch.facade import ServerFacade
from .engine import Engine
from .errors import ServerStateError, SettingsError
from .http.request import Environ
from .http.response import Response
from .restart_reasons import read_reasons
from .runtime.asynchronous import in_hub
from .runtime.concurrency import make_event, start_thread
from .runtime.interrupts import is_interrupt
from .runtime.logs import ERROR, INFO, WARNING
from .runtime.resources import checked_limits
from .runtime.signals import EndRequest, ended_by_signals
from .runtime.ticker import Ticker
from .servBackend import find_serv_backend
from .servBackend.addresses import addresses_of, is_local_only
from .servBackend.gate import Gate, RpcApplication, service_unavailable
from .servBackend.serving import Serving, refuse_unsupported
from .servBackend.stream_limits import stream_limits, waiting_limits
from .servBackend.tls import refuse_without_tls
from .servBackend.urls import client_url_of, url_of
from .start_refusals import refuse_at_import, refuse_in_worker
from .telemetry.access_log import AccessLog
from .telemetry.metrics_address import MetricsAddress, metrics_address_of

if TYPE_CHECKING:
    from .autoreload import AutoReload

__all__ = ["Lifecycle"]

# The most of a stop's timeout that is kept for answering calls that a lock still holds, in seconds; guessed.
_ANSWER_S = 1.0

# How long the answer to a call that has ended may take to be sent, before its connection is cut off; guessed.
_SEND_S = 0.1


class ServedFacade(ServerFacade, Protocol):
    """The server that the user made, with the members that its life cycle needs."""

    _lifecycle: Lifecycle

    def restart(
        self,
        timeout: float = 20,
        processingDispatcherCountMax: int = 0,
        werkzeugTimeout: float = 3,
        joinLoop: bool = False,
    ) -> None:
        """Stop and start again."""


class Lifecycle:
    """Runs an engine behind a serving backend.

    Args:
        engine: The engine.
        facade: The server that the user made.

    Attributes:
        on_hangup: Called by `serve_forever` at SIGHUP, in the main thread; None leaves the signal alone.
        around_stop: Returns a context manager in which `serve_forever` stops the server.

    Raises:
        SettingsError: The serving backend, the files of ``ssl``, the descriptor limits, or a script of
            ``reloadOnChange`` cannot be used.
        UnsupportedError: The serving backend cannot serve on the addresses, or not with TLS.
        MissingExtraError: An extra that the settings need is not installed.
    """

    def __init__(self, engine: Engine, facade: ServedFacade) -> None:
        backend = find_serv_backend(engine.settings.servBackend, gevent=engine.settings.gevent)
        refuse_unsupported(backend, addresses_of(engine.settings), gevent=engine.settings.gevent)
        refuse_without_tls(backend, engine.settings.ssl)
        checked_limits(engine.settings.tweakDescriptors)
        if engine.settings.reloadOnChange:
            make_auto_reload(engine, facade)  # an error is raised before anything starts
        self._engine = engine
        self._facade = facade
        self._serving = Serving(facade)
        self._metrics = MetricsAddress(facade, self._answer_metrics)
        self._changing = threading.RLock()
        self.on_hangup: Callable[[], object] | None = None
        self.around_stop: Callable[[], AbstractContextManager[None]] = nullcontext
        self._started = False  # guarded by _changing
        self._gate = Gate()
        self._access_log: AccessLog | None = None  # of the serving backend; guarded by _changing
        self._backend_id = backend._id  # of the last start; guarded by _changing
        self._behind: ExitStack | None = None  # undoes what is behind the gate; guarded by _changing
        self._watch: AutoReload | None = None  # guarded by _changing
        self._calls_over = make_event()  # of the last stop; guarded by _changing
        self._calls_enders: list[Any] = []  # the threads that wait for it; guarded by _changing
        self._restart_requested = False  # by a dispatcher, and not begun yet; guarded by _requesting
        self._requesting = threading.Lock()
        self._ends: set[EndRequest] = set()  # of the threads that wait for the end; each adds and removes its own

    @property
    def facade(self) -> ServedFacade:
        """The server that the user made."""
        return self._facade

    @property
    def addresses(self) -> list[Any]:
        """The addresses of the server: ``(host, port)`` with the real port, or the path of a Unix socket."""
        return self._serving.addresses

    @property
    def metrics_address(self) -> Any:
        """Where the metrics are served, if that is an address of their own: ``(host, port)`` with the real port."""
        return self._metrics.address

    @property
    def urls(self) -> list[str]:
        """The addresses as URLs that a client on this machine can open."""
        scheme = "https" if self._engine.settings.ssl else "http"
        return [url_of(address, scheme) for address in self.addresses]

    @property
    def client_urls(self) -> list[str]:
        """The addresses as URLs that a `Client` takes."""
        scheme = "https" if self._engine.settings.ssl else "http"
        return [client_url_of(address, scheme) for address in self.addresses]

    @property
    def is_running(self) -> bool:
        """Whether the server has been started and not stopped."""
        return self._started

    @in_hub
    def start(self) -> None:
        """Start everything; undo it all if a step fails.

        Raises:
            ServerStateError: The server runs already, or has no address.
            BindError: The address cannot be listened on.
        """
        refuse_in_worker(self._engine.name)
        refuse_at_import(self._engine.name)
        with self._changing:
            if self._started:
                raise ServerStateError(f"server {self._engine.name!r} runs already; stop() it first")
            if self._engine.settings.bindAdress is None:
                raise ServerStateError("a server with bindAdress=None is only mounted: use init_app() or getWSGI()")
            with self._not_running():
                self._undo_start()  # what an interrupted stop has left
                try:
                    self._start_all()
                    self._started = True
                except BaseException:
                    self._started = False
                    self._undo_start()
                    raise
        self._announce()

    @contextmanager
    def _not_running(self) -> Iterator[None]:
        """Let ``/readyz`` say in the block that the server starts, restarts or stops."""
        try:
            self._engine.services.health.is_running = False
            yield
        finally:  # of the engine that serves by then; after a stop, the server may still be mounted somewhere
            self._engine.services.health.is_running = True

    def stop(self, timeout_s: float, allowed_requests: int) -> None:
        """Stop accepting requests, wait for the running ones, and undo the start. Does nothing before a start.

        Calls that a lock still holds at the end of the timeout get -32003. The locks stay.

        Args:
            timeout_s: How long to wait, in seconds.
            allowed_requests: How many requests it does not wait for.

        Raises:
            ServerStateError: It is called within a request, which would wait for itself.
        """
        self._refuse_within_request("stop()")
        self._stop_now(timeout_s, allowed_requests)

    def _refuse_within_request(self, call: str) -> None:
        if self._is_within_request():
            where = "a dispatcher, nor elsewhere within a request"
            raise ServerStateError(f"{call} cannot be called from {where}: it waits for running requests to end")

    def _is_within_request(self) -> bool:
        return self._is_in_dispatcher() or self._gate.is_inside()

    def _is_in_dispatcher(self) -> bool:
        """Return whether the calling thread runs dispatchers: the one of the event loop may run several at once."""
        return self._engine.stats.is_calling() or self._engine.event_loop.is_current_thread

    @in_hub
    def _stop_now(self, timeout_s: float, allowed_requests: int) -> None:
        timeout_s = checked_timeout(timeout_s, allowed_requests)  # before anything is undone
        with self._changing, self._not_running():
            if not self._started:  # exec backends and the event loop may run for getWSGI() or init_app()
                self._undo_start()  # what an interrupted stop has left
                with self._event_loop_ended(timeout_s), self._streams_ended(timeout_s):
                    timeout_s = self._background_ended(timeout_s, allowed_requests)
                    self._facade._stopExecBackends(timeout_s, allowed_requests)
                return
            try:
                with self._start_undone(), self._streams_ended(0):
                    self._stop_serving(timeout_s, allowed_requests)
            finally:  # a second Ctrl-C ends the waiting; what has not been undone by then would serve for ever
                self._gate.open(service_unavailable)
                for end in list(self._ends):
                    end.request()
        self._engine.log.write(INFO, f"server {self._engine.name!r} has stopped")

    def _background_ended(self, timeout_s: float, allowed_requests: int) -> float:
        """Wait for the calls that outlast their requests, and give up those left. Return how much time is left."""
        begun_at, background = time.monotonic(), self._engine.background
        if background.is_idle:
            background.notify_end()
            return timeout_s
        background.drain(timeout_s, allowed_requests)
        background.notify_end()
        return max(0.0, timeout_s - (time.monotonic() - begun_at))

    @contextmanager
    def _streams_ended(self, drain_s: float) -> Iterator[None]:
        """Close the streams in the block as soon as their functions return, and the others after it.

        Args:
            drain_s: How long to wait for these functions after the block, in seconds.
        """
        streams = self._engine.streams
        try:
            self._end_stream_period()
            yield
            streams.drain(drain_s)
        finally:
            streams.close_all()
            streams.begin_period()  # the server may still be mounted somewhere

    def _end_stream_period(self) -> None:
        """End the period of the streams, and wake the calls that wait for answers on them: none will come."""
        self._engine.streams.end_period()
        self._engine.locks.wake_waiting()

    def _stop_serving(self, timeout_s: float, allowed_requests: int) -> None:
        deadline = latest = time.monotonic() + timeout_s
        # Calls that a lock or an exec backend still has then get their answers within the timeout too.
        answers_from_s = timeout_s - min(_ANSWER_S, timeout_s / 5)
        try:
            self._engine.locks.end_period(answers_from_s)
            with self._backend_calls_ended(answers_from_s, timeout_s, allowed_requests):
                if allowed_requests:
                    self._engine.stats.wait_idle(timeout_s, allowed_requests)
                    deadline = self._release_held(deadline, allowed_requests)
                self._serving.stop(max(0.0, deadline - time.monotonic()))
                self._engine.background.drain(max(0.0, deadline - time.monotonic()), allowed_requests)
        except BaseException:
            latest = 0.0  # interrupted: nothing is waited for any more
            raise
        finally:
            self._engine.background.notify_end()
            timeout_s = max(0.0, latest - time.monotonic())
            with self._event_loop_ended(timeout_s):
                self._facade._stopExecBackends(timeout_s, allowed_requests)

    def _release_held(self, deadline: float, allowed_requests: int) -> float:
        """Release the calls that a lock holds, and wait for their ends. Return until when their answers may be sent."""
        engine = self._engine
        held = engine.locks.held().waiting
        engine.locks.end_period(0)
        if held:
            in_s = min(_ANSWER_S, max(0.0, deadline - time.monotonic()))
            engine.stats.wait_idle(in_s, max(0, allowed_requests - held))
        return min(deadline, time.monotonic() + (_SEND_S if held else 0))

    @contextmanager
    def _event_loop_ended(self, timeout_s: float) -> Iterator[None]:
        """End the event loop after the block, whose calls may need it, and within the same timeout."""
        deadline = time.monotonic() + timeout_s
        try:
            yield
        finally:
            self._engine.event_loop.stop(max(0.0, deadline - time.monotonic()))

    @contextmanager
    def _backend_calls_ended(self, in_s: float, timeout_s: float, allowed_requests: int) -> Iterator[None]:
        """Stop the exec backends and cancel coroutines after a time, unless the block ends before.

        Their answers need open connections, until the timeout. So coroutines that go on all the same are given up.
        """
        is_over = self._calls_over = make_event()

        def end_calls() -> None:
            if not is_over.wait(in_s):
                self._engine.event_loop.cancel_calls()
                self._facade._stopExecBackends(0, allowed_requests)
                is_over.wait((timeout_s - in_s) / 2)
                self._engine.event_loop.fail_calls()

        try:  # first: an interrupt may come as soon as the thread runs
            self._calls_enders.append(start_thread(end_calls, name=f"{self._engine.name}-stop"))
            yield
        finally:
            self._calls_have_ended()

    def _calls_have_ended(self) -> None:
        """End the thread that would end the calls of a stop, and of the next run if an interrupt had left it."""
        self._calls_over.set()
        for thread in self._calls_enders:
            thread.join()
        self._calls_enders.clear()

    def restart(self, timeout_s: float, allowed_requests: int, *, join: bool = False) -> None:
        """Restart everything but the serving backend, whose sockets and connections stay.

        New requests wait until it is done. Running requests are waited for; those that outlast the timeout are still
        answered. Called from a dispatcher, it returns at once, and another thread restarts the server after the
        dispatcher's answer. A server that does not run is started.

        Args:
            timeout_s: How long to wait for running requests, in seconds.
            allowed_requests: How many of them it does not wait for.
            join: Return only when the server has been stopped for good.

        Raises:
            ServerStateError, SettingsError: The server cannot be started again, and is stopped.
        """
        if self._is_within_request():
            if join:
                self._refuse_within_request("restart(joinLoop=True)")
            self._restart_later(checked_timeout(timeout_s, allowed_requests), allowed_requests)
            return
        self._restart_now(timeout_s, allowed_requests)
        if join:
            self.join()

    @in_hub
    def _restart_now(self, timeout_s: float, allowed_requests: int) -> None:
        with self._changing:
            if not self._started:
                self.start()
                return
            with self._not_running(), self._released_if_interrupted():
                self._renew(self._hold_requests(timeout_s, allowed_requests))
        self._engine.log.write(INFO, f"server {self._engine.name!r} has restarted")

    def _hold_requests(self, timeout_s: float, allowed_requests: int = 0) -> int:
        """Hold requests at the gate, wait for those inside, and return how many are left there."""
        timeout_s = checked_timeout(timeout_s, allowed_requests)
        deadline = time.monotonic() + timeout_s
        self._gate.hold()
        self._end_stream_period()
        inside = self._gate.drain(timeout_s, allowed_requests)
        running = self._engine.streams.drain(max(0.0, deadline - time.monotonic()), allowed_requests)
        later = self._engine.background.drain(max(0.0, deadline - time.monotonic()), allowed_requests)
        return max(inside, running, later)

    @contextmanager
    def _released_if_interrupted(self) -> Iterator[None]:
        """Where the block ends early, let the requests that it holds go on to what serves them by then."""
        try:
            yield
        except BaseException:
            self._engine.streams.begin_period()
            self._gate.release()
            raise

    def _renew(self, still_running: int) -> None:
        if still_running:
            self._engine.log.write(WARNING, f"restarting while {still_running} requests are being processed")
        try:
            self._close_behind()
            self._open_gate()
        except BaseException:
            self._gate.open(service_unavailable)
            self.stop(0, 0)
            raise
        self._engine.lifetime.note_restart()

    def replace_server(self, engine: Engine, facade: ServedFacade, timeout_s: float = 20) -> None:
        """Serve another server behind the same sockets; both facades then refer to this life cycle.

        New requests wait, as in a restart. The serving backend keeps its settings. A stopped server stays stopped.

        Args:
            engine: The engine of the other server, which has not been started.
            facade: The object that the user made.
            timeout_s: How long to wait for running requests, in seconds; they are answered in any case.

        Raises:
            SettingsError: One of the two uses gevent, and the other does not.
            BaseException: The other server cannot start; the first one goes on.
        """
        if bool(engine.settings.gevent) != bool(self._engine.settings.gevent):
            raise SettingsError(
                f"gevent={engine.settings.gevent!r} cannot change while the process runs; start it again"
            )
        with self._changing:
            if not self._started:
                return
            with self._not_running(), self._released_if_interrupted():
                if still_running := self._hold_requests(timeout_s):
                    self._engine.log.write(WARNING, f"exchanged while {still_running} requests are being processed")
                replaced = self._engine
                self._replace_behind(engine, facade)
                replaced.event_loop.retire()
        engine.log.write(INFO, f"server {engine.name!r} serves now:", engine.offers())

    def _replace_behind(self, engine: Engine, facade: ServedFacade) -> None:
        before, other_lifecycle = (self._engine, self._facade), facade._lifecycle
        self._stop_watching()
        try:
            self._close_behind()
            self._engine, self._facade, facade._lifecycle = engine, facade, self
            self._open_gate()
        except BaseException:
            (self._engine, self._facade), facade._lifecycle = before, other_lifecycle
            self._renew(0)
            self._watch_scripts()
            raise
        self._watch_scripts()

    @in_hub
    def _restart_later(self, timeout_s: float, allowed_requests: int) -> None:
        with self._requesting:
            if self._restart_requested:
                return
            threading.Thread(target=self._restart_as_requested, args=(timeout_s, allowed_requests)).start()
            self._restart_requested = True  # last: the system may have no room for another thread

    def _restart_as_requested(self, timeout_s: float, allowed_requests: int) -> None:
        with self._requesting:
            self._restart_requested = False
        self._restart_if_running(timeout_s, allowed_requests)

    def _restart_if_running(self, timeout_s: float, allowed_requests: int) -> None:
        with self._changing:
            if self._started:  # it may have been stopped meanwhile
                self._restart_now(timeout_s, allowed_requests)

    @in_hub
    def join(self, timeout_s: float = 20) -> None:
        """Block until the server has stopped; the first Ctrl-C or SIGTERM stops it, as in `serve_forever`."""
        self._refuse_within_request("join()")
        with self._ended() as end:
            self._await_end(end, timeout_s)

    @in_hub
    def start_and_join(self, timeout_s: float = 20) -> None:
        """As :meth:`start` and :meth:`join`. A signal as early as during the start stops the server cleanly.

        Raises:
            ServerStateError, BindError: As :meth:`start`.
        """
        with self._ended() as end:
            self.start()
            self._await_end(end, timeout_s)

    def _await_end(self, end: EndRequest, timeout_s: float) -> None:
        if self.is_running:
            end.wait()
        self.stop(timeout_s, 0)

    @contextmanager
    def _ended(self, *, notes_hangups: bool = False) -> Iterator[EndRequest]:
        with ended_by_signals(notes_hangups=notes_hangups) as end:
            try:
                self._ends.add(end)
                yield end
            finally:
                self._ends.discard(end)

    def serve_forever(
        self,
        on_start: Callable[[Any], object] | None,
        timeout_s: float = 20,
        restart_on: Any = False,
        look_every_s: float = 10,
    ) -> None:
        """Start the server if necessary, block until a signal or a :meth:`stop` in another thread, and stop it.

        Args:
            on_start: Called with the facade once the server accepts requests.
            timeout_s: How long to wait for running requests at the stop, in seconds.
            restart_on: When to restart; see :func:`read_reasons`.
            look_every_s: Seconds between two checks of these reasons.

        Raises:
            SettingsError: A reason to restart is invalid.
            ServerStateError: It is called within a request; or as :meth:`start`.
        """
        self._refuse_within_request("serveForever()")
        reasons = read_reasons(restart_on)
        with self._ended(notes_hangups=self.on_hangup is not None) as end:
            if not self.is_running:
                self.start()
            if on_start is not None:
                on_start(self._facade)
            while not end.wait(look_every_s if reasons else None):
                if self.on_hangup is not None and end.take_hangup():
                    self.on_hangup()
                elif any(self._applies(reason) for reason in reasons):
                    self._restart_if_running(timeout_s, 0)
            with self.around_stop():
                self.stop(timeout_s, 0)

    def _applies(self, reason: Callable[[Any], object]) -> bool:
        try:
            return reason(self._facade) is True
        except BaseException as exc:  # a failing check must not end the server
            if is_interrupt(exc):
                raise
            self._engine.log.write(ERROR, f"restartOn: {reason!r} raised", traceback=True)
            return False

    def _announce(self) -> None:
        log, engine, backend = self._engine.log, self._engine, self._serving.backend_id
        offers = engine.offers()
        backend_and_methods = [f"by {backend}:", offers] if offers else [f"by {backend}"]
        log.write(INFO, f"server {engine.name!r} listens on", *self.urls, *backend_and_methods)
        if not is_local_only(engine.settings):
            log.write(INFO, f"server {engine.name!r} can be reached from other machines")
        if not engine.has_urls():
            log.write(WARNING, f"server {engine.name!r} has nothing to call; registerFunction() adds a function")

    def _start_all(self) -> None:
        settings = self._engine.settings
        self._engine.lifetime.note_start()
        if (limits := checked_limits(settings.tweakDescriptors)) is not None:
            self._facade._tweakLimit(limits)
        self._access_log = AccessLog(settings, self._engine.log) if settings.accessLog else None
        backend = find_serv_backend(settings.servBackend, gevent=settings.gevent)
        self._backend_id = backend._id
        self._open_gate()
        self._watch_scripts()
        bind_addresses: list[Any] = [settings.bindAdress]
        if settings.multipleAdress:
            bind_addresses = list(cast("Sequence[Any]", settings.bindAdress))
        self._serving.start(backend, addresses_of(settings), bind_addresses, self._gate, self._logged_application())
        if (metrics_address := metrics_address_of(settings)) is not None:
            self._metrics.start(metrics_address)

    @contextmanager
    def _start_undone(self) -> Iterator[None]:
        try:
            self._started = False
            yield
        finally:
            self._undo_start()

    def _undo_start(self) -> None:
        """Undo a start, or what is left of it. An interrupted stop may have left any step, so each may be repeated."""
        with ExitStack() as undo:  # in the reverse of this order, even if one raises
            undo.callback(self._close_behind)
            undo.callback(self._stop_watching)
            undo.callback(self._serving.stop, 0)
            undo.callback(self._metrics.stop)
            undo.callback(self._calls_have_ended)

    def _answer_metrics(self, environ: Environ) -> Response | None:
        """Answer a request to ``metrics_address``; None if there is no such URL."""
        site = self._engine.services.metrics_site()
        return None if site is None else self._engine.pipeline().answer_built_in(environ, site=site)

    def _logged_application(self) -> Callable[[RpcApplication], RpcApplication] | None:
        """Return the function that puts the access log around an application; None without ``accessLog``."""
        if self._access_log is None:
            return None
        from .telemetry.logged_application import LoggedApplication  # here: it loads the native backend

        return partial(LoggedApplication, log=self._access_log)

    def _watch_scripts(self) -> None:
        if self._engine.settings.reloadOnChange:
            self._watch = make_auto_reload(self._engine, self._facade)
            self._watch.start()

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.stop()
        self._watch = None  # last: an interrupted stop is repeated

    def _open_gate(self) -> None:
        """Start the parts behind the gate, and pass requests on to them."""
        behind = self._behind = ExitStack()  # first: an interrupt may come after any step
        try:
            behind.callback(self._engine.release)
            self._engine.services.serving_counts = self._serving.counts
            self._begin_streams()
            self._continue_access_log()
            if self._engine.services.metrics is not None:
                self._engine.services.metrics.serve_alone()
            application = self._engine.application()
            behind.callback(self._facade._stopExecBackends)
            self._facade._startExecBackends()
            self._start_ticker(behind)
            self._gate.open(application)
        except BaseException:
            self._close_behind()
            raise

    def _begin_streams(self) -> None:
        streams, settings = self._engine.streams, self._engine.settings
        streams.limits = stream_limits(self._backend_id, settings)
        self._engine.waiting_limits.by_kind = waiting_limits(self._backend_id, settings)
        streams.begin_period()

    def _continue_access_log(self) -> None:
        """Let the engine record the calls for the access log that the serving backend has, if it has one.

        It was started with ``accessLog`` of another server, if a SIGHUP has replaced that.
        """
        if self._access_log is not None:
            self._access_log.follow(self._engine.settings, self._engine.log)
        self._engine.record_calls(enabled=self._access_log is not None)

    def _close_behind(self) -> None:
        if self._behind is not None:
            self._behind.close()
        self._behind = None  # last: an interrupted stop is repeated

    def _start_ticker(self, behind: ExitStack) -> None:
        """Once a second, sample the rate of requests, end expired calls, and check whether to collect garbage."""
        engine, garbage = self._engine, self._engine.garbage
        tasks: list[Callable[[], object]] = [engine.stats.sample, engine.background.tick]
        if (dashboard := engine.services.shown_dashboard()) is not None:
            tasks.append(dashboard.sample)
        if engine.settings.controlGC:
            behind.callback(garbage.stop)  # before the start, which may fail halfway
            garbage.start()
            tasks.append(self._control_garbage)
        ticker = Ticker(f"{engine.name}-ticker", tasks, garbage.stop, engine.log)
        behind.callback(ticker.stop)
        ticker.start()

    def _control_garbage(self) -> None:
        self._facade._controlGC()  # looked up at each call: the user may override it


def checked_timeout(timeout_s: float, allowed_requests: int) -> float:
    """Return the timeout of a stop or restart, capped at the longest one that the system can wait for.

    Raises:
        TypeError: It is not a number, or ``processingDispatcherCountMax`` is not a whole one.
    """
    if not isinstance(timeout_s, (int, float)):
        raise TypeError(f"timeout={timeout_s!r} is refused: it takes a number of seconds")
    if not isinstance(allowed_requests, int):
        raise TypeError(f"processingDispatcherCountMax={allowed_requests!r} is refused: it takes a whole number")
    return min(timeout_s, threading.TIMEOUT_MAX)


def make_auto_reload(engine: Engine, facade: ServedFacade) -> AutoReload:
    """Return the watcher that ``reloadOnChange`` asks for."""
    from .autoreload import AutoReload  # here: finding where Python installs packages takes long

    return AutoReload(engine, facade)
