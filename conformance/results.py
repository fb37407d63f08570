"""The outcomes of scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["EXTENSION", "LATER", "PENDING", "SCORED", "Cell", "Outcome"]

SCORED = "scored"
PENDING = "pending"
EXTENSION = "extension"
LATER = "added-after-release"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one scenario.

    Attributes:
        scenario: Its name.
        kind: SCORED, or why the suite does not count it: PENDING, EXTENSION or LATER.
        passed: Whether a check has succeeded, and none has failed.
        fault: The first check that has failed; empty if none has.
    """

    scenario: str
    kind: str
    passed: bool
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """The outcomes of all scenarios of one revision on one program.

    Attributes:
        backend: The serving backend, or the name of another program.
        revision: The revision of the protocol.
        outcomes: The outcome of each scenario.
    """

    backend: str
    revision: str
    outcomes: tuple[Outcome, ...]

    def counts(self) -> Mapping[str, str]:
        """Return how many scenarios of each kind have passed, such as ``37/37``."""
        kinds: dict[str, list[bool]] = {}
        for outcome in self.outcomes:
            kinds.setdefault(outcome.kind, []).append(outcome.passed)
        return {kind: f"{sum(passed)}/{len(passed)}" for kind, passed in kinds.items()}
