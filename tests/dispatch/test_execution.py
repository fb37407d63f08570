"""Calls that arrive as plain values: what the documented `_callDispatcher` answers."""

import pytest

from flaskJSONRPCServer.dispatch.execution import CopiedExchange, Execution, ExecutionOptions
from flaskJSONRPCServer.dispatch.routes import Router
from flaskJSONRPCServer.http.jsonp import DEFAULT_FORMAT
from flaskJSONRPCServer.runtime.counters import ThreadCounters
from flaskJSONRPCServer.runtime.stats import Stats
from flaskJSONRPCServer.sansio_jsonrpc import (
    JsonRpcApplicationError,
    JsonRpcInternalError,
    JsonRpcInvalidParamsError,
    JsonRpcMethodNotFoundError,
)
from tests.dispatch.parts import MAGIC_NAME, make_facts, make_route

REQUEST = {
    "headers": {"X-Asked": "yes"},
    "cookies": {"a": "b"},
    "environ": {"PATH_INFO": "/api"},
    "remote_addr": "192.0.2.1",
}


def add(a, b=1):
    return a + b


def fail():
    raise JsonRpcApplicationError("failed", code=7)


def crash():
    raise ValueError("a secret")


def describe(_connection, *names):
    return {name: _connection[name] for name in names}


def replace(value, _connection):
    return _connection, value


class Caller:
    """Makes calls by an Execution, with the arguments that do not matter filled in."""

    def __init__(self):
        self.facts, self.stats = make_facts(), Stats()
        self.router = Router(lambda paths: None)
        self.router.add([make_route(function) for function in (add, fail, crash, describe, replace)])
        self.execution = Execution(
            self.facts,
            self.stats,
            self.router,
            ExecutionOptions(MAGIC_NAME, debug=False, allow_compress=True),
            should_propagate=lambda exc: isinstance(exc, MemoryError),
        )

    def __call__(self, method, params=None, *, path="/api/", notify=False, is_jsonp=False, **options):
        data = {"method": method, "params": params, "id": 1, "notify": notify}
        options = {"native_thread": None, "overload": None, **options}
        return self.execution.call("an id", path, data, REQUEST, is_jsonp=is_jsonp, **options)


@pytest.fixture
def caller():
    return Caller()


@pytest.mark.parametrize(("params", "by_name"), [([1, 2], {"a": 1, "b": 2}), ({"a": 1, "b": 2}, {"a": 1, "b": 2})])
def test_answer_has_the_params_by_name_and_the_result(caller, params, by_name):
    assert caller("add", params) == (True, by_name, 3)


@pytest.mark.parametrize(
    ("method", "params", "path", "error"),
    [
        ("nothing", [], "/api/", JsonRpcMethodNotFoundError),
        ("add", [1], "/other/", JsonRpcMethodNotFoundError),
        ("add", [], "/api/", JsonRpcInvalidParamsError),
        ("fail", None, "/api/", JsonRpcApplicationError),
        ("crash", None, "/api/", JsonRpcInternalError),
    ],
)
def test_failed_call_is_answered_with_its_exception(caller, method, params, path, error):
    status, by_name, exc = caller(method, params, path=path)

    assert (status, by_name) == (False, {})
    assert isinstance(exc, error)


def test_unexpected_exception_is_logged_under_the_id_of_the_request(caller, caplog):
    _, _, exc = caller("crash")

    assert exc.data == {"correlationId": "an id"}
    assert caplog.messages == ["dispatcher /api/crash raised [an id]"]
    assert "a secret" in caplog.text


def test_connection_shows_the_copy_of_the_request(caller):
    names = ["headers", "cookies", "ip", "uniqueId", "path", "notify", "allowCompress", "dispatcherName"]
    status, params, result = caller("describe", names, notify=True)

    assert status is True
    assert result == {
        "headers": {"X-Asked": "yes"},
        "cookies": {"a": "b"},
        "ip": "192.0.2.1",
        "uniqueId": "an id",
        "path": "/api/",
        "notify": True,
        "allowCompress": True,
        "dispatcherName": "describe",
    }
    assert params[MAGIC_NAME].uniqueId == "an id"


@pytest.mark.parametrize(
    ("is_jsonp", "output_format"), [(False, False), ("", False), (True, DEFAULT_FORMAT), ("%(data)s", "%(data)s")]
)
def test_connection_has_the_output_format(caller, is_jsonp, output_format):
    assert caller("describe", ["jsonp"], is_jsonp=is_jsonp)[2] == {"jsonp": output_format}


@pytest.mark.parametrize(("native_thread", "shown"), [(None, True), (True, True), (False, False)])
def test_native_thread_is_detected_or_as_the_backend_says(caller, native_thread, shown):
    assert caller("describe", ["nativeThread"], native_thread=native_thread)[2] == {"nativeThread": shown}


def test_overload_by_a_dict_sets_fields(caller):
    _, params, result = caller("describe", ["ip", "parallelId"], overload={"ip": "mine", "parallelId": 3})

    assert result == {"ip": "mine", "parallelId": 3}
    assert params[MAGIC_NAME].ip == "mine"


def test_overload_by_a_function_may_replace_the_connection(caller):
    mine = object()
    _, params, result = caller("replace", [1], overload=lambda connection: mine)

    assert result == (mine, 1)
    assert params == {"value": 1, MAGIC_NAME: mine}


def test_overload_by_a_function_may_change_the_connection_in_place(caller):
    def change(connection):
        connection.serverName = f"{connection.serverName}, changed"

    assert caller("describe", ["serverName"], overload=change)[2] == {"serverName": "parts, changed"}


def test_calls_are_counted(caller):
    for method, params in (("add", [1]), ("fail", None), ("add", [])):
        caller(method, params)

    report = caller.stats.report(in_ms=False)
    assert (report["dispatcherCount"], report["dispatcherErrorCount"]) == (2, 1)
    assert report["processingDispatcherCount"] == 0


def test_exception_that_is_to_propagate_is_raised(caller):
    def exhaust():
        raise MemoryError

    caller.router.add([make_route(exhaust)])

    with pytest.raises(MemoryError):
        caller("exhaust")


def test_copied_exchange_takes_an_empty_request():
    exchange = CopiedExchange("an id", {}, ThreadCounters(), allow_compress=False, is_jsonp=False)
    connection = exchange.make_connection(make_route(add), make_facts(), notify=False)

    assert (connection.headers, connection.cookies, connection.ip) == ({}, {}, None)
    assert exchange.connection_by_name("ctx") == {"ctx": connection}


def test_copied_exchange_without_a_connection_has_none_to_send_back():
    exchange = CopiedExchange("an id", {}, ThreadCounters(), allow_compress=False, is_jsonp=False)

    assert exchange.connection_by_name("ctx") == {}
