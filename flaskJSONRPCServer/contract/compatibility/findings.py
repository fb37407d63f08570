"""The outcome of a comparison: findings, and the verdict that follows from them."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Comparison", "Finding", "Kind", "Verdict"]


class Kind(enum.Enum):
    """The effect of a difference on the callers of the old document."""

    BREAKING = "breaking"
    COMPATIBLE = "compatible"


class Verdict(enum.Enum):
    """The effect of all differences together."""

    EQUAL = "equal"
    COMPATIBLE = "compatible"
    BREAKING = "breaking"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between two documents.

    Attributes:
        kind: Whether it breaks callers.
        method: The name of the method; empty if the difference is outside the methods.
        place: The part of the method, such as ``params.user.age``, ``result[]`` or ``errors.1001``.
        text: One sentence, without the method and the place.
    """

    kind: Kind
    method: str
    place: str
    text: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.kind.value, self.method, self.place, self.text)))


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences between two documents that matter to callers.

    Attributes:
        findings: The differences, in the order of the methods of the old document, then of the new one.
    """

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """Whether a caller of the old document can tell, and whether it still works."""
        if any(finding.kind is Kind.BREAKING for finding in self.findings):
            return Verdict.BREAKING
        return Verdict.COMPATIBLE if self.findings else Verdict.EQUAL

    def lines(self) -> Iterator[str]:
        """Yield one line for each finding, and the verdict."""
        yield from map(str, self.findings)
        yield self.verdict.value

    def as_json(self) -> dict[str, Any]:
        """Return the comparison as a JSON value."""
        return {
            "verdict": self.verdict.value,
            "findings": [
                {"kind": f.kind.value, "method": f.method, "place": f.place, "text": f.text} for f in self.findings
            ],
        }
