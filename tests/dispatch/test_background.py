"""Calls that outlast their requests."""

import threading

import pytest

from flaskJSONRPCServer.dispatch.background import BackgroundCalls

PATIENCE_S = 60


def test_drain_waits_for_the_calls():
    calls, go, done = BackgroundCalls(), threading.Event(), []
    calls.start(lambda: done.append(go.wait(PATIENCE_S)), "a call")

    assert not calls.is_idle
    assert calls.drain(0) == 1
    assert calls.drain(0, allowed=1) == 1
    go.set()

    assert calls.drain(PATIENCE_S) == 0
    assert done == [True]
    assert calls.is_idle


def test_tick_calls_each_callback():
    calls, seen = BackgroundCalls(), []
    calls.on_tick(lambda: seen.append(1))

    calls.tick()
    calls.tick()

    assert seen == [1, 1]


def test_end_calls_each_callback():
    calls, seen = BackgroundCalls(), []
    calls.on_end(lambda: seen.append(1))
    calls.on_end(lambda: seen.append(2))

    calls.notify_end()

    assert seen == [1, 2]


def test_end_calls_the_others_though_one_raises():
    calls, seen = BackgroundCalls(), []
    calls.on_end(lambda: 1 / 0)
    calls.on_end(lambda: seen.append(2))

    with pytest.raises(ZeroDivisionError):
        calls.notify_end()

    assert seen == [2]
