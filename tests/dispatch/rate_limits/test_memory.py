"""The storage in memory: its windows, on a clock that the test moves, and its bound."""

import time

import pytest
from limits import parse
from limits.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter

from flaskJSONRPCServer.dispatch.rate_limits.memory import BoundedMemoryStorage
from tests.helpers import Clock


@pytest.fixture
def clock():
    return Clock(600.0)


@pytest.fixture
def storage(clock):
    return BoundedMemoryStorage(3, clock)


def test_fixed_window_begins_with_its_first_unit_and_ends_as_a_whole(storage, clock):
    limiter, limit = FixedWindowRateLimiter(storage), parse("2/minute")

    assert [limiter.hit(limit, "a") for _ in range(3)] == [True, True, False]
    clock.now += 59
    assert not limiter.hit(limit, "a")
    reset_s, remaining = limiter.get_window_stats(limit, "a")
    assert remaining == 0
    assert reset_s - time.time() == pytest.approx(1, abs=0.5)
    clock.now += 1
    assert limiter.get_window_stats(limit, "a").remaining == 2
    assert limiter.hit(limit, "a")


def test_sliding_window_gives_units_back_little_by_little(storage, clock):
    limiter, limit = SlidingWindowCounterRateLimiter(storage), parse("4/minute")

    assert limiter.hit(limit, "a", cost=4)
    clock.now += 60  # the previous window counts in full at the begin of this one
    assert limiter.get_window_stats(limit, "a").remaining == 0
    assert not limiter.hit(limit, "a")
    clock.now += 31
    assert limiter.get_window_stats(limit, "a").remaining == 3
    assert limiter.hit(limit, "a", cost=3)
    assert not limiter.hit(limit, "a")
    clock.now += 29  # the previous window is the one with three units now
    assert limiter.get_window_stats(limit, "a").remaining == 1
    clock.now += 120
    assert limiter.get_window_stats(limit, "a").remaining == 4


def test_counter_beyond_the_bound_replaces_the_least_recently_used(storage):
    limiter, limit = FixedWindowRateLimiter(storage), parse("1/minute")
    for client in "abc":
        limiter.hit(limit, client)
    limiter.hit(limit, "a")
    limiter.hit(limit, "d")

    assert len(storage) == 3
    assert not limiter.hit(limit, "a")
    assert limiter.hit(limit, "b")


def test_counters_never_pass_the_bound():
    storage = BoundedMemoryStorage(100)
    limiter, limit = FixedWindowRateLimiter(storage), parse("1/day")
    for client in range(1000):
        assert limiter.hit(limit, str(client))
        assert len(storage) <= 100


def test_expired_counters_are_dropped_while_others_are_added(clock):
    storage = BoundedMemoryStorage(1000, clock)
    limiter, limit = FixedWindowRateLimiter(storage), parse("1/minute")
    for client in range(500):
        limiter.hit(limit, str(client))
    clock.now += 61
    for client in range(500, 800):
        limiter.hit(limit, str(client))

    assert len(storage) == 300


def test_counter_can_be_cleared(storage):
    fixed, sliding = FixedWindowRateLimiter(storage), SlidingWindowCounterRateLimiter(storage)
    fixed.hit(parse("1/minute"), "a")
    sliding.hit(parse("1/hour"), "a")
    fixed.clear(parse("1/minute"), "a")
    assert fixed.hit(parse("1/minute"), "a")
    sliding.clear(parse("1/hour"), "a")
    assert len(storage) == 1
    assert storage.reset() == 1
    assert storage.check()
    assert len(storage) == 0
