"""Metrics as plain values: what one process counts, and the sum over the processes of a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..runtime.text import encodable

__all__ = [
    "Family",
    "SampleKey",
    "as_json",
    "counter",
    "from_json",
    "gauge",
    "kept_after_death",
    "merged",
    "sample_key",
]

SampleKey = tuple[str, tuple[tuple[str, str], ...]]
"""The suffix of a sample's name, and its labels as sorted pairs."""

Kind = Literal["counter", "gauge", "histogram", "summary"]
Merge = Literal["sum", "min", "max", "living"]

# A dead process is in these sums for ever: a counter never goes back.
_CUMULATIVE: Final = frozenset({"counter", "histogram", "summary"})


@dataclass(frozen=True, slots=True)
class Family:
    """The samples of one metric.

    Attributes:
        name: The name of the metric, without the suffix of its samples.
        kind: The type of the metric.
        documentation: The metric in words.
        samples: The values.
        merge: How the values of several processes become one; ``living`` is a sum without processes that have ended.
    """

    name: str
    kind: Kind
    documentation: str
    samples: dict[SampleKey, float]
    merge: Merge = "sum"


def sample_key(suffix: str, labels: Mapping[str, object]) -> SampleKey:
    """Return the key of a sample. Characters that UTF-8 cannot hold are escaped in its labels."""
    return suffix, tuple((name, encodable(str(labels[name]))) for name in sorted(labels))


def counter(name: str, documentation: str, *values: tuple[Mapping[str, object], float]) -> Family:
    """Return the family of a counter, from pairs of labels and a value."""
    return Family(name, "counter", documentation, {sample_key("_total", labels): value for labels, value in values})


def gauge(name: str, documentation: str, *values: tuple[Mapping[str, object], float], merge: Merge = "sum") -> Family:
    """Return the family of a gauge, from pairs of labels and a value."""
    samples = {sample_key("", labels): value for labels, value in values}
    return Family(name, "gauge", documentation, samples, merge)


def merged(processes: Iterable[Iterable[Family]]) -> list[Family]:
    """Return the families of several processes as those of one."""
    total: dict[str, Family] = {}
    for family in (family for families in processes for family in families):
        present = total.get(family.name)
        if present is None:
            total[family.name] = Family(
                family.name, family.kind, family.documentation, dict(family.samples), family.merge
            )
        else:
            add_samples(present, family.samples)
    return list(total.values())


def add_samples(total: Family, samples: Mapping[SampleKey, float]) -> None:
    for key, value in samples.items():
        total.samples[key] = combined(total.merge, total.samples[key], value) if key in total.samples else value


def combined(merge: Merge, one: float, other: float) -> float:
    """Return the value of two processes together."""
    if merge in ("min", "max"):
        return min(one, other) if merge == "min" else max(one, other)
    return one + other


def kept_after_death(families: Iterable[Family]) -> list[Family]:
    """Return the families whose values outlast their process."""
    return [family for family in families if family.kind in _CUMULATIVE and family.merge == "sum"]


def as_json(families: Iterable[Family]) -> list[Any]:
    """Return families as JSON values."""
    return [
        [family.name, family.kind, family.documentation, family.merge, [[*key, value] for key, value in samples]]
        for family in families
        for samples in [family.samples.items()]
    ]


def from_json(value: Iterable[Any]) -> list[Family]:
    """Return the families in a result of :func:`as_json`."""
    return [
        Family(
            name,
            kind,
            documentation,
            {(suffix, tuple((label, text) for label, text in labels)): number for suffix, labels, number in samples},
            merge,
        )
        for name, kind, documentation, merge, samples in value
    ]
