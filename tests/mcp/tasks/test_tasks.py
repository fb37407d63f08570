"""Tasks: which calls become tasks, and the methods that clients ask about them."""

import threading

import pytest

from flaskJSONRPCServer import RegistrationError, flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Tool
from flaskJSONRPCServer.mcp.tasks.tasks import EXTENSION
from tests.helpers import wait_until
from tests.mcp.judged import answer_to, request_of
from tests.mcp.task_api import make
from tests.mcp.task_client import TAKES_TASKS, TaskClient, text_of

NO_TASKS = {"elicitation": {}}
MISSING = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}


def test_endpoint_offers_the_extension():
    capabilities = TaskClient(make("simple")).result("server/discover")["capabilities"]
    assert capabilities["extensions"] == {EXTENSION: {}}


def test_call_of_a_tool_with_task_becomes_one():
    client = TaskClient(make("simple", task=True))

    created = client.call("add", a=1, b=2)
    task = client.wait(created["taskId"])

    assert created["resultType"] == "task"
    assert {"taskId", "status", "createdAt", "lastUpdatedAt", "ttlMs", "pollIntervalMs"} <= set(created)
    assert not {"result", "error", "inputRequests", "requestState"} & set(created)
    assert task["status"] == "completed"
    assert task["result"] == {"content": [{"type": "text", "text": "3"}], "structuredContent": 3}


@pytest.mark.parametrize(("backend", "task"), [("simple", None), ("simple", False), ("threaded", False)], ids=str)
def test_call_is_answered_with_its_result(backend, task):
    server = make(backend, task)
    try:
        result = TaskClient(server).call("add", a=1, b=2)
    finally:
        server.stop()
    assert (result["resultType"], text_of(result)) == ("complete", "3")


def test_short_call_on_a_backend_is_answered_with_its_result():
    server = make("threaded")
    try:
        client = TaskClient(server)
        assert text_of(client.call("add", a=1, b=2)) == "3"
        assert client.call("fail")["isError"] is True
        assert client.error("tools/call", name="break_off", arguments={}) == {
            "code": -32010,
            "message": "no database",
            "data": {"db": "main"},
        }
    finally:
        server.stop()


@pytest.mark.parametrize("task", [None, True, False], ids=str)
def test_client_without_the_extension_gets_the_result(task):
    result = TaskClient(make("simple", task), NO_TASKS).call("add", a=1, b=2)
    assert (result["resultType"], text_of(result)) == ("complete", "3")


def test_client_without_the_extension_is_refused_where_a_task_is_required():
    server = make("simple", "required")
    params = {"name": "add", "arguments": {"a": 1, "b": 2}}

    status, message = answer_to(server, "tools/call", params, capabilities=NO_TASKS)

    assert (status, message["error"]["code"], message["error"]["data"]) == (400, -32021, MISSING)
    assert TaskClient(server).wait(TaskClient(server).begin("add", a=1, b=2))["status"] == "completed"


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_methods_need_the_extension(method):
    server = make("simple", task=True)
    params = {"taskId": TaskClient(server).begin("add", a=1, b=2), "inputResponses": {}}

    status, message = answer_to(server, method, params, capabilities=NO_TASKS)

    assert (status, message["error"]["code"], message["error"]["data"]) == (400, -32021, MISSING)


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_task_of_somebody_else_is_as_unknown_as_one_that_never_was(method):
    server = make("simple", task=True)
    owner = TaskClient(server, headers={"Authorization": "Bearer a"})
    other = TaskClient(server, headers={"Authorization": "Bearer b"})
    task_id = owner.begin("greet")
    owner.wait(task_id, "input_required")

    errors = [other.error(method, taskId=item, inputResponses={}) for item in (task_id, "never")]

    assert errors[0] == errors[1]
    assert errors[0]["code"] == -32602
    assert owner.get(task_id)["status"] == "input_required"


@pytest.mark.parametrize("params", [{}, {"inputResponses": None}, {"inputResponses": 5}], ids=str)
def test_update_without_answers_is_refused(params):
    client = TaskClient(make("simple", task=True))
    task_id = client.begin("greet")
    client.wait(task_id, "input_required")

    message = "Invalid params: inputResponses is not an object with an object for each question"
    assert client.error("tasks/update", taskId=task_id, **params) == {"code": -32602, "message": message}
    assert client.result("tasks/update", taskId=task_id, inputResponses={})["resultType"] == "complete"
    assert client.get(task_id)["status"] == "input_required"


@pytest.mark.parametrize("method", ["tasks/list", "tasks/result"])
def test_methods_of_older_drafts_do_not_exist(method):
    assert TaskClient(make("simple")).error(method, taskId="x")["code"] == -32601


@pytest.mark.parametrize("task_id", [None, 1, ["x"]], ids=str)
def test_id_is_a_string(task_id):
    assert TaskClient(make("simple")).error("tasks/get", taskId=task_id)["code"] == -32602


def test_failed_tool_is_a_completed_task():
    client = TaskClient(make("simple", task=True))

    task = client.wait(client.begin("fail"))

    assert (task["status"], task["result"]["isError"]) == ("completed", True)
    assert "secret" not in text_of(task["result"])


def test_wrong_arguments_are_a_result_of_the_task():
    client = TaskClient(make("simple", task=True))

    task = client.wait(client.begin("add", a=1, b=2, c=3))

    assert (task["status"], task["result"]["isError"]) == ("completed", True)


def test_error_of_the_protocol_is_a_failed_task():
    client = TaskClient(make("simple", task=True))

    task = client.wait(client.begin("break_off"))

    error = {"code": -32010, "message": "no database", "data": {"db": "main"}}
    assert (task["status"], task["error"], task["statusMessage"]) == ("failed", error, "no database")
    assert "result" not in task


def test_result_that_is_too_large_is_a_failed_task():
    client = TaskClient(make("simple", task=True))

    task = client.wait(client.begin("large", size=17 * 1024 * 1024))

    assert (task["status"], task["error"]["code"]) == ("failed", -32001)


def test_task_asks_its_client():
    client = TaskClient(make("simple", task=True))
    task_id = client.begin("greet_twice")

    asked = client.wait(task_id, "input_required")["inputRequests"]
    client.update(task_id, more={"action": "decline"}, unknown={})
    partly = client.get(task_id)
    client.update(task_id, name={"action": "accept", "content": {"name": "Ann"}})
    wait_until(lambda: "last" in client.get(task_id).get("inputRequests", {}))
    client.update(task_id, last={"action": "accept", "content": {"name": "Lee"}})
    task = client.wait(task_id)

    assert set(asked) == {"name", "more"}
    assert asked["name"]["method"] == "elicitation/create"
    assert (partly["status"], set(partly["inputRequests"])) == ("input_required", {"name"})
    assert (task["status"], text_of(task["result"])) == ("completed", "{'name': 'Ann'} decline {'name': 'Lee'}")
    assert "inputRequests" not in task


def test_invalid_answer_is_asked_for_under_another_key():
    client = TaskClient(make("simple", task=True))
    task_id = client.begin("greet")
    client.wait(task_id, "input_required")

    client.update(task_id, name={"action": "accept", "content": {}})
    wait_until(lambda: set(client.get(task_id).get("inputRequests", {})) == {"name-2"})
    client.update(task_id, name={"action": "accept", "content": {"name": "old"}})
    client.update(task_id, **{"name-2": {"action": "accept", "content": {"name": "Ann"}}})

    assert text_of(client.wait(task_id)["result"]) == "Hello, Ann!"


def test_client_that_cannot_answer_has_a_failed_task():
    client = TaskClient(make("simple", task=True), {"extensions": {EXTENSION: {}}})

    task = client.wait(client.begin("greet"))

    assert (task["status"], task["error"]["code"]) == ("failed", -32021)
    assert task["error"]["data"] == {"requiredCapabilities": {"elicitation": {"form": {}}}}


def test_function_that_is_run_again_gets_the_arguments_of_the_call():
    client = TaskClient(make("simple", task=True))
    task_id = client.begin("change", values=[7])
    client.wait(task_id, "input_required")

    client.update(task_id, more={"action": "accept"})

    assert text_of(client.wait(task_id)["result"]) == "[7,1]"


def test_function_begins_a_task_after_its_questions(folder):
    client = TaskClient(make("simple"))
    params = {"name": "greet_later", "arguments": {"folder": str(folder)}}

    first = client.result("tools/call", **params)
    answers = {"name": {"action": "accept", "content": {"name": "Ann"}}}
    second = client.result("tools/call", **params, requestState=first["requestState"], inputResponses=answers)
    working = client.get(second["taskId"])
    (folder / "go").touch()

    assert (first["resultType"], set(first["inputRequests"])) == ("input_required", {"name"})
    assert second["resultType"] == "task"
    assert not {"requestState", "inputRequests"} & set(second)
    assert working["status"] == "working"
    assert text_of(client.wait(second["taskId"])["result"]) == "Hello, Ann!"


@pytest.mark.parametrize(
    ("task", "capabilities"), [(False, TAKES_TASKS), (None, NO_TASKS)], ids=["no task", "client without tasks"]
)
def test_function_that_may_begin_no_task_goes_on(task, capabilities):
    client = TaskClient(make("simple", task), capabilities)
    params = {"name": "greet_later", "arguments": {}}
    answers = {"name": {"action": "accept", "content": {"name": "Ann"}}, "\0task": {}}

    asked = client.result("tools/call", **params)
    result = client.result("tools/call", **params, requestState=asked["requestState"], inputResponses=answers)

    assert (result["resultType"], text_of(result)) == ("complete", "Hello, Ann!")


def test_cancelled_task_has_no_result_and_stays_cancelled(folder):
    client = TaskClient(make("simple", task=True))
    task_id = client.begin("hold", folder=str(folder))

    client.cancel(task_id)
    cancelled = client.get(task_id)
    (folder / "go").touch()
    client.cancel(task_id)
    client.update(task_id, name={})

    assert cancelled["status"] == "cancelled"
    assert not {"result", "error"} & set(cancelled)
    assert client.get(task_id) == cancelled


def test_task_that_asks_can_be_cancelled():
    client = TaskClient(make("simple", task=True))
    task_id = client.begin("greet")
    client.wait(task_id, "input_required")

    client.cancel(task_id)
    client.update(task_id, name={"action": "accept", "content": {"name": "Ann"}})

    assert client.get(task_id)["status"] == "cancelled"


def test_completed_task_can_be_cancelled_in_vain():
    client = TaskClient(make("simple", task=True))
    task_id = client.begin("add", a=1, b=2)
    completed = client.wait(task_id)

    client.cancel(task_id)

    assert client.get(task_id) == completed


def test_expired_task_is_unknown_and_its_call_cancelled(folder):
    server = make("simple", task=True)
    server.mcp("/short", task_ttl=0.2, task_poll_interval=0.1)
    params = {"name": "notice", "arguments": {"folder": str(folder)}}
    _, message = answer_to(server, "tools/call", params, capabilities=TAKES_TASKS, target="/short")
    created = message["result"]

    def error():
        params = {"taskId": created["taskId"]}
        _, message = answer_to(server, "tasks/get", params, capabilities=TAKES_TASKS, target="/short")
        return message.get("error")

    wait_until(error)

    assert (created["ttlMs"], created["pollIntervalMs"]) == (200, 100)
    assert error()["code"] == -32602
    wait_until((folder / "noticed").exists)


def test_hundred_and_first_open_task_of_a_caller_is_refused():
    client = TaskClient(make("simple", task=True))
    for _ in range(100):
        client.wait(client.begin("greet"), "input_required")

    answer = client.answer("tools/call", name="add", arguments={"a": 1, "b": 2})
    error, wait_s = answer.json()["error"], int(answer.header("Retry-After"))

    assert (answer.code, error["code"]) == (503, -32000)
    assert error["message"].endswith(f"keeps at most 100 of each caller; the first of them makes room in {wait_s} s")
    assert 3000 < wait_s <= 3600


def test_hundred_and_first_task_of_a_caller_takes_the_place_of_the_oldest_ended_one():
    client = TaskClient(make("simple", task=True))
    open_task, *ended = [client.begin("greet"), *(client.begin("add", a=1, b=2) for _ in range(99))]
    client.wait(open_task, "input_required")
    for task_id in ended:
        client.wait(task_id)

    task_id = client.begin("add", a=1, b=2)

    assert client.error("tasks/get", taskId=ended[0])["code"] == -32602
    assert client.get(ended[1])["status"] == client.wait(task_id)["status"] == "completed"
    assert client.get(open_task)["status"] == "input_required"


def test_task_outlives_its_request_with_what_is_known_of_it(folder):
    server = flaskJSONRPCServer(None, log=False)
    begun = threading.Event()

    @server.method("/api", mcp=Tool(task=True))
    def who(_connection):
        assert begun.wait(60)
        return f"{_connection.headers['X-Name']} {_connection.ip}"

    client = TaskClient(server, headers={"X-Name": "Ann"})
    task_id = client.begin("who")
    begun.set()

    assert text_of(client.wait(task_id)["result"]) == "Ann 127.0.0.1"


def test_calls_of_tasks_are_counted():
    server = make("simple", task=True)
    client = TaskClient(server)
    for _ in range(3):
        client.wait(client.begin("add", a=1, b=2))

    assert server.stats()["dispatcherCount"] == 3


@pytest.mark.parametrize("name", ["task_ttl", "task_poll_interval"])
@pytest.mark.parametrize("value", [0, -1, "1", None, True, float("inf")], ids=repr)
def test_times_are_positive_numbers(name, value):
    server = flaskJSONRPCServer(None, log=False)
    with pytest.raises(RegistrationError, match=f"{name}=.* is refused: it takes a positive number of seconds"):
        server.mcp("/mcp", **{name: value})


def test_header_names_the_task():
    server = make("simple", task=True)
    request = request_of("tasks/get", {"taskId": "x"}, capabilities=TAKES_TASKS)
    assert request.headers["Mcp-Name"] == "x"
    client = TaskClient(server, headers={"Mcp-Name": "y"})
    assert client.error("tasks/get", taskId="x")["code"] == -32020
