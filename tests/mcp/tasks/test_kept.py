"""What tasks keep is text."""

import gc
import gzip
from dataclasses import replace

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Form, ProtocolError, Tool, ask
from tests.helpers import call_wsgi, wait_until
from tests.mcp.judged import request_of
from tests.mcp.task_client import TAKES_TASKS, TaskClient

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

KEY = "kept by the test of tasks"
FORM = {"type": "object", "properties": {}}


def echo(value: dict) -> dict:
    return value


def fail(value: dict) -> None:
    raise ProtocolError("failed", data=value)


def ask_with(value: dict) -> str:
    return ask("x", Form("?", {**FORM, "examples": [value]})).action


def ask_then_echo(value: dict) -> dict:
    ask("x", Form("?", FORM))
    return value


CASES = {
    "result": (echo, "completed", lambda task: task["result"]["structuredContent"]),
    "error": (fail, "failed", lambda task: task["error"]["data"]),
    "question": (
        ask_with,
        "input_required",
        lambda task: task["inputRequests"]["x"]["params"]["requestedSchema"]["examples"][0],
    ),
}


def values():
    """Return the values with the key, which the collector knows as they hold a list."""
    return [item for item in gc.get_objects() if type(item) is dict and KEY in item]


def is_gone():
    gc.collect()
    return not values()


@pytest.fixture(params=["simple", "threaded"])
def client(request):
    server = flaskJSONRPCServer(None, log=0, dispatcherBackend=request.param)
    for function in (echo, fail, ask_with, ask_then_echo):
        server.registerFunction(function, path="/api", mcp=Tool(task=True))
    yield TaskClient(server)
    server.stop()


@pytest.mark.parametrize(("function", "status", "value_in"), CASES.values(), ids=CASES)
def test_values_of_a_task_are_kept_as_text(client, function, status, value_in):
    task_id = client.begin(function.__name__, value={KEY: []})
    client.wait(task_id, status)

    wait_until(is_gone)

    assert value_in(client.get(task_id)) == {KEY: []}


def test_request_of_a_task_that_waits_is_kept_as_text(client):
    task_id = client.begin("ask_then_echo", value={KEY: []})
    client.wait(task_id, "input_required")
    wait_until(is_gone)

    client.update(task_id, x={"action": "accept"})

    assert client.wait(task_id)["result"]["structuredContent"] == {KEY: []}


def test_request_that_came_compressed_is_read_again(client):
    params = {"name": "ask_then_echo", "arguments": {"value": {KEY: []}}}
    request = request_of("tools/call", params, capabilities=TAKES_TASKS)
    request.headers["Content-Encoding"] = "gzip"
    answer = call_wsgi(client.server.getWSGI(), replace(request, body=gzip.compress(request.body)))
    task_id = answer.json()["result"]["taskId"]
    client.wait(task_id, "input_required")

    client.update(task_id, x={"action": "accept"})

    assert client.wait(task_id)["result"]["structuredContent"] == {KEY: []}


def test_answers_of_a_task_that_waits_are_kept_as_text():
    def ask_twice() -> str:
        first = ask("x", Form("?", FORM))
        ask("y", Form("?", FORM))
        return str(first.content)

    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(ask_twice, path="/api", mcp=Tool(task=True))
    client = TaskClient(server)
    task_id = client.begin("ask_twice")
    client.wait(task_id, "input_required")

    client.update(task_id, x={"action": "accept", "content": {KEY: []}})
    wait_until(lambda: "y" in client.get(task_id).get("inputRequests", {}))

    wait_until(is_gone)
