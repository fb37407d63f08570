"""Streams of notifications whose clients do not read, or leave."""

import itertools
import json
import threading
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer.dispatch.streams.open_stream import OpenStream
from flaskJSONRPCServer.dispatch.streams.part_queue import PartQueue
from flaskJSONRPCServer.http.event_streams import StreamedResponse
from flaskJSONRPCServer.mcp.protocol.requests import ClientRequest, read_request
from flaskJSONRPCServer.mcp.protocol.revisions import CURRENT
from flaskJSONRPCServer.mcp.subscriptions import RESOURCES, TOOLS, UPDATES, Filter, Subscriptions, Watch, WatchedState
from flaskJSONRPCServer.runtime.logs import ServerLog
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcRequest, make_codec
from tests.mcp.judged import request_of

PATIENCE_S = 30
OWNER = SimpleNamespace(forget=lambda stream: None)
JOB = {"taskId": "1", "text": "x" * 10_000}
CHANGES = itertools.count(1)


@pytest.fixture
def subscriptions():
    return Subscriptions(lambda: make_codec("json"), ServerLog("tests", 2))


def full_stream():
    """Return a stream whose client reads nothing, as the serving programs without streams of their own have it."""
    stream = OpenStream(StreamedResponse("200 OK", [], lambda stream: None), OWNER, log=None)
    stream.attach(PartQueue(stream.break_off))
    return stream


def listen(subscriptions, stream, **wanted):
    message = make_codec("json").loads(request_of("subscriptions/listen", {"notifications": wanted}).body)
    request = read_request(JsonRpcRequest(message["method"], message["params"], message["id"]))
    watches = [Watch("taskIds", {"1"}, lambda item_id: WatchedState(0, JOB), "notifications/tasks")]
    end = subscriptions.open(request, [TOOLS, RESOURCES, UPDATES], stream.send, watches)
    stream.on_close(end)


def run_until(condition, act):
    """Act in a thread until a condition holds. Fail if an action does not return."""
    done = threading.Event()

    def run():
        while not condition():
            act()
        done.set()

    threading.Thread(target=run, daemon=True).start()
    assert done.wait(PATIENCE_S), "it blocks"


@pytest.mark.parametrize(
    "act",
    [
        lambda subscriptions: subscriptions.list_changed(TOOLS),
        lambda subscriptions: subscriptions.resource_updated("a:b"),
        lambda subscriptions: subscriptions.tell_watchers("taskIds", "1", lambda: WatchedState(next(CHANGES), JOB)),
    ],
    ids=["list", "resource", "watched"],
)
def test_client_that_does_not_read_loses_its_stream_and_holds_up_nothing(subscriptions, act):
    stream, others = full_stream(), []
    listen(subscriptions, stream, toolsListChanged=True, resourceSubscriptions=["a:b"])
    subscriptions.join(Filter(frozenset({TOOLS}), {"a:b"}), others.append)

    run_until(lambda: stream.is_closed, lambda: act(subscriptions))

    assert len(subscriptions) == 1
    subscriptions.list_changed(TOOLS)
    assert b"tools/list_changed" in others[-1]


def test_stream_that_is_closed_during_a_notification_does_not_hide_it_from_the_next(subscriptions):
    order, ends = [], {}

    def close_both(message):
        order.append("first")
        ends["first"]()
        ends["second"]()

    ends["first"] = subscriptions.join(Filter(frozenset({TOOLS}), ()), close_both)
    ends["second"] = subscriptions.join(Filter(frozenset(), ()), order.append)
    subscriptions.join(Filter(frozenset({TOOLS}), ()), lambda message: order.append("third"))

    subscriptions.list_changed(TOOLS)

    assert order == ["first", "third"]
    assert len(subscriptions) == 1


def test_subscription_counts_before_its_acknowledgement_arrives(subscriptions):
    counts = []
    stream = full_stream()
    send = stream.send
    stream.send = lambda message: (counts.append(len(subscriptions)), send(message))[1]
    listen(subscriptions, stream, toolsListChanged=True)

    assert counts[0] == 1


def test_each_stream_gets_each_state_of_a_followed_thing_once(subscriptions):
    states = [WatchedState(1, {"state": 1})]

    def open_stream():
        messages = []
        request = ClientRequest(1, "subscriptions/listen", {"notifications": {}}, CURRENT)
        watch = Watch("ids", frozenset("a"), lambda item_id: states[-1], "changed")
        subscriptions.open(request, (), lambda text: messages.append(json.loads(text)), [watch])
        return messages

    def tell():
        subscriptions.tell_watchers("ids", "a", lambda: states[-1])

    first = open_stream()
    tell()
    states.append(WatchedState(2, {"state": 2}))
    second = open_stream()  # between a change and its notification
    tell()
    tell()

    assert [message["params"].get("state") for message in first] == [None, 1, 2]
    assert [message["params"].get("state") for message in second] == [None, 2]
