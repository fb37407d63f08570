"""Log messages for the client of a call."""

import pytest

from flaskJSONRPCServer.dispatch.call_control import CallControl
from flaskJSONRPCServer.mcp import log
from flaskJSONRPCServer.mcp.calls.log_messages import is_wanted


def test_message_reaches_the_client_of_the_running_call():
    taken = []
    control = CallControl(log=lambda *message: taken.append(message))
    control.run(log, ("info", "a"), {})
    control.run(log, ("error", {"b": 1}, "module"), {})
    assert taken == [("info", "a", None), ("error", {"b": 1}, "module")]


def test_message_after_the_end_of_the_call_is_dropped():
    taken = []
    control = CallControl(log=lambda *message: taken.append(message))
    control.end()
    control.log("info", "a")
    assert taken == []


def test_call_without_such_a_client_sends_nothing():
    log("info", "a")
    CallControl().run(log, ("info", "a"), {})


@pytest.mark.parametrize("level", ["loud", "INFO", "", None])
def test_unknown_level_is_refused(level):
    with pytest.raises(ValueError, match="is refused: known are debug, info"):
        log(level, "a")


@pytest.mark.parametrize(
    ("level", "least", "wanted"),
    [
        ("info", None, False),
        ("info", "info", True),
        ("debug", "info", False),
        ("emergency", "debug", True),
        ("notice", "warning", False),
    ],
)
def test_levels_are_ordered(level, least, wanted):
    assert is_wanted(level, least) is wanted


@pytest.mark.parametrize(
    "run",
    [
        lambda function: function(),
        lambda function: CallControl().run(function, (), {}),
        lambda function: CallControl(log=lambda *message: None).run(function, (), {}),
    ],
    ids=["no_call", "unwanted", "wanted"],
)
def test_logger_that_is_no_text_is_refused_whether_or_not_a_client_wants_messages(run):
    with pytest.raises(TypeError, match=r"^logger=5 is refused: it takes a string, or None$"):
        run(lambda: log("info", "a", logger=5))
