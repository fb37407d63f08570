"""Which calls are taken for short ones."""

from flaskJSONRPCServer.servBackend.native.short_calls import (
    FIRST_PAUSE_S,
    LONG_S,
    LONGEST_PAUSE_S,
    SHORT_S,
    ShortCalls,
)


class Noted:
    """Calls of one path, one after the other by a clock of the test's own."""

    def __init__(self):
        self.calls = ShortCalls()
        self.now = 1000.0

    def call(self, duration_s, count=1):
        for _ in range(count):
            self.calls.record("/api", self.now, self.now + duration_s)
            self.now += duration_s + 0.001  # and a pause
        return self.calls.is_short("/api")

    def call_until_short(self):
        """Make short calls until they are taken for that; return how many it took."""
        count = 1
        while not self.call(SHORT_S / 10):
            count += 1
        return count


def test_path_that_nobody_has_called_has_no_short_calls():
    assert not ShortCalls().is_short("/api")


def test_calls_are_short_after_many_short_ones():
    noted = Noted()
    assert not noted.call(SHORT_S / 10, 10)
    assert 20 < noted.call_until_short() < 100
    assert not noted.calls.is_short("/other")


def test_calls_that_are_long_on_average_are_never_short():
    noted = Noted()
    for _ in range(1000):
        assert not noted.call(2 * SHORT_S)


def test_growing_average_makes_calls_long():
    noted = Noted()
    noted.call_until_short()
    assert not noted.call(2 * SHORT_S, 100)


def test_single_long_call_makes_calls_long_for_a_while():
    noted = Noted()
    noted.call_until_short()
    assert not noted.call(2 * LONG_S)
    began = noted.now
    noted.call_until_short()
    assert noted.now - began >= FIRST_PAUSE_S


def pause_after(noted):
    noted.call_until_short()
    noted.call(2 * LONG_S)
    began = noted.now
    noted.call_until_short()
    return noted.now - began


def test_pause_doubles_with_each_long_call_up_to_a_limit():
    noted = Noted()
    pauses = [pause_after(noted) for _ in range(14)]
    assert pauses[1] > 1.5 * pauses[0]
    assert pauses[2] > 1.5 * pauses[1]
    assert max(pauses) < 1.1 * LONGEST_PAUSE_S


def test_long_call_long_ago_is_forgiven():
    noted = Noted()
    first, second = pause_after(noted), pause_after(noted)
    noted.now += 100 * second
    assert pause_after(noted) < 1.1 * first
