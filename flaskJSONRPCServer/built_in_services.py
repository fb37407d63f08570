"""The services that one server answers by URLs of its own: documents, health, metrics, the console, and MCP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .console import console_urls, has_console
from .console.dashboard import Dashboard, DashboardSources
from .dispatch.background import BackgroundCalls
from .dispatch.built_in import BuiltInSite, BuiltInUrl, BuiltInUrls
from .dispatch.client_scripts import CLIENT_JS
from .dispatch.connection import ServerFacts
from .dispatch.exchange import Exchange
from .dispatch.pipeline import Pipeline
from .dispatch.registration import Registrar
from .dispatch.routes import Router, RouteTable
from .dispatch.streams import StreamRegistry
from .dispatch.waiting_limits import WaitingLimits
from .execBackend import ExecBackends
from .http.response import Response
from .runtime.garbage import GarbageControl
from .runtime.lifetime import Lifetime
from .runtime.stats import Stats
from .sansio_jsonrpc import Codec
from .settings import Settings
from .telemetry.collection import MetricsSources
from .telemetry.health import Health
from .telemetry.metrics import Metrics, package_version
from .telemetry.metrics_address import metrics_address_of, metrics_site

if TYPE_CHECKING:
    from .mcp.endpoints import McpEndpoints

__all__ = ["BuiltInServices", "ServiceSources"]


@dataclass(frozen=True, slots=True)
class ServiceSources:
    """The parts of a server that its services show.

    Attributes:
        facts: The server, its log and its locks.
        settings: The settings.
        stats: The counters.
        garbage: The garbage collections.
        router: The methods.
        lifetime: The starts and reloads.
        exec_backends: The exec backends.
        rate_limits: Returns the statistics of the rate limits.
        pipeline: Returns the pipeline.
        registrar: Makes routes of functions.
        codec: Returns the codec.
        background: The calls that outlast their requests.
        streams: The open streams.
        waiting_limits: How many calls may wait for messages of their clients.
    """

    facts: ServerFacts
    settings: Settings
    stats: Stats
    garbage: GarbageControl
    router: Router
    lifetime: Lifetime
    exec_backends: ExecBackends
    rate_limits: Callable[[], Mapping[str, int]]
    pipeline: Callable[[], Pipeline]
    registrar: Registrar
    codec: Callable[[], Codec]
    background: BackgroundCalls
    streams: StreamRegistry
    waiting_limits: WaitingLimits


class BuiltInServices:
    """The services of one server, as its settings choose them, and their URLs.

    Args:
        sources: The parts of the server.

    Raises:
        MissingExtraError: An extra that one of them needs is not installed.

    Attributes:
        health: Whether the server is alive and ready.
        metrics: The metrics; None without ``metrics``.
        dashboard: What the dashboard shows; None without a console.
        urls: The URLs on the addresses of the server.
        serving_counts: Returns the counts of the serving backend; empty before there is one.
    """

    def __init__(self, sources: ServiceSources) -> None:
        self._sources = sources
        facts, settings = sources.facts, sources.settings
        self.serving_counts: Callable[[], Mapping[str, int]] = dict
        self.health = Health(facts.locks, sources.exec_backends.readiness_checks, facts.log)
        self.metrics = self._make_metrics() if settings.metrics else None
        self.dashboard = self._make_dashboard() if has_console(settings) else None
        self.urls = BuiltInUrls(*self._urls())
        self._mcp_endpoints: McpEndpoints | None = None  # made with the first one: most servers have none

    def mcp_endpoints(self) -> McpEndpoints:
        """Return the endpoints of the Model Context Protocol."""
        if self._mcp_endpoints is None:
            from .mcp.endpoints import McpEndpoints
            from .mcp.sources import Sources

            sources = self._sources
            shown = Sources(
                facts=sources.facts,
                settings=sources.settings,
                router=sources.router,
                registrar=sources.registrar,
                pipeline=sources.pipeline,
                codec=sources.codec,
                background=sources.background,
                streams=sources.streams,
                waiting_limits=sources.waiting_limits,
                version=package_version(),
            )
            self._mcp_endpoints = McpEndpoints(shown, self.urls.add)
        return self._mcp_endpoints

    def tool_counts(self) -> dict[str, int]:
        """Return the number of tools of each endpoint for models, by its path."""
        return {} if self._mcp_endpoints is None else self._mcp_endpoints.tool_counts()

    def routes_changed(self, before: RouteTable, after: RouteTable) -> None:
        """Follow a change of the methods."""
        if self._mcp_endpoints is not None or any(route.is_tool for route in after.routes()):
            self.mcp_endpoints().routes_changed(before, after)

    def metrics_site(self) -> BuiltInSite | None:
        """Return the URLs of ``metrics_address``; None without that."""
        settings = self._sources.settings
        address = metrics_address_of(settings)
        if self.metrics is None or address is None:
            return None
        return metrics_site(settings, address, self.metrics.url(settings.metrics_auth))

    def shown_dashboard(self) -> Dashboard | None:
        """Return the dashboard; None without a console, or if the address has been changed to a public one."""
        return self.dashboard if has_console(self._sources.settings) else None

    def _urls(self) -> Iterator[BuiltInUrl]:
        settings = self._sources.settings
        if settings.discover:  # auth is asked for each path of the document instead
            yield BuiltInUrl(settings.discover_url, self._answer_document, needs_auth=False)
        if settings.client_js:  # so it is for the client
            yield BuiltInUrl(CLIENT_JS, self._answer_document, needs_auth=False)
        if settings.health:
            yield from self.health.urls()
        if self.metrics is not None and settings.metrics_address is None:
            yield self.metrics.url(settings.metrics_auth)
        yield from console_urls(settings, self._answer_live)

    def _make_metrics(self) -> Metrics:
        sources = self._sources
        metrics_sources = MetricsSources(
            version=package_version(),
            settings=sources.settings,
            stats=sources.stats,
            locks=sources.facts.locks,
            garbage=sources.garbage,
            exec_backend_counts=sources.exec_backends.counts,
            rate_limits=sources.rate_limits,
            serving=self._serving_counts,
        )
        return Metrics(sources.settings.name, metrics_sources, sources.facts.log)

    def _serving_counts(self) -> Mapping[str, int]:
        return self.serving_counts()  # it changes with each start

    def _make_dashboard(self) -> Dashboard:
        sources = self._sources
        dashboard_sources = DashboardSources(
            facts=sources.facts,
            settings=sources.settings,
            stats=sources.stats,
            garbage=sources.garbage,
            router=sources.router,
            lifetime=sources.lifetime,
            exec_backend_counts=sources.exec_backends.counts,
            endpoints=self._endpoints_shown,
            authorise=lambda exchange, path, method: sources.pipeline().authorise(exchange, path, method),
        )
        return Dashboard(dashboard_sources)

    def _endpoints_shown(self, exchange: Exchange) -> list[dict[str, Any]]:
        return [] if self._mcp_endpoints is None else self._mcp_endpoints.shown(exchange)

    def _answer_live(self, exchange: Exchange, rest: str) -> Response | None:
        return None if self.dashboard is None else self.dashboard.live_answer(exchange, rest)

    def _answer_document(self, exchange: Exchange, _: str) -> Response:
        return self._sources.pipeline().server_document(exchange)
