"""The last of duplicate members counts, with every JSON backend."""

import json

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call_wsgi, get, post

LONG = "7" * 5000


class OwnJSON:
    def loads(self, text):
        return json.loads(text)

    def dumps(self, value, default):
        return json.dumps(value, default=default, separators=(",", ":"))


OPTIONS = {
    **{name: {"jsonBackend": name} for name in ("simplejson", "json", "orjson", "msgspec", "rapidjson")},
    "own": {"jsonBackend": OwnJSON()},
    "experimental": {"experimental": True, "experimental_min_bytes": 1},
}


@pytest.fixture(scope="module", params=OPTIONS)
def application(request):
    server = flaskJSONRPCServer(None, log=False, **OPTIONS[request.param])
    server.registerFunction(lambda value=None, _connection=None: value, path="/api", name="echo", fallback=True)
    return server.getWSGI()


MEMBERS = {
    "every member": (
        '"jsonrpc":"1","jsonrpc":"2.0","method":"no","method":"echo","params":[1],"params":[2],"id":1,"id":2',
        '"result":2,"id":2',
    ),
    "escaped name": ('"jsonrpc":"2.0","method":"echo","id":1,"\\u0069d":2', '"result":null,"id":2'),
    "id that a float rounds, last": ('"jsonrpc":"2.0","method":"echo","id":1,"id":1e-400', '"result":null,"id":1e-400'),
    "id that a float rounds, first": ('"jsonrpc":"2.0","method":"echo","id":1e-400,"id":1', '"result":null,"id":1'),
    "too long id, first": (f'"jsonrpc":"2.0","method":"echo","id":{LONG},"id":1', '"result":null,"id":1'),
    "too long parameter, first": (
        f'"jsonrpc":"2.0","method":"echo","params":[{LONG}],"params":[3],"id":1',
        '"result":3,"id":1',
    ),
    "parameter": ('"jsonrpc":"2.0","method":"echo","params":{"value":1,"value":2},"id":1', '"result":2,"id":1'),
    "inside a parameter": (
        '"jsonrpc":"2.0","method":"echo","params":[[{"a":{"b":1},"c":0,"a":{"d":2}}]],"id":1',
        '"result":[{"a":{"d":2},"c":0}],"id":1',
    ),
}


@pytest.mark.parametrize(("members", "answer"), MEMBERS.values(), ids=MEMBERS)
@pytest.mark.parametrize("in_batch", [False, True], ids=["single", "batch"])
def test_last_duplicate_member_counts(application, members, answer, in_batch):
    text, expected = f"{{{members}}}", f'{{"jsonrpc":"2.0",{answer}}}'
    if in_batch:
        text, expected = f"[{text}]", f"[{expected}]"

    assert call_wsgi(application, post(text.encode())).body.decode() == expected


def test_other_duplicate_members_must_still_be_json(application):
    text = b'{"jsonrpc":"2.0","method":"echo","params":[1e400],"params":[1],"id":1}'

    assert call_wsgi(application, post(text)).json()["error"]["code"] == -32700


def test_last_duplicate_parameter_of_a_query_counts(application):
    assert call_wsgi(application, get("/api/echo?value=1&value=2")).json()["result"] == "2"
