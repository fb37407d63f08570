"""Run the conformance suite: ``python -m conformance [--backend NAME ...] [--revision DATE ...]``.

It prints the table of `docs/mcp.md` with what has passed, and each scenario whose outcome differs from the table of
known reasons.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .known import REVISIONS, unexpected
from .results import Cell
from .served import BACKENDS, served
from .suite import run_suite
from .table import as_table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite. Return 0 if no cell is worse than the table of known reasons."""
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("--backend", nargs="+", choices=BACKENDS, default=list(BACKENDS), help="only these programs")
    parser.add_argument(
        "--revision", nargs="+", choices=REVISIONS, default=list(REVISIONS), help="only these revisions"
    )
    options = parser.parse_args(arguments)
    cells = [cell for backend in options.backend for cell in cells_of(backend, options.revision)]
    print(as_table(cells))
    differences = [line for cell in cells for line in unexpected(cell)]
    for line in differences:
        print(f"UNEXPECTED: {line}")
    return 1 if differences else 0


def cells_of(backend: str, revisions: Sequence[str]) -> list[Cell]:
    """Run the suite against one program, with each revision."""
    with served(backend) as url:
        return [Cell(backend, revision, tuple(run_suite(url, revision))) for revision in revisions]


if __name__ == "__main__":
    sys.exit(main())
