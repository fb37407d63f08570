"""Checks that run in threads of their own."""

import threading

import pytest

from flaskJSONRPCServer.runtime.logs import INFO, WARNING
from flaskJSONRPCServer.telemetry import readiness
from flaskJSONRPCServer.telemetry.readiness import ReadinessChecks
from tests.helpers import wait_until

PATIENCE_S = 30


class Log:
    def __init__(self):
        self.records = []

    def write(self, level, *parts, traceback=False):
        self.records.append((level, " ".join(map(str, parts)), traceback))


@pytest.fixture
def log():
    return Log()


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """Let a loaded machine have its time."""
    monkeypatch.setattr(readiness, "WAIT_S", PATIENCE_S)
    monkeypatch.setattr(readiness, "TIMEOUT_S", PATIENCE_S)


@pytest.fixture
def always_due(monkeypatch):
    monkeypatch.setattr(readiness, "FRESH_S", 0)


def checks_of(log, **functions):
    checks = ReadinessChecks(log)
    for name, function in functions.items():
        checks.add(name, function)
    return checks


def test_outcome_is_kept_while_it_is_fresh(log, monkeypatch):
    monkeypatch.setattr(readiness, "FRESH_S", PATIENCE_S)
    runs = []
    checks = checks_of(log, one=lambda: runs.append(1))

    assert [checks.outcomes() for _ in range(3)] == [{"one": True}] * 3
    assert runs == [1]


@pytest.mark.usefixtures("always_due")
def test_slow_check_counts_by_its_last_outcome(log, monkeypatch):
    release = threading.Event()
    release.set()
    checks = checks_of(log, slow=lambda: release.wait(PATIENCE_S))
    assert checks.outcomes() == {"slow": True}

    release.clear()
    monkeypatch.setattr(readiness, "WAIT_S", 0)
    assert checks.outcomes() == {"slow": True}
    release.set()


@pytest.mark.usefixtures("always_due")
def test_check_that_takes_too_long_fails_until_it_ends(log, monkeypatch):
    release, runs = threading.Event(), []
    checks = checks_of(log, hangs=lambda: runs.append(1) or (len(runs) == 1 or release.wait(PATIENCE_S)))
    assert checks.outcomes() == {"hangs": True}

    monkeypatch.setattr(readiness, "WAIT_S", 0)
    monkeypatch.setattr(readiness, "TIMEOUT_S", 0)
    assert [checks.outcomes() for _ in range(3)] == [{"hangs": False}] * 3
    wait_until(lambda: runs == [1, 1])
    release.set()
    monkeypatch.undo()
    wait_until(lambda: checks.outcomes() == {"hangs": True})

    assert log.records[0] == (WARNING, "readiness check 'hangs' has not ended within 0 s", False)
    assert log.records[-1] == (INFO, "readiness check 'hangs' passes again", False)


@pytest.mark.usefixtures("always_due")
@pytest.mark.parametrize("exception", [ValueError("secret"), SystemExit(), BaseException()])
def test_failure_is_logged_once_with_its_traceback(log, exception):
    def check():
        if raising:
            raise exception

    raising = [True]
    checks = checks_of(log, flaky=check)

    assert [checks.outcomes() for _ in range(3)] == [{"flaky": False}] * 3
    raising.clear()
    assert checks.outcomes() == {"flaky": True}
    assert log.records == [
        (WARNING, f"readiness check 'flaky' fails: it raised {type(exception).__name__}", True),
        (INFO, "readiness check 'flaky' passes again", False),
    ]


def test_result_that_cannot_be_judged_fails(log):
    class Strange:
        def __bool__(self):
            raise ValueError

    assert checks_of(log, strange=Strange).outcomes() == {"strange": False}


@pytest.mark.usefixtures("always_due")
def test_many_askers_occupy_one_thread(log, monkeypatch):
    monkeypatch.setattr(readiness, "WAIT_S", PATIENCE_S)
    release, runs = threading.Event(), []
    checks = checks_of(log, slow=lambda: runs.append(1) or len(runs) == 1 or release.wait(PATIENCE_S))
    assert checks.outcomes() == {"slow": True}

    waiting = threading.Thread(target=checks.outcomes)
    waiting.start()
    wait_until(lambda: len(runs) == 2 and checks._is_awaited)
    assert [checks.outcomes() for _ in range(100)] == [{"slow": True}] * 100  # none of them waits
    assert len(runs) == 2
    release.set()
    waiting.join()


def test_no_room_for_a_thread_fails_the_check(log, monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(readiness, "start_thread", refuse)

    assert checks_of(log, one=lambda: True).outcomes() == {"one": False}
