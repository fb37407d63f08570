"""The id of an answer is that of its call, with every JSON backend."""

import json

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcApplicationError
from tests.helpers import call_socket, post

ADDRESS = ["127.0.0.1", 0]
IDS = ["1234567890123456789.5", "1e-400", "1E-400", "12345678901234567890.0", "1.0", "-0.0", "18446744073709551617"]


class OwnJSON:
    def loads(self, text):
        return json.loads(text)

    def dumps(self, value, default):
        return json.dumps(value, default=default)


class Overridden(flaskJSONRPCServer):
    def _parseRequest(self, data):
        return super()._parseRequest(data)

    def _prepResponse(self, data, isError=False):
        return super()._prepResponse(data, isError)

    def _serializeJSON(self, data):
        return super()._serializeJSON(data)


class PreparedResponse(flaskJSONRPCServer):
    def _prepResponse(self, data, isError=False):
        return {**super()._prepResponse(data, isError), "signed": True}


def refuse():
    raise JsonRpcApplicationError("refused", code=7)


MAKERS = {
    **{
        name: (lambda name=name: flaskJSONRPCServer(ADDRESS, log=False, jsonBackend=name))
        for name in ("simplejson", "json", "orjson", "msgspec", "rapidjson")
    },
    "own": lambda: flaskJSONRPCServer(ADDRESS, log=False, jsonBackend=OwnJSON()),
    "experimental": lambda: flaskJSONRPCServer(ADDRESS, log=False, experimental=True, experimental_min_bytes=1),
    "threaded": lambda: flaskJSONRPCServer(ADDRESS, log=False, dispatcherBackend="threaded"),
    "overridden": lambda: Overridden(ADDRESS, log=False),
    "_prepResponse": lambda: PreparedResponse(ADDRESS, log=False),
}


@pytest.fixture(scope="module", params=MAKERS)
def address(request):
    server = MAKERS[request.param]()
    server.registerFunction(lambda value=1: value, path="/api", name="echo")
    server.registerFunction(refuse, path="/api")
    server.start()
    yield server.addresses[0]
    server.stop()


MEMBERS = {
    "result": '"method":"echo"',
    "large result": '"method":"echo","params":["{}"]'.format("x" * 2000),
    "application error": '"method":"refuse"',
    "unknown method": '"method":"nothing"',
    "wrong parameters": '"method":"echo","params":[1,2]',
    "invalid request": '"method":5',
}


def text_of_id(text):
    """Return the characters of the id in an answer, which every tested server writes as its last standard member."""
    return text.split('"id":')[1].strip().split(",")[0].strip("}] ")


@pytest.mark.parametrize("members", MEMBERS.values(), ids=MEMBERS)
def test_answer_has_exactly_the_id_of_its_call(address, members):
    for id_text in IDS:
        call = f'{{"jsonrpc":"2.0","id":{id_text},{members}}}'
        assert text_of_id(call_socket(address, post(call.encode())).body.decode()) == id_text


def test_each_answer_of_a_batch_has_its_own_id(address):
    calls = [f'{{"jsonrpc":"2.0","id":{id_text},{MEMBERS["result"]}}}' for id_text in IDS]
    answers = call_socket(address, post(f"[{','.join(calls)}]".encode())).body.decode()

    assert [text_of_id('"id":' + part) for part in answers.replace(" ", "").split('"id":')[1:]] == IDS
