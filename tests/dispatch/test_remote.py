"""Calls that run in other processes: their checks, their counts and their outcomes."""

import json

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.remote import answer_of_outcome, outcome_of_answer
from flaskJSONRPCServer.sansio_jsonrpc import (
    JsonRpcApplicationError,
    JsonRpcException,
    JsonRpcInvalidParamsError,
    JsonRpcMethodNotFoundError,
)

REQUEST = {"headers": {"X-Asked": "yes"}, "cookies": {}, "environ": {}, "remote_addr": "127.0.0.1"}


def describe(value, _connection):
    _connection.headersOut["X-Value"] = str(value)
    _connection.cookiesOut.append({"name": "value", "value": str(value)})
    _connection.mimeType = "text/plain"
    _connection.allowCompress = True
    return value


def add(a, b=1):
    return a + b


def fail():
    raise JsonRpcApplicationError("no", code=5, data={"why": 1})


@pytest.fixture
def server():
    server = flaskJSONRPCServer(None, log=False)
    for function in (add, describe, fail):
        server.registerFunction(function, path="/api")
    return server


def outcome_of(server, method, params=None):
    """Make a call, and let its outcome travel as JSON."""
    data = {"method": method, "params": params, "id": 1}
    outcome = outcome_of_answer(server._callDispatcher("id", "/api/", data, REQUEST), "_connection")
    return answer_of_outcome(json.loads(json.dumps(outcome)), "_connection")


def test_result_travels(server):
    assert outcome_of(server, "add", [1, 2]) == (True, {}, 3)


def test_response_fields_travel(server):
    status, params, result = outcome_of(server, "describe", [7])

    assert (status, result) == (True, 7)
    assert params["_connection"] == {
        "headersOut": {"X-Value": "7"},
        "cookiesOut": [{"name": "value", "value": "7"}],
        "mimeType": "text/plain",
        "jsonp": False,
        "allowCompress": True,
    }


def test_error_travels_with_its_code_and_data(server):
    status, _, error = outcome_of(server, "fail")

    assert status is False
    assert isinstance(error, JsonRpcException)
    assert (error.code, error.message, error.data) == (5, "no", {"why": 1})


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [("nothing", None, JsonRpcMethodNotFoundError), ("add", [], JsonRpcInvalidParamsError)],
)
def test_wrong_call_never_leaves_the_process(server, method, params, error):
    with pytest.raises(error):
        server._backend_context.remote_calls.begin("/api/", {"method": method, "params": params})

    assert server.stats()["dispatcherCount"] == 0


def test_call_is_counted_as_running_until_its_end(server):
    call = server._backend_context.remote_calls.begin("/api/", {"method": "add", "params": [1]})
    running = server.stats()
    assert server._waitProcessingDispatchers(timeout=0) is False
    call.end(failed=True)
    ended = server.stats()

    assert (running["dispatcherCount"], running["processingDispatcherCount"]) == (1, 1)
    assert (ended["processingDispatcherCount"], ended["dispatcherErrorCount"]) == (0, 1)
    assert ended["dispatchers"]["/api/add"]["calls"] == 1
    assert server._waitProcessingDispatchers(timeout=0) is True


def test_remote_call_is_not_a_call_of_the_thread_that_sent_it(server):
    call = server._backend_context.remote_calls.begin("/api/", {"method": "add", "params": [1]})

    assert server._engine.stats.is_calling() is False
    call.end(failed=False)
