"""The rows as text, and their comparison with the table of known reasons."""

from scorecard.known import Known
from scorecard.results import Result, Row
from scorecard.table import as_line, as_page, unexpected

GREEN = Row(2, "A | b", "native", Result(True, "1 < 2"), 1.25)
RED = Row(1, "C", "granian", Result(False, "3", ("is *broken*",)))
KNOWN = {(1, "granian"): Known("by design", "a proxy")}


def test_line_of_a_terminal():
    assert as_line(GREEN) == "pass  2 native      1.2 s  A | b\n      1 < 2"


def test_page_has_the_rows_in_the_order_of_their_numbers_and_the_reasons():
    lines = as_page([GREEN, RED], KNOWN).splitlines()

    assert lines[0] == "# Scorecard"
    assert [line for line in lines if line.startswith("|") and "---" not in line] == [
        "| | check | backend | figure | |",
        "| 1 | C | granian | FAULT: is \\*broken\\*; 3 | **fail** |",
        "| 2 | A \\| b | native | 1 &lt; 2 | pass |",
        "| | backend | why | in front |",
        "| 1 | granian | by design | a proxy |",
    ]


def test_page_without_a_red_cell_has_no_second_table():
    assert "Failed checks" not in as_page([GREEN], KNOWN)


def test_red_cell_without_a_known_reason_says_so():
    assert "| 1 | granian | not known yet | do not put it on the internet |" in as_page([RED], {})


def test_failure_that_is_not_known_is_unexpected():
    assert unexpected([RED], {}) == ["check 1 on granian fails"]


def test_known_failure_that_passes_is_unexpected():
    passing = Row(1, "C", "granian", Result(True, "3"))

    assert unexpected([passing], KNOWN) == ["check 1 on granian passes, and is still in the table of known reasons"]


def test_outcomes_that_are_as_known_are_not():
    assert unexpected([GREEN, RED], KNOWN) == []
