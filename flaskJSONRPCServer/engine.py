"""Assembles the parts of one server."""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import werkzeug.wrappers
from werkzeug.local import LocalProxy

from .built_in_services import BuiltInServices, ServiceSources
from .contract.errors import DeclaredError
from .contract.options import refuse_unless_timeout
from .dispatch.backend_context import BackendContext
from .dispatch.background import BackgroundCalls
from .dispatch.client_scripts import ClientScripts, refuse_client_js
from .dispatch.connection import ServerFacts
from .dispatch.coroutines import Coroutines, is_asynchronous
from .dispatch.discovery import Discovery
from .dispatch.documents import Documents, DocumentSources, main_routes
from .dispatch.examples import check_examples
from .dispatch.exception_map import checked_error, checked_exception
from .dispatch.execution import Execution, ExecutionOptions
from .dispatch.facade import ServerFacade
from .dispatch.idempotency.callers import identity_of
from .dispatch.idempotency.claims import Claims
from .dispatch.locks import Locks, optional_lock_key
from .dispatch.middleware import MiddlewareRegistry, checked_middleware
from .dispatch.overrides import json_limits, replacement
from .dispatch.pipeline import Pipeline
from .dispatch.rate_limits.server import ServerRateLimits
from .dispatch.registration import Registrar, checked_name
from .dispatch.remote import RemoteCalls
from .dispatch.routes import Backends, Route, Router, RouteTable, format_path
from .dispatch.steps import Steps
from .dispatch.streams import StreamRegistry
from .dispatch.visibility import Visibility, is_shown
from .dispatch.waiting_limits import WaitingLimits
from .errors import RegistrationError, ServerStateError, SettingsError, unknown_name
from .execBackend import ExecBackends, SimpleBackend, find_exec_backend, merge
from .execBackend.deadline import DeadlineBackend, with_timeout
from .experimental import OffloadedCodec, offload_methods
from .http.cors import Cors
from .http.guard import Guard
from .http.request import Request, RequestCopy
from .mounting.answers import report_to_flask
from .mounting.mounts import FlaskMounts
from .pipeline_steps import StepsMaker, request_options, tracing_of
from .runtime.asynchronous import in_hub
from .runtime.contexts import own_context
from .runtime.event_loop import EventLoopThread
from .runtime.garbage import GarbageControl
from .runtime.lifetime import Lifetime
from .runtime.logs import WARNING, ServerLog
from .runtime.main_program import MainModule
from .runtime.stats import Stats
from .sansio_jsonrpc import Codec, JsonLimits, make_codec
from .servBackend import find_serv_backend
from .servBackend.addresses import addresses_of, allowed_hosts, is_local_only
from .servBackend.serving import refuse_unsupported, served_by
from .servBackend.stream_limits import serving_kind
from .settings import Settings
from .telemetry.health import name_of_check
from .telemetry.metrics import package_version
from .telemetry.metrics_address import metrics_address_of
from .wsgi import Application

__all__ = ["Engine"]

_STANDARD_JSON = "json"

# The Info Object of a server that says nothing about itself.
_API_TITLE, _API_VERSION = "JSON-RPC API", "1.0.0"

# How many paths a line of the log names.
_MOST_LISTED = 10


class Engine:
    """The parts with which a :class:`~flaskJSONRPCServer.server.flaskJSONRPCServer` answers requests.

    Args:
        settings: The options. They are frozen before the first request.
        facade: The object that the user made.
        standard: The class with the default documented methods, which the user may override.

    Raises:
        SettingsError, UnsupportedError: An option has an unusable value.
    """

    def __init__(self, settings: Settings, facade: ServerFacade, standard: type) -> None:
        check_settings(settings)
        self._facade = facade
        self.settings = settings
        self.name: str = settings.name or f"server_{uuid.uuid4().hex[:8]}"
        self.log = ServerLog(self.name, settings.log, settings.logFormat)
        self.stats = Stats()
        self.garbage = GarbageControl(self.stats.served, settings)
        self.locks = Locks()
        self.claims = Claims(settings, self.locks, self.log)
        self.lifetime = Lifetime()
        self.background = BackgroundCalls()
        self.streams = StreamRegistry(self.name, settings, self.log, serving_kind)
        self.waiting_limits = WaitingLimits(settings, serving_kind, self.streams.limit)
        self.event_loop = EventLoopThread(
            f"{self.name}-event-loop", self.log, self.stats, lambda: settings.max_abandoned_calls
        )
        coroutines = Coroutines(self.event_loop, self.stats)
        self.registrar = Registrar(settings, self._format_path, self._has_own_json_forms, coroutines.caller_of)
        # Servers without a name share their counters: they are taken for processes of the same program.
        self._rate_limits = ServerRateLimits(self.log, self._format_path, settings.name or "")
        self._rate_limits.check(settings.rateLimit)
        sources = DocumentSources(lambda: self.router.table, self._info, self._mapped_errors_of)
        self.documents = Documents(sources)
        visibility = Visibility(self.log, self._copy_for_user)
        self._discovery = self._make_discovery(visibility) if settings.discover else None
        built_in = None if self._discovery is None else self._discovery.route
        self.router = Router(
            self._mount_paths,
            self._unmount_other_paths,
            built_in,
            self._routes_changed,
        )
        self._middleware = MiddlewareRegistry()
        self._standard = standard
        main = MainModule(lambda: facade._parentModule)
        self.facts = ServerFacts(self.name, facade, self.log, self.locks, served_by, main)
        self.backend_context = BackendContext(
            self.facts, settings, self.router, RemoteCalls(self.stats, self.router), self.stats, lambda: self.codec
        )
        self.exec_backends = ExecBackends(self.backend_context, self.stats)
        self.services = self._make_services()
        self._steps_maker = StepsMaker(
            facade,
            standard,
            self.facts,
            self.stats,
            self._rate_limits,
            self.claims,
            self._middleware,
            self._discovery,
            self.services.urls,
            self.streams,
            visibility,
        )
        self._deadline_backend = DeadlineBackend()
        self._has_timeouts = False  # whether any registration has a timeout; set once
        self._register_backends(None, None)
        self._execution: Execution | None = None  # replaced in one step, so threads need no lock
        self.codec = self._make_codec(settings)
        self._making = threading.Lock()
        self._pipeline: Pipeline | None = None  # written under _making
        self._records_calls = False  # whether an access log needs them
        self.mounts = FlaskMounts(
            self.name, self.router, self.services.urls, self.pipeline, lambda: self._pipeline is not None
        )
        self._frozen = settings  # what the pipeline was made of; guarded by _making
        self.log.write_through(facade)
        if settings.experimental:
            offload_methods(facade, settings)

    def register_serv_backend(self, backend_option: Any) -> str:
        """Choose the serving backend of the next start.

        Returns:
            Its ``_id``.

        Raises:
            SettingsError: It is unknown or incomplete.
            UnsupportedError: It cannot serve on the server's addresses.
            ServerStateError: The server is in use.
        """
        backend = find_serv_backend(backend_option, gevent=self.settings.gevent)
        refuse_unsupported(backend, addresses_of(self.settings), gevent=self.settings.gevent)
        self.settings.servBackend = backend_option
        return backend._id

    def offers(self) -> str:
        """Return a sentence that lists the paths with their numbers of methods, and the endpoints with their tools."""
        counts = {endpoint.path: len(endpoint.routes) for endpoint in self.router.table.endpoints.values()}
        words = numbered(counts, "method")
        more = len(words) - _MOST_LISTED
        listed = words if more <= 0 else [*words[:_MOST_LISTED], f"and {more} more paths"]
        return ", ".join([*listed, *numbered(self.services.tool_counts(), "tool")])

    def has_urls(self) -> bool:
        """Return whether there is any URL to ask for: a method or a Flask page."""
        return bool(self.router.table.endpoints) or self.mounts.has_pages()

    @in_hub
    def register(
        self, routes: list[Route], dispatcher_backend: Any, notif_backend: Any, timeout: float | None = None
    ) -> None:
        """Add routes; their calls run on these backends, with this timeout, or with the server's defaults for None.

        Raises:
            RegistrationError: The timeout is invalid, or another function has one of the names already.
        """
        refuse_unless_timeout(timeout)
        new = [self._with_backends(route, dispatcher_backend, notif_backend, timeout) for route in routes]
        is_first_timeout = not self._has_timeouts and any(route.timeout_s is not None for route in new)
        self._has_timeouts |= is_first_timeout
        if self._rate_limits.add_routes(routes) or is_first_timeout:
            self.rebuild()
        self.router.add(new)

    def _with_backends(
        self, route: Route, dispatcher_backend: Any, notif_backend: Any, timeout: float | None = None
    ) -> Route:
        """Return the route with these backends and this timeout; None means those of its decorator, or the server's."""
        if timeout is None and route.contract is not None:
            timeout = route.contract.options.timeout
        return dataclasses.replace(route, backends=self._register_backends(dispatcher_backend, notif_backend, timeout))

    def map_exception(
        self, exception: Any, code: Any, message: Any, data: Any, path: str | None, name: str | None
    ) -> None:
        """Map the exceptions of a class to an error, for the server, a path or a method.

        Raises:
            RegistrationError: The class, the code, the message, the path or the name has an invalid value.
        """
        cls, error = checked_exception(exception), checked_error(code, message, data)
        if path is None and name is not None:
            raise RegistrationError(f"name={name!r} without a path is refused: give path= too, '' for the root")
        formatted = None if path is None else self.registrar.formatted(path)
        self.facts.exceptions.add(cls, error, formatted, None if name is None else checked_name(name))
        self.documents.forget()

    def mapped_errors(self, path: str, name: str) -> tuple[DeclaredError, ...]:
        """Return the errors that exceptions of a method may become.

        Args:
            path: The path of the method, such as ``/api``.
            name: One of its names.
        """
        formatted = self._format_path(path)
        route = self.router.table.find(formatted, name)
        return self.facts.exceptions.declared(formatted, (name,)) if route is None else self._mapped_errors_of(route)

    def _mapped_errors_of(self, route: Route) -> tuple[DeclaredError, ...]:
        return self.facts.exceptions.declared(route.path, route.names)

    def add_readiness_check(self, check: Any, name: str | None) -> None:
        """Add a check of ``/readyz``.

        Raises:
            RegistrationError: It is no function, or its name is invalid or taken.
        """
        name = name_of_check(check) if name is None else name
        self.services.health.add_check(self._awaited(check) if is_asynchronous(check) else check, name)

    def _awaited(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Return a function that runs a coroutine function on the event loop, and waits for its result."""
        return lambda: self.event_loop.submit(function()).result()

    def use(self, middleware: Any, path: Any) -> None:
        """Run calls through a middleware, from the next request on.

        Args:
            middleware: The middleware.
            path: Only on this path; None for all.

        Raises:
            RegistrationError: It is no middleware, or the path is invalid.
        """
        checked = checked_middleware(middleware)
        self._middleware.add(checked, None if path is None else self.registrar.formatted(path))
        self.rebuild()

    def with_default_backends(self, route: Route) -> Route:
        """Return the route with the backends of the settings."""
        return self._with_backends(route, None, None)

    def register_exec_backend(self, backend_option: Any, *, notif: bool) -> str:
        """Add an exec backend; the next start of the server starts it.

        Raises:
            SettingsError: It is unknown or incomplete, or another one has its ``_id``.
        """
        registered = self.exec_backends.register(backend_option, notif=notif)
        return SimpleBackend._id if registered is None else registered._id

    def stop_exec_backends(self, timeout_s: float, allowed: int) -> None:
        """Stop the exec backends after the calls that they have accepted; a later call starts them again.

        Raises:
            ServerStateError: It is called from a dispatcher, which would wait for itself.
        """
        if self.stats.is_calling():
            raise ServerStateError("exec backends cannot be stopped from a dispatcher: it would wait for itself")
        self.exec_backends.stop(timeout_s, allowed)

    def report(self, *, in_ms: bool) -> dict[str, Any]:
        """Return the statistics of the server and its exec backends."""
        report = {**self.stats.report(in_ms=in_ms), "gc": self.garbage.report(in_ms=in_ms)}
        merge(report, self._rate_limits.report())
        merge(report, self.claims.report())
        merge(report, self.exec_backends.report(in_ms=in_ms))
        return report

    def wait(
        self, dispatcher: Callable[..., Any] | None, sleep: Callable[[float], object] | None, *, return_status: bool
    ) -> bool | None:
        """Block while the dispatcher or the server is locked, or return at once whether it is."""
        key = optional_lock_key(dispatcher)
        if return_status:
            return self.locks.is_locked(key)
        self.locks.wait(key, sleep, self.settings.sleepTime_waitLock)
        return None

    def execution(self) -> Execution:
        """Return the execution that makes calls for exec backends; it is rebuilt only after a setting has changed."""
        settings = self.settings
        options = ExecutionOptions(settings.magicVarForDispatcher, settings.debug, settings.allowCompress)
        execution = self._execution
        make_execution = execution_class(settings)
        if execution is None or execution.options != options or type(execution) is not make_execution:
            execution = make_execution(self.facts, self.stats, self.router, options, should_propagate=report_to_flask)
            self._execution = execution
        return execution

    def openrpc(self, path: str | None, url: str) -> dict[str, Any]:
        """Return the OpenRPC document of a path, or of the server for None, with all methods that are ever visible.

        Raises:
            RegistrationError: Nothing is registered on the path.
        """
        paths = self.router.table.paths()
        if path is None:
            return self.documents.of_server(paths, is_shown).at(url.rstrip("/")).tree()
        formatted = self._format_path(path)
        if formatted not in paths:
            raise RegistrationError(unknown_name("path", formatted, paths))
        return self.documents.of_path(formatted, is_shown).at(url.rstrip("/")).tree()

    def check_examples(self) -> int:
        """Call all methods with their examples; see :func:`~flaskJSONRPCServer.dispatch.examples.check_examples`."""
        return check_examples(main_routes(self.router.table), self.execution(), self.codec)

    def application(self) -> Application:
        """Return the WSGI callable."""
        always_flask = self.settings.flaskContext or self.mounts.is_app_users
        return Application(self.mounts.app, self.pipeline(), self.locks, self.mounts.served, always_flask=always_flask)

    def pipeline(self) -> Pipeline:
        """Return the pipeline; freeze the settings and build it on the first call."""
        pipeline = self._pipeline
        if pipeline is not None:
            return pipeline
        with self._making:
            if self._pipeline is None:
                check_settings(self.settings)
                self._rate_limits.check(self.settings.rateLimit)
                self.settings.freeze()
                self.log.set_level(self.settings.log)
                self.locks.begin_period()
                self._pipeline = self._make_pipeline(self.settings.snapshot())
            return self._pipeline

    def rebuild(self) -> None:
        """Rebuild the steps of the pipeline after the user has overridden a documented method."""
        with self._making:
            if self._pipeline is not None:
                self._pipeline.rebuild(self._steps(self._frozen))

    def record_calls(self, *, enabled: bool) -> None:
        """Record the calls of each request for an access log, or stop that."""
        if enabled is not self._records_calls:
            self._records_calls = enabled
            self.rebuild()

    def release(self) -> None:
        """Drop the pipeline and unfreeze the settings."""
        with self._making:
            self._pipeline = None
            self.settings.unfreeze()

    def request_copy(self, request: werkzeug.wrappers.Request) -> RequestCopy:
        """Return a Werkzeug request as a dict that outlives its thread."""
        if isinstance(request, LocalProxy):  # flask.request is empty once its context has ended
            request = request._get_current_object()
        options = request_options(self.settings)
        return RequestCopy(Request(request.environ, options, parsed=request), self.settings.max_body_bytes)

    def _make_pipeline(self, settings: Settings) -> Pipeline:
        self.codec = self._make_codec(settings)
        self.claims.use(settings)
        self._frozen = settings
        guard = Guard(settings, allowed_hosts(settings), is_local_only=is_local_only(settings))
        steps = self._steps(settings)
        self._warn_of_unmatched(self.router.table.routes())
        return Pipeline(settings, self.facts, self.router, guard, self.stats, steps, should_propagate=report_to_flask)

    def _warn_of_unmatched(self, routes: list[Route]) -> None:
        """Warn of paths and names that have an effect on no route: they may be misspelt."""
        limits = [f"rateLimit limits nothing by {name}" for name in self._rate_limits.unmatched(routes)]
        for name in (*limits, *self._middleware.unmatched(routes), *self.facts.exceptions.unmatched(routes)):
            self.log.write(WARNING, f"{name}: nothing is registered there")

    def _steps(self, settings: Settings) -> Steps:
        return self._steps_maker.steps(
            settings, self.codec, has_timeouts=self._has_timeouts, records_calls=self._records_calls
        )

    def _make_services(self) -> BuiltInServices:
        return BuiltInServices(
            ServiceSources(
                facts=self.facts,
                settings=self.settings,
                stats=self.stats,
                garbage=self.garbage,
                router=self.router,
                lifetime=self.lifetime,
                exec_backends=self.exec_backends,
                rate_limits=self._rate_limits.report,
                pipeline=self.pipeline,
                registrar=self.registrar,
                codec=lambda: self.codec,
                background=self.background,
                streams=self.streams,
                waiting_limits=self.waiting_limits,
            )
        )

    def _copy_for_user(self, request: Request) -> Any:
        return self.pipeline().steps.copy_request(request)

    def _make_discovery(self, visibility: Visibility) -> Discovery:
        scripts = ClientScripts(package_version()) if self.settings.client_js else None
        return Discovery(self.documents, self.settings.magicVarForDispatcher, visibility, scripts)

    def _has_own_json_forms(self) -> bool:
        return replacement(self._facade, self._standard, "_fixJSON") is not None

    def _info(self) -> dict[str, Any]:
        """Return the Info Object of the documents."""
        named = {"title": self.settings.name or _API_TITLE, "version": _API_VERSION}
        return {**named, **(self.settings.api_info or {})}

    def _register_backends(
        self, dispatcher_backend: Any, notif_backend: Any, timeout: float | None = None
    ) -> Backends | None:
        """Register the backends, the defaults for None; return None for the serving thread without a timeout."""
        for_calls = self.settings.dispatcherBackend if dispatcher_backend is None else dispatcher_backend
        for_notifications = self.settings.notifBackend if notif_backend is None else notif_backend
        backends = Backends(
            self.exec_backends.register(for_calls, notif=False),
            self.exec_backends.register(for_notifications, notif=True),
        )
        timeout = self.settings.timeout if timeout is None else timeout
        if timeout is not None and timeout < threading.TIMEOUT_MAX:  # nothing can wait longer: 292 years
            threads = self.exec_backends.register(self._deadline_backend, notif=False)
            assert threads is not None  # noqa: S101  only `simple` is None
            return with_timeout(backends, timeout, threads)
        return backends if backends.dispatcher or backends.notif else None

    def _make_codec(self, settings: Settings) -> Codec:
        limits = json_limits(settings)
        codec = make_codec_or_standard(settings.jsonBackend, self._fix_json, limits, self.log)
        if not settings.experimental:
            return codec
        return OffloadedCodec(codec, limits=limits, large_bytes=settings.experimental_min_bytes)

    def _format_path(self, path: str) -> str:
        return format_path(self._facade._formatPath(path))

    def _fix_json(self, value: Any) -> Any:
        # Looked up at each call: a subclass or an assignment may replace it.
        replaced = replacement(self._facade, self._standard, "_fixJSON")
        if replaced is None:
            return self._facade._fixJSON(value)
        return own_context().run(replaced, value)  # its context variables end with the call

    def _mount_paths(self, paths: list[str]) -> None:
        self.mounts.add_paths(paths)  # the mounts are made after the router

    def _routes_changed(self, before: RouteTable, after: RouteTable) -> None:
        self.services.routes_changed(before, after)  # the services are made after the router

    def _unmount_other_paths(self, paths: list[str]) -> None:
        self.mounts.remove_other_paths(paths)


def numbered(counts: Mapping[str, int], what: str) -> list[str]:
    """Return how many things each path has, in words: ``/api has 2 methods``."""
    return [f"{path.rstrip('/') or '/'} has {count} {what}{'s' * (count != 1)}" for path, count in counts.items()]


def check_settings(settings: Settings) -> None:
    """Check the options against each other.

    Raises:
        SettingsError, UnsupportedError: An option has an unusable value.
        MissingExtraError: An option needs an extra that is not installed.
    """
    addresses_of(settings)
    tracing_of(settings)
    metrics_address_of(settings)
    identity_of(settings)
    refuse_client_js(settings)
    find_exec_backend(settings.dispatcherBackend, notif=False)
    find_exec_backend(settings.notifBackend, notif=True)
    if settings.cors is not False:
        Cors(settings.cors)


def execution_class(settings: Settings) -> type[Execution]:
    """Return the class that makes calls for exec backends."""
    if not settings.tracing:
        return Execution
    from .dispatch.trace_context import TracedExecution

    return TracedExecution


def make_codec_or_standard(backend: Any, fix_json: Callable[[Any], Any], limits: JsonLimits, log: ServerLog) -> Codec:
    """Return the codec of ``jsonBackend``, or warn and return the standard library's if its module is missing.

    Raises:
        SettingsError: It has no ``loads`` or ``dumps``.
    """
    try:
        return make_codec(backend, default=fix_json, limits=limits)
    except ImportError as exc:
        log.write(WARNING, f"jsonBackend={backend!r} cannot be imported ({exc}); using {_STANDARD_JSON!r}")
        return make_codec(_STANDARD_JSON, default=fix_json, limits=limits)
    except TypeError as exc:
        raise SettingsError(f"jsonBackend={backend!r} is refused: {exc}") from exc
