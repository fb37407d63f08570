import json
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer.sansio_jsonrpc import (
    ABSENT,
    JsonRpcError,
    JsonRpcSerializationError,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
    make_codec,
)

IDS = [(1, b"1"), (-(2**70), b"-1180591620717411303424"), (1.5, b"1.5"), ("a\xe9", '"a\xe9"'.encode()), (None, b"null")]


@pytest.mark.parametrize(("request_id", "text"), IDS)
def test_every_type_of_id_is_written(codec, request_id, text):
    assert encode_request(codec, request_id, "add") == b'{"jsonrpc":"2.0","method":"add","id":%b}' % text
    assert encode_result(codec, request_id, [1]) == b'{"jsonrpc":"2.0","result":[1],"id":%b}' % text
    assert encode_error(codec, request_id, JsonRpcError(5, "no")) == (
        b'{"jsonrpc":"2.0","error":{"code":5,"message":"no"},"id":%b}' % text
    )


@pytest.mark.parametrize("request_id", [True, b"a", [1], (1,), object()])
def test_another_type_of_id_is_refused(codec, request_id):
    message = f"an id must be a str, an int, a float or None, not {type(request_id).__name__}"
    for encode in (
        lambda: encode_request(codec, request_id, "add"),
        lambda: encode_result(codec, request_id, 1),
        lambda: encode_error(codec, request_id, JsonRpcError(5, "no")),
    ):
        with pytest.raises(TypeError, match=message):
            encode()


@pytest.mark.parametrize("request_id", [10**5000, float("nan"), "\ud800"], ids=["long", "nan", "surrogate"])
def test_id_without_a_json_form_is_refused(codec, request_id):
    with pytest.raises(JsonRpcSerializationError):
        encode_result(codec, request_id, 1)


@pytest.mark.parametrize(
    ("params", "member"),
    [
        (None, b""),
        ([], b',"params":[]'),
        ({}, b',"params":{}'),
        ([1, None], b',"params":[1,null]'),
        ((1,), b',"params":[1]'),
        ({"a": 1}, b',"params":{"a":1}'),
    ],
)
def test_params_are_written_if_passed(codec, params, member):
    assert encode_request(codec, 1, "add", params) == b'{"jsonrpc":"2.0","method":"add"%b,"id":1}' % member
    assert encode_notification(codec, "add", params) == b'{"jsonrpc":"2.0","method":"add"%b}' % member


@pytest.mark.parametrize("params", ["ab", 1, {1}, b"ab"])
def test_other_params_are_refused(codec, params):
    with pytest.raises(TypeError, match=f"params must be a dict, a list, a tuple or None, not {type(params).__name__}"):
        encode_request(codec, 1, "add", params)


def test_method_is_a_string(codec):
    with pytest.raises(TypeError, match="method must be a str, not int"):
        encode_notification(codec, 1)


def test_null_data_is_written_and_absent_data_is_not(codec):
    assert b'"data":null' in encode_error(codec, 1, JsonRpcError(5, "no", None))
    assert b"data" not in encode_error(codec, 1, JsonRpcError(5, "no"))


def test_notification_has_no_response(codec):
    assert encode_result(codec, ABSENT, object()) == b""
    assert encode_error(codec, ABSENT, JsonRpcError(5, "no")) == b""


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}])
def test_value_without_a_json_form_is_a_serialization_error(codec, value):
    for encode in (
        lambda: encode_request(codec, 1, "add", [value]),
        lambda: encode_result(codec, 1, value),
        lambda: encode_error(codec, 1, JsonRpcError(5, "no", value)),
    ):
        with pytest.raises(JsonRpcSerializationError):
            encode()


@pytest.mark.parametrize("result", [0, -7, 2**64 - 1, -(2**63), 2**80, True, None, "3", 3.0])
def test_result_is_written_by_the_codec(codec, result):
    assert encode_result(codec, 1, result) == b'{"jsonrpc":"2.0","result":%b,"id":1}' % codec.dumps(result)


def test_custom_implementation_writes_integers_its_own_way():
    implementation = SimpleNamespace(loads=json.loads, dumps=lambda value: f" {json.dumps(value)}")
    assert encode_result(make_codec(implementation), 1, 3) == b'{"jsonrpc":"2.0","result": 3,"id":1}'
