"""Leaving a call from within a group of tasks, and the errors of requests."""

import asyncio
import sys

import pytest

from flaskJSONRPCServer.mcp import Form, ProtocolError, ask, begin_task
from tests.helpers import call_wsgi, post, rpc
from tests.mcp.judged import error_of, make_server, result_of
from tests.mcp.task_client import TaskClient

GO_ON = Form("Go on?", {"type": "object", "properties": {}})
ACCEPTED = {"action": "accept", "content": {}}
FORMS = {"elicitation": {}}

has_groups = pytest.mark.skipif(sys.version_info < (3, 11), reason="groups of tasks came with Python 3.11")


async def in_group(*functions):
    """Run functions as tasks of a group, and return their results."""

    async def run(function):
        return function()

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(run(function)) for function in functions]
    return [task.result() for task in running]


async def ask_two():
    await in_group(lambda: ask("a", GO_ON), lambda: ask("b", GO_ON))
    return "done"


async def ask_within():
    async def inner():
        await in_group(lambda: ask("a", GO_ON))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(inner())
    return "done"


def fail():
    raise ProtocolError("the disk is full", code=-32010)


async def refuse():
    await in_group(fail)


async def become_task():
    await in_group(begin_task)
    return "done"


def serving(*functions, **options):
    server, _ = make_server(log=1)
    for function in functions:
        server.registerFunction(function, path="/api", mcp=True, **options)
    return server


@has_groups
@pytest.mark.parametrize("function", [ask_two, ask_within], ids=["two", "nested"])
def test_question_passes_a_group_of_tasks(function, caplog):
    server, call = serving(function), {"name": function.__name__}
    params, asked = call, set()
    while (result := result_of(server, "tools/call", params, capabilities=FORMS))["resultType"] == "input_required":
        [key] = result["inputRequests"]
        assert key not in asked
        asked.add(key)
        params = {**call, "requestState": result["requestState"], "inputResponses": {key: ACCEPTED}}

    assert result["content"] == [{"type": "text", "text": "done"}]
    assert asked == ({"a", "b"} if function is ask_two else {"a"})
    assert caplog.records == []


@has_groups
def test_error_of_a_request_passes_a_group_of_tasks():
    assert error_of(serving(refuse), "tools/call", {"name": "refuse"}) == {
        "code": -32010,
        "message": "the disk is full",
    }


@has_groups
def test_call_becomes_a_task_from_within_a_group():
    client = TaskClient(serving(become_task))
    task = client.wait(client.begin("become_task"))
    assert task["result"]["content"] == [{"type": "text", "text": "done"}]


@has_groups
def test_call_by_json_rpc_that_asks_in_a_group_gets_the_error_that_says_so():
    answer = call_wsgi(serving(ask_two).getWSGI(), post(rpc("ask_two"))).json()
    assert answer["error"]["code"] == -31999
