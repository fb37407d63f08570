"""The examples of the documentation and of JSON-RPC 2.0, section 7, answered by a server of eight lines."""

import json

import pytest

from flaskJSONRPCServer.sansio_jsonrpc import (
    JsonRpcBatch,
    JsonRpcException,
    JsonRpcInvalidMessage,
    JsonRpcInvalidRequestError,
    JsonRpcMethodNotFoundError,
    JsonRpcParseError,
    JsonRpcPeer,
)

EXAMPLE = """
from flaskJSONRPCServer.sansio_jsonrpc import (
    JsonRpcPeer, JsonRpcResponse, JsonRpcRequest, JsonRpcParseError, JsonRpcException, JsonRpcMethodNotFoundError)

client = JsonRpcPeer()
request_id, bytes_to_send = client.request(method='open_vault_door', args={'employee': 'Mark', 'pin': 1234})

server = JsonRpcPeer()
try:
    messages = server.parse(bytes_to_send)
except JsonRpcParseError as pe:
    reply = server.respond_with_error(request=None, error=pe.get_error())
for request in messages:
    assert isinstance(request, JsonRpcRequest)
    try:
        reply = server.respond_with_result(request=request, result=handle_request(request))
    except JsonRpcException as jre:
        reply = server.respond_with_error(request=request, error=jre.get_error())

for response in client.parse(reply):
    assert isinstance(response, JsonRpcResponse)
    if response.is_success:
        print('success:', response.result)
    else:
        exc = JsonRpcException.exc_from_error(response.error)
"""


def test_example_ends_in_success(capsys):
    names = {"handle_request": lambda request: f"{request.params['employee']} may pass"}
    exec(EXAMPLE, names)
    assert capsys.readouterr().out == "success: Mark may pass\n"
    assert names["response"].id == names["request_id"]


def test_example_ends_in_the_exception_of_the_server():
    def handle_request(request):
        raise JsonRpcMethodNotFoundError(data=request.method)

    names = {"handle_request": handle_request}
    exec(EXAMPLE, names)
    assert type(names["exc"]) is JsonRpcMethodNotFoundError
    assert names["exc"].data == "open_vault_door"


METHODS = {
    "subtract": lambda minuend, subtrahend: minuend - subtrahend,
    "sum": lambda *numbers: sum(numbers),
    "get_data": lambda: ["hello", 5],
    "update": lambda *values: None,
    "notify_hello": lambda *values: None,
    "notify_sum": lambda *values: None,
}


def run(request):
    if request.method not in METHODS:
        raise JsonRpcMethodNotFoundError
    params = request.params or []
    return METHODS[request.method](**params) if isinstance(params, dict) else METHODS[request.method](*params)


def answer_one(peer, message):
    if isinstance(message, JsonRpcInvalidMessage):
        return peer.respond_with_error(message, message.error)
    try:
        return peer.respond_with_result(message, run(message))
    except JsonRpcException as exc:
        return peer.respond_with_error(message, exc.get_error())


def answer(data):
    peer = JsonRpcPeer()
    try:
        messages = peer.parse(data)
    except (JsonRpcParseError, JsonRpcInvalidRequestError) as exc:
        return peer.respond_with_error(None, exc.get_error())
    responses = [answer_one(peer, message) for message in messages]
    return peer.respond_with_batch(responses) if isinstance(messages, JsonRpcBatch) else responses[0]


@pytest.mark.parametrize(
    ("request_text", "response_text"),
    [
        (
            '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
            '{"jsonrpc": "2.0", "result": 19, "id": 1}',
        ),
        (
            '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}',
            '{"jsonrpc": "2.0", "result": -19, "id": 2}',
        ),
        (
            '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
            '{"jsonrpc": "2.0", "result": 19, "id": 3}',
        ),
        (
            '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
            '{"jsonrpc": "2.0", "result": 19, "id": 4}',
        ),
        ('{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', ""),
        ('{"jsonrpc": "2.0", "method": "foobar"}', ""),
        (
            '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
            '{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}',
        ),
        (
            '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
            '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}',
        ),
        (
            '{"jsonrpc": "2.0", "method": 1, "params": "bar"}',
            '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}',
        ),
        (
            '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method" ]',
            '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}',
        ),
        ("[]", '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}'),
        ("[1]", '[{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]'),
        (
            "[1,2,3]",
            '[{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},'
            '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},'
            '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]',
        ),
        (
            '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},'
            '{"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},'
            '{"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},'
            '{"foo": "boo"},'
            '{"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},'
            '{"jsonrpc": "2.0", "method": "get_data", "id": "9"}]',
            '[{"jsonrpc": "2.0", "result": 7, "id": "1"},'
            '{"jsonrpc": "2.0", "result": 19, "id": "2"},'
            '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},'
            '{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},'
            '{"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}]',
        ),
        (
            '[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},'
            '{"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]',
            "",
        ),
    ],
)
def test_examples_of_section_7(request_text, response_text):
    assert without_reasons(answer(request_text.encode())) == without_reasons(response_text.encode())


def without_reasons(data):
    """Remove the details after the message of the specification."""

    def cut(members):
        message = members.get("message")
        return {**members, "message": message.partition(":")[0]} if message else members

    return json.loads(data, object_hook=cut) if data else None
