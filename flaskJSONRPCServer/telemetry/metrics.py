"""``GET /metrics``: what a server counts, for Prometheus."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import weakref
from collections.abc import Callable
from typing import Final

from ..dispatch.built_in import BuiltInUrl
from ..dispatch.exchange import Exchange
from ..extras import missing_extra
from ..http.gzip import accepts_gzip, compress
from ..http.response import Response, encoded
from ..runtime.logs import ServerLog
from .collection import MetricsSources, server_families
from .families import Family
from .workers import WorkerGroup

__all__ = ["Metrics", "package_version"]

_NO_STORE: Final = ("Cache-Control", "no-store")
_NOSNIFF: Final = ("X-Content-Type-Options", "nosniff")
_VARY: Final = ("Vary", "Accept, Accept-Encoding")

# Servers without a name have numbers, in the order in which their program makes them: the same in all workers.
_numbers = itertools.count()

_all: weakref.WeakSet[Metrics] = weakref.WeakSet()


class Metrics:
    """The metrics of one server.

    Args:
        name: The name of the server; None if it has none.
        sources: The parts of the server that they are read from.
        log: The log.

    Raises:
        MissingExtraError: ``prometheus_client`` is not installed.
    """

    def __init__(self, name: str | None, sources: MetricsSources, log: ServerLog) -> None:
        try:
            from . import exposition
        except ImportError as exc:
            raise missing_extra("metrics=True", "metrics", exc) from exc
        self._exposition = exposition
        self._sources = sources
        unique_name = f"#{next(_numbers)}" if name is None else name
        self._group = WorkerGroup(unique_name, self._own_families, sources.stats.progress, log)
        sources.stats.on_first_count = self._group.join
        _all.add(self)

    def url(self, auth: Callable[..., object] | None) -> BuiltInUrl:
        """Return the built-in URL of the metrics.

        Args:
            auth: A function that is asked instead of the server's ``auth``; None for that.
        """
        return BuiltInUrl("metrics", self.answer, auth=auth)

    def answer(self, exchange: Exchange, _: str) -> Response:
        """Answer a request for the metrics."""
        body, media_type = self._exposition.encoded_metrics(self._families(), exchange.head.get("HTTP_ACCEPT", ""))
        headers = [("Content-Type", media_type), ("Content-Length", str(len(body))), _NO_STORE, _NOSNIFF, _VARY]
        response = Response("200 OK", headers, body)
        if accepts_gzip(exchange.head.get("HTTP_ACCEPT_ENCODING", "")):
            return encoded(response, "gzip", compress(body))
        return response

    def serve_alone(self) -> None:
        """Count this process by itself from now on: the server serves on addresses of its own."""
        self._group.leave()

    def begin_in_child(self) -> None:
        """Count from zero in a forked process, which may be a worker."""
        self._group.begin_in_child()
        self._sources.stats.begin_in_child()

    def _families(self) -> list[Family]:
        self._group.join()
        return self._group.families()

    def _own_families(self) -> list[Family]:
        process = self._exposition.process_families()
        if self._group.has_joined:
            process = self._exposition.with_process_label(process)
        return [*server_families(self._sources), *process]


def package_version() -> str:
    """Return the version of the package; ``unknown`` if it is not installed."""
    try:
        return importlib.metadata.version("flaskJSONRPCServer")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def begin_all_in_child() -> None:
    for metrics in list(_all):
        metrics.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=begin_all_in_child)
