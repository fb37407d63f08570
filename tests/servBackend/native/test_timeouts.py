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
