"""Messages, and what requests say about themselves."""

import json

import pytest

from flaskJSONRPCServer.mcp.protocol.errors import InvalidRequest, MalformedRequest, ParseError, UnsupportedVersion
from flaskJSONRPCServer.mcp.protocol.messages import error_text, read_body
from flaskJSONRPCServer.mcp.protocol.requests import read_request
from flaskJSONRPCServer.mcp.protocol.revisions import (
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    CURRENT,
    LOG_LEVEL,
    PROTOCOL_VERSION,
)
from flaskJSONRPCServer.sansio_jsonrpc import ABSENT, JsonLimits, JsonRpcError, JsonRpcRequest, make_codec

CODEC = make_codec("json", default=None, limits=JsonLimits())
META = {PROTOCOL_VERSION: CURRENT, CLIENT_CAPABILITIES: {"sampling": {}}}


def text_of(**members):
    return json.dumps({"jsonrpc": "2.0", **members}).encode()


@pytest.mark.parametrize("request_id", [0, -1, 10**30, "", "a", ABSENT])
def test_request_is_read(request_id):
    known = {} if request_id is ABSENT else {"id": request_id}

    message = read_body(text_of(method="ping", params={"a": 1}, **known), CODEC)

    assert isinstance(message, JsonRpcRequest)
    assert (message.method, message.params, message.id) == ("ping", {"a": 1}, request_id)


@pytest.mark.parametrize(
    ("text", "error", "request_id"),
    [
        (b"{", ParseError, ABSENT),
        (b"\xff", ParseError, ABSENT),
        (b"[]", InvalidRequest, ABSENT),
        (b"1", InvalidRequest, None),
        (text_of(id=7), InvalidRequest, 7),
        (text_of(method="ping", id=None), InvalidRequest, ABSENT),
        (text_of(method="ping", id=1.5), InvalidRequest, ABSENT),
        (text_of(method="ping", id=1, params=[]), InvalidRequest, 1),
        (text_of(method="ping", params=[]), InvalidRequest, ABSENT),
        (b'{"method": "ping", "id": 3}', InvalidRequest, 3),
        (b'{"method": "ping", "id": 1.5}', InvalidRequest, None),
        (text_of(id="a"), InvalidRequest, "a"),
    ],
)
def test_other_bodies_are_refused(text, error, request_id):
    with pytest.raises(error) as refused:
        read_body(text, CODEC)
    assert refused.value.request_id == request_id
    assert refused.value.status == "400 Bad Request"


@pytest.mark.parametrize("request_id", [None, ABSENT])
def test_error_without_a_known_id_has_none(request_id):
    text = error_text(CODEC, request_id, JsonRpcError(-32700, "Parse error"))
    assert json.loads(text) == {"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}}


def test_error_has_the_id_and_the_data():
    text = error_text(CODEC, "a", UnsupportedVersion("1900-01-01").error)

    members = json.loads(text)
    assert members["id"] == "a"
    assert members["error"]["data"]["requested"] == "1900-01-01"
    assert members["error"]["data"]["supported"][0] == CURRENT


def request_with(meta):
    return read_request(JsonRpcRequest("tools/list", {"_meta": meta, "cursor": "x"}, 1))


def test_request_says_what_the_client_is():
    request = request_with(
        {**META, CLIENT_INFO: {"name": "c", "version": "1"}, "progressToken": "p", LOG_LEVEL: "info"}
    )

    assert (request.revision, request.progress_token, request.log_level) == (CURRENT, "p", "info")
    assert request.capabilities == {"sampling": {}}


@pytest.mark.parametrize(
    "meta",
    [
        None,
        [],
        {},
        {PROTOCOL_VERSION: CURRENT},
        {CLIENT_CAPABILITIES: {}},
        {**META, PROTOCOL_VERSION: 1},
        {**META, CLIENT_CAPABILITIES: []},
        {**META, CLIENT_INFO: "c"},
        {**META, "progressToken": True},
        {**META, "progressToken": 1.5},
        {**META, LOG_LEVEL: "loud"},
        {**META, LOG_LEVEL: 1},
    ],
)
def test_request_with_an_incomplete_meta_is_refused(meta):
    with pytest.raises(MalformedRequest) as refused:
        request_with(meta)
    assert (refused.value.code, refused.value.status) == (-32602, "400 Bad Request")


def test_request_without_parameters_is_refused():
    with pytest.raises(
        MalformedRequest, match=r"_meta is missing; .*/protocolVersion and .*/clientCapabilities; .* initialize$"
    ):
        read_request(JsonRpcRequest("tools/list", None, 1))
