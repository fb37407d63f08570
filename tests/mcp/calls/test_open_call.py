"""Notifications about a call whose text cannot be written as it is."""

import json

import pytest

from flaskJSONRPCServer.mcp.calls.open_call import OpenCall
from flaskJSONRPCServer.mcp.protocol.messages import notification_text
from flaskJSONRPCServer.mcp.protocol.requests import ClientRequest
from flaskJSONRPCServer.sansio_jsonrpc import make_codec

SURROGATE = "\ud800"
ESCAPED = "\\ud800"
CODEC = make_codec()


def control_of(sent, token="t"):
    """Return the control of a call whose client takes everything."""

    def notify(method, params):
        sent.append(json.loads(notification_text(CODEC, method, params))["params"])

    request = ClientRequest(1, "tools/call", {}, "2026-07-28", {}, token, "debug")
    return OpenCall(request, notify).new_control({})


def test_lone_surrogate_in_a_progress_is_escaped():
    sent = []
    control_of(sent).report(1, None, f"file {SURROGATE}")
    assert sent == [{"progressToken": "t", "progress": 1, "message": f"file {ESCAPED}"}]


def test_progress_whose_token_cannot_be_written_is_dropped():
    sent = []
    control_of(sent, token=SURROGATE).report(1)
    assert sent == []


@pytest.mark.parametrize("value", [[SURROGATE], {"a": object}, {1, 2}])
def test_log_message_without_a_json_form_is_sent_as_text(value):
    sent = []
    control_of(sent).log("info", value, f"l{SURROGATE}")
    assert sent == [{"level": "info", "logger": f"l{ESCAPED}", "data": repr(value)}]


class Unshowable:
    def __repr__(self):
        raise ValueError("no repr")


@pytest.mark.parametrize(
    ("value", "kind"), [(Unshowable(), "Unshowable"), ([Unshowable()], "list")], ids=["value", "inner_value"]
)
def test_log_message_without_a_repr_is_named_by_its_class(value, kind):
    sent = []
    control_of(sent).log("info", value)
    assert sent == [{"level": "info", "data": f"<{kind} without a repr()>"}]
