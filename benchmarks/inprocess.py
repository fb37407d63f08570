"""Time the server's WSGI callable in this process, without sockets: ``python -m benchmarks.inprocess``.

The server, directly and through Flask, is compared with a bare WSGI application and a bare Flask view. Those only
parse, call and serialise, with the same JSON module. All take turns in interleaved rounds, and ratios are computed in
each round.
"""

import argparse
import json
import sys
from pathlib import Path

from flaskJSONRPCServer.runtime.progress import progress

from . import memory, report
from .timing import run_races


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inprocess", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="take fewer and shorter samples: less than 30 seconds")
    parser.add_argument("--memory", action="store_true", help="measure the memory only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures into a file too")
    parser.add_argument("--check", action="store_true", help="exit with status 1 if a bound is missed")
    parser.add_argument("--rounds", type=int, help="the number of rounds (31; 7 with --quick)")
    parser.add_argument("--sample-ms", type=float, help="the least duration of a sample (20; 5 with --quick)")
    parser.add_argument("--calls", type=int, default=memory.CALLS, help="the number of calls for the memory test")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (7 if arguments.quick else 31)
    arguments.sample_ms = arguments.sample_ms or (5 if arguments.quick else 20)
    return arguments


def main() -> int:
    arguments = parse_arguments()
    with progress("timing calls of each application"):
        races = [] if arguments.memory else run_races(arguments.rounds, arguments.sample_ms)
    with progress("measuring the memory of many calls"):
        growth = memory.measure_apart(arguments.calls)
    if races:
        print(report.table(races), "", report.notes(races), sep="\n")
    print(report.memory_line(growth))
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(races, growth), indent=2) + "\n", encoding="utf-8")
    missed = not all(verdict.passed for verdict in report.verdicts(races, growth))
    return int(arguments.check and missed)


if __name__ == "__main__":
    sys.exit(main())
