"""The quick checks of the scorecard on every serving backend: they fail only as the table of known reasons says."""

import pytest

from scorecard.checks import Scope, all_checks
from scorecard.known import KNOWN
from scorecard.runner import BACKENDS, DEFAULT, run_check

QUICK = [check for check in all_checks() if check.quick]


def cases():
    for check in QUICK:
        for backend in BACKENDS if check.scope is Scope.EACH else [DEFAULT]:
            known = KNOWN.get((check.number, backend))
            marks = [pytest.mark.xfail(reason=known.reason)] if known else []
            yield pytest.param(check, backend, id=f"{check.number}-{backend}", marks=marks)


@pytest.mark.parametrize(("check", "backend"), list(cases()))
def test_check_has_the_known_outcome(check, backend):
    result = run_check(check, backend)

    assert result.passed, result.text
    assert result.figure


def test_every_number_has_its_check():
    assert [check.number for check in all_checks()] == list(range(1, 51))


def test_known_reasons_name_existing_checks_and_backends():
    scopes = {check.number: check.scope for check in all_checks()}

    for number, backend in KNOWN:
        assert scopes[number] is Scope.EACH
        assert backend in BACKENDS
