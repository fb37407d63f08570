"""Draw the chart: calls per second of each server, as PNG and SVG. Runs in an interpreter with matplotlib.

``chart.py FOLDER`` reads a JSON object from standard input: for each panel's title, a list of
``[name, calls/s, is_ours]``.
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
mpl.rcParams["svg.hashsalt"] = "benchmark"  # equal figures give equal files

import matplotlib.pyplot as plt  # noqa: E402  after the choice of the drawing backend

_OURS, _OTHERS, _INK = "#2a6f97", "#c3ccd4", "#333333"
_BAR_INCHES = 0.27


def draw_panel(axes: Any, title: str, bars: list[list[Any]]) -> None:
    places = range(len(bars), 0, -1)
    values = [value for _, value, _ in bars]
    axes.barh(places, values, color=[_OURS if is_ours else _OTHERS for *_, is_ours in bars], height=0.72)
    axes.set_yticks(places, [name for name, *_ in bars], color=_INK, fontsize=8.5)
    for place, value in zip(places, values, strict=True):
        axes.text(value, place, f" {value:,.0f}", va="center", fontsize=8, color=_INK)
    axes.set_title(title, loc="left", fontsize=10.5, color=_INK)
    axes.set_xlim(0, max(values) * 1.15)
    axes.set_xticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def draw(panels: dict[str, list[list[Any]]], folder: Path) -> None:
    heights = [len(bars) + 2 for bars in panels.values()]
    figure, all_axes = plt.subplots(
        len(panels), figsize=(8.6, _BAR_INCHES * sum(heights)), height_ratios=heights, squeeze=False
    )
    for axes, (title, bars) in zip(all_axes.flat, panels.items(), strict=True):
        draw_panel(axes, title, bars)
    figure.tight_layout()
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "benchmark.png", dpi=130, facecolor="white")
    figure.savefig(folder / "benchmark.svg", facecolor="white", metadata={"Date": None})


if __name__ == "__main__":
    draw(json.load(sys.stdin), Path(sys.argv[1]))
