"""What tasks show can be read: results, questions and errors that no answer could have let the task fail."""

import bisect
import json
from dataclasses import replace

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Form, ProtocolError, Tool, ask
from flaskJSONRPCServer.mcp.tasks.tasks import EXTENSION
from tests.execBackend.api import wait_for
from tests.helpers import call_wsgi, wait_until
from tests.mcp.judged import answer_to, request_of
from tests.mcp.task_api import make
from tests.mcp.task_client import TAKES_TASKS, TaskClient

LIMIT_BYTES = 2000


def result(size: int) -> str:
    return "x" * size


def question(size: int) -> str:
    return ask("x", Form("?" * size, {"type": "object", "properties": {}})).action


def error(size: int) -> str:
    raise ProtocolError("x" * size, data={"size": size})


def data(size: int) -> str:
    raise ProtocolError("failed", data=["x" * size])


FUNCTIONS = (result, question, error, data)


@pytest.fixture(scope="module")
def client():
    """A client of a server with small answers, whose endpoint says much about itself."""
    server = flaskJSONRPCServer(None, log=False, max_response_bytes=LIMIT_BYTES)
    server.mcp("/mcp", title="t" * 500, task_poll_interval=3600)
    for function in FUNCTIONS:
        server.registerFunction(function, path="/api", mcp=Tool(task=True))
    return TaskClient(server)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_task_that_no_answer_could_show_fails(client, function):
    sizes = (10, *range(300, 1300, 100), 5000)

    tasks = [
        client.wait(client.begin(function.__name__, size=size), "completed", "failed", "input_required")
        for size in sizes
    ]

    fits = [task.get("error", {}).get("code") != -32001 for task in tasks]
    assert (fits[0], fits[-1]) == (True, False)
    assert fits == sorted(fits, reverse=True)
    assert "too large for a task" in tasks[-1]["error"]["message"]


def test_result_is_refused_only_near_the_limit(client):
    sizes = range(1000)
    largest = bisect.bisect_left(
        sizes, True, key=lambda size: client.wait(client.begin("result", size=size))["status"] == "failed"
    )
    task_id = client.begin("result", size=largest - 1)
    client.wait(task_id)

    answer = json.dumps(client.ask("tasks/get", taskId=task_id), separators=(",", ":"))

    assert LIMIT_BYTES - 300 < len(answer) <= LIMIT_BYTES


def test_answer_over_the_limit_has_the_same_code_without_a_task(client):
    plain = TaskClient(client.server, {})
    assert plain.error("tools/call", name="result", arguments={"size": 5000}) == {
        "code": -32001,
        "message": "Response over max_response_bytes (2000 bytes)",
    }


def test_limit_that_is_set_after_the_endpoint_was_opened_counts():
    server = flaskJSONRPCServer(None, log=False)
    server.mcp("/mcp")
    server.registerFunction(result, path="/api", mcp=True)
    server.settings.max_response_bytes = LIMIT_BYTES
    assert TaskClient(server).error("tools/call", name="result", arguments={"size": 5000})["code"] == -32001


def test_answer_to_a_request_with_a_longer_id_can_show_the_task(client):
    request_id = "i" * 300

    def ask(method, **params):
        request = request_of(method, params, capabilities=TAKES_TASKS)
        request = replace(request, body=json.dumps({**json.loads(request.body), "id": request_id}).encode())
        return call_wsgi(client.server.getWSGI(), request).json()

    def task_of(size):
        created = ask("tools/call", name="result", arguments={"size": size})["result"]
        client.wait(created["taskId"])
        return ask("tasks/get", taskId=created["taskId"])["result"]

    sizes = range(1000)
    largest = bisect.bisect_left(sizes, True, key=lambda size: task_of(size)["status"] == "failed")

    assert 0 < largest < 1000
    assert task_of(largest - 1)["status"] == "completed"


@pytest.mark.parametrize("character", ["x", "\n", "\U0001f600"], ids=["plain", "escaped", "wide"])
@pytest.mark.parametrize("limit_bytes", [LIMIT_BYTES, 1 << 20], ids=str)
def test_message_of_a_progress_is_bounded(limit_bytes, character, tmp_path):
    def tell(folder: str, _connection) -> str:
        _connection.progress(1, 2, character * 100_000)
        wait_for(folder, "go")
        return "told"

    server = flaskJSONRPCServer(None, log=False, max_response_bytes=limit_bytes)
    server.registerFunction(tell, path="/api", mcp=Tool(task=True))
    client = TaskClient(server)
    task_id = client.begin("tell", folder=str(tmp_path))
    try:
        wait_until(lambda: client.get(task_id).get("statusMessage"))
        message = client.get(task_id)["statusMessage"]
    finally:
        (tmp_path / "go").touch()

    assert set(message) == {character}
    assert len(message) == 1000 if limit_bytes > LIMIT_BYTES else 0 < len(message) < 1000
    assert client.wait(task_id)["status"] == "completed"


def test_result_that_is_nested_too_deeply_fails_the_task():
    server = flaskJSONRPCServer(None, log=False)

    def nest():
        value = {}
        for _ in range(200):
            value = {"a": value}
        return value

    server.registerFunction(nest, path="/api", mcp=Tool(task=True))
    client = TaskClient(server)

    error = client.wait(client.begin("nest"))["error"]

    assert error["code"] == -32001
    assert "nested deeper than 100" in error["message"]


def test_third_wrong_answer_fails_the_task():
    client = TaskClient(make("simple", task=True))
    task_id = client.begin("greet")
    for key in ("name", "name-2", "name-3"):
        client.wait(task_id, "input_required", "failed")
        assert set(client.get(task_id)["inputRequests"]) == {key}
        client.update(task_id, **{key: {"action": "accept", "content": {}}})

    task = client.wait(task_id)

    assert (task["status"], task["error"]["code"]) == ("failed", -32603)
    assert "the question 'name' 3 times" in task["error"]["message"]
    assert task["error"]["message"].endswith("The last one: name is missing")


def test_two_wrong_answers_are_asked_again():
    client = TaskClient(make("simple", task=True))
    task_id = client.begin("greet")
    for key, content in (("name", {}), ("name-2", {"name": 1}), ("name-3", {"name": "Ann"})):
        client.wait(task_id, "input_required")
        client.update(task_id, **{key: {"action": "accept", "content": content}})

    assert client.wait(task_id)["result"]["content"][0]["text"] == "Hello, Ann!"


@pytest.mark.parametrize("task", [None, False], ids=str)
def test_short_call_on_a_backend_fails_with_the_status_of_its_error(task):
    server = make("threaded", task)
    try:
        params = {"name": "greet", "arguments": {}}
        status, message = answer_to(server, "tools/call", params, capabilities={"extensions": {EXTENSION: {}}})
    finally:
        server.stop()
    assert (status, message["error"]["code"]) == (400, -32021)
    assert message["error"]["data"] == {"requiredCapabilities": {"elicitation": {"form": {}}}}


def test_update_without_an_answer_to_a_question_changes_nothing():
    client = TaskClient(make("simple", task=True))
    task_id = client.begin("greet")
    asking = client.wait(task_id, "input_required")

    for _ in range(3):
        client.update(task_id, unknown={"action": "accept"})

    assert client.get(task_id) == asking
