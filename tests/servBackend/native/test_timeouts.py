"""The minimum rate of bytes, window by window."""

import math

import pytest

from flaskJSONRPCServer.servBackend.native.timeouts import RateWindow


@pytest.mark.parametrize(("counts", "kept"), [((99,), False), ((100,), True), ((100, 199), False), ((500, 600), True)])
def test_rate_is_measured_window_by_window(counts, kept):
    window = RateWindow(10, 10.0)
    assert window.ends_at == math.inf
    window.start(0, 5.0)
    assert window.ends_at == 15.0
    assert [window.keeps_up(count, 15.0) for count in counts][-1] is kept
    assert window.ends_at == 25.0
    window.stop()
    assert window.ends_at == math.inf


@pytest.mark.parametrize("step", [1, 500, 999, 1000])
@pytest.mark.parametrize("phase", [0.0, 0.3, 0.99])
def test_even_flow_that_is_counted_in_steps_keeps_up(step, phase):
    window = RateWindow(10, 10.0, 1000)
    window.start(0, 0.0)
    for now in range(10, 5000, 10):
        flowed = 10 * now + phase * step
        assert window.keeps_up(int(flowed // step * step), float(now))


@pytest.mark.parametrize(("rate", "windows"), [(0, 11), (5, 21), (9, 101)])
def test_flow_below_the_minimum_does_not_keep_up_once_it_lacks_a_step(rate, windows):
    window = RateWindow(10, 10.0, 1000)
    window.start(0, 0.0)
    kept = [window.keeps_up(10 * rate * number, 10.0 * number) for number in range(1, windows + 1)]
    assert kept == [True] * (windows - 1) + [False]


def test_window_lends_nothing_to_the_next_ones():
    window = RateWindow(10, 10.0, 100)
    window.start(0, 0.0)
    assert window.keeps_up(1_000_000, 10.0)
    assert window.keeps_up(1_000_000, 20.0)
    assert not window.keeps_up(1_000_000, 30.0)


def test_window_says_what_has_passed_since_the_first_one():
    window = RateWindow(10, 10.0)
    assert window.elapsed_s(5.0) == 0
    window.start(40, 5.0)
    window.keeps_up(90, 15.0)
    assert (window.elapsed_s(25.0), window.passed_bytes(100)) == (20.0, 60)
    window.stop()
    assert window.elapsed_s(30.0) == 0
