"""Custom exec backends: their contract, and what happens if they break it."""

import asyncio

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcError
from tests.helpers import call_wsgi, get, post, rpc


class Recorder:
    """A backend that returns a fixed answer and records its arguments."""

    _id = "recorder"

    def __init__(self, added=(True, None, "ticket"), answer=(True, {}, "answer")):
        self.calls = []
        self._added = added
        self._answer = answer

    def add(self, uniqueId, path, dataIn, request, isJSONP=False):
        self.calls.append((uniqueId, path, dataIn, request, isJSONP))
        return self._added

    def check(self, uniqueId, ticket):
        self.calls.append((uniqueId, ticket))
        return self._answer


def call_on(backend, request, **options):
    server = flaskJSONRPCServer(None, log=options.pop("log", False), dispatcherBackend=backend, notifBackend=backend)
    server.registerFunction(lambda value=1: value, path="/api", name="echo")
    answer = call_wsgi(server.getWSGI(), request)
    server.stop()
    return server, answer


def test_backend_is_given_the_call_and_its_ticket():
    backend = Recorder()
    _, answer = call_on(backend, post(rpc("echo", [5], "x"), headers={"X-Asked": "yes"}))

    assert answer.json()["result"] == "answer"
    (unique_id, path, data, request, jsonp), checked = backend.calls
    assert (path, data, jsonp) == ("/api/", {"method": "echo", "params": [5], "id": "x", "notify": False}, False)
    assert (request["headers"]["X-Asked"], request["uniqueId"]) == ("yes", unique_id)
    assert checked == (unique_id, "ticket")


def test_notification_is_not_checked():
    backend = Recorder()
    call_on(backend, post({"jsonrpc": "2.0", "method": "echo"}))

    assert [call[2] for call in backend.calls] == [{"method": "echo", "params": None, "id": None, "notify": True}]


def test_jsonp_format_is_passed_to_the_backend():
    backend = Recorder()
    _, answer = call_on(backend, get("/api/echo?jsonp=show"))

    assert backend.calls[0][4] == "%(callback)s(%(data)s);"
    assert answer.body == b'/**/show({"jsonrpc":"2.0","result":"answer","id":null});'


def test_fields_of_the_answer_may_come_as_a_dict():
    fields = {"headersOut": {"X-A": "b"}, "mimeType": "text/plain"}
    _, answer = call_on(Recorder(answer=(True, {"_connection": fields}, 1)), post(rpc("echo")))

    assert (answer.header("X-A"), answer.header("Content-Type")) == ("b", "text/plain")


@pytest.mark.parametrize(
    ("info", "error"),
    [
        ("not now", {"code": -32002, "message": "not now"}),
        (None, {"code": -32002, "message": "Server busy"}),
        (JsonRpcApplicationError("mine", code=7), {"code": 7, "message": "mine"}),
    ],
)
def test_refusal_is_the_error_of_the_client(info, error):
    _, answer = call_on(Recorder(added=(False, info, None)), post(rpc("echo")))

    assert answer.json()["error"] == error


def test_refused_notification_is_counted_as_lost():
    server, answer = call_on(Recorder(added=(False, "no", None)), post({"jsonrpc": "2.0", "method": "echo"}))

    assert answer.code == 204
    assert server.stats()["notificationLostCount"] == 1


def test_error_value_is_the_error_of_the_client():
    _, answer = call_on(Recorder(answer=(False, {}, JsonRpcError(9, "nine"))), post(rpc("echo")))

    assert answer.json()["error"] == {"code": 9, "message": "nine"}


@pytest.mark.parametrize("result", ["a secret", ValueError("a secret"), None])
def test_any_other_failure_is_an_internal_error_in_the_log(result, caplog):
    _, answer = call_on(Recorder(answer=(False, {}, result)), post(rpc("echo")), log=3)

    assert answer.json()["error"]["code"] == -32603
    assert b"secret" not in answer.body
    assert "the exec backend failed to run 'echo'" in caplog.text
    assert str(result) in caplog.text


@pytest.mark.parametrize("kind", [ZeroDivisionError, asyncio.CancelledError, SystemExit, StopIteration, GeneratorExit])
@pytest.mark.parametrize("broken", ["add", "check"])
def test_backend_that_raises_fails_its_call_only(broken, kind, caplog):
    def fail(*args):
        raise kind

    backend = Recorder()
    setattr(backend, broken, fail)
    server = flaskJSONRPCServer(None)
    server.registerFunction(lambda: 1, path="/api", name="broken", dispatcherBackend=backend)
    server.registerFunction(lambda: 2, path="/api", name="whole")
    answers = call_wsgi(server.getWSGI(), post([rpc("broken"), rpc("whole")])).json()
    server.stop()

    assert answers[0]["error"]["code"] == -32603
    assert answers[1]["result"] == 2
    assert f"the exec backend failed in {broken}()" in caplog.text


def test_backend_for_notifications_needs_no_check():
    seen = []
    backend = {"_id": "short", "add": lambda *args: (seen.append(args[2]["method"]), (True, None, None))[1]}
    server = flaskJSONRPCServer(None, log=False)
    assert server._registerExecBackend(backend, True) == "short"
    server.registerFunction(len, path="/api", notifBackend=backend)
    call_wsgi(server.getWSGI(), post({"jsonrpc": "2.0", "method": "len"}))

    assert seen == ["len"]
    with pytest.raises(SettingsError, match="without a function 'check' it runs notifications only"):
        server.registerFunction(len, path="/other", dispatcherBackend=backend)


@pytest.mark.parametrize("overload", [{"parallelId": 3}, lambda connection: setattr(connection, "parallelId", 3)])
def test_call_dispatcher_overloads_the_connection(overload):
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda a, _connection: (a, _connection.parallelId), path="/api", name="show")
    status, params, result = server._callDispatcher(
        "id", "/api/", {"method": "show", "params": [1], "id": 1}, {"headers": {"A": "b"}}, overload=overload
    )

    assert (status, result) == (True, (1, 3))
    assert (params["a"], params["_connection"].headers, params["_connection"].uniqueId) == (1, {"A": "b"}, "id")


def test_call_dispatcher_returns_the_error():
    server = flaskJSONRPCServer(None, log=False)
    status, params, result = server._callDispatcher("id", "/api/", {"method": "none"}, {})

    assert (status, params, result.code) == (False, {}, -32601)


@pytest.mark.parametrize("answer", [None, (True, {}), 5])
def test_answer_that_is_no_triple_costs_its_own_call_alone(answer, caplog):
    broken = {"_id": "broken", "add": lambda *call: (True, None, None), "check": lambda *call: answer}
    server = flaskJSONRPCServer(None, log=1)
    server.registerFunction(lambda: 1, path="/api", name="one")
    server.registerFunction(lambda: 2, path="/api", name="two", dispatcherBackend=broken)
    batch = [rpc("one", request_id=1), rpc("two", request_id=2)]
    answers = call_wsgi(server.getWSGI(), post(batch)).json()

    assert answers[0]["result"] == 1
    assert answers[1]["error"]["code"] == -32603
    assert "the exec backend failed in check() for 'two'" in caplog.text
