"""examples/mcp_flask.py: an application of Flask, and a model beside it."""

from tests.examples.servers import load
from tests.mcp.judged import result_of


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
