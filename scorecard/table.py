"""Formatting the table for a terminal and for the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .known import Known
from .results import Row

__all__ = ["as_line", "as_page", "unexpected"]

_HEAD = """# Scorecard

Made by `make hard`: each check ran against a real server in a process of its own, over raw sockets on the loopback
address, on a machine with two cores. The figures are of that run.

| | check | backend | figure | |
|---|---|---|---|---|
"""

_RED = """
## What is red, and what to put in front

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
    reason, in_front = (why.reason, why.in_front) if why else ("not known yet", "do not use it for strangers")
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
