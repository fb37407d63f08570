"""Planning and running checks, and the results of those that cannot run."""

import pytest

from flaskJSONRPCServer.errors import SettingsError
from scorecard.checks import Check, Scope
from scorecard.results import Findings, Result
from scorecard.runner import BACKENDS, DEFAULT, known_backends, plan, run, run_check, select


def make(number, **options):
    return Check(number, f"check {number}", lambda start: Result(True, "1"), **options)


EACH, ONCE, ALONE = make(3), make(2, scope=Scope.ONCE), make(1, scope=Scope.ALONE, quick=True)


def test_backends_are_those_of_the_scorecard_where_none_is_named():
    assert known_backends([]) == list(BACKENDS)


def test_backends_may_be_one_text_with_spaces_as_make_gives_it():
    assert known_backends(["native pywsgi", "granian"]) == ["native", "pywsgi", "granian"]


def test_unknown_backend_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match="unknown serving backend 'nativ'; did you mean 'native'"):
        known_backends(["nativ"])


def test_checks_are_selected_by_number():
    assert select([EACH, ONCE, ALONE], [2, 3], quick=False) == [EACH, ONCE]


def test_quick_selects_the_quick_ones():
    assert select([EACH, ONCE, ALONE], [], quick=True) == [ALONE]


def test_unknown_number_is_refused_with_the_known_ones():
    with pytest.raises(SettingsError, match="unknown check 51; known: 3, 2"):
        select([EACH, ONCE], [51], quick=False)


def test_check_runs_on_each_backend_once_or_without_one():
    tasks = plan([EACH, ONCE, ALONE], ["native", "granian"], named=False)

    assert tasks == [(ALONE, "-"), (ONCE, DEFAULT), (EACH, "native"), (EACH, "granian")]


def test_check_that_needs_one_backend_runs_on_the_first_that_is_named():
    assert plan([ONCE], ["granian", "native"], named=True) == [(ONCE, "granian")]


def test_checks_with_a_long_measurement_come_last():
    long = make(0, beforehand=lambda start: None)

    assert [check for check, _ in plan([long, ONCE], ["native"], named=True)] == [ONCE, long]


def test_measurement_beforehand_reaches_its_check():
    check = Check(1, "", lambda start, measured: Result(True, measured), beforehand=lambda start: "measured")

    [row] = run([(check, "native")])
    assert (row.number, row.backend, row.result) == (1, "native", Result(True, "measured"))


def test_backend_that_does_not_start_is_a_failure_not_a_skip():
    check = Check(1, "", lambda start: Result(True, str(start(no_such_option=1).address)))
    result = run_check(check, "native")

    assert not result.passed
    assert result.faults[0].startswith("cannot run: servBackend 'native' does not start: ")
    assert "no_such_option" in result.faults[0]


def test_check_that_raises_is_a_failure():
    def fail(start):
        raise ZeroDivisionError("by zero")

    assert run_check(Check(1, "", fail), "native").faults == ("broke off: ZeroDivisionError: by zero",)


def test_check_that_has_measured_nothing_has_not_passed():
    assert Findings().result() == Result(False, "", ("nothing was measured",))


def test_fault_fails_the_check_and_precedes_the_figure():
    findings = Findings()
    findings.measure("3 ms")
    findings.require(True, "is kept")
    findings.require(False, "is broken")

    assert findings.result() == Result(False, "3 ms", ("is broken",))
    assert findings.result().text == "FAULT: is broken; 3 ms"
