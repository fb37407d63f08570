"""Leaving a call from within a group of tasks, and the errors of requests."""

import asyncio
import sys

import pytest

from flaskJSONRPCServer.mcp import Form, ProtocolError, ask, begin_task
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcParseError, JsonRpcReservedError
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


# Those that the protocol keeps for itself, those of its older revisions, and those by which calls are left here.
KEPT = [-32700, -32768, -32604, -32599, -32100, -32099, -32050, -32042, -32020, -32019, -32017, -32002]
FREE = [-32600, -32601, -32602, -32603, -32016, -32010, -32003, -32001, -32000, -31999, -32769, -1, 0, 7]


@pytest.mark.parametrize("code", KEPT)
def test_code_that_functions_must_not_send_is_refused(code):
    with pytest.raises(ValueError, match=rf"^ProtocolError\(code={code}\) is refused: take -32600 to -32603, "):
        ProtocolError("failed", code=code)


@pytest.mark.parametrize("code", FREE)
def test_other_code_is_that_of_the_error(code):
    assert ProtocolError("failed", code=code).code == code


@pytest.mark.parametrize("code", [None, "7", 7.0, True], ids=repr)
def test_code_that_is_no_integer_is_refused(code):
    with pytest.raises(TypeError, match=r"is refused: it takes an integer"):
        ProtocolError("failed", code=code)


@pytest.mark.parametrize("message", [None, 5], ids=repr)
def test_message_that_is_no_text_is_refused(message):
    with pytest.raises(TypeError, match=r"is refused: it takes a string"):
        ProtocolError(message)


def test_tool_with_a_code_that_is_refused_names_it_in_the_log(caplog):
    def fail_with_kept_code():
        raise ProtocolError("failed", code=-32042)

    result = result_of(serving(fail_with_kept_code), "tools/call", {"name": "fail_with_kept_code"})

    assert result["isError"] is True
    assert "ProtocolError(code=-32042) is refused" in caplog.text


def parts_that_raise(error):
    """Return a server with a prompt and a resource that fail."""

    def failing():
        raise error()

    def completing(value):
        raise error()

    server, endpoint = make_server(log=2)
    endpoint.prompt()(failing)
    endpoint.prompt(name="asking")(lambda code: code)
    endpoint.completion("asking", "code")(completing)
    endpoint.resource("a:b")(failing)
    return server


REQUESTS = {
    "prompts/get": {"name": "failing"},
    "resources/read": {"uri": "a:b"},
    "completion/complete": {
        "ref": {"type": "ref/prompt", "name": "asking"},
        "argument": {"name": "code", "value": ""},
    },
}


@pytest.mark.parametrize("method", REQUESTS)
def test_error_of_a_request_for_another_part_is_that_error(method, caplog):
    server = parts_that_raise(lambda: ProtocolError("no database", code=-32010, data={"db": "main"}))

    error = error_of(server, method, REQUESTS[method])

    assert error == {"code": -32010, "message": "no database", "data": {"db": "main"}}
    assert caplog.records == []


@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize(
    "make", [lambda: JsonRpcReservedError("no database", code=-32050), JsonRpcParseError], ids=["reserved", "parse"]
)
def test_error_with_a_code_that_no_function_may_send_has_another_code(method, make, caplog):
    error = error_of(parts_that_raise(make), method, REQUESTS[method])

    assert error == {"code": -32603, "message": make().message}
    [record] = caplog.records
    assert f"raised an error with the code {make().code}, which the protocol keeps for itself" in record.message
