"""What becomes of answers that cannot be sent."""

from tests.mcp.judged import error_of, make_server, result_of


def strange():
    return object()


def test_value_without_a_json_form_is_an_error_with_an_id(caplog):
    server, _ = make_server(log=1)
    server.registerFunction(strange, path="/api", mcp=True)

    error = error_of(server, "tools/call", {"name": "strange"})

    assert error["code"] == -32603
    assert error["data"]["correlationId"] in caplog.text


def test_answer_over_the_limit_is_an_error_that_names_the_setting():
    server, _ = make_server(max_response_bytes=2000)
    server.registerFunction(lambda size: "x" * size, path="/api", name="long", mcp=True)

    assert result_of(server, "tools/call", {"name": "long", "arguments": {"size": 100}})["content"]
    error = error_of(server, "tools/call", {"name": "long", "arguments": {"size": 2000}})

    assert error == {
        "code": -32603,
        "message": "Internal error: the answer is over max_response_bytes (2000 bytes)",
    }
