"""Write the tables in Markdown, and insert them into the documentation."""

import os
import platform
from collections.abc import Iterable
from pathlib import Path

from .environments import ROOT, versions
from .loads import LOADS, SINGLE, Load
from .results import Results
from .roster import Contestant
from .targets import Verdict

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- written by make bench -->", "<!-- end of what make bench writes -->"

Rows = list[list[str]]


def markdown_table(head: list[str], rows: Rows) -> str:
    # The first column is text, all others are figures.
    rule = ["---", *(["---:"] * (len(head) - 1))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *rows])


def fastest_first(results: Results, load: Load) -> list[Contestant]:
    measured = [one for one in results.contestants if results.has(one, load)]
    return sorted(measured, key=lambda one: -results.calls_per_s(one, load))


def main_table(results: Results) -> str:
    """Return the table of single calls, with memory and versions."""
    head = ["server", "calls/s", "p50, ms", "p99, ms", "memory, MB", "ours / this", "failed", "versions"]
    return markdown_table(head, [main_row(results, one) for one in fastest_first(results, SINGLE)])


def main_row(results: Results, one: Contestant) -> list[str]:
    memory_mb = results.memory_mb.get(one.name)
    return [
        one.name,
        f"{results.calls_per_s(one, SINGLE):,.0f}",
        f"{results.median(one, SINGLE, lambda sample: sample.p50_ms):.2f}",
        f"{results.median(one, SINGLE, lambda sample: sample.p99_ms):.2f}",
        "" if memory_mb is None else f"{memory_mb:.0f}",
        ratio_cell(results, one, SINGLE),
        f"{results.failed(one, SINGLE):,}",
        versions_of(one),
    ]


def ratio_cell(results: Results, one: Contestant, load: Load) -> str:
    champion = results.champion()
    if champion is None or not results.has(champion, load):
        return ""
    return f"{results.ratio(champion, one, load):.2f}"


def versions_of(contestant: Contestant) -> str:
    known = versions(contestant.environment)
    return ", ".join(f"{name} {known[name]}" for name in contestant.shows if name in known)


def load_table(results: Results, load: Load) -> str:
    head = ["server", "calls/s", "p50, ms", "p99, ms", "ours / this", "failed"]
    rows = [
        [
            one.name,
            f"{results.calls_per_s(one, load):,.0f}",
            f"{results.median(one, load, lambda sample: sample.p50_ms):.2f}",
            f"{results.median(one, load, lambda sample: sample.p99_ms):.2f}",
            ratio_cell(results, one, load),
            f"{results.failed(one, load):,}",
        ]
        for one in fastest_first(results, load)
    ]
    return markdown_table(head, rows)


def target_table(verdicts: Iterable[Verdict]) -> str:
    return markdown_table(["figure", "measured", "target", ""], [verdict.cells() for verdict in verdicts])


def report(results: Results, verdicts: list[Verdict], conditions: str, *charts: str) -> str:
    """Return the report of a run."""
    parts = [conditions, *charts]
    for load in LOADS:
        if any(results.has(one, load) for one in results.contestants):
            table = main_table(results) if load is SINGLE else load_table(results, load)
            parts += [f"### {load.title[0].upper()}{load.title[1:]}", table]
    if verdicts:
        parts += ["### Targets", target_table(verdicts)]
    if results.left_out:
        parts += ["### Left out", "\n".join(f"- {name}: {why}" for name, why in results.left_out.items())]
    return "\n\n".join(parts)


def machine() -> str:
    return f"{cpu_name()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def replace_between(text: str, written: str) -> str:
    """Return a page with the text between the markers replaced.

    Raises:
        ValueError: The page lacks the markers.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks the lines {BEGIN!r} and {END!r}; put them where the tables belong")
    return f"{before}{BEGIN}\n\n{written}\n\n{END}{after}"


def write_page(written: str) -> None:
    PAGE.write_text(replace_between(PAGE.read_text(encoding="utf-8"), written), encoding="utf-8")
