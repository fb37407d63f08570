"""Calls for a protocol that writes its answers itself: they take the steps of any call, and are counted as any call."""

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.call_control import CallControl, current_call
from flaskJSONRPCServer.telemetry.call_records import CallRecord, RecordedAnswerer, current_record
from tests.protocol_calls import Client


def add(a: int, b: int = 1) -> int:
    return a + b


def chosen():
    raise JsonRpcApplicationError("chosen", code=5, data={"why": 1})


def fail():
    raise ValueError("a secret")


def count(number, _connection):
    for done in range(number):
        _connection.progress(done)
    return current_call() is not None


@pytest.fixture(params=[None, "threaded"])
def server(request):
    server = flaskJSONRPCServer(None, log=False, name="results")
    for function in (add, chosen, fail, count):
        server.registerFunction(function, path="/api", dispatcherBackend=request.param or "simple")
    yield server
    server.stop()


@pytest.fixture
def client(server):
    return Client(server)


def errors_of(client):
    return client.server._engine.stats.totals().errors


def test_result_is_that_of_the_function(client):
    assert client.call(None, "add", 1, 2) == 3
    assert client.call(CallControl(), "add", 1) == 2
    assert client.server._engine.stats.totals().calls["/api/add"].started == 2
    assert errors_of(client) == {}


@pytest.mark.parametrize("control", [None, CallControl])
@pytest.mark.parametrize(
    ("method", "params", "code", "url"),
    [
        ("nothing", [], -32601, ""),
        ("rpc.discover", [], -32601, ""),
        ("add", ["x"], -32602, "/api/add"),
        ("chosen", [], 5, "/api/chosen"),
        ("fail", [], -32603, "/api/fail"),
    ],
)
def test_error_is_raised_and_counted_once(client, control, method, params, code, url):
    error = client.error(control and control(), method, *params)

    assert error.code == code
    assert errors_of(client) == {(url, code): 1}


def test_middleware_sees_the_call_and_its_progress_arrives(server):
    seen, reports = [], []

    def middleware(call, proceed):
        seen.append(call.url)
        return [proceed()]

    server.use(middleware)

    assert Client(server).call(CallControl(lambda *progress: reports.append(progress[0])), "count", 3) == [True]
    assert (seen, reports) == (["/api/count"], [0, 1, 2])


def test_overridden_call_dispatcher_makes_the_call(server):
    class Own(flaskJSONRPCServer):
        def _callDispatcher(self, *arguments, **options):
            status, params, result = super()._callDispatcher(*arguments, **options)
            return status, params, [result]

    own, reports = Own(None, log=False, name="own"), []
    own.registerFunction(count, path="/api")
    try:
        control = CallControl(lambda *progress: reports.append(progress[0]))
        assert Client(own).call(control, "count", 3) == [True]
        assert reports == [0, 1, 2]
    finally:
        own.stop()


def test_access_log_has_the_method_and_the_code(client):
    record = CallRecord()
    answerer = client.server._engine.pipeline().steps.answerer
    token = current_record.set(record)
    try:
        recorded = RecordedAnswerer(answerer)
        assert client.call(None, "add", 1, answerer=recorded) == 2
        assert client.error(None, "chosen", answerer=recorded).code == 5
    finally:
        current_record.reset(token)
    assert client.call(None, "add", 1, answerer=recorded) == 2

    assert (record.methods, record.count, record.codes) == (["add", "chosen"], 2, [5])
