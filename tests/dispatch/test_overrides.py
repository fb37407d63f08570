"""The steps of a pipeline: the server's own functions, or the methods with which a user overrides them."""

import gzip
import json

import pytest
import werkzeug.wrappers

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.overrides import (
    OVERRIDABLE,
    Overrides,
    error_from,
    messages_from,
    parsed_request,
    prepared_response,
    replacement,
)
from flaskJSONRPCServer.http.request import RequestCopy
from flaskJSONRPCServer.http.response import Response
from flaskJSONRPCServer.sansio_jsonrpc import (
    ABSENT,
    JsonRpcApplicationError,
    JsonRpcBatch,
    JsonRpcError,
    JsonRpcException,
    JsonRpcInvalidMessage,
    JsonRpcRequest,
    make_codec,
)
from flaskJSONRPCServer.settings import Settings
from tests.dispatch.parts import make_exchange
from tests.helpers import post, rpc

CODEC = make_codec("json")


def make(methods=None, **settings):
    """Return the overrides of a server whose class has these methods."""
    cls = type("Overriding", (flaskJSONRPCServer,), methods or {})
    return Overrides(cls(None, log=False), flaskJSONRPCServer, Settings(**settings), CODEC)


@pytest.mark.parametrize("name", sorted(OVERRIDABLE))
def test_method_counts_as_overridden_by_a_subclass_and_by_an_instance_only(name):
    def mine(self, *args):
        return "mine"

    plain, assigned = (flaskJSONRPCServer(None, log=False) for _ in range(2))
    subclassed = type("Overriding", (flaskJSONRPCServer,), {name: mine})(None, log=False)
    setattr(assigned, name, mine)

    assert replacement(plain, flaskJSONRPCServer, name) is None
    assert replacement(assigned, flaskJSONRPCServer, name) is mine
    assert replacement(subclassed, flaskJSONRPCServer, name)() == "mine"


def test_reader_parses_by_the_codec():
    assert make().reader()(b'{"jsonrpc":"2.0","method":"a","id":1}') == JsonRpcRequest("a", None, id=1)


def test_reader_bounds_the_length_of_a_batch():
    with pytest.raises(JsonRpcException) as refused:
        make(max_batch_length=1).reader()(json.dumps([rpc("a"), rpc("b")]).encode())
    assert refused.value.code == -32600


def test_reader_of_an_overridden_parse_request_keeps_ids_that_a_float_would_round():
    overrides = make({"_parseRequest": lambda self, data: (True, [json.loads(data)])})

    message = overrides.reader()(b'{"jsonrpc":"2.0","method":"a","id":0.10000000000000000001}')
    assert overrides.result_writer()(message.id, 1) == b'{"jsonrpc":"2.0","result":1,"id":0.10000000000000000001}'


def test_writers_without_overrides():
    overrides = make()

    assert overrides.result_writer()(1, [2]) == b'{"jsonrpc":"2.0","result":[2],"id":1}'
    assert overrides.error_writer()(None, JsonRpcError(5, "five", [])) == (
        b'{"jsonrpc":"2.0","error":{"code":5,"message":"five","data":[]},"id":null}'
    )
    assert overrides.codec is CODEC


@pytest.mark.parametrize(
    ("methods", "written"),
    [
        ({"_serializeJSON": lambda self, data: f"<{data['result']}>"}, b"<2>"),
        ({"_prepResponse": lambda self, data, isError=False: {**data, "isError": isError}}, None),
    ],
)
def test_writers_with_overrides(methods, written):
    overrides = make(methods)
    expected = b'{"id":1,"result":2,"isError":false}' if written is None else written

    assert overrides.result_writer()(1, 2) == expected
    assert overrides.result_writer()(ABSENT, 2) == b""


def test_error_writer_of_an_overridden_prep_response_gets_the_members():
    overrides = make({"_prepResponse": lambda self, data, isError=False: {**data, "isError": isError}})

    assert json.loads(overrides.error_writer()(1, JsonRpcError(5, "five"))) == {
        "id": 1,
        "code": 5,
        "message": "five",
        "isError": True,
    }


def test_unwritable_part_is_found_by_the_json_backend():
    overrides = make({"_serializeJSON": lambda self, data: "never asked"})

    assert str(overrides.find_unwritable({"result": [1, {"a": object()}]}, TypeError("no"))).startswith(
        'result[1]["a"]: '
    )


def test_compressor_uses_the_overridden_gzip():
    overrides = make({"_compressGZIP": lambda self, data: b"<" + data + b">"})
    response = overrides.compressor()(Response("200 OK", [("Content-Length", "4")], b"text"))

    assert response.body == b"<text>"
    assert dict(response.headers) == {"Content-Length": "6", "Content-Encoding": "gzip"}


def test_overridden_compressor_gets_a_werkzeug_response():
    def compress(self, response):
        assert isinstance(response, werkzeug.wrappers.Response)
        response.set_data(response.get_data()[::-1])
        return response

    assert make({"_compressResponse": compress}).compressor()(Response("200 OK", [], b"text")).body == b"txet"


def test_gunzip_is_bounded_by_the_settings_of_the_server():
    assert make().gunzip(gzip.compress(b"text")) == b"text"


def test_copy_of_a_request_is_the_servers_own_or_that_of_the_override():
    exchange = make_exchange(post(b"body"))

    own = make().copy_request(exchange)
    assert type(own) is RequestCopy
    assert own["data"] == b"body"
    mine = make({"_copyRequestContext": lambda self, request: {"read": request.get_data()}})
    assert mine.copy_request(make_exchange(post(b"body"))) == {"read": b"body"}


def test_request_ids_are_unique_and_made_by_sha1():
    own, mine = make(), make({"_sha1": lambda self, text, onError=None: text.hex()})
    ids = {own.new_request_id() for _ in range(100)}

    assert len(ids) == 100
    assert {len(unique_id) for unique_id in ids} == {40}
    assert len(mine.new_request_id()) == 32


@pytest.mark.parametrize(
    ("text", "requests"),
    [(b'{"a":1}', [{"a": 1}]), (b"[{},5]", [{}, 5]), ('{"a":1}', [{"a": 1}])],
)
def test_parsed_request_is_a_list_of_values(text, requests):
    assert parsed_request(CODEC.loads, text.encode() if isinstance(text, str) else text, max_batch_length=2) == (
        True,
        requests,
    )


@pytest.mark.parametrize(("text", "code"), [(b"{", -32700), (b"[]", -32600), (b"[1,2,3]", -32600)])
def test_parsed_request_that_is_invalid_is_an_error(text, code):
    status, error = parsed_request(CODEC.loads, text, max_batch_length=2)

    assert (status, type(error), error.code) == (False, JsonRpcError, code)


CALL = JsonRpcRequest("a", None, id=1)


@pytest.mark.parametrize(
    ("requests", "text", "messages"),
    [
        ([rpc("a")], b"{}", CALL),
        ([rpc("a")], b" [{}]", JsonRpcBatch([CALL])),
        ([rpc("a"), rpc("a")], b"{}", JsonRpcBatch([CALL, CALL])),
    ],
)
def test_messages_are_a_batch_if_the_text_is_an_array_or_not_exactly_one(requests, text, messages):
    result = messages_from((True, requests), text, None)

    assert type(result) is type(messages)
    assert result == messages


def test_invalid_request_is_an_invalid_message():
    assert isinstance(messages_from((True, [5]), b"5", None), JsonRpcInvalidMessage)


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        (JsonRpcError(5, "five"), JsonRpcError(5, "five")),
        (JsonRpcApplicationError("six", code=6), JsonRpcError(6, "six")),
        ("no trust", JsonRpcError(-32600, "Invalid Request: no trust")),
    ],
)
def test_error_of_a_refused_request(reason, error):
    assert error_from(reason) == error
    with pytest.raises(JsonRpcException) as refused:
        messages_from((False, reason), b"{}", None)
    assert refused.value.get_error() == error


@pytest.mark.parametrize(
    ("value", "is_error", "prepared"),
    [
        ({"id": 1, "result": 2}, False, {"jsonrpc": "2.0", "result": 2, "id": 1}),
        ({"id": "a", "result": None}, False, {"jsonrpc": "2.0", "result": None, "id": "a"}),
        ({"code": 5, "message": "m"}, True, {"jsonrpc": "2.0", "error": {"code": 5, "message": "m"}, "id": None}),
    ],
)
def test_documented_prep_response(value, is_error, prepared):
    assert flaskJSONRPCServer(None)._prepResponse(value, is_error) == prepared
    assert prepared_response(value, is_error=is_error) == prepared


def test_documented_parse_request():
    server = flaskJSONRPCServer(None)
    call = rpc("echo", [1])

    assert server._parseRequest(json.dumps(call)) == (True, [call])
    assert server._parseRequest(json.dumps([call, 5]).encode()) == (True, [call, 5])
    status, error = server._parseRequest("{")
    assert (status, error.code) == (False, -32700)
    status, error = server._parseRequest("[]")
    assert (status, error.code) == (False, -32600)
