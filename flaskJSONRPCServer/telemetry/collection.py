"""The metrics of one server in one process, read from the statistics that it keeps anyway."""

from __future__ import annotations

import bisect
import math
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ..dispatch.locks import Locks
from ..execBackend.counts import Counts
from ..runtime.counters import OTHER, Durations, Histogram, ThreadCounters, upper_edge_ns
from ..runtime.garbage import GarbageControl
from ..runtime.stats import Stats
from ..settings import Settings
from .families import Family, SampleKey, counter, gauge, sample_key

__all__ = ["BOUNDS_S", "PREFIX", "MetricsSources", "server_families"]

PREFIX: Final = "jsonrpc_server_"

BOUNDS_S: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""The upper bounds of the buckets of a histogram, in seconds."""

_TRANSPORT: Final = "http"

# What the exec backends of the package count, by the name in their statistics: the metric, whether it is a counter, and
# its documentation.
_BACKEND_METRICS: Final = {
    "poolSize": ("pool_size", False, "The most threads or processes."),
    "threads": ("threads", False, "Threads that exist."),
    "alive": ("processes", False, "Processes that run."),
    "workers": ("workers", False, "Workers that answer."),
    "waiting": ("waiting_calls", False, "Calls that wait for a thread or a process."),
    "queue": ("queued_calls", False, "Calls in the queue of the broker."),
    "running": ("running_calls", False, "Calls in progress."),
    "dead": ("dead_letters", False, "Notifications in the dead letter queue."),
    "age": ("reading_age_seconds", False, "Age of the values that come from the broker."),
    "done": ("done_calls", True, "Calls that have ended."),
    "failed": ("failed_calls", True, "Calls that have failed."),
    "refused": ("refused_calls", True, "Calls that the backend did not accept."),
    "abandoned": ("abandoned_calls", True, "Calls that were left behind at their deadlines."),
    "cancelled": ("cancelled_calls", True, "Calls that were cancelled."),
    "retried": ("retried_calls", True, "Further attempts to run notifications."),
    "killed": ("killed_processes", True, "Processes that were killed."),
    "restarted": ("restarted_processes", True, "Processes that were started in the place of others."),
}

# What a serving backend counts.
_SERVING_METRICS: Final = {
    "connections": ("connections", False, "Open connections of clients."),
    "threads": ("serving_threads", False, "Threads that answer requests."),
    "running": ("serving_running_requests", False, "Requests that threads of the serving backend answer."),
    "waiting": ("serving_waiting_requests", False, "Requests that wait for a thread of the serving backend."),
    "refused": ("serving_refused_requests", True, "Requests that were answered 503, since too many waited."),
}

_LIMITS: Final = (
    *("threads", "max_waiting_requests", "max_concurrent_calls", "max_connections", "max_buffered_bytes"),
    *("exec_pool_threads", "max_exec_queue_calls", "max_abandoned_calls"),
)


@dataclass(frozen=True, slots=True)
class MetricsSources:
    """The parts of a server that metrics are read from.

    Attributes:
        version: The version of the package.
        settings: The settings.
        stats: The statistics.
        locks: The locks.
        garbage: The garbage collection.
        exec_backend_counts: Returns the counts of the exec backends, by their ``_id``.
        rate_limits: Returns the statistics of the rate limits.
        serving: Returns the counts of the serving backend, over all addresses; empty if it has none.
    """

    version: str
    settings: Settings
    stats: Stats
    locks: Locks
    garbage: GarbageControl
    exec_backend_counts: Callable[[], Mapping[str, Counts | None]]
    rate_limits: Callable[[], Mapping[str, int]]
    serving: Callable[[], Mapping[str, int]]


def server_families(sources: MetricsSources) -> list[Family]:
    """Return the metrics of a server, as far as this process has counted them."""
    totals = sources.stats.totals()
    return [
        *call_families(totals),
        *request_families(totals),
        *event_families(sources),
        *lock_families(sources.locks),
        *garbage_families(sources.garbage),
        *backend_families(sources.exec_backend_counts()),
        *serving_families(sources.serving()),
        *constant_families(sources),
    ]


def call_families(totals: ThreadCounters) -> Iterator[Family]:
    """Return the metrics of calls."""
    calls = totals.calls
    histograms: dict[SampleKey, float] = {}
    for url, of_url in calls.items():
        for code, histogram in ((0, of_url), *of_url.failures.items()):
            if histogram.buckets:
                labels = {"method": url, "code": code_label(code), "transport": _TRANSPORT}
                histograms.update(histogram_samples(histogram, labels))
    documentation = "Duration of the calls of functions, by the code of their error; 0 for a result."
    yield Family(f"{PREFIX}call_duration_seconds", "histogram", documentation, histograms)
    running = [({"method": url}, max(0, of_url.running())) for url, of_url in calls.items()]
    yield gauge(f"{PREFIX}calls_in_progress", "Calls of functions in progress.", *running)
    errors = [
        ({"method": url or OTHER, "code": code_label(code), "transport": _TRANSPORT}, count)
        for (url, code), count in totals.errors.items()
    ]
    yield counter(f"{PREFIX}errors", "Answers with an error, whether or not a function was called.", *errors)
    recorded = dict(item for name, durations in totals.durations.items() for item in summary_samples(name, durations))
    yield Family(f"{PREFIX}recorded_duration_seconds", "summary", "Durations that the program has recorded.", recorded)


def code_label(code: int | None) -> str:
    return OTHER if code is None else str(code)


def histogram_samples(histogram: Histogram, labels: Mapping[str, object]) -> Iterator[tuple[SampleKey, float]]:
    """Return the samples of a histogram.

    A duration is rounded up to the end of its fine bucket, by an eighth at most: none is counted below a bound that it
    has exceeded.
    """
    counts = [0] * (len(BOUNDS_S) + 1)
    for bucket, count in histogram.buckets.items():
        counts[bisect.bisect_left(BOUNDS_S, upper_edge_ns(bucket) / 1e9)] += count
    cumulative = 0
    for bound_s, count in zip((*BOUNDS_S, math.inf), counts, strict=True):
        cumulative += count
        yield sample_key("_bucket", {**labels, "le": "+Inf" if bound_s == math.inf else str(bound_s)}), cumulative
    yield sample_key("_count", labels), cumulative
    yield sample_key("_sum", labels), histogram.total_ns / 1e9


def summary_samples(name: str, durations: Durations) -> list[tuple[SampleKey, float]]:
    labels = {"name": name}
    return [
        (sample_key("_count", labels), durations.count),
        (sample_key("_sum", labels), durations.total_ms / 1e3),
    ]


def request_families(totals: ThreadCounters) -> Iterator[Family]:
    """Return the metrics of requests."""
    started, done = totals.requests_started, totals.requests_done
    transport = {"transport": _TRANSPORT}
    yield counter(f"{PREFIX}requests", "Requests for RPC URLs; a batch is one request.", (transport, started))
    yield gauge(f"{PREFIX}requests_in_progress", "Requests for RPC URLs in progress.", ({}, max(0, started - done)))
    refusals = [({"status": status}, count) for status, count in totals.refusals.items()]
    yield counter(f"{PREFIX}http_refusals", "Requests that were answered with an HTTP error.", *refusals)
    yield counter(f"{PREFIX}batches", "Batches.", ({}, totals.batches))
    yield counter(f"{PREFIX}notifications", "Notifications that were handled.", ({}, totals.notifications))


def event_families(sources: MetricsSources) -> Iterator[Family]:
    """Return the metrics of what happens seldom."""
    events = sources.stats.events()
    lost = "Notifications that did not run or did not finish."
    yield counter(f"{PREFIX}lost_notifications", lost, ({}, events.lost_notifications))
    abandoned = "Calls that were left behind at their deadlines."
    yield counter(f"{PREFIX}abandoned_calls", abandoned, ({}, events.abandoned_calls))
    running = "Calls that were left behind at their deadlines and still run."
    yield gauge(f"{PREFIX}abandoned_calls_in_progress", running, ({}, events.abandoned_running))
    limited = sources.rate_limits().get("rateLimitedCount", 0)
    yield counter(f"{PREFIX}rate_limited_calls", "Calls that a rate limit has refused.", ({}, limited))
    reloads = [({"outcome": "success"}, events.reloads), ({"outcome": "failure"}, events.failed_reloads)]
    yield counter(f"{PREFIX}reloads", "Reloads of dispatchers.", *reloads)


def lock_families(locks: Locks) -> Iterator[Family]:
    """Return the metrics of locks."""
    held = locks.held()
    yield gauge(f"{PREFIX}locked", "Whether all dispatchers are locked.", ({}, held.server is not None))
    yield gauge(f"{PREFIX}deep_locked", "Whether all requests are held.", ({}, held.deep is not None))
    yield gauge(f"{PREFIX}locked_dispatchers", "Dispatchers that are locked one by one.", ({}, held.dispatcher_count))


def garbage_families(garbage: GarbageControl) -> Iterator[Family]:
    """Return the metrics of the garbage collection by ``controlGC``."""
    report = garbage.report(in_ms=False)
    yield counter(f"{PREFIX}gc_collections", "Collections by controlGC.", ({}, report["count"]))
    yield counter(f"{PREFIX}gc_collected_objects", "Objects that were garbage.", ({}, report["collected"]))
    yield counter(f"{PREFIX}gc_pause_seconds", "Time that collections have taken.", ({}, report["total"]))
    longest = "The longest collection."
    yield gauge(f"{PREFIX}gc_longest_pause_seconds", longest, ({}, report["max"]), merge="max")


def backend_families(counts: Mapping[str, Counts | None]) -> Iterator[Family]:
    """Return the metrics of the exec backends; of one whose counts are unknown, there are none."""
    known = {backend: found for backend, found in counts.items() if found is not None}
    for name, (metric, is_counter, documentation) in _BACKEND_METRICS.items():
        values = [({"backend": backend}, found[name]) for backend, found in known.items() if name in found]
        if values:
            make = counter if is_counter else gauge
            yield make(f"{PREFIX}exec_backend_{metric}", documentation, *values)
    further = [
        ({"backend": backend, "name": name}, count)
        for backend, found in known.items()
        for name, count in found.items()
        if name not in _BACKEND_METRICS
    ]
    if further:
        yield gauge(f"{PREFIX}exec_backend_statistic", "Further statistics of custom exec backends.", *further)


def serving_families(counts: Mapping[str, int]) -> Iterator[Family]:
    """Return the metrics of the serving backend."""
    for name, (metric, is_counter, documentation) in _SERVING_METRICS.items():
        if name in counts:
            make = counter if is_counter else gauge
            yield make(f"{PREFIX}{metric}", documentation, ({}, counts[name]))


def constant_families(sources: MetricsSources) -> Iterable[Family]:
    """Return the metrics that stay as they are while the server runs."""
    limits = [({"setting": name}, getattr(sources.settings, name)) for name in _LIMITS]
    build = {
        "version": sources.version,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
    }
    started_at = sources.stats.started_at
    return [
        gauge(f"{PREFIX}limit", "Limits of the settings.", *limits),
        gauge(f"{PREFIX}start_time_seconds", "When counting began, since 1970.", ({}, started_at), merge="min"),
        gauge(f"{PREFIX}build_info", "The version of the server and of Python.", (build, 1), merge="max"),
    ]
