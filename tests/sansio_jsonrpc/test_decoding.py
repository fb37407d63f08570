import pytest

from flaskJSONRPCServer.sansio_jsonrpc import (
    ABSENT,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcInvalidMessage,
    JsonRpcInvalidRequestError,
    JsonRpcKeyedRequest,
    JsonRpcParseError,
    JsonRpcRequest,
    JsonRpcResponse,
    KeyedMessages,
    decode,
    make_decoder,
)

LONG = "1" * 4301
TOO_LONG = "an integer of more than 4300 digits"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"jsonrpc":"2.0","method":"a"}', JsonRpcRequest("a")),
        ('{"jsonrpc":"2.0","method":"a","id":null}', JsonRpcRequest("a", None, None)),
        ('{"jsonrpc":"2.0","method":"","params":[],"id":""}', JsonRpcRequest("", [], "")),
        ('{"jsonrpc":"2.0","method":"a","params":{},"id":0}', JsonRpcRequest("a", {}, 0)),
        ('{"jsonrpc":"2.0","method":"a","id":1.5,"extra":[]}', JsonRpcRequest("a", None, 1.5)),
        ('{"jsonrpc":"2.0","method":"a","result":1,"id":1}', JsonRpcRequest("a", None, 1)),
        ('{"jsonrpc":"2.0","result":null,"id":1}', JsonRpcResponse(1, None)),
        ('{"jsonrpc":"2.0","result":[1],"id":null}', JsonRpcResponse(None, [1])),
        (
            '{"jsonrpc":"2.0","error":{"code":1,"message":"no"},"id":1}',
            JsonRpcResponse(1, error=JsonRpcError(1, "no")),
        ),
        (
            '{"jsonrpc":"2.0","error":{"code":1,"message":"no","data":null},"id":null}',
            JsonRpcResponse(None, error=JsonRpcError(1, "no", None)),
        ),
    ],
)
def test_one_object_is_one_message(codec, text, message):
    assert decode(text.encode(), codec) == message


@pytest.mark.parametrize("id_text", ["1", "1.0", "-0.0", "1e2", '"1"', "null", "12345678901234567890123"])
def test_id_keeps_its_value_and_type(codec, id_text):
    request = decode(b'{"jsonrpc":"2.0","method":"a","id":%b}' % id_text.encode(), codec)
    expected = codec.loads(id_text.encode())
    assert (request.id, type(request.id)) == (expected, type(expected))


ID_RULE = "id must be a string, a number or null, not "
ONE_OF = "a message must have one of method, result and error"


@pytest.mark.parametrize(
    ("text", "request_id", "fault"),
    [
        ("1", None, "a message must be an object, not a number"),
        ('"a"', None, "a message must be an object, not a string"),
        ("null", None, "a message must be an object, not null"),
        ("{}", None, ONE_OF),
        ('{"jsonrpc":"2.0","id":1}', 1, ONE_OF),
        ('{"jsonrpc":"2.0","result":1,"error":{"code":1,"message":"no"},"id":1}', 1, ONE_OF),
        ('{"jsonrpc":"2.0","result":1,"error":null,"id":1}', 1, ONE_OF),
        ('{"method":"a","id":1}', 1, 'jsonrpc must be "2.0"; without it this is JSON-RPC 1.0, which is not served'),
        ('{"jsonrpc":2.0,"method":"a","id":1}', 1, 'jsonrpc must be "2.0"'),
        ('{"jsonrpc":"2.1","method":"a","id":1}', 1, 'jsonrpc must be "2.0"'),
        ('{"jsonrpc":["2.0"],"result":1,"id":1}', 1, 'jsonrpc must be "2.0"'),
        ('{"jsonrpc":"2.0","method":1,"id":"a"}', "a", "method must be a string, not a number"),
        ('{"jsonrpc":"2.0","method":null}', None, "method must be a string, not null"),
        ('{"jsonrpc":"2.0","method":"a","params":null,"id":1}', 1, "params must be an array or an object, not null"),
        ('{"jsonrpc":"2.0","method":"a","params":"x","id":1}', 1, "params must be an array or an object, not a string"),
        ('{"jsonrpc":"2.0","method":"a","id":true}', None, ID_RULE + "a boolean"),
        ('{"jsonrpc":"2.0","method":"a","id":[1]}', None, ID_RULE + "an array"),
        ('{"jsonrpc":"2.0","method":"a","id":{}}', None, ID_RULE + "an object"),
        ('{"jsonrpc":"2.0","result":1}', None, ID_RULE + "missing"),
        ('{"jsonrpc":"2.0","result":1,"id":false}', None, ID_RULE + "a boolean"),
        ('{"jsonrpc":"2.0","error":"no","id":1}', 1, "error must be an object, not a string"),
        ('{"jsonrpc":"2.0","error":{"message":"no"},"id":1}', 1, "code must be an integer, not missing"),
        ('{"jsonrpc":"2.0","error":{"code":true,"message":"no"},"id":1}', 1, "code must be an integer, not a boolean"),
        ('{"jsonrpc":"2.0","error":{"code":1.5,"message":"no"},"id":1}', 1, "code must be an integer, not a number"),
        ('{"jsonrpc":"2.0","error":{"code":1,"message":null},"id":1}', 1, "message must be a string, not null"),
    ],
)
def test_invalid_message_has_a_reason(codec, text, request_id, fault):
    invalid = JsonRpcInvalidMessage(request_id, JsonRpcError(-32600, f"Invalid Request: {fault}"))
    assert decode(text.encode(), codec) == invalid
    assert decode(b"[%b]" % text.encode(), codec) == JsonRpcBatch([invalid])


def test_batch_keeps_its_order_and_its_good_messages(codec):
    text = b'[{"jsonrpc":"2.0","method":"a"},1,{"jsonrpc":"2.0","result":2,"id":3}]'
    batch = decode(text, codec)
    assert type(batch) is JsonRpcBatch
    assert [type(message) for message in batch] == [JsonRpcRequest, JsonRpcInvalidMessage, JsonRpcResponse]


@pytest.mark.parametrize(
    ("text", "limit", "message"),
    [
        (b"[]", 1000, "Invalid Request: the batch is empty"),
        (b"[]", None, "Invalid Request: the batch is empty"),
        (b"[1,2,3]", 2, "Invalid Request: a batch of 3; at most 2 are read"),
        (b"[1,2,%b]" % LONG.encode(), 2, "Invalid Request: a batch of 3; at most 2 are read"),
    ],
)
def test_empty_or_too_long_batch_is_one_error(codec, text, limit, message):
    with pytest.raises(JsonRpcInvalidRequestError) as refused:
        decode(text, codec, max_batch_length=limit)
    assert refused.value.get_error() == JsonRpcError(-32600, message)
    assert refused.value.request_id is None


@pytest.mark.parametrize(("limit", "length"), [(2, 2), (None, 1500), (1000, 1000)])
def test_batch_up_to_the_limit_is_read(codec, limit, length):
    assert len(decode(b"[" + b",".join([b"1"] * length) + b"]", codec, max_batch_length=limit)) == length


def test_invalid_json_is_a_parse_error(codec):
    with pytest.raises(JsonRpcParseError):
        decode(b"{", codec)


@pytest.mark.parametrize(
    ("text", "request_id", "code", "message"),
    [
        (
            f'{{"jsonrpc":"2.0","method":"a","params":[1,{{"b":{LONG}}}],"id":7}}',
            7,
            -32602,
            f"Invalid params: {TOO_LONG}",
        ),
        (f'{{"jsonrpc":"2.0","method":"a","params":{{"b":-{LONG}}}}}', ABSENT, -32602, f"Invalid params: {TOO_LONG}"),
        (f'{{"jsonrpc":"2.0","result":{LONG},"id":7}}', 7, -32600, f"Invalid Request: {TOO_LONG}"),
        (
            f'{{"jsonrpc":"2.0","error":{{"code":1,"message":"a","data":[{LONG}]}},"id":7}}',
            7,
            -32600,
            f"Invalid Request: {TOO_LONG}",
        ),
        (
            f'{{"jsonrpc":"2.0","error":{{"code":{LONG},"message":"a"}},"id":7}}',
            7,
            -32600,
            "Invalid Request: code must be an integer, not an integer of too many digits",
        ),
        (
            f'{{"jsonrpc":"2.0","method":"a","id":{LONG}}}',
            None,
            -32600,
            "Invalid Request: id must be a string, a number or null, not an integer of too many digits",
        ),
    ],
)
def test_long_integer_invalidates_only_its_own_message(codec, text, request_id, code, message):
    invalid = JsonRpcInvalidMessage(request_id, JsonRpcError(code, message))
    neighbour = JsonRpcRequest("b", [1], 2)
    assert decode(text.encode(), codec) == invalid
    batch = b'[%b,{"jsonrpc":"2.0","method":"b","params":[1],"id":2}]' % text.encode()
    assert decode(batch, codec) == JsonRpcBatch([invalid, neighbour])


@pytest.mark.parametrize(
    "text",
    [
        f'{{"jsonrpc":"2.0","method":"a","id":1,"ignored":{LONG}}}',
        f'{{"jsonrpc":"2.0","method":"a","id":{LONG},"id":1}}',
    ],
)
def test_long_integer_outside_the_members_of_a_message_is_harmless(codec, text):
    assert decode(text.encode(), codec) == JsonRpcRequest("a", None, 1)


def test_long_integer_is_found_beside_good_responses(codec):
    text = (
        f'[{{"jsonrpc":"2.0","result":{{"a":[1]}},"id":1}},{{"jsonrpc":"2.0","method":"a","params":[{LONG}],"id":2}}]'
    )
    assert decode(text.encode(), codec)[0] == JsonRpcResponse(1, {"a": [1]})


KEYED = b'{"jsonrpc": "2.0", "method": "add", "id": 1, "idempotencyKey": "k"}'


@pytest.mark.parametrize("text", [KEYED, KEYED.replace(b"Key", b"\\u004bey"), KEYED.replace(b"1,", b"1.5,")])
def test_call_with_an_idempotency_key_is_a_request_of_its_own_kind(codec, text):
    message = decode(text, codec)

    assert isinstance(message, JsonRpcKeyedRequest)
    assert (message.method, message.key, message.item["idempotencyKey"]) == ("add", "k", "k")


def test_messages_with_keys_are_raised_on_request(codec):
    batch = b"[" + KEYED + b', {"jsonrpc": "2.0", "method": "add"}, 5]'

    decode_unkeyed = make_decoder(codec, None, separates_keys=True)

    with pytest.raises(KeyedMessages) as caught:
        decode_unkeyed(batch)
    assert caught.value.message == decode(batch, codec)
    assert decode_unkeyed(b'{"jsonrpc": "2.0", "method": "add"}') == JsonRpcRequest("add")
