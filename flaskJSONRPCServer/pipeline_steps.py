"""The steps of a pipeline, put together as the settings, the overridden methods and the middleware ask for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .dispatch.answers import Answerer
from .dispatch.built_in import BuiltInUrls
from .dispatch.call_parts import CallParts
from .dispatch.connection import ServerFacts
from .dispatch.discovery import Discovery
from .dispatch.facade import ServerFacade
from .dispatch.idempotency.answerer import KeyedAnswerer
from .dispatch.idempotency.callers import Callers, identity_of
from .dispatch.idempotency.claims import Claims
from .dispatch.idempotency.marks import (
    MarkedBackendCalls,
    MarkedInvoker,
    OverriddenInContext,
    ResultMarkingBackendCalls,
    ResultMarkingInvoker,
)
from .dispatch.middleware import MiddlewareRegistry
from .dispatch.middleware_chains import MiddlewareBackendCalls, MiddlewareChains, MiddlewareInvoker
from .dispatch.overrides import Overrides
from .dispatch.rate_limits.limiter import RateLimiter
from .dispatch.rate_limits.server import ServerRateLimits
from .dispatch.rendering import Renderer
from .dispatch.steps import Steps
from .dispatch.streams import StreamRegistry
from .dispatch.submission import AnyInvoker, InnerBackendCalls, OverriddenInvoker
from .dispatch.visibility import Visibility
from .extras import missing_extra
from .http.request import RequestOptions
from .mounting.answers import flask_answers_by, report_to_flask
from .proxies import TrustedProxies
from .runtime.contexts import CurrentContext
from .runtime.stats import Stats
from .sansio_jsonrpc import Codec
from .servBackend.serving import served_by
from .settings import Settings
from .telemetry.call_records import RecordedAnswerer, RecordedKeyedAnswerer, RecordedOverrides

if TYPE_CHECKING:
    from .telemetry.tracing import Tracing

__all__ = ["StepsMaker", "request_options", "tracing_of"]


@dataclass(frozen=True, slots=True)
class StepsMaker:
    """Makes the steps of the pipelines of one server.

    Attributes:
        facade: The object that the user made.
        standard: The class with the default documented methods, which the user may override.
        facts: The server, its log and its locks.
        stats: The counters.
        rate_limits: The rate limits.
        claims: The idempotency keys in use.
        middleware: The middleware.
        discovery: What answers ``rpc.discover``; None without it.
        built_in_urls: The URLs of the server's own.
        streams: The open streams.
        visibility: Decides which methods a caller sees.
    """

    facade: ServerFacade
    standard: type
    facts: ServerFacts
    stats: Stats
    rate_limits: ServerRateLimits
    claims: Claims
    middleware: MiddlewareRegistry
    discovery: Discovery | None
    built_in_urls: BuiltInUrls
    streams: StreamRegistry
    visibility: Visibility

    def steps(self, settings: Settings, codec: Codec, *, has_timeouts: bool, records_calls: bool) -> Steps:
        """Return the steps.

        Args:
            settings: The frozen settings.
            codec: The codec.
            has_timeouts: Whether any registration has a timeout.
            records_calls: Whether an access log needs the calls of each request.

        Raises:
            MissingExtraError: The extra ``otel`` is not installed, with ``tracing``.
        """
        make_overrides = RecordedOverrides if records_calls else Overrides
        overrides = make_overrides(self.facade, self.standard, settings, codec)
        process = overrides.replaced("_requestProcess")
        limiter = self.rate_limits.limiter(settings.rateLimit, overrides.copy_request)
        tracing = tracing_of(settings)
        answerer = self._answerer(settings, overrides, limiter, tracing)
        renderer = Renderer(settings, overrides.compressor())
        keyed = self._keyed_answerer(settings, overrides, renderer, limiter, tracing)
        if keyed is not None and settings.idempotency is not False:
            answerer.use_keyed(keyed, overrides.reader(separates_keys=True))
        return Steps(
            codec=codec,
            answerer=RecordedAnswerer(answerer) if records_calls else answerer,
            renderer=renderer,
            request_options=request_options(settings, overrides.new_request_id),
            copy_request=overrides.copy_request,
            gunzip=overrides.gunzip,
            mime_type=overrides.replaced("_calcMimeType"),
            custom_process=process and flask_answers_by(process),
            custom_view=overrides.replaced("_requestHandler"),
            streams=self.streams,
            visibility=self.visibility,
            limiter=limiter,
            discovery=self.discovery,
            has_timeouts=has_timeouts or settings.timeout is not None,
            built_in_urls=self.built_in_urls,
            traced=None if tracing is None else tracing.traced,
            keyed=keyed,
        )

    def _answerer(
        self,
        settings: Settings,
        overrides: Overrides,
        limiter: RateLimiter | None,
        tracing: Tracing | None,
        *,
        marks_runs: bool = False,
    ) -> Answerer:
        """Return the answerer of a pipeline; with ``marks_runs``, its parts mark the calls that run."""
        parts = CallParts() if tracing is None else tracing.call_parts
        invoker = parts.invoker(self.facts, self.stats, debug=settings.debug, should_propagate=report_to_flask)
        backend_calls = parts.backend_calls(settings, self.facts, invoker, self.stats, overrides.copy_request)
        replaced = overrides.replaced("_callDispatcher")
        caller = invoker if replaced is None else OverriddenInvoker(replaced, backend_calls, invoker)
        inner = partial(invoker.invoke, make_context=CurrentContext) if replaced is None else caller.invoke
        calls: tuple[AnyInvoker, InnerBackendCalls] = caller, backend_calls
        if marks_runs:
            marked = MarkedInvoker(invoker if replaced is None else OverriddenInContext(caller), invoker)
            inner = partial(marked.invoke, make_context=CurrentContext)
            calls = marked, MarkedBackendCalls(backend_calls)
        if not self.middleware.entries:
            return parts.answerer(settings, overrides, calls[0], invoker, calls[1], limiter)
        chains = MiddlewareChains(self.middleware, invoker, self.facts)
        through = MiddlewareInvoker(chains, calls[0], inner)
        through_backends = MiddlewareBackendCalls(chains, calls[1], settings.exec_pool_threads)
        if not marks_runs:
            return parts.answerer(settings, overrides, through, invoker, through_backends, limiter)
        with_results = ResultMarkingInvoker(through), ResultMarkingBackendCalls(through_backends)
        return parts.answerer(settings, overrides, with_results[0], invoker, with_results[1], limiter)

    def _keyed_answerer(
        self,
        settings: Settings,
        overrides: Overrides,
        renderer: Renderer,
        limiter: RateLimiter | None,
        tracing: Tracing | None,
    ) -> KeyedAnswerer | None:
        """Return what answers requests with idempotency keys or the time of their callers; None if neither counts."""
        if settings.idempotency is False and not settings.caller_timeouts:
            return None
        identity, has_auth = identity_of(settings), settings.auth is not None
        make_keyed = RecordedKeyedAnswerer if isinstance(overrides, RecordedOverrides) else KeyedAnswerer
        return make_keyed(
            self._answerer(settings, overrides, limiter, tracing, marks_runs=True),
            renderer,
            overrides.reader(),
            Callers(identity, overrides.copy_request, self.facts.log, has_auth=has_auth),
            self.claims,
            limiter,
            settings,
        )


def request_options(settings: Settings, new_id: Callable[[], str] | None = None) -> RequestOptions:
    """Return the options of all requests of a server."""
    return RequestOptions(TrustedProxies(settings.trusted_proxies), new_id, settings.allowCompress)


def tracing_of(settings: Settings) -> Tracing | None:
    """Return the traces of a server; None without ``tracing``.

    Raises:
        MissingExtraError: The extra ``otel`` is not installed.
    """
    if not settings.tracing:
        return None
    try:
        from .telemetry.tracing import Tracing
    except ImportError as exc:
        raise missing_extra("tracing", "otel", exc) from exc
    return Tracing.of_setting(settings.tracing, served_by)
