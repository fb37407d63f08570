"""The forms of idempotency keys that are taken, and the sentences that refuse the others."""

import pytest

from flaskJSONRPCServer.dispatch.idempotency.keys import key_of_call, key_of_request
from flaskJSONRPCServer.http.refusals import BadRequest
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcInvalidRequestError, JsonRpcKeyedRequest

KEYS = {
    "8e03978e-40d5-43dd-bc93-6894a57f9324": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    '"8e03978e"': "8e03978e",
    "\t key \t": "key",
    '"a b"': "a b",
    r'"a\"b\\c"': 'a"b\\c',
    '"a,b"': "a,b",
    "!#$%&'*+-.^_`|~": "!#$%&'*+-.^_`|~",
    "a" * 255: "a" * 255,
    f'"{"a" * 255}"': "a" * 255,
}


@pytest.mark.parametrize("value", KEYS)
def test_key_of_request(value):
    assert key_of_request(value) == KEYS[value]


MALFORMED = ["", " ", '"', '""', '"a', 'a"', 'a"b', "a,b", '"a","b"', '"a", "b"', "a b", '"a\\b"', "\xe9", '"\xe9"']


@pytest.mark.parametrize("value", [*MALFORMED, "a\x00b", '"a\x00b"', '" a"', '"a "', '"a";x=1'])
def test_malformed_header_is_refused(value):
    with pytest.raises(BadRequest, match=r"^Idempotency-Key is malformed"):
        key_of_request(value)


@pytest.mark.parametrize("value", ["a" * 256, f'"{"a" * 256}"'])
def test_long_header_is_refused_with_its_length(value):
    with pytest.raises(BadRequest, match=r"^Idempotency-Key has 256 characters; at most 255 are taken$"):
        key_of_request(value)


def keyed(key):
    return JsonRpcKeyedRequest("add", None, 1, {"idempotencyKey": key})


@pytest.mark.parametrize("key", ["a", "a b", 'a"b', "a,b", "a" * 255])
def test_key_of_call(key):
    assert key_of_call(keyed(key)) == key


HOSTILE = ["", " a", "a ", "a\n", "\x00", "e\u0301", "\u00e9", "\ud800", "\u202e", "a\u200b", "\u0430"]


@pytest.mark.parametrize("key", HOSTILE)
def test_malformed_member_is_refused(key):
    with pytest.raises(JsonRpcInvalidRequestError, match="Invalid Request: idempotencyKey is malformed"):
        key_of_call(keyed(key))


@pytest.mark.parametrize("key", [None, True, 1, 1.5, [], {}, ["a"]])
def test_member_of_another_type_is_refused(key):
    with pytest.raises(JsonRpcInvalidRequestError, match="Invalid Request: idempotencyKey must be a string"):
        key_of_call(keyed(key))


def test_long_member_is_refused_with_its_length():
    with pytest.raises(JsonRpcInvalidRequestError, match="idempotencyKey has 256 characters; at most 255 are taken"):
        key_of_call(keyed("a" * 256))
