"""Results of another type than the schema of the tool says."""

import decimal

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp.features.result_types import ResultTypeError, refuse_other_type
from tests.helpers import call_wsgi
from tests.mcp.judged import request_of


@pytest.mark.parametrize(
    ("named", "value", "text", "passes"),
    [
        ("string", "5", "5", True),
        ("string", 5, "5", False),
        ("integer", 5, "5", True),
        ("integer", 5.0, "5.0", True),
        ("integer", 5.5, "5.5", False),
        ("number", 5, "5", True),
        ("number", decimal.Decimal("5.5"), "5.5", True),
        ("number", "5", "5", False),
        ("boolean", True, "true", True),
        ("boolean", 1, "1", False),
        ("null", None, "null", True),
        ("object", {}, "{}", True),
        ("object", [], "[]", False),
        ("array", [], "[]", True),
        (["string", "null"], None, "null", True),
        (["string", "null"], 1, "1", False),
        (None, 1, "1", True),
    ],
)
def test_type_of_the_root_is_checked(named, value, text, passes):
    schema = {} if named is None else {"type": named}
    if passes:
        refuse_other_type(schema, value, text)
    else:
        with pytest.raises(ResultTypeError, match="its schema says"):
            refuse_other_type(schema, value, text)


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
