from concurrent.futures import ThreadPoolExecutor

import pytest

from flaskJSONRPCServer.sansio_jsonrpc import (
    ABSENT,
    JsonLimits,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcInvalidMessage,
    JsonRpcInvalidParamsError,
    JsonRpcInvalidRequestError,
    JsonRpcParseError,
    JsonRpcPeer,
    JsonRpcRequest,
    JsonRpcResponse,
    make_codec,
)

ERROR = JsonRpcError(5, "no")


def test_ids_count_from_one():
    peer = JsonRpcPeer()
    assert peer.request("add", [1, 2]) == (1, b'{"jsonrpc":"2.0","method":"add","params":[1,2],"id":1}')
    assert peer.request("add", params={"a": 1}) == (2, b'{"jsonrpc":"2.0","method":"add","params":{"a":1},"id":2}')
    assert peer.request("add", args=(1,)) == (3, b'{"jsonrpc":"2.0","method":"add","params":[1],"id":3}')


def test_ids_differ_between_threads():
    peer = JsonRpcPeer()
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: peer.request("add")[0], range(1000)))
    assert sorted(ids) == list(range(1, 1001))


def test_notification_has_no_id():
    assert JsonRpcPeer().notify("add", args=[1]) == b'{"jsonrpc":"2.0","method":"add","params":[1]}'


@pytest.mark.parametrize("call", ["request", "notify"])
def test_params_and_args_exclude_each_other(call):
    with pytest.raises(TypeError, match="params and args are two names of one argument"):
        getattr(JsonRpcPeer(), call)("add", [], args=[])


def test_one_message_is_parsed_to_a_tuple_of_one():
    assert JsonRpcPeer().parse(b'{"jsonrpc":"2.0","method":"add"}') == (JsonRpcRequest("add"),)


def test_array_of_one_is_a_batch():
    messages = JsonRpcPeer().parse(b'[{"jsonrpc":"2.0","result":1,"id":1}]')
    assert type(messages) is JsonRpcBatch
    assert messages == (JsonRpcResponse(1, 1),)


@pytest.mark.parametrize(
    ("data", "cls", "request_id"),
    [
        (b'{"jsonrpc":"2.0","method":1,"id":"x"}', JsonRpcInvalidRequestError, "x"),
        (b'{"jsonrpc":"2.0","method":1}', JsonRpcInvalidRequestError, None),
        (b"[]", JsonRpcInvalidRequestError, None),
        (b"[1,2,3]", JsonRpcInvalidRequestError, None),
        (b"[", JsonRpcParseError, None),
        (b'{"jsonrpc":"2.0","method":"a","params":[1000],"id":7}', JsonRpcInvalidParamsError, 7),
        (b'{"jsonrpc":"2.0","method":"a","params":[1000]}', JsonRpcInvalidParamsError, ABSENT),
    ],
)
def test_one_bad_message_raises_with_its_id(data, cls, request_id):
    peer = JsonRpcPeer(limits=JsonLimits(max_integer_digits=3), max_batch_length=2)
    with pytest.raises(cls) as refused:
        peer.parse(data)
    assert type(refused.value) is cls
    assert refused.value.request_id == request_id


@pytest.mark.parametrize(
    ("request_or_none", "id_text"),
    [
        (JsonRpcRequest("add", None, "x"), b'"x"'),
        (JsonRpcRequest("add", None, None), b"null"),
        (JsonRpcInvalidMessage(7, ERROR), b"7"),
        (None, b"null"),
    ],
)
def test_error_has_the_id_of_its_request(request_or_none, id_text):
    response = JsonRpcPeer().respond_with_error(request=request_or_none, error=ERROR)
    assert response == b'{"jsonrpc":"2.0","error":{"code":5,"message":"no"},"id":%b}' % id_text


def test_result_may_be_null():
    request = JsonRpcRequest("add", None, 1)
    assert JsonRpcPeer().respond_with_result(request=request, result=None) == b'{"jsonrpc":"2.0","result":null,"id":1}'


def test_notification_is_not_answered():
    peer = JsonRpcPeer()
    assert peer.respond_with_result(JsonRpcRequest("add"), 1) == b""
    assert peer.respond_with_error(JsonRpcRequest("add"), ERROR) == b""
    assert peer.respond_with_error(JsonRpcInvalidMessage(ABSENT, ERROR), ERROR) == b""


def test_calls_are_joined_into_a_batch():
    assert JsonRpcPeer().batch([b"1", b"2"]) == b"[1,2]"


def test_empty_batch_is_refused():
    with pytest.raises(ValueError, match="a batch needs at least one request"):
        JsonRpcPeer().batch(iter(()))


@pytest.mark.parametrize(
    ("responses", "joined"), [([], b""), ([b"", b""], b""), ([b"1"], b"[1]"), ([b"", b"1", b"", b"2"], b"[1,2]")]
)
def test_responses_are_joined_where_there_are_any(responses, joined):
    assert JsonRpcPeer().respond_with_batch(responses) == joined


def test_codec_brings_its_own_limits():
    codec = make_codec(limits=JsonLimits(max_depth=1))
    assert JsonRpcPeer(codec).codec is codec
    with pytest.raises(TypeError, match="pass them to make_codec"):
        JsonRpcPeer(codec, limits=JsonLimits())
