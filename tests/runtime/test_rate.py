"""Requests per second, with a clock that the test controls."""

import pytest

from flaskJSONRPCServer.runtime.rate import HISTORY_MINUTES, Rate


def rates(rate):
    report = rate.report()
    return [report[f"connPerSec_{name}"] for name in ("now", "old", "max")]


def test_now_and_old_cover_the_last_two_full_seconds():
    rate = Rate(60)
    reported = []
    for now_s, total in [(61, 10), (62, 13), (62.9, 113), (63, 113), (64, 113)]:
        rate.count(total, now_s)
        reported.append(rates(rate))

    assert reported == [[10, 0, 10], [3, 10, 10], [3, 10, 10], [pytest.approx(100), 3, 100], [0, 100, 100]]


def test_further_samples_change_nothing():
    often, once = Rate(0), Rate(0)
    for tenth in range(1, 41):
        often.count(tenth * 7, tenth / 10)
        if tenth % 10 == 0:
            once.count(tenth * 7, tenth / 10)

    assert rates(often) == pytest.approx(rates(once))
    assert rates(often) == pytest.approx([70, 70, 70])


def test_requests_between_two_samples_are_spread_evenly():
    rate = Rate(10.5)
    rate.count(40, 14.5)

    assert rates(rate) == [10, 10, 10]
    rate.count(40, 15)
    assert rates(rate) == [5, 10, 10]


def test_history_by_minute():
    rate = Rate(120)
    for second in range(1, 91):
        rate.count(second * 2 if second <= 60 else 120 + (second - 60) * 4, 120 + second)

    assert rate.report()["connPerSec_history"] == [
        {"minute": 120, "mean": 2, "max": 2},
        {"minute": 180, "mean": 4, "max": 4},
    ]


def test_maximum_of_a_minute_is_its_busiest_second():
    rate = Rate(0)
    for second in range(1, 61):
        rate.count(30 if second >= 30 else 0, second)

    assert rate.report()["connPerSec_history"] == [{"minute": 0, "mean": 0.5, "max": 30}]


@pytest.mark.parametrize("look_every_s", [1, 7, 86_400 * 2])
def test_history_is_bounded(look_every_s):
    rate = Rate(0)
    for now_s in range(look_every_s, look_every_s * 2 + 7200, look_every_s):
        rate.count(now_s, now_s)
    history = rate.report()["connPerSec_history"]

    assert len(history) == HISTORY_MINUTES
    minutes = [minute["minute"] for minute in history]
    assert minutes == list(range(minutes[0], minutes[0] + HISTORY_MINUTES * 60, 60))
    assert [minute["max"] for minute in history] == pytest.approx([1] * HISTORY_MINUTES)


def test_clock_set_back_loses_no_request():
    rate = Rate(1000)
    rate.count(5, 1001)
    rate.count(10, 400)
    assert rates(rate) == [5, 0, 5]

    rate.count(15, 401)
    assert rates(rate) == [10, 5, 10]


def test_two_samples_at_the_same_moment():
    rate = Rate(50)
    rate.count(5, 50)
    rate.count(5, 51)

    assert rates(rate) == [5, 0, 5]
