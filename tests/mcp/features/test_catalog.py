"""The names of tools."""

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Tool
from tests.mcp.judged import result_of


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
