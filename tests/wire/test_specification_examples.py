"""Every example of section 7 of the JSON-RPC 2.0 specification, over a real socket."""

import json

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call_socket, post


def subtract(minuend, subtrahend):
    return minuend - subtrahend


def add_up(*numbers):
    return sum(numbers)


def take(*values):
    return None


@pytest.fixture(scope="module")
def address():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, controlGC=False)
    server.registerFunction(subtract)
    server.registerFunction(add_up, name="sum")
    server.registerFunction(lambda: ["hello", 5], name="get_data")
    for name in ("update", "notify_hello", "notify_sum"):
        server.registerFunction(take, name=name)
    server.start()
    yield server.addresses[0]
    server.stop()


def send(address, text):
    """Send a JSON text as the specification prints it. Return the JSON of the answer; None if there is no body."""
    answer = call_socket(address, post(text.encode(), "/"))
    if answer.code == 204:
        assert answer.body == b""
        return None
    assert answer.code == 200
    assert answer.header("Content-Type") == "application/json"
    return json.loads(answer.body)


def unordered(responses):
    return sorted(responses, key=json.dumps)


def error(code, message, request_id):
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": request_id}


def is_same(answer, expected):
    """Compare responses, without the details in messages: the specification fixes only codes."""
    answer, expected = json.loads(json.dumps(answer)), json.loads(json.dumps(expected))
    for response in answer if isinstance(answer, list) else [answer]:
        if "error" in response:
            response["error"]["message"] = response["error"]["message"].partition(":")[0]
    return unordered(answer) == unordered(expected) if isinstance(expected, list) else answer == expected


@pytest.mark.parametrize(
    ("text", "result", "request_id"),
    [
        ('{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}', 19, 1),
        ('{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}', -19, 2),
        ('{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}', 19, 3),
        ('{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}', 19, 4),
    ],
)
def test_call_with_positional_and_named_parameters(address, text, result, request_id):
    assert send(address, text) == {"jsonrpc": "2.0", "result": result, "id": request_id}


@pytest.mark.parametrize(
    "text",
    ['{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', '{"jsonrpc": "2.0", "method": "foobar"}'],
)
def test_notification(address, text):
    assert send(address, text) is None


def test_call_of_a_method_that_does_not_exist(address):
    answer = send(address, '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}')

    assert answer == error(-32601, "Method not found", "1")


def test_call_with_invalid_json(address):
    answer = send(address, '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]')

    assert is_same(answer, error(-32700, "Parse error", None))


def test_call_with_an_invalid_request_object(address):
    answer = send(address, '{"jsonrpc": "2.0", "method": 1, "params": "bar"}')

    assert is_same(answer, error(-32600, "Invalid Request", None))


def test_batch_with_invalid_json(address):
    answer = send(
        address,
        """[
  {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
  {"jsonrpc": "2.0", "method"
]""",
    )

    assert is_same(answer, error(-32700, "Parse error", None))


def test_empty_array(address):
    assert is_same(send(address, "[]"), error(-32600, "Invalid Request", None))


@pytest.mark.parametrize(("text", "count"), [("[1]", 1), ("[1,2,3]", 3)])
def test_invalid_batch(address, text, count):
    assert is_same(send(address, text), [error(-32600, "Invalid Request", None)] * count)


def test_batch(address):
    answer = send(
        address,
        """[
        {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
        {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
    ]""",
    )

    assert is_same(
        answer,
        [
            {"jsonrpc": "2.0", "result": 7, "id": "1"},
            {"jsonrpc": "2.0", "result": 19, "id": "2"},
            error(-32600, "Invalid Request", None),
            error(-32601, "Method not found", "5"),
            {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"},
        ],
    )


def test_batch_of_notifications(address):
    text = """[
        {"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
        {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}
    ]"""

    assert send(address, text) is None
