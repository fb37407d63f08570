"""Run the scorecard: ``python -m scorecard [--check N ...] [--backend NAME ...] [--quick]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from flaskJSONRPCServer.errors import SettingsError

from .checks import all_checks
from .known import KNOWN
from .results import Row
from .runner import known_backends, plan, run, select
from .subject import ROOT, raise_descriptor_limit
from .table import as_line, as_page, unexpected

PAGE = ROOT / "docs" / "scorecard.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks of the command line. Return 0 if every outcome is as expected by the table of known reasons."""
    parser = argparse.ArgumentParser(prog="python -m scorecard", description=__doc__)
    parser.add_argument(
        "--check", type=int, nargs="+", default=[], metavar="N", help="only the checks of these numbers"
    )
    parser.add_argument("--backend", nargs="+", default=[], metavar="NAME", help="only these serving backends")
    parser.add_argument("--quick", action="store_true", help="only the checks that take a second or two")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    try:
        backends = known_backends(options.backend)
        checks = select(all_checks(), options.check, quick=options.quick)
    except SettingsError as exc:
        parser.error(str(exc))
    raise_descriptor_limit()
    rows: list[Row] = []
    for row in run(plan(checks, backends, named=bool(options.backend))):
        rows.append(row)
        print(as_line(row), flush=True)
    return conclude(rows, write=options.write)


def conclude(rows: Sequence[Row], *, write: bool) -> int:
    if write:
        PAGE.write_text(as_page(rows, KNOWN), encoding="utf-8")
    passed = sum(row.result.passed for row in rows)
    print(f"{passed} of {len(rows)} passed in {sum(row.seconds for row in rows):.0f} s")
    differences = unexpected(rows, KNOWN)
    for line in differences:
        print(f"UNEXPECTED: {line}")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
