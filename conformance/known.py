"""How many scenarios there are, and those that fail, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .results import EXTENSION, LATER, PENDING, SCORED, Cell
from .served import BACKENDS

__all__ = ["KNOWN", "REVISIONS", "Known", "unexpected"]

REVISIONS: Final = {
    "2026-07-28": {SCORED: 37, PENDING: 3, EXTENSION: 10},
    "2025-11-25": {SCORED: 30, PENDING: 2, LATER: 1},
}
"""The scenarios of each revision, by kind."""


@dataclass(frozen=True, slots=True)
class Known:
    """Why scenarios fail on a program.

    Attributes:
        reason: What the program cannot do.
        remedy: What to do instead.
        scenarios: The kind of each scenario that fails.
    """

    reason: str
    remedy: str
    scenarios: Mapping[str, str]


_OLD = "2025-11-25"

_POLLING = Known(
    "it needs a tool that closes the stream of its own call; functions do not see that stream",
    "nothing is needed: a client whose stream breaks resumes it",
    {"server-sse-polling": PENDING},
)

KNOWN: dict[tuple[str, str], Known] = {(backend, _OLD): _POLLING for backend in BACKENDS}


def unexpected(cell: Cell) -> Iterator[str]:
    """Yield what is worse than the table says, and which scenarios it lists in vain."""
    known = KNOWN.get((cell.backend, cell.revision))
    failed = {outcome.scenario: outcome.fault for outcome in cell.outcomes if not outcome.passed}
    where = f"{cell.backend}, {cell.revision}"
    if totals(cell) != REVISIONS[cell.revision]:
        yield f"{where}: the suite has run {totals(cell)}, rather than {REVISIONS[cell.revision]}"
    listed = set() if known is None else set(known.scenarios)
    yield from (f"{where}: {name} fails: {failed[name]}" for name in sorted(set(failed) - listed))
    yield from (f"{where}: {name} passes" for name in sorted(listed - set(failed)))


def totals(cell: Cell) -> dict[str, int]:
    """Return how many scenarios of each kind have run."""
    kinds = [outcome.kind for outcome in cell.outcomes]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
