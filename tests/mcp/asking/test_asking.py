"""A function that asks inside of its own handling of errors."""

from flaskJSONRPCServer.mcp import Form, InputRequiredError, ask
from tests.mcp.judged import make_server, result_of

SEAT = Form("Which seat?", {"type": "object", "properties": {"seat": {"type": "string"}}, "required": ["seat"]})


def book():
    try:
        return ask("seat", SEAT).content["seat"]
    except InputRequiredError:
        raise
    except Exception:  # noqa: BLE001  as an application does
        return "failed"


def test_question_passes_a_function_that_catches_errors():
    server, _ = make_server()
    server.registerFunction(book, path="/api", mcp=True)
    params = {"name": "book", "arguments": {}}

    asked = result_of(server, "tools/call", params, capabilities={"elicitation": {}})
    answers = {"seat": {"action": "accept", "content": {"seat": "7A"}}}
    answered = {**params, "requestState": asked["requestState"], "inputResponses": answers}
    booked = result_of(server, "tools/call", answered, capabilities={"elicitation": {}})

    assert list(asked["inputRequests"]) == ["seat"]
    assert booked["content"][0]["text"] == "7A"
