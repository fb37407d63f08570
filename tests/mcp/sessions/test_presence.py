"""Waits that end early when the client has gone."""

import pytest

from flaskJSONRPCServer.mcp.sessions.presence import while_present


@pytest.mark.parametrize(
    ("outcomes", "left", "result"),
    [([True], [False], True), ([False], [False], False), ([], [True], False)],
    ids=["answered", "stopped", "gone"],
)
def test_wait_ends_with_the_first_reason(outcomes, left, result):
    wait = while_present(lambda is_held, deadline: outcomes.pop(0), lambda: left.pop(0))
    assert wait(lambda: True, float("inf")) is result
    assert outcomes == left == []
