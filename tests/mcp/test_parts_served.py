"""Streams about resources and prompts, over real sockets."""

import contextlib
import json
import threading

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp.protocol.revisions import SUBSCRIPTION_ID
from tests.mcp.served_stream import PATIENCE_S, Stream


@pytest.fixture
def served():
    """Return a server that is being served, its endpoint, and a function that opens a stream."""
    server = flaskJSONRPCServer(("127.0.0.1", 0), log=0)
    endpoint = server.mcp("/mcp")
    with contextlib.ExitStack() as stack:
        server.start()
        stack.callback(server.stop)

        def open_stream(*args, **options):
            return stack.enter_context(contextlib.closing(Stream(server, *args, **options)))

        yield server, endpoint, open_stream


@pytest.mark.parametrize("method", ["resources/read", "prompts/get"])
def test_progress_comes_before_the_result(served, method):
    _, endpoint, open_stream = served
    seen = threading.Event()

    def work(_connection):
        _connection.progress(1, 2, "half")
        assert seen.wait(PATIENCE_S)
        return "done"

    endpoint.resource("a:b")(work)
    endpoint.prompt()(work)
    stream = open_stream(method, {"uri": "a:b", "name": "work"}, meta={"progressToken": "token"})

    report = stream.next()
    seen.set()
    response = stream.next()

    assert (report["method"], report["params"]) == (
        "notifications/progress",
        {"progressToken": "token", "progress": 1, "total": 2, "message": "half"},
    )
    assert "done" in json.dumps(response["result"])


def listening(open_stream, **wanted):
    """Return an open stream of notifications, and what the server has agreed to send."""
    stream = open_stream("subscriptions/listen", {"notifications": wanted})
    accepted = stream.next()
    assert accepted["method"] == "notifications/subscriptions/acknowledged"
    return stream, accepted["params"]["notifications"]


def test_subscribers_learn_that_a_resource_has_changed(served):
    _, endpoint, open_stream = served
    endpoint.resource("a:b")(lambda_of("read", lambda: "text"))
    endpoint.resource("a:c")(lambda_of("other", lambda: "text"))
    stream, accepted = listening(open_stream, resourceSubscriptions=["a:b"])

    endpoint.resource_updated("a:c")
    endpoint.resource_updated("a:b")
    update = stream.next()

    assert accepted == {"resourceSubscriptions": ["a:b"]}
    assert update["method"] == "notifications/resources/updated"
    assert update["params"] == {"uri": "a:b", "_meta": {SUBSCRIPTION_ID: 1}}


@pytest.mark.parametrize("action", ["stop", "restart"])
def test_stream_of_notifications_ends_with_its_response(served, action):
    server, _, open_stream = served
    stream, _ = listening(open_stream, toolsListChanged=True)

    getattr(server, action)()

    result = stream.next()["result"]
    assert (result["resultType"], result["_meta"][SUBSCRIPTION_ID]) == ("complete", 1)
    with pytest.raises(AssertionError, match="the stream has ended"):
        stream.next()


def lambda_of(name, function):
    function.__name__ = name
    return function


def test_subscribers_learn_of_new_resources_and_prompts(served):
    _, endpoint, open_stream = served
    endpoint.resource("a:b")(lambda_of("read", lambda: "text"))
    endpoint.prompt(name="first")(lambda: "text")
    stream, accepted = listening(open_stream, resourcesListChanged=True, promptsListChanged=True)
    assert accepted == {"resourcesListChanged": True, "promptsListChanged": True}

    endpoint.resource("a:c")(lambda_of("read", lambda: "text"))
    endpoint.prompt(name="second")(lambda: "text")
    endpoint.resource("a:c/{x}")(lambda_of("read", lambda x: "text"))

    assert [stream.next()["method"] for _ in range(3)] == [
        "notifications/resources/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
    ]


@pytest.mark.parametrize("uri", ["a:b", "a:b/{x}"], ids=["resource", "template"])
def test_subscribers_learn_of_the_first_resource_and_the_first_prompt(served, uri):
    _, endpoint, open_stream = served
    stream, accepted = listening(open_stream, resourcesListChanged=True, promptsListChanged=True)

    endpoint.prompt(name="first")(lambda: "text")
    endpoint.resource(uri)(lambda_of("read", (lambda x: "text") if "x" in uri else (lambda: "text")))

    assert accepted == {"resourcesListChanged": True, "promptsListChanged": True}
    assert [stream.next()["method"] for _ in range(2)] == [
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
    ]


def test_endpoint_without_resources_sends_no_changes_of_their_contents(served):
    _, _, open_stream = served

    _, accepted = listening(open_stream, resourceSubscriptions=["a:b"])

    assert accepted == {}
