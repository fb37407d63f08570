"""Garbage collection by hand."""

import gc

import pytest

from flaskJSONRPCServer.runtime import garbage
from flaskJSONRPCServer.runtime.garbage import GarbageControl
from flaskJSONRPCServer.runtime.stats import Stats


@pytest.fixture(autouse=True)
def collection_as_it_was():
    was_enabled = gc.isenabled()
    gc.enable()
    yield
    (gc.enable if was_enabled else gc.disable)()


@pytest.fixture
def collected(monkeypatch):
    calls = []
    monkeypatch.setattr(garbage.gc, "collect", lambda *args: calls.append(args))
    return calls


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(garbage.time, "monotonic", lambda: now[0])
    return now


def make(stats=None, **limits):
    limits = {"every_s": 3600, "every_requests": 300, "every_calls": 50, **limits}
    return GarbageControl((stats or Stats()).totals, **limits)


def test_nothing_is_collected_before_a_threshold(collected, clock):
    stats = Stats()
    control = make(stats)
    clock[0] += 3599
    stats.tally().requests_started += 299
    stats.tally().calls_started += 49

    assert control.collect() is False
    assert collected == []


@pytest.mark.parametrize("reason", ["time", "requests", "calls", "force"])
def test_each_threshold_collects_once(reason, collected, clock):
    stats = Stats()
    control = make(stats)
    clock[0] += 3600 * (reason == "time")
    stats.tally().requests_started += 300 * (reason == "requests")
    stats.tally().calls_started += 50 * (reason == "calls")

    assert control.collect(force=reason == "force") is True
    assert len(collected) == 1
    assert control.collect() is False


def test_collection_by_hand_frees_cycles():
    freed = []

    class Node:
        def __del__(self):
            freed.append(1)

    gc.disable()
    node = Node()
    node.itself = node
    del node
    make().collect(force=True)

    assert freed == [1]


def test_automatic_collection_is_off_while_it_runs_and_on_again_after():
    control = make()
    control.start()
    try:
        assert not gc.isenabled()
    finally:
        control.stop()
    assert gc.isenabled()


def test_last_one_gives_the_collection_back():
    first, second = make(), make()
    first.start()
    second.start()
    first.stop()
    assert not gc.isenabled()
    second.stop()

    assert gc.isenabled()


def test_collection_that_was_off_stays_off():
    gc.disable()
    control = make()
    control.start()
    control.stop()

    assert not gc.isenabled()


def test_stop_twice_and_without_start_changes_nothing():
    control = make()
    control.stop()
    control.start()
    other = make()
    other.start()
    control.stop()
    control.stop()

    assert not gc.isenabled()
    other.stop()
    assert gc.isenabled()


def test_it_can_be_started_again():
    control = make()
    for _ in range(3):
        control.start()
        assert not gc.isenabled()
        control.stop()
        assert gc.isenabled()
