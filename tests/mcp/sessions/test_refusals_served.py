"""Requests of sessions that are refused with an HTTP status, over real sockets."""

import contextlib

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.mcp.session_client import BOTH, Client, text_of
from tests.mcp.session_tools import add

REFUSED = "over rateLimit (1 per hour)"
JSON = {"Accept": "application/json"}


@pytest.fixture
def begin_over_limit():
    """Return a function that begins a session whose calls of ``add`` are over their limit."""
    server = flaskJSONRPCServer(("127.0.0.1", 0), log=0, rateLimit={"methods": {"/api/add": "1/hour"}})
    server.registerFunction(add, path="/api", mcp=True)
    server.mcp("/mcp")
    server.start()
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)

        def begin(revision="2025-11-25"):
            client = stack.enter_context(contextlib.closing(Client(server, revision)))
            assert text_of(client.call("add", a=1, b=2).next()) == "3"
            return client

        yield begin


def add_request(client):
    return client.request("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}})


def test_call_over_its_limit_has_the_status_and_the_time_of_a_retry(begin_over_limit):
    client = begin_over_limit()
    answer, body = client.exchange(add_request(client), JSON)
    assert answer.status == 429
    assert 0 < int(answer.getheader("Retry-After")) <= 3600
    assert body.decode().startswith(REFUSED)
    assert client.ask("ping") == {}


@pytest.mark.parametrize("accept", [JSON["Accept"], BOTH], ids=["JSON", "stream"])
def test_call_over_its_limit_in_a_batch_has_an_error(begin_over_limit, accept):
    client = begin_over_limit("2025-03-26")
    batch = [client.request("ping"), add_request(client)]
    if accept == BOTH:
        messages = list(client.open(message=batch))
    else:
        answer, messages = client.exchange(batch, JSON)
        assert answer.status == 200
    assert messages[0]["result"] == {}
    assert messages[1]["error"]["code"] == -32600
    assert messages[1]["error"]["message"].startswith(REFUSED)


def test_call_over_its_limit_has_an_error_on_a_stream(begin_over_limit):
    client = begin_over_limit()
    error = client.call("add", a=1, b=2).next()["error"]
    assert error["code"] == -32600
    assert error["message"].startswith(REFUSED)
