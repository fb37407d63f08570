"""Formatting the table, for a terminal and for `docs/mcp.md`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .known import KNOWN, REVISIONS, Known
from .results import EXTENSION, LATER, PENDING, SCORED, Cell
from .served import BACKENDS

__all__ = ["as_table", "expected_table"]

_WORDS = {SCORED: "scored", PENDING: "pending", EXTENSION: "of Tasks", LATER: "added later"}


def as_table(cells: Iterable[Cell]) -> str:
    """Return a table of what has passed, with a row for each program."""
    found = {(cell.backend, cell.revision): as_words(cell.counts()) for cell in cells}
    backends = list(dict.fromkeys(backend for backend, _ in found))
    revisions = list(dict.fromkeys(revision for _, revision in found))
    return table(found, backends, revisions)


def expected_table() -> str:
    """Return the table as the known reasons say, and the reasons."""
    places = [(backend, revision) for backend in BACKENDS for revision in REVISIONS]
    found = {place: expected_words(place[1], KNOWN.get(place)) for place in places}
    return table(found, BACKENDS, list(REVISIONS)) + "".join(reasons())


def expected_words(revision: str, known: Known | None) -> str:
    failing = [] if known is None else list(known.scenarios.values())
    return as_words({kind: f"{most - failing.count(kind)}/{most}" for kind, most in REVISIONS[revision].items()})


def reasons() -> Iterable[str]:
    """Yield the reasons of what fails, as rows of a second table."""
    yield "\n| program | revision | fails | why | instead |\n|---|---|---|---|---|\n"
    for known in {id(known): known for known in KNOWN.values()}.values():
        places = [place for place, other in KNOWN.items() if other is known]
        programs = ", ".join(backend for backend, _ in places)
        names = ", ".join(f"`{name}`" for name in sorted(known.scenarios))
        yield f"| {programs} | {places[0][1]} | {names} | {known.reason} | {known.remedy} |\n"


def as_words(counts: Mapping[str, str]) -> str:
    return ", ".join(f"{counts[kind]} {word}" for kind, word in _WORDS.items() if kind in counts)


def table(found: Mapping[tuple[str, str], str], backends: Sequence[str], revisions: Sequence[str]) -> str:
    head = "".join(f"| {cell} " for cell in ("", *revisions)) + "|\n" + "|---" * (len(revisions) + 1) + "|\n"
    rows = (
        "".join(f"| {cell} " for cell in (backend, *(found.get((backend, revision), "") for revision in revisions)))
        + "|\n"
        for backend in backends
    )
    return head + "".join(rows)
