"""A response has the exact id of its request, even if a float would round it (JSON-RPC 2.0, section 5)."""

import copy
import json
import pickle
from decimal import Decimal
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer.sansio_jsonrpc import (
    IncrementalCodec,
    JsonLimits,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcInvalidMessage,
    JsonRpcPeer,
    JsonRpcRequest,
    JsonRpcResponse,
    JsonRpcSerializationError,
    NumberLiteral,
    decode,
    encode_error,
    encode_object,
    encode_result,
    make_codec,
    messages_of,
)

ROUNDED = [
    "1234567890123456789.5",
    "-1234567890123456789.5",
    "1e-400",
    "-1E-400",
    "0.1000000000000000055511151231257827021181583404541015625",
    "12345678901234567890.0",
    "1." + "0" * 400 + "1",
    "0e-99999999999999999999",
]
HELD = {"1.0": "1.0", "-0.0": "-0.0", "1E5": "100000.0", "0.10": "0.1", "1e-7": "1e-07", "2.5e300": "2.5e+300"}
INTEGERS = {"7": "7", "-0": "0", "18446744073709551617": "18446744073709551617", "9" * 4300: "9" * 4300}
COMING_BACK = {**{text: text for text in ROUNDED}, **HELD, **INTEGERS}

FAILURE = JsonRpcError(5, "no")


def request_with(id_text, members='"method":"m"'):
    return f'{{"jsonrpc":"2.0",{members},"id":{id_text}}}'.encode()


@pytest.mark.parametrize(("came", "comes_back"), COMING_BACK.items(), ids=lambda text: text[:30])
def test_id_of_a_response_is_the_exact_number_of_the_request(codec, came, comes_back):
    request = decode(request_with(came), codec)

    assert encode_result(codec, request.id, 1) == b'{"jsonrpc":"2.0","result":1,"id":%b}' % comes_back.encode()
    assert encode_error(codec, request.id, FAILURE).endswith(b',"id":%b}' % comes_back.encode())


@pytest.mark.parametrize("text", HELD)
def test_exactly_representable_number_is_a_float(codec, text):
    assert type(decode(request_with(text), codec).id) is float


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ('"method":"m","params":{"id":1.5,"deep":[{"id":1e-400}]}', JsonRpcRequest),
        ('"method":1', JsonRpcInvalidMessage),
        ('"method":"m","params":3', JsonRpcInvalidMessage),
        ('"result":[{"id":2.5}]', JsonRpcResponse),
        ('"method":"m","id":7,"\\u0069d":1e-300', JsonRpcRequest),
        ('"method":"m","text":"\\"id\\":1.5"', JsonRpcRequest),
    ],
)
def test_exact_id_is_that_of_the_message_itself(codec, members, kind):
    message = decode(request_with(ROUNDED[0], members), codec)

    assert type(message) is kind
    assert message.id == NumberLiteral(ROUNDED[0])


def test_parameters_are_unaffected_by_a_long_id(codec):
    params = b'{"jsonrpc":"2.0","method":"m","params":[1e-400,1.5,2,"1.5"],"id":%b}'
    assert decode(params % b"1e-400", codec).params == decode(params % b"1", codec).params
    assert type(decode(params % b"1e-400", codec).params[0]) is float


def test_each_message_of_a_batch_has_its_own_id(codec):
    ids = ["1e-400", "1", "1E-400", '"1e-400"', "2.5", "null"]
    batch = decode(b"[%b,5]" % b",".join(map(request_with, ids)), codec)

    assert type(batch) is JsonRpcBatch
    assert [encode_result(codec, message.id, 1)[28:-1] for message in batch[:-1]] == [
        b'"id":%b' % id_.encode() for id_ in ids
    ]
    assert batch[-1].id is None


def test_id_is_kept_beside_an_integer_of_too_many_digits(codec):
    long = '"method":"m","params":[%s]' % ("7" * 5000)
    batch = decode(b"[%b,%b]" % (request_with("1e-400", long), request_with(ROUNDED[0])), codec)

    assert [type(message) for message in batch] == [JsonRpcInvalidMessage, JsonRpcRequest]
    assert [message.id for message in batch] == [NumberLiteral("1e-400"), NumberLiteral(ROUNDED[0])]


OWN = {
    "Decimal": lambda text: json.loads(text, parse_float=Decimal),
    "all are floats": lambda text: json.loads(text, parse_int=float),
}


@pytest.mark.parametrize("loads", OWN.values(), ids=OWN)
@pytest.mark.parametrize("text", ["1.5", "1e-400", ROUNDED[0], "7", "-0.0"])
def test_custom_codec_may_read_other_number_types(loads, text):
    own = make_codec(SimpleNamespace(loads=loads, dumps=lambda value: json.dumps(value) if value else "0"))

    assert encode_result(own, decode(request_with(text), own).id, 1).endswith(b'"id":%b}' % text.encode())


def test_custom_codec_may_read_another_format():
    own = make_codec(SimpleNamespace(loads=lambda text: json.loads(text[1:]), dumps=json.dumps))

    assert decode(b"!" + request_with("1e-400"), own).id == 0.0


def test_decimal_is_an_id(codec):
    message = messages_of({"jsonrpc": "2.0", "method": "m", "id": Decimal("1.50")})

    assert encode_result(codec, message.id, 1) == b'{"jsonrpc":"2.0","result":1,"id":1.50}'


@pytest.mark.parametrize("number", [Decimal("NaN"), float("inf")])
def test_number_without_a_json_form_is_refused_as_an_id(codec, number):
    with pytest.raises(JsonRpcSerializationError) as refused:
        encode_result(codec, number, 1)
    assert str(refused.value.__cause__) == f"an id cannot be {number}: JSON has no such number"


def test_large_texts_are_read_in_pieces_again():
    codec = IncrementalCodec(make_codec("json"), limits=JsonLimits(), large_bytes=1000)
    large = f'"method":"m","params":{json.dumps([{"id": 1.5}] * 500)}'

    assert decode(request_with("1e-400", large), codec).id == NumberLiteral("1e-400")


def test_peer_answers_with_the_exact_id():
    peer = JsonRpcPeer()
    (request,) = peer.parse(request_with("1e-400"))

    assert peer.respond_with_result(request, None) == b'{"jsonrpc":"2.0","result":null,"id":1e-400}'


def test_number_literal_equals_only_the_same_characters():
    literal = NumberLiteral("1234567890123456789.5")

    assert float(literal) == 1234567890123456789.5
    assert literal == NumberLiteral("1234567890123456789.5")
    assert literal not in (NumberLiteral("1234567890123456789.6"), 1234567890123456789.5)
    assert float(literal) != literal
    assert {literal: 1}[NumberLiteral("1234567890123456789.5")] == 1
    assert repr(literal) == "1234567890123456789.5"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_number_literal_survives_copy_and_pickle(copied):
    assert copied(NumberLiteral("1e-400")).text == "1e-400"


def test_object_is_written_with_an_unchanged_id(codec):
    response = {"id": NumberLiteral("1e-400"), "result": [1, {"id": 2.5}]}

    assert encode_object(codec, response) == b'{"id":1e-400,"result":[1,{"id":2.5}]}'
    assert encode_object(codec, [response["result"]]) == b'[[1,{"id":2.5}]]'
