"""Formatting the table for a terminal and for the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .known import Known
from .results import Row

__all__ = ["as_line", "as_page", "unexpected"]

_HEAD = """# Scorecard

`make hard` writes this page. Each check runs against a real server in its own process, over raw sockets on loopback.
The figures are from the last run, on a machine with two cores.

| | check | backend | figure | |
|---|---|---|---|---|
"""

_RED = """
## Failed checks, and what to put in front

| | backend | why | in front |
|---|---|---|---|
"""


def as_line(row: Row) -> str:
    """Format a row for a terminal."""
    verdict = "pass" if row.result.passed else "FAIL"
    return f"{verdict} {row.number:>2} {row.backend:<9} {row.seconds:5.1f} s  {row.title}\n      {row.result.text}"


def as_page(rows: Sequence[Row], known: Mapping[tuple[int, str], Known]) -> str:
    """Format the page. Rows are ordered by number. A red cell without a known reason says so."""
    ordered = sorted(rows, key=lambda row: row.number)
    page = _HEAD + "".join(map(as_cells, ordered))
    red = [row for row in ordered if not row.result.passed]
    return page + (_RED + "".join(red_cells(row, known) for row in red) if red else "")


def as_cells(row: Row) -> str:
    verdict = "pass" if row.result.passed else "**fail**"
    return f"| {row.number} | {escape(row.title)} | {row.backend} | {escape(row.result.text)} | {verdict} |\n"


def red_cells(row: Row, known: Mapping[tuple[int, str], Known]) -> str:
    why = known.get((row.number, row.backend))
    reason, in_front = (why.reason, why.in_front) if why else ("not known yet", "do not put it on the internet")
    return f"| {row.number} | {row.backend} | {escape(reason)} | {escape(in_front)} |\n"


def escape(text: str) -> str:
    r"""Escape a text for a cell of a table.

    >>> escape("a|b <c>")
    'a\\|b &lt;c&gt;'
    """
    replaced = text.replace("\n", " ")
    for raw, escaped in (
        ("\\", "\\\\"),
        ("|", "\\|"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ("*", "\\*"),
        ("_", "\\_"),
        ("`", "'"),
    ):
        replaced = replaced.replace(raw, escaped)
    return replaced


def unexpected(rows: Iterable[Row], known: Mapping[tuple[int, str], Known]) -> list[str]:
    """Return the differences from the table of known reasons, in either direction."""
    differences = []
    for row in rows:
        is_known = (row.number, row.backend) in known
        if row.result.passed == is_known:
            outcome = "passes, and is still in the table of known reasons" if is_known else "fails"
            differences.append(f"check {row.number} on {row.backend} {outcome}")
    return differences
