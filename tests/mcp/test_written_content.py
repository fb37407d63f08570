"""Results whose hints name both parts for a model and plain values."""

import json

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Image, Text, ToolResult
from tests.helpers import call_wsgi
from tests.mcp.judged import request_of

IMAGE = {"type": "image", "data": "eA==", "mimeType": "image/png"}


def result_of(hint, value):
    def returned():
        return value

    returned.__annotations__["return"] = hint
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(returned, path="/api", mcp=True)
    request = request_of("tools/call", {"name": "returned", "arguments": {}})
    return call_wsgi(server.getWSGI(), request).json()["result"]


@pytest.mark.parametrize(
    ("hint", "value", "written"),
    [
        (dict | Image, {"rows": 1}, {"rows": 1}),
        (dict | Text, {"type": "order", "id": 7}, {"type": "order", "id": 7}),
        (dict | ToolResult, {"content": "chapter 1"}, {"content": "chapter 1"}),
        (dict[str, Image], {"a": Image(b"x")}, {"a": IMAGE}),
    ],
    ids=["dict", "dict_with_type", "dict_with_content", "parts_in_a_dict"],
)
def test_dict_of_the_user_is_a_value(hint, value, written):
    result = result_of(hint, value)
    assert result["structuredContent"] == written
    assert [json.loads(part["text"]) for part in result["content"]] == [written]


def test_list_of_the_users_dicts_is_a_value():
    [part] = result_of(list[dict | Image], [{"rows": 1}])["content"]
    assert json.loads(part["text"]) == [{"rows": 1}]


def test_list_with_a_part_has_other_values_as_text():
    first, second = result_of(list[dict | Image], [{"rows": 1}, Image(b"x")])["content"]
    assert json.loads(first["text"]) == {"rows": 1}
    assert second == IMAGE


@pytest.mark.parametrize("hint", [Image, dict | Image, list[str | Image] | Image])
def test_part_stays_a_part(hint):
    assert result_of(hint, Image(b"x"))["content"] == [IMAGE]


def test_whole_result_stays_one():
    result = result_of(ToolResult | str, ToolResult(["x"], structured={"type": "y"}))
    assert result["content"] == [{"type": "text", "text": "x"}]
    assert result["structuredContent"] == {"type": "y"}
