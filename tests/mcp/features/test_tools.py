"""Calls of tools and prompts: what runs is what was admitted, with the arguments of the request."""

import contextlib

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Form, Tool, ask
from tests.helpers import call_wsgi
from tests.mcp.judged import make_server, request_of, result_of
from tests.mcp.session_client import Client
from tests.mcp.task_client import TaskClient, text_of

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

GO_ON = Form("Go on?", {"type": "object", "properties": {}})


def change(values):
    """Change what is passed, then ask: the next run must not see the change."""
    values.append(len(values))
    ask("more", GO_ON)
    return str(values)


def fill(values: dict):
    """As `change`, in a value of a hint."""
    values["x"].append(1)
    ask("more", GO_ON)
    return str(values)


@pytest.fixture
def client():
    """A client with a session, which can be asked."""
    server = flaskJSONRPCServer(("127.0.0.1", 0), log=0)
    endpoint = server.mcp("/mcp")
    server.registerFunction(change, path="/api", mcp=True)
    endpoint.prompt()(fill)
    endpoint.resource("a:{values}")(fill)
    server.start()
    try:
        with contextlib.closing(Client(server, capabilities={"elicitation": {}})) as client:
            yield client
    finally:
        server.stop()


def answered(client, method, params):
    """Return the result of a request that asks once."""
    events = client.open(message=client.request(method, params))
    question = events.next()
    client.tell({"id": question["id"], "result": {"action": "accept"}})
    return events.next()["result"]


def test_second_run_in_a_session_gets_the_arguments_of_the_call(client):
    result = answered(client, "tools/call", {"name": "change", "arguments": {"values": [7]}})
    assert result["content"][0]["text"] == "[7, 1]"


def test_second_run_of_a_prompt_gets_the_arguments_of_the_request(client):
    result = answered(client, "prompts/get", {"name": "fill", "arguments": {"values": '{"x": []}'}})
    assert result["messages"][0]["content"]["text"] == "{'x': [1]}"


def test_second_run_of_a_resource_gets_the_values_of_the_uri(client):
    result = answered(client, "resources/read", {"uri": "a:%7B%22x%22%3A%5B%5D%7D"})
    assert result["contents"][0]["text"] == "{'x': [1]}"


def named(name, text):
    """Return a function with a name, and with a text as its result."""
    function = lambda: text  # noqa: E731
    function.__name__ = name
    return function


class Replacing:
    """An `auth` that replaces the tool of a request as soon as it has allowed it."""

    def __init__(self, entry):
        self._entry = entry
        self.asked = []

    def __call__(self, server, path, request, method):
        self.asked.append((path, method))
        if method == "report" and len(self.asked) == 2:
            assert server.reload(self._entry, clearOld=True, safely=False)
        return True


@pytest.mark.parametrize(
    "entry",
    [
        {"dispatcher": named("report", "of the admins"), "path": "/admin"},
        {"dispatcher": named("other", "another"), "path": "/other"},
    ],
    ids=["another method has the name", "no method has it"],
)
def test_call_runs_the_method_that_auth_has_allowed(entry):
    auth = Replacing(entry)
    server, _ = make_server(auth=auth)
    server.registerFunction(named("report", "of all"), path="/api", mcp=True)
    request = request_of("tools/call", {"name": "report", "arguments": {}})

    answer = call_wsgi(server.getWSGI(), request).json()

    assert answer["result"]["content"] == [{"type": "text", "text": "of all"}]
    assert auth.asked == [("/mcp/", None), ("/api/", "report")]


def test_task_that_asks_goes_on_with_the_function_of_a_reload():
    server, _ = make_server()
    server.registerFunction(change, path="/api", name="ask", mcp=Tool(task=True))
    client = TaskClient(server)
    tasks = [client.begin("ask", values=[7]) for _ in range(2)]
    for task_id in tasks:
        client.wait(task_id, "input_required")

    new = {"dispatcher": lambda values: f"new {values}", "name": "ask", "path": "/api"}
    assert server.reload(new, clearOld=True, safely=False)
    client.update(tasks[0], more={"action": "accept"})
    assert text_of(client.wait(tasks[0])["result"]) == "new [7]"

    other = {"dispatcher": named("other", "another"), "path": "/other"}
    assert server.reload(other, clearOld=True, safely=False)
    client.update(tasks[1], more={"action": "accept"})
    result = client.wait(tasks[1])["result"]
    assert (result["isError"], text_of(result)) == (True, "Method not found")


def test_answers_are_taken_although_the_function_has_changed_its_arguments():
    server, _ = make_server()
    server.registerFunction(change, path="/api", mcp=True)
    params = {"name": "change", "arguments": {"values": [7]}}

    asked = result_of(server, "tools/call", params, capabilities={"elicitation": {}})
    later = {**params, "requestState": asked["requestState"], "inputResponses": {"more": {"action": "accept"}}}

    result = result_of(server, "tools/call", later, capabilities={"elicitation": {}})
    assert result["content"][0]["text"] == "[7, 1]"


def names_for(server, role):
    request = request_of("tools/list")
    request.headers["X-Role"] = role
    result = call_wsgi(server.getWSGI(), request).json()["result"]
    return [tool["name"] for tool in result["tools"]], result["cacheScope"]


@pytest.mark.parametrize("discover", [True, False])
def test_tool_that_some_callers_see_is_listed_for_them_and_the_list_is_private(discover):
    server, _ = make_server(discover=discover)
    server.registerFunction(lambda: 1, path="/api", name="shown", mcp=True)
    server.registerFunction(lambda: 1, path="/api", name="hidden", mcp=True, visible=False)
    assert names_for(server, "admin") == (["shown"], "public")

    server.registerFunction(
        lambda: 1, path="/api", name="secret", mcp=True, visible=lambda request: request.headers["X-Role"] == "admin"
    )
    assert names_for(server, "admin") == (["secret", "shown"], "private")
    assert names_for(server, "guest") == (["shown"], "private")
