"""Streams of notifications whose clients cannot be reached."""

import json

import pytest

from flaskJSONRPCServer.mcp.protocol.requests import ClientRequest
from flaskJSONRPCServer.mcp.protocol.revisions import CURRENT
from flaskJSONRPCServer.mcp.subscriptions import TOOLS, Subscriptions, Watch, WatchedState
from flaskJSONRPCServer.runtime.logs import ServerLog
from flaskJSONRPCServer.sansio_jsonrpc import make_codec


def new_subscriptions():
    codec = make_codec()
    return Subscriptions(lambda: codec, ServerLog("tests", 2))


def opened(subscriptions, send, states=None):
    """Open a stream that follows the list of tools, and some things."""
    request = ClientRequest(1, "subscriptions/listen", {"notifications": {TOOLS: True}}, CURRENT)
    watches = [] if states is None else [Watch("ids", frozenset(states), states.get, "changed")]
    return subscriptions.open(request, {TOOLS}, send, watches)


class Client:
    """Takes the messages of a stream, and fails as long as it is broken."""

    def __init__(self):
        self.is_broken = False
        self.messages = []

    def send(self, text):
        if self.is_broken:
            raise BrokenPipeError("gone")
        self.messages.append(json.loads(text))


FIRST = WatchedState(1, {"state": 1})
CHANGES = {
    "list": lambda subscriptions: subscriptions.list_changed(TOOLS),
    "thing": lambda subscriptions: subscriptions.tell_watchers("ids", "a", lambda: WatchedState(2, {"state": 2})),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_client_that_cannot_be_reached_hides_nothing_from_others(change, caplog):
    subscriptions, clients = new_subscriptions(), [Client() for _ in range(3)]
    for client in clients:
        opened(subscriptions, client.send, {"a": FIRST})
    for client in clients:
        client.messages.clear()
    clients[1].is_broken = True

    change(subscriptions)

    assert [len(client.messages) for client in clients] == [1, 0, 1]
    (record,) = caplog.records
    assert "could not be sent to a client" in record.getMessage()
    assert record.exc_info[0] is BrokenPipeError


def test_stream_that_cannot_be_opened_gets_nothing_later():
    subscriptions, client = new_subscriptions(), Client()
    client.is_broken = True

    with pytest.raises(BrokenPipeError):
        opened(subscriptions, client.send)

    assert len(subscriptions) == 0


def test_thing_that_is_gone_when_a_stream_opens_has_no_state():
    subscriptions, client = new_subscriptions(), Client()

    opened(subscriptions, client.send, {"a": FIRST, "b": None})

    accepted, *states = client.messages
    assert accepted["params"]["notifications"]["ids"] == ["a", "b"]
    assert [message["params"]["state"] for message in states] == [1]
