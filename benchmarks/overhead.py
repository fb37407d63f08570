"""Count the instructions of one request, in-process and without sockets: ``python -m benchmarks.overhead``.

Valgrind counts them. Times differ from run to run, by a multiple on a busy machine. The number of instructions differs
by a few parts in a thousand, so that a regression of a few percent shows. The last accepted figures are kept in
``overhead.json``, by Python and libraries, since both change the figures.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from flaskJSONRPCServer.runtime.progress import progress

from .contestants import BARE, CONTESTANTS, DIRECT, FLASK_VIEW, NATIVE, VIA_FLASK
from .counted import (
    CALL_IN_CONTEXT,
    CONTINUED_REQUEST,
    HARNESS,
    MEASURED_REQUEST,
    PLAIN_CALL,
    PLAIN_REQUEST,
    RECORDED_REQUEST,
    STEPS,
    THREE_CHECKED,
    THREE_PARAMETERS,
    TRACED_REQUEST,
)

KEPT = Path(__file__).with_name("overhead.json")

# Ten times the observed difference of two runs.
TOLERANCE = 0.03

# The most instructions that a feature may add to a request: 6 us on our machines without a recorder of spans, and 1 us.
LIMITS = {TRACED_REQUEST: ("tracing", 30_000), MEASURED_REQUEST: ("metrics", 5000)}

# The most instructions of a call above the socket: as native asks for it, with orjson, without those of the benchmark.
CALL_LIMIT = 50_000

OURS = (NATIVE, DIRECT, VIA_FLASK)

_ROOT = Path(__file__).resolve().parents[1]
_LIBRARIES = ("flask", "orjson", "simplejson", "werkzeug")
_TOTAL = re.compile(r"==(\d+)== I +refs: +([\d,]+)")

Figures = dict[str, int]


class CannotCountError(RuntimeError):
    """Instructions cannot be counted on this machine; the message says why."""


def key() -> str:
    """Return the key of the figures: the Python, the machine and the libraries."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    python = f"{platform.python_implementation()} {platform.python_version()} ({platform.python_compiler()})"
    return f"{python}, {platform.machine()}, {libraries}"


def count() -> Figures:
    """Count the instructions of one request of each case.

    Raises:
        CannotCountError: There is no valgrind, or it fails.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise CannotCountError("valgrind is not installed")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        options = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", f"--log-file={log}"]
        command = [valgrind, *options, sys.executable, "-m", "benchmarks.counted"]
        environ = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, cwd=_ROOT, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotCountError(f"valgrind ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
        return per_request(done.stdout, log.read_text(encoding="utf-8", errors="replace"))


def per_request(output: str, log: str) -> Figures:
    """Return the instructions of one request of each case, from the difference of its two processes.

    Args:
        output: The output of :mod:`benchmarks.counted`: each case, the difference in requests, and the process ids.
        log: The log of valgrind, with the total of each process.
    """
    totals = {int(pid): int(total.replace(",", "")) for pid, total in _TOTAL.findall(log)}
    cases = map(json.loads, output.splitlines())
    return {name: round((totals[many] - totals[few]) / requests) for name, requests, (few, many) in cases}


def table(figures: Figures, kept: Figures) -> str:
    """Return the table of figures, with ratios to the bare applications and changes against the kept figures."""
    head = ["JSON, request", *CONTESTANTS, f"{DIRECT} / {BARE}", f"{VIA_FLASK} / {FLASK_VIEW}", "against kept figures"]
    rows = [head, *(row(request, figures, kept) for request in requests_of(figures))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows
    )


def steps(figures: Figures) -> str:
    """Return a sentence on the cost of each single step."""
    context, checks = figures[CALL_IN_CONTEXT] - figures[PLAIN_CALL], figures[THREE_CHECKED] - figures[THREE_PARAMETERS]
    traced, continued, recorded, measured = (
        added(figures, request) for request in (TRACED_REQUEST, CONTINUED_REQUEST, RECORDED_REQUEST, MEASURED_REQUEST)
    )
    ratio = figures[RECORDED_REQUEST] / figures[PLAIN_REQUEST]
    return (
        f"{figures[HARNESS]:,} instructions of each figure for one request belong to the benchmark itself.\n"
        f"A context of its own adds {context:,} instructions to a call.\n"
        f"The check of three integers adds {checks:,} instructions to a call.\n"
        f"Tracing without an SDK adds {traced:,} instructions to a call, and {continued:,} if the "
        "client sends its trace.\n"
        f"Tracing with an SDK adds {recorded:,} instructions to a call for its two spans: {ratio:.1f} times as many.\n"
        f"Metrics add {measured:,} instructions to a request."
    )


def added(figures: Figures, request: str) -> int:
    """Return how many instructions a request takes more than a plain one."""
    return figures[request] - figures[PLAIN_REQUEST]


def requests_of(figures: Figures) -> list[str]:
    return list(dict.fromkeys(name.rpartition(", ")[0] for name in figures if name not in STEPS))


def row(request: str, figures: Figures, kept: Figures) -> list[str]:
    mine = {contestant: figures[f"{request}, {contestant}"] for contestant in CONTESTANTS}
    changes = [change(f"{request}, {contestant}", figures, kept) for contestant in OURS]
    return [
        request,
        *(f"{mine[contestant]:,}" for contestant in CONTESTANTS),
        f"{mine[DIRECT] / mine[BARE]:.2f}",
        f"{mine[VIA_FLASK] / mine[FLASK_VIEW]:.2f}",
        ", ".join("none" if growth is None else f"{growth:+.1%}" for growth in changes),
    ]


def change(name: str, figures: Figures, kept: Figures) -> float | None:
    """Return the relative growth of a figure; None if no figure is kept."""
    return figures[name] / kept[name] - 1 if name in kept else None


def grown(figures: Figures, kept: Figures) -> list[str]:
    """Return a sentence for each of our figures that has grown by more than the tolerance."""
    ours = [name for name in figures if name.endswith(tuple(f", {contestant}" for contestant in OURS))]
    changes = [(name, change(name, figures, kept)) for name in ours]
    return [
        f"{name}: {figures[name]:,} instructions instead of {kept[name]:,} ({by:+.1%})"
        for name, by in changes
        if by is not None and by > TOLERANCE
    ]


def of_call(figures: Figures) -> int:
    """Return the instructions of a call by native, without those of the benchmark."""
    return figures[f"orjson, call, {NATIVE}"] - figures[HARNESS]


def beyond_limits(figures: Figures) -> list[str]:
    """Return a sentence for a call that takes more than it may, and for each feature that adds more."""
    call = of_call(figures)
    faults = [f"a call: {call:,} instructions, instead of at most {CALL_LIMIT:,}"] if call > CALL_LIMIT else []
    return faults + [
        f"{feature}: {added(figures, request):,} instructions more, instead of at most {limit:,}"
        for request, (feature, limit) in LIMITS.items()
        if added(figures, request) > limit
    ]


def read_kept() -> dict[str, Figures]:
    return dict(json.loads(KEPT.read_text(encoding="utf-8"))) if KEPT.is_file() else {}


def keep(figures: Figures) -> None:
    KEPT.write_text(json.dumps({**read_kept(), key(): figures}, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def check() -> int:
    """Compare with the kept figures, or print why that is not possible; return the exit status."""
    kept = read_kept().get(key())
    if kept is None:
        print(f"overhead: not compared: {KEPT.name} has no figures for {key()}")
        return 0
    try:
        figures = count()
    except CannotCountError as exc:
        print(f"overhead: not compared: {exc}")
        return 0
    print(f"overhead: a call above the socket: {of_call(figures):,} instructions, of at most {CALL_LIMIT:,}")
    faults = [*grown(figures, kept), *beyond_limits(figures)]
    for fault in faults:
        print(f"overhead: {fault}; if that is meant, keep it: make overhead ARGS=--keep")
    return int(bool(faults))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help=f"only print growth of more than {TOLERANCE * 100:.0f} %%")
    parser.add_argument("--keep", action="store_true", help="keep the figures, for this Python and these libraries")
    arguments = parser.parse_args()
    if arguments.check:
        return check()
    try:
        with progress("counting instructions with valgrind"):
            figures = count()
    except CannotCountError as exc:
        print(f"instructions are not counted: {exc}")
        return 0
    print(f"Instructions per request, {key()}:", table(figures, read_kept().get(key(), {})), steps(figures), sep="\n")
    if arguments.keep:
        keep(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
