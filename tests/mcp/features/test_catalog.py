"""The names of tools, their header fields, and those that cannot be tools."""

from typing import Annotated, Literal

import flask
import pytest
import werkzeug
from pydantic import Field

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Tool
from tests.helpers import call_wsgi
from tests.mcp.judged import request_of, result_of


def server_with(*methods):
    """Return a server with a tool for each pair of a URL and an option `mcp`; it returns the URL."""
    server = flaskJSONRPCServer(None, log=2)
    server.mcp("/mcp")
    for url, mcp in methods:
        path, _, name = url.rpartition("/")
        server.registerFunction(lambda url=url: url, path=path, name=name, mcp=mcp)
    return server


def tools_of(server):
    """Return what each tool returns, by its name."""
    names = [tool["name"] for tool in result_of(server, "tools/list")["tools"]]
    return {name: result_of(server, "tools/call", {"name": name})["content"][0]["text"] for name in names}


LONG = "x" * 200


@pytest.mark.parametrize("is_reversed", [False, True], ids=["in order", "reversed"])
@pytest.mark.parametrize(
    ("methods", "tools", "left_out"),
    [
        ([("/api/добавить", True), ("/api/удалить", True)], {"api._": "/api/добавить"}, "/api/удалить"),
        ([("/api/a", Tool(name="same")), ("/api/b", Tool(name="same"))], {"api.same": "/api/a"}, "/api/b"),
        ([("/a/b/add", True), ("/a.b/add", True)], {"a.b.add": "/a.b/add"}, "/a/b/add"),
        ([(f"/api/{LONG}1", True), (f"/api/{LONG}2", True)], {f"api.{LONG}"[:128]: f"/api/{LONG}1"}, f"/api/{LONG}2"),
        (
            [("/a/add", True), ("/b/add", True), ("/c/other", Tool(name="a.add"))],
            {"a.add": "/c/other", "b.add": "/b/add"},
            "/a/add",
        ),
    ],
    ids=["other letters", "chosen twice", "paths", "long", "chosen and made"],
)
def test_second_tool_of_a_name_is_left_out_with_a_warning(methods, tools, left_out, is_reversed, caplog):
    server = server_with(*(reversed(methods) if is_reversed else methods))

    assert tools_of(server) == tools
    [warning] = [text for text in caplog.messages if "is no tool" in text]
    assert warning.startswith(f"{left_out} is no tool: ")
    assert warning.endswith("choose another with mcp=Tool(name=...)")


def region(schema):
    return {"type": "object", "properties": {"region": schema}}


REPEATED = region({"type": "string", "x-mcp-header": "Region"})
HINTED = Annotated[str, Field(json_schema_extra={"x-mcp-header": "Other"})]


def server_of(hint, input_schema):
    def place(region=""):
        return region

    place.__annotations__ = {"region": hint}
    server = flaskJSONRPCServer(None, log=2)
    server.registerFunction(place, path="/api", mcp=Tool(input_schema=input_schema))
    return server


def called_with(server, headers):
    request = request_of("tools/call", {"name": "place", "arguments": {"region": "eu"}})
    request.headers.update(headers)
    answer = call_wsgi(server.getWSGI(), request)
    message = answer.json()
    return answer.code, message["error"]["code"] if "error" in message else message["result"]["content"][0]["text"]


@pytest.mark.parametrize("hint", [str, HINTED], ids=["plain", "annotated"])
@pytest.mark.parametrize(
    ("schema", "headers", "answer"),
    [
        (REPEATED, {"Mcp-Param-Region": "eu"}, (200, "eu")),
        (REPEATED, {"Mcp-Param-Region": "us"}, (400, -32020)),
        (REPEATED, {}, (400, -32020)),
        (REPEATED, {"Mcp-Param-Other": "eu"}, (400, -32020)),
        (region({"type": "string"}), {}, (200, "eu")),
    ],
    ids=["same", "different", "missing", "of the hint", "not annotated"],
)
def test_header_fields_are_those_of_the_schema_that_clients_see(hint, schema, headers, answer):
    assert called_with(server_of(hint, schema), headers) == answer


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (region({"type": "number", "x-mcp-header": "Region"}), "not 'number'"),
        (
            region({"type": "array", "items": {"type": "string", "x-mcp-header": "Region"}}),
            "only allowed at properties",
        ),
    ],
    ids=["number", "items"],
)
def test_schema_of_the_author_with_a_forbidden_header_field_is_no_tool(schema, why, caplog):
    server = server_of(str, schema)

    assert result_of(server, "tools/list")["tools"] == []
    assert "/api/place is no tool" in caplog.text
    assert why in caplog.text


def test_methods_that_are_no_tools_are_warned_of_once(caplog):
    server = flaskJSONRPCServer(None, log=2)
    server.mcp("/mcp")
    forbidden = Tool(input_schema=region({"type": "number", "x-mcp-header": "Region"}))
    for path in ("/a", "/b"):
        server.registerFunction(lambda region: region, path=path, name="place", mcp=forbidden)
    for name in ("first", "second", "third"):
        server.registerFunction(lambda: None, path="/api", name=name, mcp=Tool(name="same"))
    for number in range(3):
        server.registerFunction(lambda: None, path="/api", name=f"fine{number}", mcp=True)
        result_of(server, "tools/list")

    warned = sorted(text.partition(" is no tool: ")[0] for text in caplog.messages if " is no tool: " in text)
    assert warned == ["/a/place", "/api/second", "/api/third", "/b/place"]


Region = Field(json_schema_extra={"x-mcp-header": "Region"})


@pytest.mark.parametrize(
    "hint", [Annotated[str | None, Region], Annotated[Literal["eu", 1], Region]], ids=["none", "two"]
)
def test_header_field_of_a_parameter_of_several_types_says_the_remedy(hint, caplog):
    server = server_of(hint, None)

    assert result_of(server, "tools/list")["tools"] == []
    assert "x-mcp-header of region needs one type: declare int, str or bool, without `| None`" in caplog.text


@pytest.mark.parametrize(
    "hint",
    [flask.Response, flask.Response | str, tuple[werkzeug.Response, int], "flask.Response"],
    ids=["alone", "union", "tuple", "text"],
)
def test_view_that_returns_a_response_is_warned_of_once(hint, caplog):
    def view():
        return flask.Response("x")

    view.__annotations__ = {"return": hint}
    server = server_with()
    server.registerFunction(view, path="/api", mcp=True)
    for name in ("a", "b"):
        server.registerFunction(len, path="/api", name=name, mcp=True)
        result_of(server, "tools/list")

    [warning] = [text for text in caplog.messages if "will fail" in text]
    assert warning.startswith("/api/view is a tool whose calls will fail: it returns a response of Flask, by its hint")


@pytest.mark.parametrize("hint", [None, dict, "Gone", bytes | str], ids=["none", "dict", "unknown", "union"])
def test_other_function_is_not_warned_of(hint, caplog):
    def view():
        return {}

    view.__annotations__ = {"return": hint}
    server = server_with()
    server.registerFunction(view, path="/api", mcp=True)
    result_of(server, "tools/list")

    assert "will fail" not in caplog.text


def definitions_in(endpoint):
    return {definition["name"]: definition for definition in endpoint.tool_definitions()}


def server_and_endpoint(**options):
    server = flaskJSONRPCServer(None, log=0, **options)
    endpoint = server.mcp("/mcp")
    server.registerFunction(lambda: 1, path="/a", name="add", mcp=True)
    server.registerFunction(lambda: 1, path="/a", name="other", mcp=True)
    return server, endpoint


def test_registration_makes_no_other_tool_anew():
    server, endpoint = server_and_endpoint()
    before = definitions_in(endpoint)
    server.registerFunction(lambda: 1, path="/a", name="fresh", mcp=True)
    after = definitions_in(endpoint)

    assert sorted(after) == ["add", "fresh", "other"]
    assert [after[name] is before[name] for name in before] == [True, True]


def test_tool_that_a_registration_renames_is_made_anew():
    server, endpoint = server_and_endpoint()
    before = definitions_in(endpoint)
    server.registerFunction(lambda: 1, path="/b", name="add", mcp=True)
    after = definitions_in(endpoint)

    assert sorted(after) == ["a.add", "b.add", "other"]
    assert after["other"] is before["other"]


def test_reloaded_tool_is_made_anew():
    server, endpoint = server_and_endpoint()
    before = definitions_in(endpoint)["add"]

    def add(fresh: int) -> int:
        return fresh

    server.reload([{"path": "/a", "dispatcher": add, "name": "add", "mcp": True}], clearOld=False)
    after = definitions_in(endpoint)["add"]

    assert list(before["inputSchema"].get("properties", {})) == []
    assert list(after["inputSchema"]["properties"]) == ["fresh"]
