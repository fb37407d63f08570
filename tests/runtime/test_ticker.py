"""The periodic tasks."""

import threading

import pytest

from flaskJSONRPCServer.runtime.logs import ServerLog
from flaskJSONRPCServer.runtime.ticker import Ticker

WAIT_S = 30


@pytest.fixture
def ended():
    return threading.Event()


@pytest.fixture
def make(ended):
    tickers = []

    def make_ticker(*tasks):
        ticker = Ticker("ticking", tasks, ended.set, ServerLog("theirs", 3), every_s=0.001)
        tickers.append(ticker)
        return ticker

    yield make_ticker
    for ticker in tickers:
        ticker.stop()


def ticks(count):
    """Return a task, and an event that is set after that many calls."""
    reached, calls = threading.Event(), []

    def task():
        calls.append(1)
        if len(calls) == count:
            reached.set()

    return task, reached


def test_tasks_are_called_until_the_stop(make, ended):
    first, first_reached = ticks(3)
    second, second_reached = ticks(3)
    ticker = make(first, second)
    ticker.start()

    assert first_reached.wait(WAIT_S)
    assert second_reached.wait(WAIT_S)
    assert not ended.is_set()
    ticker.stop()
    assert ended.is_set()


def test_failing_task_is_logged_and_does_not_stop_the_others(make, ended, caplog):
    def fail():
        raise ValueError("no luck")

    other, reached = ticks(2)
    ticker = make(fail, other)
    ticker.start()
    assert reached.wait(WAIT_S)
    ticker.stop()

    assert "no luck" in caplog.text
    assert "fail" in caplog.records[0].getMessage()


def test_at_end_is_called_even_if_a_task_ends_the_thread(make, ended, monkeypatch):
    left = []
    monkeypatch.setattr(threading, "excepthook", left.append)

    def leave():
        raise SystemExit

    ticker = make(leave)
    ticker.start()
    assert ended.wait(WAIT_S)
    ticker.stop()

    assert [unraisable.exc_type for unraisable in left] == [SystemExit]


def test_task_may_stop_its_own_ticker(make, ended):
    tickers = []

    def stop():
        tickers[0].stop()

    tickers.append(make(stop))
    tickers[0].start()

    assert ended.wait(WAIT_S)


def test_stop_without_start_changes_nothing(make, ended):
    make().stop()

    assert not ended.is_set()
