"""Manual garbage collection."""

import gc
import itertools
import os
import subprocess
import sys
import textwrap
import weakref

import pytest

from flaskJSONRPCServer.runtime import garbage
from flaskJSONRPCServer.runtime.garbage import GarbageControl
from flaskJSONRPCServer.runtime.stats import Stats
from flaskJSONRPCServer.settings import Settings

# Python 3.12 itself freezes some hundred objects.
FEW = 1000


class Node:
    """Garbage that only a collection frees."""

    def __init__(self):
        self.itself = self


@pytest.fixture(autouse=True)
def collection_as_it_was():
    was_enabled = gc.isenabled()
    gc.unfreeze()  # what an earlier test has left
    gc.enable()
    yield
    assert not garbage._process._holders
    gc.unfreeze()
    (gc.enable if was_enabled else gc.disable)()


@pytest.fixture
def collected(monkeypatch):
    calls = []

    def collect(*args):
        calls.append(args)
        return 7

    monkeypatch.setattr(garbage.gc, "collect", collect)
    return calls


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(garbage.time, "monotonic", lambda: now[0])
    return now


def make(stats=None, gc_every_objects=10**9, **limits):
    limits = {"everySeconds": 3600, "everyRequestCount": 300, "everyDispatcherCount": 50, **limits}
    settings = Settings(
        gc_every_objects=gc_every_objects, **{f"controlGC_{name}": value for name, value in limits.items()}
    )
    return GarbageControl((stats or Stats()).served, settings)


@pytest.fixture
def control():
    control = make()
    control.start()
    yield control
    control.stop()


def test_nothing_is_collected_before_a_threshold(collected, clock):
    stats = Stats()
    control = make(stats)
    clock[0] += 3599
    stats.thread_counters().requests_started += 299
    stats.thread_counters().calls_of("/api/echo").started += 49

    assert control.collect() is False
    assert collected == []


@pytest.mark.parametrize("reason", ["time", "requests", "calls", "force"])
def test_each_threshold_collects_once(reason, collected, clock):
    stats = Stats()
    control = make(stats)
    clock[0] += 3600 * (reason == "time")
    stats.thread_counters().requests_started += 300 * (reason == "requests")
    stats.thread_counters().calls_of("/api/echo").started += 50 * (reason == "calls")

    assert control.collect(force=reason == "force") is True
    assert len(collected) == 1
    assert control.collect() is False


def test_busy_server_returns_freed_memory_by_time(collected, clock, monkeypatch):
    returns = []
    monkeypatch.setattr(garbage, "return_freed_memory", lambda: returns.append(clock[0]))
    requests = itertools.count(step=300)
    control = GarbageControl(lambda: (next(requests), 0), Settings(controlGC_everyRequestCount=300))
    for _ in range(25):
        clock[0] += 600
        assert control.collect()

    assert returns == [1000.0 + 3600 * hour for hour in (1, 2, 3, 4)]


def test_objects_that_no_request_is_counted_for_are_collected():
    control = make(gc_every_objects=5_000)
    control.start()
    try:
        assert control.collect() is False
        node = weakref.ref(Node())
        for _ in range(5_000):
            Node()

        assert control.collect() is True
        assert node() is None
        assert control.collect() is False
    finally:
        control.stop()


def test_start_resets_the_thresholds(collected, clock):
    control = make()
    clock[0] += 3600
    control.start()
    try:
        assert control.collect() is False
    finally:
        control.stop()


def test_manual_collection_frees_cycles():
    gc.disable()
    node = weakref.ref(Node())
    assert node() is not None
    make().collect(force=True)

    assert node() is None


@pytest.mark.parametrize(("in_ms", "factor"), [(True, 1), (False, 0.001)])
def test_pauses_are_reported(in_ms, factor, collected, monkeypatch):
    ticks = iter([0.0, 0.004, 10.0, 10.002])
    monkeypatch.setattr(garbage.time, "perf_counter", lambda: next(ticks))
    control = make()
    control.collect(force=True)
    control.collect(force=True)

    assert control.report(in_ms=in_ms) == {
        "count": 2,
        "collected": 14,
        "total": pytest.approx(6 * factor),
        "mean": pytest.approx(3 * factor),
        "max": pytest.approx(4 * factor),
        "last": pytest.approx(2 * factor),
    }


def test_no_pauses_are_reported_before_the_first():
    assert set(make().report(in_ms=True).values()) == {0}


def test_objects_from_the_start_are_frozen_until_the_stop(control):
    assert gc.get_freeze_count() > FEW
    control.stop()

    assert gc.get_freeze_count() < FEW


def test_thorough_collection_finds_objects_from_the_start():
    stats, node = Stats(), Node()
    control = make(stats)
    control.start()
    try:
        seen = weakref.ref(node)
        del node
        stats.thread_counters().calls_of("/api/echo").started += 50
        assert control.collect() is True
        assert seen() is not None
        control.collect(force=True)
        assert seen() is None
        assert gc.get_freeze_count() > FEW
    finally:
        control.stop()


def test_after_a_thaw_any_collection_finds_it():
    node = Node()
    control = make()
    control.start()
    try:
        seen = weakref.ref(node)
        del node
        control.unfreeze()
        gc.collect()
        assert seen() is None
        assert gc.get_freeze_count() < FEW
        control.collect(force=True)
        assert gc.get_freeze_count() > FEW
    finally:
        control.stop()


def test_collection_without_a_start_freezes_nothing():
    make().collect(force=True)

    assert gc.get_freeze_count() < FEW


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_child_has_its_automatic_collection_back():
    # In a separate interpreter: a process that has threads should not fork.
    program = """
        import gc, os
        from flaskJSONRPCServer.runtime.garbage import GarbageControl
        from flaskJSONRPCServer.settings import Settings

        control = GarbageControl(lambda: (0, 0), Settings())
        control.start()
        child = os.fork()
        if child == 0:
            os._exit(7 if gc.isenabled() else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), gc.isenabled())
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)

    assert run.stdout == "7 False\n"


def test_automatic_collection_is_off_between_start_and_stop():
    control = make()
    control.start()
    try:
        assert not gc.isenabled()
    finally:
        control.stop()
    assert gc.isenabled()


def test_last_holder_turns_automatic_collection_on():
    first, second = make(), make()
    first.start()
    second.start()
    first.stop()
    assert not gc.isenabled()
    second.stop()

    assert gc.isenabled()


def test_disabled_collection_stays_disabled():
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


def test_ticker_can_be_started_again():
    control = make()
    for _ in range(3):
        control.start()
        assert not gc.isenabled()
        control.stop()
        assert gc.isenabled()


def test_old_garbage_of_the_time_before_a_restart_is_collected():
    control = make()
    control.start()
    node = weakref.ref(Node())
    gc.freeze()  # as a collection by requests does with what survives it
    control.stop()
    control.start()
    try:
        assert node() is None
    finally:
        control.stop()
