"""Results of another type than the schema of the tool says."""

import decimal

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Image, Text, ToolResult
from flaskJSONRPCServer.mcp.features.result_schemas import ResultSchema, ResultSchemaError
from tests.helpers import call_wsgi
from tests.mcp.judged import request_of, result_of


@pytest.mark.parametrize(
    ("named", "value", "text", "passes"),
    [
        ("string", "5", "5", True),
        ("string", 5, "5", False),
        ("integer", 5, "5", True),
        pytest.param("integer", -(10**400), "-1" + 400 * "0", True, id="integer-beyond-floats"),
        ("integer", 5.0, "5.0", True),
        ("integer", 5.5, "5.5", False),
        ("number", 5, "5", True),
        ("number", decimal.Decimal("5.5"), "5.5", True),
        ("number", "5", "5", False),
        ("integer", 5, '"5"', False),  # written in another form by a codec of the user's
        ("boolean", True, "true", True),
        ("boolean", 1, "1", False),
        ("null", None, "null", True),
        ("object", {}, "{}", True),
        ("object", [], "[]", False),
        ("array", [], "[]", True),
        (["string", "null"], None, "null", True),
        (["string", "null"], 1, "1", False),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, None, "null", True),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "1", False),
        ({"anyOf": [{"type": "string"}, {}]}, 1, "1", True),
        ({}, 1, "1", True),
    ],
)
def test_type_of_the_root_is_checked(named, value, text, passes):
    schema = ResultSchema(named if isinstance(named, dict) else {"type": named}, None)
    if passes:
        schema.refuse_other(value, text)
    else:
        with pytest.raises(ResultSchemaError, match="its schema says"):
            schema.refuse_other(value, text)


def test_tool_that_returns_another_type_fails(caplog):
    def said() -> str:
        return 5

    server = flaskJSONRPCServer(None)
    server.registerFunction(said, path="/api", mcp=True)
    request = request_of("tools/call", {"name": "said", "arguments": {}})
    result = call_wsgi(server.getWSGI(), request).json()["result"]

    assert result["isError"]
    assert "structuredContent" not in result
    assert "correlation id" in result["content"][0]["text"]
    assert "a JSON integer, and its schema says string" in caplog.text


def returning(value, hint):
    def picture():
        return value

    picture.__annotations__ = {"return": hint}
    return picture


PICTURE = Image(b"png")


@pytest.mark.parametrize(
    ("value", "hint", "remedy"),
    [
        (PICTURE, str, "write -> Image"),
        (Text("a"), str, "write -> Text"),
        ([PICTURE], list, "write -> list[Image]"),
        (["a", PICTURE], list[str], "write -> list[Image | str]"),
        ([PICTURE], list[dict[str, str]], "write -> list[Image]"),
        (ToolResult(["a"]), dict, "write -> ToolResult"),
    ],
    ids=["image", "text", "list", "strings", "dicts", "result"],
)
def test_part_that_the_hint_does_not_name_is_an_error_of_the_tool(value, hint, remedy, caplog):
    server = flaskJSONRPCServer(None)
    server.registerFunction(returning(value, hint), path="/api", mcp=True)
    result = result_of(server, "tools/call", {"name": "picture", "arguments": {}})

    assert result["isError"]
    assert remedy in caplog.text


@pytest.mark.parametrize("value", [ToolResult(["a"], structured={"a": 1}), ToolResult(["a"], is_error=True)])
def test_whole_result_needs_no_hint_of_its_own(value):
    server = flaskJSONRPCServer(None)
    server.registerFunction(returning(value, dict), path="/api", mcp=True)

    assert result_of(server, "tools/call", {"name": "picture", "arguments": {}})["content"] == [
        {"type": "text", "text": "a"}
    ]
