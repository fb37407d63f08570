"""Calls that a decorator refuses with a response of Flask, rather than with an exception."""

import json

import flask
import pytest

from flaskJSONRPCServer.mcp import Tool
from tests.mcp.judged import error_of, make_server, result_of
from tests.mcp.task_client import TaskClient

UNAUTHORIZED = {
    "code": -32008,
    "message": "HTTP error: 401 Unauthorized",
    "data": {"status": 401, "name": "Unauthorized"},
}


def refuse():
    return flask.Response("no", 401)


def typed() -> str:
    return flask.Response("no", 401)


def redirect():
    return flask.Response("", 302, {"Location": "/login"})


def text_in(result):
    [part] = result["content"]
    message, _, data = part["text"].partition(": {")
    return message, json.loads("{" + data)


@pytest.mark.parametrize(
    ("function", "message", "data"),
    [
        (refuse, "HTTP error: 401 Unauthorized", {"status": 401, "name": "Unauthorized"}),
        (typed, "HTTP error: 401 Unauthorized", {"status": 401, "name": "Unauthorized"}),
        (redirect, "HTTP error: 302 Found", {"status": 302, "name": "Found"}),
    ],
    ids=["refused", "refused_with_a_hint", "redirected"],
)
def test_response_that_refuses_a_call_tells_the_model_its_status(function, message, data, caplog):
    server, _ = make_server(log=1)
    server.registerFunction(function, path="/api", mcp=True)

    result = result_of(server, "tools/call", {"name": function.__name__})

    assert result["isError"] is True
    assert text_in(result) == (message, data)
    assert caplog.records == []


def test_task_that_is_refused_is_completed_with_the_status():
    server, _ = make_server()
    server.registerFunction(refuse, path="/api", mcp=Tool(task="required"))
    client = TaskClient(server)

    task = client.wait(client.begin("refuse"))

    assert (task["status"], task["result"]["isError"]) == ("completed", True)
    assert text_in(task["result"])[0] == "HTTP error: 401 Unauthorized"


def test_response_without_a_refusal_is_a_fault_of_the_function(caplog):
    server, _ = make_server(log=1)
    server.registerFunction(lambda: flask.Response("fine"), path="/api", name="fine", mcp=True)

    assert result_of(server, "tools/call", {"name": "fine"})["isError"] is True
    assert "no JSON form: result" in caplog.text


def test_prompts_and_resources_are_refused_alike(caplog):
    server, endpoint = make_server(log=1)
    endpoint.prompt()(refuse)
    endpoint.resource("a:b")(refuse)

    assert error_of(server, "prompts/get", {"name": "refuse"}) == UNAUTHORIZED
    assert error_of(server, "resources/read", {"uri": "a:b"}) == UNAUTHORIZED
    assert caplog.records == []
