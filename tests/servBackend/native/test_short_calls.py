"""Predicting short calls."""

from flaskJSONRPCServer.servBackend.native.short_calls import (
    FIRST_PAUSE_S,
    LONG_S,
    LONGEST_PAUSE_S,
    MOST_PATHS,
    RARE_CALLS,
    SHORT_S,
    ShortCalls,
)


class Recorder:
    """Records calls of one path, one after another by a simulated clock."""

    def __init__(self):
        self.calls = ShortCalls()
        self.now = 1000.0

    def call(self, duration_s, count=1):
        for _ in range(count):
            self.calls.record("/api", self.now, self.now + duration_s)
            self.now += duration_s + 0.001  # and a pause
        return "/api" in self.calls.short_paths

    def call_until_short(self):
        """Record short calls until the next one is predicted to be short. Return how many it took."""
        count = 1
        while not self.call(SHORT_S / 10):
            count += 1
        return count


def test_path_that_nobody_has_called_has_no_short_calls():
    assert "/api" not in ShortCalls().short_paths


def test_calls_are_short_after_many_short_ones():
    recorder = Recorder()
    assert not recorder.call(SHORT_S / 10, 10)
    assert 20 < recorder.call_until_short() < 100
    assert "/other" not in recorder.calls.short_paths


def test_calls_that_are_long_on_average_are_never_short():
    recorder = Recorder()
    for _ in range(1000):
        assert not recorder.call(2 * SHORT_S)


def test_growing_average_makes_calls_long():
    recorder = Recorder()
    recorder.call_until_short()
    assert not recorder.call(2 * SHORT_S, 100)


def test_single_long_call_makes_calls_long_for_a_while():
    recorder = Recorder()
    recorder.call_until_short()
    assert not recorder.call(2 * LONG_S)
    began = recorder.now
    recorder.call_until_short()
    assert recorder.now - began >= FIRST_PAUSE_S


def test_rare_long_call_makes_calls_long_until_the_average_is_short():
    recorder = Recorder()
    recorder.call(SHORT_S / 10, RARE_CALLS)
    assert not recorder.call(5 * LONG_S)
    began = recorder.now
    assert 5 < recorder.call_until_short() < 40
    assert recorder.now - began < FIRST_PAUSE_S


def test_second_long_call_soon_after_a_rare_one_pauses_the_path():
    recorder = Recorder()
    recorder.call(SHORT_S / 10, RARE_CALLS)
    recorder.call(2 * LONG_S)
    recorder.call_until_short()
    assert not recorder.call(2 * LONG_S)
    began = recorder.now
    recorder.call_until_short()
    assert recorder.now - began >= FIRST_PAUSE_S


def pause_after(recorder):
    recorder.call_until_short()
    recorder.call(2 * LONG_S)
    began = recorder.now
    recorder.call_until_short()
    return recorder.now - began


def test_pause_doubles_with_each_long_call_up_to_a_limit():
    recorder = Recorder()
    pauses = [pause_after(recorder) for _ in range(14)]
    assert pauses[1] > 1.5 * pauses[0]
    assert pauses[2] > 1.5 * pauses[1]
    assert max(pauses) < 1.1 * LONGEST_PAUSE_S


def test_long_call_long_ago_is_forgiven():
    recorder = Recorder()
    first, second = pause_after(recorder), pause_after(recorder)
    recorder.now += 100 * second
    assert pause_after(recorder) < 1.1 * first


def test_number_of_paths_is_bounded():
    calls = ShortCalls()
    for number in range(MOST_PATHS + 100):
        calls.record(f"/{number}", 0.0, SHORT_S)
    assert len(calls._paths) == MOST_PATHS
