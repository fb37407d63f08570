"""Batches of sessions, over real sockets."""

import pytest

from tests.mcp.session_client import PATIENCE_S, text_of

JSON_ONLY = {"Accept": "application/json"}
REVISION = "2025-03-26"


def cancelling(request):
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request["id"]}}


def test_request_and_its_cancellation_in_one_batch_are_not_answered(begin, work):
    client = begin(REVISION)
    request = client.request("tools/call", {"name": "wait"})
    assert list(client.open(message=[request, cancelling(request)])) == []
    answer, body = client.exchange([request, cancelling(request)], JSON_ONLY)
    assert (answer.status, body) == (202, b"")
    assert "done" not in work.ends


def test_request_of_a_batch_is_cancelled_while_another_runs(begin, work):
    client = begin(REVISION)
    calls = [client.request("tools/call", {"name": "wait"}) for _ in range(2)]
    events = client.open(message=calls)
    assert work.has_begun.wait(PATIENCE_S)
    client.tell(cancelling(calls[1]))
    work.may_end.set()
    (response,) = events
    assert (response["id"], text_of(response)) == (calls[0]["id"], "waited")


def test_batch_of_requests_with_one_id_answers_the_first(begin):
    client = begin(REVISION)
    request = client.request("ping")
    _, (first, second) = client.exchange([request, request], JSON_ONLY)
    assert first["result"] == {}
    assert "has not been answered yet" in second["error"]["message"]
    assert client.exchange([request], JSON_ONLY)[1] == [first]


@pytest.mark.parametrize("headers", [{}, JSON_ONLY], ids=["stream", "JSON"])
def test_batch_with_an_invalid_message_is_refused_as_a_whole(begin, work, headers):
    client = begin(REVISION)
    wait = client.request("tools/call", {"name": "wait"})
    answer, message = client.exchange([wait, {**wait, "id": 1.5}], headers)
    assert answer.status == 400
    assert "id" not in message
    assert message["error"]["message"] == "Invalid Request: the id is neither a string nor an integer"
    assert not work.has_begun.is_set()
