"""examples/mcp_flask.py: an application of Flask, and a model beside it."""

import pytest

from tests.examples.processes import EXAMPLES
from tests.examples.servers import load
from tests.mcp.judged import result_of


def test_ten_lines_are_new_in_the_application():
    source = (EXAMPLES / "mcp_flask.py").read_text(encoding="utf-8")
    new = source.partition("# What is new.")[2].partition('if __name__ == "__main__":')[0]

    assert len([line for line in new.splitlines() if line and not line.startswith("#")]) == 10


def test_functions_of_the_application_are_tools():
    server = load("mcp_flask").server

    names = [tool["name"] for tool in result_of(server, "tools/list")["tools"]]
    found = result_of(server, "tools/call", {"name": "find_orders", "arguments": {"item": "tea"}})

    assert names == ["cancel_order", "find_orders"]
    assert found["structuredContent"] == [7]


def test_pages_and_tools_share_the_application():
    module = load("mcp_flask")
    client = module.app.test_client()

    assert client.get("/").text == "2 orders\n"
    answer = client.post("/api", json={"jsonrpc": "2.0", "method": "cancel_order", "params": [7], "id": 1})
    assert answer.json["result"] is True
    assert client.get("/").text == "1 orders\n"


def test_model_learns_which_tool_destroys():
    tools = result_of(load("mcp_flask").server, "tools/list")["tools"]

    assert {tool["name"]: tool["annotations"] for tool in tools} == {
        "cancel_order": {"destructiveHint": True},
        "find_orders": {"readOnlyHint": True},
    }


@pytest.mark.parametrize(
    ("method", "target", "host", "status"),
    [
        ("GET", "/api/cancel_order?number=8", "localhost", 403),
        ("POST", "/api", "shop.example", 421),
        ("POST", "/mcp", "shop.example", 421),
    ],
    ids=["by GET", "methods at another host", "endpoint at another host"],
)
def test_foreign_page_cancels_no_order(method, target, host, status):
    client = load("mcp_flask").app.test_client()
    message = {"jsonrpc": "2.0", "method": "cancel_order", "params": [8], "id": 1}

    answer = client.open(target, method=method, headers={"Host": host}, json=None if method == "GET" else message)

    assert answer.status_code == status
    assert client.get("/").text == "2 orders\n"
