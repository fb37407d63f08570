"""Compare flaskJSONRPCServer with its peers over real sockets: ``python -m benchmarks.sockets``.

All take turns in several rounds. A complete run writes its tables and its chart into the documentation. A partial run,
or one with ``--quick``, only prints its tables.
"""

import argparse
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

from flaskJSONRPCServer.servBackend import servBackendMap

from . import growth, imports, page
from .environments import ROOT, LeftOutError, prepare
from .loads import BATCH, LOADS, SINGLE, Load
from .results import Results
from .roster import BACKENDS, OURS, PEER, chosen, roster
from .run import Plan, Run, print_progress
from .targets import verdicts
from .wrk import LoadError, find_wrk

IMAGES = ROOT / "docs" / "images"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sockets", description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="one short round, with one serving backend: less than two minutes")
    add("--only", action="append", default=[], metavar="NAME", help="only those with this in their name; repeatable")
    add("--workload", action="append", default=[], choices=[load.name for load in LOADS], help="repeatable")
    add("--memory", action="store_true", help="measure the memory over a million calls instead, of ours alone")
    add("--rounds", type=int, help="how many rounds (3; 1 with --quick)")
    add("--seconds", type=float, help="how long one measurement takes (1.5; 0.5 with --quick)")
    add("--json", type=Path, metavar="FILE", help="write all figures into a file too")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 3)
    arguments.seconds = arguments.seconds or (0.5 if arguments.quick else 1.5)
    return arguments


def main() -> int:
    arguments = parse_arguments()
    try:
        find_wrk()
    except LoadError as exc:
        print_progress(f"make bench: {exc}")
        return 1
    known = [name for name in BACKENDS if name in servBackendMap]
    plan = chosen(roster(known[:1] if arguments.quick else known), arguments.only, arguments.workload)
    if not plan:
        print_progress("no contestant matches --only and --workload")
        return 1
    run = Run(arguments.rounds, arguments.seconds)
    run.results.left_out.update({f"serving backend {name}": "not in this version" for name in {*BACKENDS} - {*known}})
    if arguments.memory:
        return print_growth(run, plan)
    measure(run, plan, arguments)
    return 0


def measure(run: Run, plan: Plan, arguments: argparse.Namespace) -> None:
    is_whole = not (arguments.quick or arguments.only or arguments.workload)
    rounds = run.measure_rounds(run.prepare(plan))
    import_ms = {} if arguments.only else imports.measure(5 if arguments.quick else 15, run.pins)
    checked = verdicts(run.results, import_ms, {})
    print(page.report(run.results, checked, conditions(run, rounds)))
    if arguments.json:
        figures = {**run.results.as_json(), "import_ms": import_ms}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if is_whole:
        page.write_page(page.report(run.results, checked, conditions(run, rounds), *draw_chart(run.results)))


def conditions(run: Run, rounds: int) -> str:
    interpreters = sorted({runner.interpreter for runner in run.runners.values()})
    return (
        f"{date.today().isoformat()}: {page.machine()}; {', '.join(interpreters)}; {run.pins}. "
        f"Medians of {rounds} rounds of {run.seconds:g} s."
    )


def print_growth(run: Run, plan: Plan) -> int:
    """Print the growth of the memory of each of our servers."""
    ours = [contestant for contestant, _ in plan if contestant.kind == OURS]
    grown = {
        contestant.name: growth.growth_mb(contestant, prepare(contestant.environment), run.pins) for contestant in ours
    }
    checked = verdicts(Results(), {}, grown)
    print(page.target_table(checked))
    return int(not all(verdict.is_met for verdict in checked))


def draw_chart(results: Results) -> list[str]:
    """Draw the chart in an interpreter with matplotlib; return the Markdown for the page."""
    try:
        runner = prepare("chart")
    except LeftOutError as exc:
        print_progress(f"no chart is drawn: {exc}")
        return []
    panels = {
        "Single calls per second": bars(results, SINGLE),
        "Calls per second in batches of 100": bars(results, BATCH),
    }
    script = ROOT / "benchmarks" / "sockets" / "chart.py"
    subprocess.run([*runner.command, str(script), str(IMAGES)], input=json.dumps(panels), text=True, check=True)
    return [
        "![Bars of the calls per second of each server](images/benchmark.png)\n\n{download}`SVG <images/benchmark.svg>`"
    ]


def bars(results: Results, load: Load) -> list[tuple[str, float, bool]]:
    ranked = [one for one in page.fastest_first(results, load) if one.kind in {OURS, PEER}]
    return [(one.name, results.calls_per_s(one, load), one.kind == OURS) for one in ranked]


if __name__ == "__main__":
    sys.exit(main())
