"""Exec backends of the user's own: their contract, and what happens where they break it."""

import asyncio

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcError
from tests.execBackend.backends import OwnBackend
from tests.helpers import call_wsgi, get, post, rpc


class Recorder:
    """Answers by itself, and keeps what it was given."""

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


def ask(backend, request, **options):
    server = flaskJSONRPCServer(None, log=options.pop("log", False), dispatcherBackend=backend, notifBackend=backend)
    server.registerFunction(lambda value=1: value, path="/api", name="echo")
    answer = call_wsgi(server.getWSGI(), request)
    server.stop()
    return server, answer


def test_backend_is_given_the_call_and_its_ticket():
    backend = Recorder()
    _, answer = ask(backend, post(rpc("echo", [5], "x"), headers={"X-Asked": "yes"}))

    assert answer.json()["result"] == "answer"
    (unique_id, path, data, request, jsonp), checked = backend.calls
    assert (path, data, jsonp) == ("/api/", {"method": "echo", "params": [5], "id": "x", "notify": False}, False)
    assert (request["headers"]["X-Asked"], request["uniqueId"]) == ("yes", unique_id)
    assert checked == (unique_id, "ticket")


def test_notification_is_not_checked():
    backend = Recorder()
    ask(backend, post({"jsonrpc": "2.0", "method": "echo"}))

    assert [call[2] for call in backend.calls] == [{"method": "echo", "params": None, "id": None, "notify": True}]


def test_jsonp_format_is_told():
    backend = Recorder()
    _, answer = ask(backend, get("/api/echo?jsonp=show"))

    assert backend.calls[0][4] == "%(callback)s(%(data)s);"
    assert answer.body == b'/**/show({"jsonrpc":"2.0","result":"answer","id":null});'


def test_fields_of_the_answer_may_come_as_a_dict():
    said = {"headersOut": {"X-A": "b"}, "mimeType": "text/plain"}
    _, answer = ask(Recorder(answer=(True, {"_connection": said}, 1)), post(rpc("echo")))

    assert (answer.header("X-A"), answer.header("Content-Type")) == ("b", "text/plain")


@pytest.mark.parametrize(
    ("info", "error"),
    [
        ("not now", {"code": -32002, "message": "not now"}),
        (None, {"code": -32002, "message": "Server busy"}),
        (JsonRpcApplicationError("mine", code=7), {"code": 7, "message": "mine"}),
    ],
)
def test_refusal_is_told_to_the_client(info, error):
    _, answer = ask(Recorder(added=(False, info, None)), post(rpc("echo")))

    assert answer.json()["error"] == error


def test_refused_notification_is_counted_as_lost():
    server, answer = ask(Recorder(added=(False, "no", None)), post({"jsonrpc": "2.0", "method": "echo"}))

    assert answer.code == 204
    assert server.stats()["notificationLostCount"] == 1


def test_error_value_is_told_to_the_client():
    _, answer = ask(Recorder(answer=(False, {}, JsonRpcError(9, "nine"))), post(rpc("echo")))

    assert answer.json()["error"] == {"code": 9, "message": "nine"}


@pytest.mark.parametrize("result", ["a secret", ValueError("a secret"), None])
def test_any_other_failure_is_an_internal_error_in_the_log(result, caplog):
    _, answer = ask(Recorder(answer=(False, {}, result)), post(rpc("echo")), log=3)

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


def test_one_object_for_several_dispatchers_is_started_once():
    backend = OwnBackend()
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, dispatcherBackend=backend, notifBackend=backend)
    for path in ("/a", "/b"):
        server.registerFunction(len, path=path, dispatcherBackend=backend, notifBackend=backend)
    for _ in range(2):
        server.start()
        server.stop()

    assert backend.events == ["start", "stop"] * 2


def test_backend_starts_with_the_first_call_where_the_server_is_only_mounted():
    backend = OwnBackend()
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda: 1, path="/api", name="one", dispatcherBackend=backend)
    application = server.getWSGI()
    assert backend.events == []
    for _ in range(2):
        call_wsgi(application, post(rpc("one")))
    assert backend.events == ["start"]
    server.stop()
    assert backend.events == ["start", "stop"]
    assert call_wsgi(application, post(rpc("one"))).json()["result"] == 1
    server.stop()


def test_failed_start_of_a_backend_is_a_failed_start_of_the_server():
    working = OwnBackend()
    broken = {**dict.fromkeys(("add", "check"), len), "_id": "broken", "start": lambda server: 1 / 0}
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, dispatcherBackend=working, notifBackend=broken)
    with pytest.raises(ZeroDivisionError):
        server.start()

    assert working.events == ["start", "stop"]
    assert server.addresses == []


def test_statistics_are_merged_without_replacing_those_of_the_server():
    class Talkative(OwnBackend):
        def stats(self, inMS):
            return {**super().stats(inMS), "requestCount": "mine"}

    server = flaskJSONRPCServer(None, log=False, dispatcherBackend=Talkative())
    server.registerFunction(lambda: 1, path="/api", name="one")
    server._speedStatsAdd("theirs", 5)
    call_wsgi(server.getWSGI(), post(rpc("one")))
    stats = server.stats(inMS=True)
    server.stop()

    assert stats["own_threads"] == 1
    assert stats["requestCount"] == 1
    assert stats["speedStats"] == {"theirs_max": 5, "theirs_average": 5, "own_max": 1}


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


def test_two_backends_with_one_id_are_refused():
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend=OwnBackend())
    with pytest.raises(SettingsError, match="another exec backend has the _id 'own' already"):
        server.registerFunction(len, path="/api", dispatcherBackend=OwnBackend())


@pytest.mark.parametrize("overload", [{"parallelId": 3}, lambda connection: setattr(connection, "parallelId", 3)])
def test_call_dispatcher_overloads_the_connection(overload):
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda a, _connection: (a, _connection.parallelId), path="/api", name="told")
    status, params, result = server._callDispatcher(
        "id", "/api/", {"method": "told", "params": [1], "id": 1}, {"headers": {"A": "b"}}, overload=overload
    )

    assert (status, result) == (True, (1, 3))
    assert (params["a"], params["_connection"].headers, params["_connection"].uniqueId) == (1, {"A": "b"}, "id")


def test_call_dispatcher_tells_what_went_wrong():
    server = flaskJSONRPCServer(None, log=False)
    status, params, result = server._callDispatcher("id", "/api/", {"method": "none"}, {})

    assert (status, params, result.code) == (False, {}, -32601)
