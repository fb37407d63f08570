"""What becomes of answers that cannot be sent."""

import re

import pytest

from flaskJSONRPCServer.mcp import Audio, Image, ToolResult
from tests.mcp.judged import error_of, make_server, result_of


def with_part(part):
    """Return a result whose list of parts has got one more since it was made."""
    parts = []
    result = ToolResult(parts)
    parts.append(part)
    return result


@pytest.mark.parametrize(
    "returned",
    [
        object(),
        {"a": object()},
        ToolResult(structured=object()),
        ToolResult(meta={"a": object()}),
        with_part(object()),
        with_part({"a": 1}),
        with_part(b"x"),
    ],
    ids=["value", "inner value", "structured value", "meta", "part", "dict as a part", "bytes as a part"],
)
def test_result_of_a_tool_without_a_json_form_tells_the_model_the_id_in_the_log(returned, caplog):
    server, _ = make_server(log=1)
    server.registerFunction(lambda: returned, path="/api", name="strange", mcp=True)

    result = result_of(server, "tools/call", {"name": "strange"})

    assert result["isError"] is True
    text = result["content"][0]["text"]
    correlation_id = re.fullmatch(r"Internal error \(correlation id ([0-9a-f]+)\)", text)[1]
    assert f"tools/call of 'strange' failed [{correlation_id}]" in caplog.text


@pytest.mark.parametrize("kind", [Image, Audio])
@pytest.mark.parametrize("data", ["abc", None, 5], ids=str)
def test_media_without_bytes_are_refused_when_they_are_made(kind, data):
    with pytest.raises(
        TypeError, match=rf"^{kind.__name__}\(data={data!r}\) is refused: it takes the bytes of a file$"
    ):
        kind(data)


def test_answer_over_the_limit_is_an_error_that_names_the_setting():
    server, _ = make_server(max_response_bytes=2000)
    server.registerFunction(lambda size: "x" * size, path="/api", name="long", mcp=True)

    assert result_of(server, "tools/call", {"name": "long", "arguments": {"size": 100}})["content"]
    error = error_of(server, "tools/call", {"name": "long", "arguments": {"size": 2000}})

    assert error == {
        "code": -32001,
        "message": "Response over max_response_bytes (2000 bytes)",
    }
