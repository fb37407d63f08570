"""The conformance suite of the protocol, on one backend, and how its outcomes are read and compared."""

import dataclasses
from pathlib import Path

import pytest

from conformance.__main__ import cells_of
from conformance.known import KNOWN, REVISIONS, unexpected
from conformance.results import PENDING, SCORED, Cell, Outcome
from conformance.served import BACKENDS, ServedError, served
from conformance.suite import outcomes_in
from conformance.table import as_table, expected_table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mcp.md"

OUTPUT = """
=== SUMMARY ===
✓ tools-list: 2 passed, 0 failed
✗ ping: 1 passed, 1 failed
✓ polling: 0 passed, 0 failed
✓ skipped: 0 passed, 0 failed

Not scored for 2025-11-25: 2 scenario(s) run, 0 failing.
  ✓ polling (pending)
  ✓ skipped (extension)
"""
CHECKS = {
    "tools-list": [{"id": "a", "status": "SUCCESS"}, {"id": "b", "status": "WARNING"}],
    "ping": [{"id": "a", "status": "SUCCESS"}, {"id": "b", "status": "FAILURE", "errorMessage": "no"}],
    "polling": [{"id": "a", "status": "WARNING"}],
    "skipped": [{"id": "a", "status": "SKIPPED"}],
}


def test_native_passes_all_scenarios_of_both_revisions():
    cells = cells_of("native", list(REVISIONS))
    assert [line for cell in cells for line in unexpected(cell)] == []
    assert [cell.revision for cell in cells] == list(REVISIONS)


def test_page_has_the_table_of_known_reasons():
    assert expected_table() in PAGE.read_text(encoding="utf-8")


def test_outcomes_are_those_of_the_checks():
    assert outcomes_in(OUTPUT, CHECKS) == [
        Outcome("tools-list", "scored", passed=True),
        Outcome("ping", "scored", passed=False, fault="b: no"),
        Outcome("polling", "pending", passed=False, fault="no check has succeeded"),
        Outcome("skipped", "extension", passed=True),
    ]


def cell_of(backend, revision, *failing):
    """Return a cell in which all scenarios pass but some."""
    outcomes = [Outcome(name, kind, passed=False, fault="why") for name, kind in failing]
    for kind, most in REVISIONS[revision].items():
        rest = most - sum(known == kind for _, known in failing)
        outcomes += [Outcome(f"{kind}-{number}", kind, passed=True) for number in range(rest)]
    return Cell(backend, revision, tuple(outcomes))


@pytest.mark.parametrize(
    ("cell", "lines"),
    [
        pytest.param(cell_of("native", "2026-07-28"), [], id="as expected"),
        pytest.param(
            cell_of("native", "2026-07-28", ("ping", SCORED)), ["native, 2026-07-28: ping fails: why"], id="worse"
        ),
        pytest.param(cell_of("native", "2025-11-25"), ["native, 2025-11-25: server-sse-polling passes"], id="better"),
        pytest.param(cell_of("native", "2025-11-25", ("server-sse-polling", PENDING)), [], id="known"),
    ],
)
def test_differences_from_the_known_reasons(cell, lines):
    assert list(unexpected(cell)) == lines


def test_missing_scenarios_are_a_difference():
    whole = cell_of("native", "2026-07-28")
    [line] = unexpected(dataclasses.replace(whole, outcomes=whole.outcomes[1:]))
    assert line.startswith("native, 2026-07-28: the suite has run")


def test_table_has_a_row_for_each_program_and_a_column_for_each_revision():
    cells = [cell_of("native", "2026-07-28", ("ping", SCORED)), cell_of("granian", "2026-07-28")]
    assert as_table(cells).splitlines()[2:] == [
        "| native | 36/37 scored, 3/3 pending, 10/10 of Tasks |",
        "| granian | 37/37 scored, 3/3 pending, 10/10 of Tasks |",
    ]


def test_known_reasons_are_about_programs_that_run():
    assert {backend for backend, _ in KNOWN} <= set(BACKENDS)
    assert {revision for _, revision in KNOWN} <= set(REVISIONS)


def test_program_that_ends_during_a_run_is_an_error(monkeypatch, tmp_path):
    program = tmp_path / "example.py"
    program.write_text("print('no such thing'); raise SystemExit(3)")
    monkeypatch.setattr("conformance.served.EXAMPLE", program)
    with pytest.raises(ServedError, match=r"status is 3:\nno such thing"), served("native"):
        pass
