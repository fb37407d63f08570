"""Draw the samples as PNG and SVG. Runs in an interpreter with matplotlib.

``chart.py FILE.png`` reads a JSON object from standard input: ``title``, and ``samples``, a list of objects.
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
mpl.rcParams["svg.hashsalt"] = "soak"  # equal figures give equal files

import matplotlib.pyplot as plt  # noqa: E402  after the choice of the drawing backend

_COLORS, _INK = ("#2a6f97", "#d08c3f"), "#333333"

# The title of each panel, its figures with their names in the legend, and whether its scale is logarithmic.
_PANELS: list[tuple[str, dict[str, str], bool]] = [
    ("Memory, MB", {"rss_mb": "resident (RSS)", "uss_mb": "its own (USS)"}, False),
    ("Descriptors", {"descriptors": "all", "connections": "sockets"}, False),
    ("Threads", {"threads": "threads"}, False),
    ("Requests per second", {"requests_per_s": "answered"}, False),
    ("Time of a request, ms", {"p50_ms": "p50", "p99_ms": "p99"}, True),
    ("503 in the interval", {"unavailable": "503"}, False),
]


def draw_panel(axes: Any, samples: list[dict[str, Any]], panel: tuple[str, dict[str, str], bool]) -> None:
    title, figures, is_logarithmic = panel
    minutes = [sample["at_s"] / 60 for sample in samples]
    for (name, label), color in zip(figures.items(), _COLORS, strict=False):
        axes.plot(minutes, [sample[name] for sample in samples], color=color, linewidth=0.7, label=label)
    axes.set_title(title, loc="left", fontsize=9, color=_INK)
    if is_logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    if len(figures) > 1:
        axes.legend(loc="lower right", fontsize=7, frameon=False, ncols=2)
    axes.tick_params(labelsize=7.5, colors=_INK, length=2)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    for spine in ("top", "right"):
        axes.spines[spine].set_visible(False)


def draw(title: str, samples: list[dict[str, Any]], path: Path) -> None:
    figure, all_axes = plt.subplots(len(_PANELS), figsize=(8.6, 1.55 * len(_PANELS)), sharex=True)
    for axes, panel in zip(all_axes, _PANELS, strict=True):
        draw_panel(axes, samples, panel)
    all_axes[-1].set_xlabel("minutes", fontsize=8, color=_INK)
    figure.suptitle(title, fontsize=10, color=_INK, x=0.02, ha="left")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, facecolor="white")
    figure.savefig(path.with_suffix(".svg"), facecolor="white", metadata={"Date": None})


if __name__ == "__main__":
    content = json.load(sys.stdin)
    draw(content["title"], content["samples"], Path(sys.argv[1]))
