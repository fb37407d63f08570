"""Report the figures of a run: as text, as a chart, and in the documentation."""

import dataclasses
import json
import statistics
import subprocess
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.sockets.environments import ROOT, prepare
from benchmarks.sockets.page import machine, markdown_table

from .samples import TOLERANCES, Sample
from .trends import Trend

PAGE = ROOT / "docs" / "performance.md"
CHART = ROOT / "docs" / "images" / "soak.png"
BEGIN, END = "<!-- written by make soak -->", "<!-- end of what make soak writes -->"

_SHOWN = ("rss_mb", "uss_mb", "descriptors", "connections", "threads", "requests_per_s", "p50_ms", "p99_ms")
_FAULTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Run:
    """The results of a run.

    Attributes:
        minutes: The duration of the load.
        counts: The number of answered requests of each kind.
        before: The figures of the idle server after the warm-up.
        after: The figures at the end.
        samples: The samples under load.
        trends: The trends of the second half.
        faults: A sentence for each fault.
    """

    minutes: float
    counts: Counter[str]
    before: dict[str, Any]
    after: dict[str, Any]
    samples: list[Sample]
    trends: dict[str, Trend]
    faults: list[str]

    def as_json(self) -> dict[str, Any]:
        # asdict() makes keys of the pairs of a Counter.
        return {**dataclasses.asdict(dataclasses.replace(self, counts=Counter())), "counts": dict(self.counts)}


def report(run: Run) -> str:
    """Return the report of a run."""
    faults = "\n".join(f"- {fault}" for fault in run.faults[:_FAULTS_SHOWN])
    return "\n\n".join(
        part
        for part in (
            f"{date.today().isoformat()}: {machine()}; {run.minutes:g} minutes, {len(run.samples)} samples.",
            markdown_table(["under load", "first half", "second half", "peak", "rise", "p", ""], sample_rows(run)),
            markdown_table(["idle", "before", "after"], idle_rows(run)),
            markdown_table(["event", "count"], count_rows(run)),
            f"{len(run.faults)} faults",
            faults,
        )
        if part
    )


def sample_rows(run: Run) -> list[list[str]]:
    """Return a row for each figure: the medians of the halves, the maximum, and the trend of the second half."""
    middle = len(run.samples) // 2
    rows = []
    for name in _SHOWN:
        values = [getattr(sample, name) for sample in run.samples]
        halves = [f"{statistics.median(half):,.5g}" for half in (values[:middle], values[middle:])]
        rows.append([name, *halves, f"{max(values):,.5g}", *trend_cells(name, run.trends.get(name))])
    return rows


def trend_cells(name: str, trend: Trend | None) -> list[str]:
    if trend is None:
        return ["", "", ""]
    return [f"{trend.rise:+.2f}", f"{trend.p_value:.2f}", "**grows**" if trend.is_growth(TOLERANCES[name]) else "flat"]


def idle_rows(run: Run) -> list[list[str]]:
    names = ("threads", "descriptors", "children", "modules", "memory_mb", "blocks")
    return [[name, f"{run.before[name]:,.5g}", f"{run.after[name]:,.5g}"] for name in names]


def count_rows(run: Run) -> list[list[str]]:
    actions = {name: run.after[name] - run.before[name] for name in ("reloads", "locks", "restarts", "kills")}
    actions["requests in total"] = run.after["requestCount"] - run.before["requestCount"]
    return [[name, f"{count:,}"] for name, count in (*run.counts.items(), *actions.items()) if count]


def draw(run: Run, path: Path) -> None:
    """Draw the chart in an interpreter with matplotlib.

    Raises:
        LeftOutError: The environment cannot be built.
    """
    samples = [dataclasses.asdict(sample) for sample in run.samples]
    title = f"{run.minutes:g} minutes of mixed load, a sample every {samples[0]['at_s']:.0f} s"
    command = [*prepare("chart").command, str(Path(__file__).with_name("chart.py")), str(path)]
    subprocess.run(command, input=json.dumps({"title": title, "samples": samples}), text=True, check=True)


def write(run: Run) -> None:
    """Draw the chart for the documentation, and replace the figures there.

    Raises:
        LeftOutError: The environment with matplotlib cannot be built.
        ValueError: The page lacks the markers.
    """
    draw(run, CHART)
    image = (
        "![Memory, descriptors, threads and times over the run](images/soak.png)\n\n{download}`SVG <images/soak.svg>`"
    )
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), f"{image}\n\n{report(run)}"), encoding="utf-8")


def replaced(text: str, written: str) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks the lines {BEGIN!r} and {END!r}; put them where the figures belong")
    return f"{before}{BEGIN}\n\n{written}\n\n{END}{after}"
