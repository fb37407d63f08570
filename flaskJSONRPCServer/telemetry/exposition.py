"""Metrics as text for Prometheus, by ``prometheus_client``, and the metrics of the process that it collects."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast

import psutil
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import CollectorRegistry

from .families import Family, gauge, sample_key

__all__ = ["encoded_metrics", "process_families", "with_process_label"]

_PLAIN = "text/plain; version=0.0.4; charset=utf-8"


class CollectedFamilies:
    """Families in the form that the encoders of ``prometheus_client`` read."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Return the metrics, as a collector of ``prometheus_client`` does."""
        return map(as_metric, self._families)


def encoded_metrics(families: Iterable[Family], accept: str) -> tuple[bytes, str]:
    """Return the text of metrics and its media type, in the form that an ``Accept`` header asks for."""
    encode, media_type = encoder_of(accept)
    return encode(cast("Any", CollectedFamilies(families))), media_type


def encoder_of(accept: str) -> tuple[Callable[[Any], bytes], str]:
    try:
        return choose_encoder(accept)
    except (ValueError, LookupError, TypeError):  # a version that is none
        return generate_latest, _PLAIN


def as_metric(family: Family) -> Metric:
    metric = Metric(family.name, family.documentation, family.kind)
    for (suffix, labels), value in family.samples.items():
        metric.add_sample(family.name + suffix, dict(labels), value)
    return metric


def process_families() -> list[Family]:
    """Return the metrics of this process and of its interpreter."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    threads = gauge("process_threads", "Number of threads.", ({}, psutil.Process().num_threads()))
    return [*map(as_family, registry.collect()), threads]


def as_family(metric: Metric) -> Family:
    samples = {
        sample_key(sample.name.removeprefix(metric.name), sample.labels): float(sample.value)
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }
    merge = "max" if metric.name == "python_info" else "sum"
    return Family(metric.name, cast("Any", metric.type), metric.documentation, samples, cast("Any", merge))


def with_process_label(families: Iterable[Family]) -> list[Family]:
    """Return families with the process as a label of those that describe the process alone."""
    return [labelled(family) if family.name.startswith("process_") else family for family in families]


def labelled(family: Family) -> Family:
    pid = ("pid", str(os.getpid()))
    samples = {(suffix, tuple(sorted((*labels, pid)))): value for (suffix, labels), value in family.samples.items()}
    return replace(family, samples=samples, merge="living")
