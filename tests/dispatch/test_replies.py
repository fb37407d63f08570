"""Values without a JSON form: the client gets an error, the log one traceback and the place in the value."""

import dataclasses
import json
import math

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcApplicationError
from tests.helpers import call_socket, post, rpc

ADDRESS = ["127.0.0.1", 0]
SECRET = "a secret"


class Unknown:
    def __repr__(self):
        return SECRET


@dataclasses.dataclass
class Row:
    when: object = None


def circle():
    value = {"rows": []}
    value["rows"].append(value)
    return value


VALUES = {
    "attribute": {"secret": SECRET, "rows": [1, 2, 3, Row(Unknown())]},
    "NaN": {"secret": SECRET, "rows": [math.nan]},
    "circle": circle(),
    "key": {"rows": {(1, 2): SECRET}},
    "surrogate": {"rows": ["\ud800"]},
}
PLACES = {
    "attribute": '{}["rows"][3].when: an Unknown has no JSON form; convert it, or override _fixJSON [',
    "NaN": '{}["rows"][0]: ',
    "circle": '{0}["rows"][0]: circular reference to {0} [',
    "key": '{}["rows"]: the key (1, 2) cannot be written (',
    "surrogate": '{}["rows"][0]: ',
}


def give(name):
    return VALUES[name]


def fail(name):
    raise JsonRpcApplicationError("failed", code=7, data=VALUES[name])


class OwnJSON:
    def loads(self, text):
        return json.loads(text)

    def dumps(self, value, default):
        return json.dumps(value, default=default)


def make(**options):
    server = flaskJSONRPCServer(ADDRESS, **options)
    for function in (give, fail):
        server.registerFunction(function, path="/api")
    return server


MAKERS = {
    **{name: {"jsonBackend": name} for name in ("simplejson", "json", "orjson", "msgspec", "rapidjson")},
    "own": {"jsonBackend": OwnJSON()},
    "experimental": {"experimental": True, "experimental_min_bytes": 1},
    "threaded": {"dispatcherBackend": "threaded"},
    "parallel": {"dispatcherBackend": "parallel"},
}


@pytest.fixture(scope="module", params=MAKERS)
def address(request):
    server = make(**MAKERS[request.param])
    server.start()
    yield server.addresses[0]
    server.stop()


def check_logged_once(caplog, correlation_id, begin):
    (record,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert record.getMessage().startswith(begin)
    assert record.getMessage().endswith(f" [{correlation_id}]")
    caplog.handler.format(record)  # which writes the traceback
    assert record.exc_text.count("Traceback (most recent call last):") == 1


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(("method", "begin"), [("give", "the result of 'give'"), ("fail", "the error of 'fail'")])
def test_log_has_one_traceback_and_the_place(address, caplog, name, method, begin):
    answer = call_socket(address, post(rpc(method, [name], 5)))

    response = answer.json()
    error = response["error"]
    assert (response["id"], error["code"], error["message"]) == (5, -32603, "Internal error")
    assert list(error["data"]) == ["correlationId"]
    assert SECRET.encode() not in answer.body
    place = PLACES[name].format("result" if method == "give" else "data")
    check_logged_once(caplog, error["data"]["correlationId"], f"{begin} cannot be sent as JSON: {place}")


def test_neighbours_in_a_batch_are_answered(address):
    calls = [rpc("give", ["nothing"], 1), rpc("give", ["NaN"], 2), rpc("unknown", None, 3)]

    assert [(reply["id"], reply["error"]["code"]) for reply in call_socket(address, post(calls)).json()] == [
        (1, -32603),
        (2, -32603),
        (3, -32601),
    ]


@pytest.fixture
def serve():
    """Start a server; yields a function that sends a request to it."""
    servers = []

    def start(server):
        servers.append(server)
        server.start()
        return lambda payload: call_socket(server.addresses[0], post(payload)).json()

    yield start
    for server in servers:
        server.stop()


def test_message_of_an_error_may_be_unwritable(serve, caplog):
    def refuse(*data):
        raise JsonRpcApplicationError("\ud800", code=7, data=data or None)

    server = make()
    server.registerFunction(refuse, path="/api")
    send = serve(server)

    assert [send(rpc("refuse", data))["error"]["code"] for data in ([], [1])] == [-32603, -32603]
    assert caplog.text.count("the error of 'refuse' cannot be sent as JSON: message: ") == 2


def test_debug_shows_the_client_the_same_traceback(serve):
    error = serve(make(log=False, debug=True))(rpc("give", ["attribute"]))["error"]

    assert error["data"]["traceback"].count("Traceback") == 1
    assert "an Unknown has no JSON form" in error["data"]["traceback"]


RAISED = [LookupError, GeneratorExit, SystemExit, KeyboardInterrupt, BaseException]


@pytest.mark.parametrize("raised", RAISED, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("method", ["give", "fail"])
@pytest.mark.parametrize("backend", ["simplejson", "orjson", "msgspec", "rapidjson"])
def test_fix_json_may_raise_anything(serve, caplog, backend, method, raised):
    class Failing(flaskJSONRPCServer):
        def _fixJSON(self, o):
            raise raised(SECRET)

    server = Failing(ADDRESS, jsonBackend=backend)
    for function in (give, fail):
        server.registerFunction(function, path="/api")
    send = serve(server)

    error = send(rpc(method, ["attribute"]))["error"]
    assert error["code"] == -32603
    check_logged_once(caplog, error["data"]["correlationId"], "the ")
    assert send(rpc("unknown"))["error"]["code"] == -32601


class FailingJSON(OwnJSON):
    def __init__(self, raised, names):
        for name in names:
            setattr(self, name, self._raise)
        self._raised = raised

    def _raise(self, value, default=None):
        raise self._raised(SECRET)


@pytest.mark.parametrize("raised", RAISED, ids=lambda kind: kind.__name__)
def test_own_dumps_that_always_raises(serve, caplog, raised):
    server = make(jsonBackend=FailingJSON(raised, ["dumps"]))
    server.registerFunction(lambda: [42], path="/api", name="answer")
    send = serve(server)

    error = send(rpc("answer"))["error"]
    assert (error["code"], list(error["data"])) == (-32603, ["correlationId"])
    check_logged_once(caplog, error["data"]["correlationId"], "the result of 'answer' cannot be sent as JSON: result: ")
    assert send(rpc("unknown", None, "a"))["error"]["code"] == -32601
    assert send(b"{")["error"]["code"] == -32700
    assert [reply["id"] for reply in send([rpc("answer", None, 1.5), 5])] == [1.5, None]


@pytest.mark.parametrize("raised", RAISED[1:], ids=lambda kind: kind.__name__)
def test_own_loads_that_raises_a_base_exception(serve, caplog, raised):
    error = serve(make(jsonBackend=FailingJSON(raised, ["loads"])))(rpc("give", ["NaN"]))["error"]

    assert error["code"] == -32603
    check_logged_once(caplog, error["data"]["correlationId"], "the request cannot be read ")


def test_own_loads_that_raises_an_exception_refuses_the_text(serve):
    send = serve(make(log=False, jsonBackend=FailingJSON(LookupError, ["loads"])))

    assert send(rpc("give", ["NaN"]))["error"] == {"code": -32700, "message": "Parse error"}


@pytest.mark.parametrize("name", ["_prepResponse", "_serializeJSON", "_parseRequest", "_parseJSON"])
@pytest.mark.parametrize("raised", RAISED[1:], ids=lambda kind: kind.__name__)
def test_overridden_methods_may_raise_anything(serve, name, raised):
    def fail(self, *args):
        raise raised(SECRET)

    server = type("Failing", (flaskJSONRPCServer,), {name: fail})(ADDRESS, log=False)
    server.registerFunction(lambda: 1, path="/api", name="one")

    assert serve(server)(rpc("one"))["error"]["code"] == -32603
