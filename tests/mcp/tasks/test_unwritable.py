"""Results without a JSON form: the model learns an id, and the log names the place, with a task and without one."""

import logging
import re

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Form, ProtocolError, Tool, ToolResult, ask
from tests.mcp.task_client import TAKES_TASKS, TaskClient, text_of

ASKED = {"elicitation": {}}


def cyclic():
    value = []
    value.append(value)
    return {"a": value}


def deep():
    return {"a": [0, {"b": object()}]}


def part():
    return ToolResult(structured={"a": object()})


def ask_badly():
    return ask("x", Form("?", {"type": "object", "properties": {"x": {"default": object()}}}))


class DataError(JsonRpcApplicationError, registered=False):
    ERROR_CODE = 5
    ERROR_MESSAGE = "failed"


def fail_badly():
    raise DataError(data={"a": [object()]})


QUESTION_PLACE = '["x"]["params"]["requestedSchema"]["properties"]["x"]["default"]: '

FUNCTIONS = {
    "nan": (lambda: float("nan"), "result: "),
    "tuple": (lambda: (1, object()), "result[1]: "),
    "surrogate": (lambda: "\ud800", 'result["content"][0]["text"]: '),
    "inner surrogate": (lambda: {"a": "\ud800"}, 'result["a"]: '),
    "cyclic": (cyclic, 'result["a"][0]: '),
    "generator": (lambda: (number for number in "x"), "result: "),
    "deep": (deep, 'result["a"][1]["b"]: '),
    "part": (part, 'result["structuredContent"]["a"]: '),
    "question": (ask_badly, QUESTION_PLACE),
    "data": (fail_badly, 'data["a"][0]: '),
}


def result_here(server):
    return TaskClient(server, ASKED).call("bad")


def result_of_short_call(server):
    return TaskClient(server, TAKES_TASKS).call("bad")


def result_of_task(server):
    client = TaskClient(server, TAKES_TASKS)
    task = client.wait(client.begin("bad"))
    assert task["status"] == "completed"
    return task["result"]


WAYS = {
    "simple": (result_here, "simple", None),
    "threaded": (result_here, "threaded", None),
    "threaded, with tasks": (result_of_short_call, "threaded", None),
    "task on simple": (result_of_task, "simple", True),
    "task on threaded": (result_of_task, "threaded", True),
}


@pytest.mark.parametrize(("function", "place"), FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize(("result_by", "backend", "task"), WAYS.values(), ids=WAYS)
def test_result_without_a_json_form_is_logged_with_its_place(function, place, result_by, backend, task, caplog):
    if function is ask_badly and result_by is result_of_short_call:
        task = False  # a question makes a task of a short call
    server = flaskJSONRPCServer(None, log=2, dispatcherBackend=backend)
    server.registerFunction(function, path="/api", name="bad", mcp=Tool(task=task))
    try:
        result = result_by(server)
    finally:
        server.stop()

    assert result["isError"]
    correlation_id = re.fullmatch(r"Internal error \(correlation id (\S+)\)", text_of(result))[1]
    (entry,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert f"[{correlation_id}]" in entry
    assert "tools/call of 'bad' failed" in entry
    assert re.search(rf"UnwritableError: no JSON form: .*{re.escape(place)}", caplog.text)


@pytest.mark.parametrize("backend", ["simple", "threaded"])
@pytest.mark.parametrize("task", [None, True], ids=str)
def test_error_of_the_protocol_whose_data_have_no_json_form_is_logged(backend, task, caplog):
    def break_off():
        raise ProtocolError("failed", data=[object()])

    server = flaskJSONRPCServer(None, log=2, dispatcherBackend=backend)
    server.registerFunction(break_off, path="/api", mcp=Tool(task=task))
    client = TaskClient(server)
    try:
        if task:
            failed = client.wait(client.begin("break_off"))
            assert failed["status"] == "failed"
            error = failed["error"]
        else:
            error = client.error("tools/call", name="break_off", arguments={})
    finally:
        server.stop()

    assert (error["code"], error["message"]) == (-32603, "Internal error: the value cannot be written as JSON")
    (entry,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert f"[{error['data']['correlationId']}]" in entry
    assert "tools/call of 'break_off' failed" in entry
    place = 'error["data"][0]' if task else "data[0]"
    assert f"UnwritableError: no JSON form: {place}: " in caplog.text


def test_result_of_another_type_than_the_schema_says_completes_the_task(caplog):
    def count() -> int:
        return "many"

    server = flaskJSONRPCServer(None, log=2)
    server.registerFunction(count, path="/api", mcp=Tool(task=True))
    client = TaskClient(server)

    task = client.wait(client.begin("count"))

    assert (task["status"], task["result"]["isError"]) == ("completed", True)
    assert "tools/call of 'count' failed" in caplog.text
