"""The answers to the pages: the figures of a server since a moment, actions, and the endpoints for models.

A timer samples the statistics once a second. So a call pays nothing for the dashboard, and any number of browsers that
look at it share one sample. The statistics of exec backends may be the user's code, so they are read only for browsers.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..dispatch.connection import ServerFacts
from ..dispatch.exchange import Exchange
from ..dispatch.locks import HeldLock
from ..dispatch.routes import Router
from ..execBackend.counts import Counts
from ..http.guard import is_cross_site
from ..http.refusals import BadRequest, Forbidden, Refusal
from ..http.response import Response, json_document
from ..runtime.concurrency import make_lock
from ..runtime.counters import OTHER, ThreadCounters
from ..runtime.garbage import GarbageControl
from ..runtime.lifetime import Lifetime
from ..runtime.resources import ProcessUsage, measure_usage
from ..runtime.stats import Stats
from ..settings import Settings
from .actions import Actions
from .backends import backend_figures
from .history import History, Sample
from .methods import MethodFigures

__all__ = ["CONSOLE_PATH", "Dashboard", "DashboardSources"]

CONSOLE_PATH = "/console/"
"""The path that ``auth`` is asked for, as with any built-in URL."""

# How old a sample is when no timer runs that takes the next one: a server that is only mounted has none.
_STALE_S = 1.5

_UNKNOWN = ProcessUsage(0.0, 0, 0, 0)

# The longest number in a query: larger ones name no sample.
_MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class DashboardSources:
    """The parts of a server that the dashboard shows.

    Attributes:
        facts: The server, its log and its locks.
        settings: The settings of the server.
        stats: Its counters.
        garbage: Its garbage collections.
        router: Its methods.
        lifetime: Its starts and reloads.
        exec_backend_counts: Returns the counts of its exec backends, by their ``_id``.
        endpoints: Returns its endpoints for models, as far as the caller of a request may see their tools.
        authorise: Asks ``auth`` whether a client may do something on a path, under a method name or None.
    """

    facts: ServerFacts
    settings: Settings
    stats: Stats
    garbage: GarbageControl
    router: Router
    lifetime: Lifetime
    exec_backend_counts: Callable[[], Mapping[str, Counts | None]]
    endpoints: Callable[[Exchange], list[dict[str, Any]]]
    authorise: Callable[[Exchange, str, str | None], None]


class Dashboard:
    """Answers the dashboard of one server.

    Args:
        sources: The parts of the server.
    """

    def __init__(self, sources: DashboardSources) -> None:
        self._sources = sources
        self._lock = make_lock()
        self._history: History | None = None  # guarded by _lock, as all below; made with the first sample
        self._last: Sample | None = None
        self._methods = MethodFigures()
        self._actions = Actions(
            sources.facts,
            sources.settings,
            sources.router,
            sources.garbage,
            lambda exchange, action: sources.authorise(exchange, CONSOLE_PATH, action),
        )

    def sample(self) -> None:
        """Sample the statistics. Call it once a second."""
        with self._lock:
            self._sample(time.monotonic())

    def live_answer(self, exchange: Exchange, rest: str) -> Response | None:
        """Answer a request for a URL below the console's.

        Args:
            exchange: The request.
            rest: The rest of its path.

        Returns:
            The answer; None if the URL is none of these.

        Raises:
            Refusal: The client may not read it.
        """
        if rest in ("/live.json", "/endpoints.json") and exchange.method in ("GET", "HEAD"):
            if is_cross_site(exchange.head):
                raise Forbidden("a page of another origin may not read this")
            self._sources.authorise(exchange, CONSOLE_PATH, None)
            return self._answer_live(exchange) if rest == "/live.json" else self._answer_endpoints(exchange)
        if rest == "/actions" and exchange.method == "POST":
            return self._answer_action(exchange)
        return None

    def _answer_live(self, exchange: Exchange) -> Response:
        query = exchange.parsed.args
        return json_document(self.report(read_sequence(query.get("since", "0")), query.get("method")))

    def _answer_endpoints(self, exchange: Exchange) -> Response:
        return json_document({"mcp": self._sources.endpoints(exchange)})

    def _answer_action(self, exchange: Exchange) -> Response:
        try:
            return json_document(self._actions.answer(exchange))
        except Refusal as refusal:
            return json_document({"error": str(refusal)}, refusal.status)

    def report(self, since: int, method: str | None = None) -> dict[str, Any]:
        """Return what has changed after a sample; everything after sample 0, or one that has not been taken yet.

        Args:
            since: The number of the sample.
            method: The method whose history is wanted too; :data:`OTHER` for those without one.
        """
        with self._lock:
            history = self._sample_if_stale()
            since = since if since <= history.sequence else 0
            report: dict[str, Any] = {
                "history_id": history.id,
                "sequence": history.sequence,
                "history": history.since(since),
                "methods": self._methods.since(since),
                "totals": self._totals(),
            }
            if method is not None:
                has_own = history.has_method(method)
                name = method if has_own else OTHER
                report["method"] = {"name": name, "history": history.method_since(name, since)}
        return {**report, **self._current()}

    def _sample_if_stale(self) -> History:
        now_s = time.monotonic()
        if self._history is None or self._last is None or now_s - self._last.clock_s > _STALE_S:
            return self._sample(now_s)
        return self._history

    def _sample(self, clock_s: float) -> History:
        sources, last = self._sources, self._last
        gc_s = sources.garbage.report(in_ms=False)["total"]
        totals = sources.stats.totals_after(ThreadCounters() if last is None else last.totals)
        sample = Sample(clock_s, totals, gc_s, usage_or(_UNKNOWN if last is None else last.usage))
        history = self._history
        if history is None:
            history = self._history = History(clock_s, time.time())
        sequence = history.add(sample)
        elapsed_s = 1.0 if last is None else max(clock_s - last.clock_s, 1e-3)
        self._methods.update(sample.totals.calls, elapsed_s, sequence)
        self._last = sample
        return history

    def _totals(self) -> dict[str, int]:
        assert self._last is not None  # noqa: S101  there is a sample
        totals = self._last.totals
        events = self._sources.stats.events()
        return {
            "requests": totals.requests_started,
            "calls": totals.calls_started(),
            "errors": sum(calls.failed for calls in totals.calls.values()),
            "in_flight": totals.requests_started - totals.requests_done,
            "running": totals.calls_running(),
            "lost_notifications": events.lost_notifications,
            "abandoned_calls": events.abandoned_calls,
        }

    def _current(self) -> dict[str, Any]:
        """Return what is read for each request, without the lock: it may run the user's code."""
        sources = self._sources
        return {
            "now_s": time.time(),
            "server": self._about_server(),
            "backends": [backend_figures(*backend) for backend in sources.exec_backend_counts().items()],
            "locks": self._locks(),
            "gc": sources.garbage.report(in_ms=True),
            "actions": self._actions.offered(),
        }

    def _about_server(self) -> dict[str, Any]:
        lifetime, events = self._sources.lifetime, self._sources.stats.events()
        return {
            "name": self._sources.facts.name,
            "pid": os.getpid(),
            "python": platform.python_version(),
            "uptime_s": max(0.0, time.time() - lifetime.started_at_s),
            "restarts": lifetime.restarts,
            "reloads": events.reloads,
            "failed_reloads": events.failed_reloads,
            "reloaded_at_s": lifetime.reloaded_at_s,
        }

    def _locks(self) -> dict[str, Any]:
        urls_by_key: dict[Any, list[str]] = {}
        for route in self._sources.router.table.routes():
            urls_by_key.setdefault(route.lock_key, []).append(route.url)
        held = self._sources.facts.locks.held(urls_by_key)
        on_server = [lock_row("server", [], held.server), lock_row("deep", [], held.deep)]
        on_dispatchers = [lock_row("dispatcher", urls_by_key[key], lock) for key, lock in held.dispatchers.items()]
        return {"waiting": held.waiting, "held": [row for row in (*on_server, *on_dispatchers) if row is not None]}


def usage_or(last: ProcessUsage) -> ProcessUsage:
    """Return what the process uses; the last reading if it has no descriptor left to read it with."""
    try:
        return measure_usage()
    except OSError:
        return last


def lock_row(kind: str, urls: list[str], lock: HeldLock | None) -> dict[str, Any] | None:
    """Return a lock as the dashboard shows it; None if it is not held."""
    return None if lock is None else {"kind": kind, "dispatchers": urls, "since_s": lock.since_s, "by": lock.by}


def read_sequence(text: str) -> int:
    """Return the number of a sample.

    Raises:
        BadRequest: The text is not one.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise BadRequest(f"since={text!r} is refused: it takes the sequence of an earlier answer, or 0")
    return int(text)
