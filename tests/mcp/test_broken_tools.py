"""One tool that cannot be shown does not take the others with it."""

import enum

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call_wsgi
from tests.mcp.judged import request_of


class OfTypes(enum.Enum):
    A = int


class OfNumbers(enum.Enum):
    A = float("inf")


def of_types(kind: OfTypes) -> str:
    return "never"


def of_numbers(kind: OfNumbers) -> str:
    return "never"


def of_text(kind: str = "\ud800") -> str:
    return "never"


def fine() -> str:
    return "fine"


@pytest.mark.parametrize("broken", [of_types, of_numbers, of_text])
def test_tool_without_a_schema_is_left_out(broken, caplog):
    server = flaskJSONRPCServer(None)
    for function in (broken, fine):
        server.registerFunction(function, path="/api", mcp=True)
    listed = call_wsgi(server.getWSGI(), request_of("tools/list")).json()["result"]["tools"]
    called = call_wsgi(server.getWSGI(), request_of("tools/call", {"name": "fine", "arguments": {}})).json()["result"]

    assert [tool["name"] for tool in listed] == ["fine"]
    assert called["content"] == [{"type": "text", "text": "fine"}]
    assert any(f"/api/{broken.__name__} is no tool: its schema" in record.message for record in caplog.records)
