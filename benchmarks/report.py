"""The figures as a table, each with its bound."""

import os
import platform
from dataclasses import dataclass
from typing import Any

from .contestants import BARE, CONTESTANTS, DIRECT, FLASK_VIEW
from .timing import PAIRS, Race

MAX_GROWTH_MB = 2.0

# For one call with the default JSON module. Other cases have other proportions: a batch shares the work around its
# calls, a notification has no answer to write, and a faster module makes the same work around it a larger multiple.
DEFAULT_MODULE = "simplejson"
MAX_RATIOS = {(DIRECT, BARE): 2.5, (DIRECT, FLASK_VIEW): 0.2}

Row = list[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The comparison of a figure with its bound."""

    what: str
    figure: float
    bound: float

    @property
    def passed(self) -> bool:
        return self.figure <= self.bound

    def __str__(self) -> str:
        return f"<= {self.bound:g}: {'pass' if self.passed else 'FAIL'}"


def ratio_verdict(race: Race, pair: tuple[str, str]) -> Verdict | None:
    """Compare a ratio with its bound; return None if it has none."""
    if race.workload.kind != "call" or race.json_module != DEFAULT_MODULE or pair not in MAX_RATIOS:
        return None
    what = f"{race.json_module}: {race.workload.name}: {pair[0]} / {pair[1]}"
    return Verdict(what, race.ratio(*pair).median, MAX_RATIOS[pair])


def memory_verdict(memory: dict[str, Any]) -> Verdict:
    return Verdict("memory, MB", memory["growth_mb"], MAX_GROWTH_MB)


def verdicts(races: list[Race], memory: dict[str, Any]) -> list[Verdict]:
    """Return the verdicts on all figures with a bound."""
    ratios = [ratio_verdict(race, pair) for race in races for pair in PAIRS]
    return [*filter(None, ratios), memory_verdict(memory)]


def heading() -> Row:
    ratios = [cell for mine, its in PAIRS for cell in (f"{mine} / {its}", "target")]
    return ["JSON", "workload", *CONTESTANTS, *ratios]


def row_of(race: Race) -> Row:
    figures = race.figures()
    times = [f"{figures['net_us'][name]['median']:.2f}" for name in CONTESTANTS]
    return [race.json_module, race.workload.name, *times, *(cell for pair in PAIRS for cell in ratio_cells(race, pair))]


def ratio_cells(race: Race, pair: tuple[str, str]) -> Row:
    ratio = race.ratio(*pair)
    return [f"{ratio.median:.2f} ({ratio.least:.2f}-{ratio.most:.2f})", str(ratio_verdict(race, pair) or "")]


def table(races: list[Race]) -> str:
    """Return the table of all races."""
    rows = [heading(), *map(row_of, races)] if races else []
    # Leave out empty columns.
    columns = [column for column in zip(*rows, strict=True) if any(column[1:]) or column[0] != "target"]
    padded = [[cell.ljust(max(map(len, column))) for cell in column] for column in columns]
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*padded, strict=True))


def memory_line(memory: dict[str, Any]) -> str:
    span = f"memory after {memory['calls']:,} direct calls, against after {memory['first']:,}"
    return f"{span}: {memory['growth_mb']:+.2f} MB  {memory_verdict(memory)}"


def notes(races: list[Race]) -> str:
    """Return the notes below the table."""
    costs = [race.harness_us() for race in races]
    return (
        "Microseconds per request, then ratios: the median over all rounds (least-most).\n"
        f"The harness's own {min(costs):.2f} to {max(costs):.2f} us per request are subtracted everywhere."
    )


def machine() -> dict[str, Any]:
    return {"python": f"{platform.python_implementation()} {platform.python_version()}", "cpus": os.cpu_count()}


def as_json(races: list[Race], memory: dict[str, Any]) -> dict[str, Any]:
    """Return all measurements as plain values."""
    checked = [
        {"what": verdict.what, "figure": verdict.figure, "bound": verdict.bound, "passed": verdict.passed}
        for verdict in verdicts(races, memory)
    ]
    return {"machine": machine(), "races": [race.figures() for race in races], "memory": memory, "verdicts": checked}
