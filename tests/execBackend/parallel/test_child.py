"""The server in a child: the calls that it makes, their connection, locks and log."""

import functools
import logging
import pickle
import re
import sys
import threading
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, ServerStateError, flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.connection import ABOUT
from flaskJSONRPCServer.dispatch.remote import answer_of_outcome
from flaskJSONRPCServer.execBackend import ParallelBackend
from flaskJSONRPCServer.execBackend.parallel.child import ChildServer, ParentMain
from flaskJSONRPCServer.execBackend.parallel.messages import make_setup
from tests.execBackend.parallel import dispatchers
from tests.execBackend.parallel.child_calls import call_message_for, run_call
from tests.execBackend.parallel.pools import counts, error_of, running
from tests.helpers import call, result_of


class Unloadable:
    def __reduce__(self):
        return int, ("no number",)


class UnloadableError(Exception):
    def __init__(self, first, second):
        super().__init__(first)


class ExitsWhenLoaded:
    def __reduce__(self):
        return sys.exit, (3,)


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("Unloadable()", "the value of eval('Unloadable()') cannot be loaded in a child process (ValueError: "),
        (
            "ExitsWhenLoaded()",
            "the value of eval('ExitsWhenLoaded()') cannot be loaded in a child process (SystemExit: ",
        ),
        ("fail(1, 2)", "the exception of eval('fail(1, 2)') cannot be loaded in a child process (TypeError: "),
    ],
)
def test_object_of_the_parent_that_cannot_be_loaded_is_named(server, channel, expression, error):
    def fail_with_two(*args):
        raise UnloadableError(*args)

    scope = {"Unloadable": Unloadable, "ExitsWhenLoaded": ExitsWhenLoaded, "fail": fail_with_two}
    server._parentModule = SimpleNamespace(**scope)
    main = ParentMain(channel.client)

    with pytest.raises(ServerStateError, match=re.escape(error)):
        main.evaluate(expression)
    assert main.evaluate("1 + 1") == 2


class TooMuchError(JsonRpcApplicationError):
    ERROR_CODE = 4799
    ERROR_MESSAGE = "Too much"


def add(a, b=1):
    return a + b


def other():
    return None


def fail(secret="a secret"):
    raise ValueError(secret)


def leave():
    raise SystemExit("a secret")


def refuse():
    raise TooMuchError(data={"limit": 1})


SEEN = []


def see(_connection):
    SEEN.append(_connection)
    return {name: str(_connection[name]) for name in _connection}


def say(_connection):
    _connection.headersOut["X-Said"] = "yes"
    _connection["cookiesOut"].append({"name": "said", "value": "yes"})
    _connection.mimeType = "text/plain"
    _connection.allowCompress = True
    _connection.jsonp = "%(callback)s(%(data)s)"


def lock_this(_connection):
    _connection.call.lockThis()
    return _connection.call.waitThis(returnStatus=True), _connection.call.wait(returnStatus=True)


def unlock_this(_connection):
    _connection.call.unlockThis(exclusive=True)


def log(_connection):
    _connection.call.log(2, "said", "by a dispatcher")
    _connection.server._logger("\ud800 critical")
    _connection.server.log.write(1, "by the log")


class Api:
    def ping(self):
        return "pong"

    def lock_other(self, _connection):
        _connection.server.lock(self.ping)

    def lock_own(self, _connection):
        _connection.server.lock(self.lock_own)


@pytest.fixture
def server():
    server = flaskJSONRPCServer(["127.0.0.1", 0], name="inside", log=2, max_batch_length=7)
    for function in (add, fail, leave, refuse, see, say, lock_this, unlock_this, log):
        server.registerFunction(function, path="/api")
    server.registerInstance(Api(), path="/object")
    return server


# Calls


@pytest.mark.parametrize(("params", "result"), [([1, 2], 3), ({"a": 5}, 6)])
def test_result_is_returned(server, child_server, params, result):
    assert run_call(server, child_server, "add", params) == {"result": result}


def test_call_that_asks_nothing_sends_nothing(server, methods, child_server):
    methods.brief.clear()
    methods.waiting.clear()

    assert run_call(server, child_server, "add", [1, 2]) == {"result": 3}
    assert "response" in run_call(server, child_server, "see"), "a call with a connection sends nothing either"


def test_function_that_has_been_replaced_is_called_with_its_own_signature(server, child_server):
    assert run_call(server, child_server, "add", [1])["result"] == 2

    call_message = call_message_for(server, "add", {"x": 1})
    assert child_server.call(call_message, lambda x: -x) == {"result": -1}


def test_application_error_travels_with_code_message_and_data(server, child_server):
    outcome = run_call(server, child_server, "refuse")

    assert outcome == {"error": {"code": 4799, "message": "Too much", "data": {"limit": 1}}}
    status, _, error = answer_of_outcome(outcome, "_connection")
    assert (status, type(error)) == (False, TooMuchError)


@pytest.mark.parametrize(("method", "kind"), [("fail", ValueError), ("leave", SystemExit)])
def test_unexpected_exception_is_in_the_log_of_the_parent_under_its_id(server, child_server, caplog, method, kind):
    outcome = run_call(server, child_server, method)

    assert outcome["error"] == {"code": -32603, "message": "Internal error", "data": {"correlationId": "the id"}}
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("flaskJSONRPCServer.inside", logging.ERROR)
    assert record.getMessage() == f"dispatcher /api/{method} raised [the id]"
    assert f"{kind.__name__}: a secret" in str(record.exc_info[1])


def test_client_sees_the_traceback_with_debug(channel, server):
    server.settings.debug = True
    child_server = ChildServer(make_setup(server._backend_context, number=0, pool_size=1), channel.client)

    assert "ValueError: a secret" in run_call(server, child_server, "fail")["error"]["data"]["traceback"]


class Unpicklable:
    def __reduce__(self):
        raise KeyError("no way")


class Holder:
    def __init__(self, held):
        self.held = held


@pytest.mark.parametrize(
    ("result", "place"),
    [
        (threading.Lock(), "result: cannot pickle"),
        (Unpicklable(), "result: 'no way'"),
        ([{"deep": (i for i in [1])}], 'result[0]["deep"]: cannot pickle'),
        ({"a": [1, Holder(threading.Lock())]}, 'result["a"][1].held: cannot pickle'),
    ],
    ids=["lock", "own exception", "generator", "attribute"],
)
def test_result_that_cannot_travel_is_an_unexpected_exception(server, child_server, caplog, result, place):
    call_message = call_message_for(server, "add", [1])
    outcome = pickle.loads(child_server.pack(call_message, child_server.call(call_message, lambda a: result))[0])

    assert outcome["error"] == {"code": -32603, "message": "Internal error", "data": {"correlationId": "the id"}}
    assert f"result of 'add' cannot be sent to the server's process: {place}" in caplog.text
    assert caplog.text.count("Traceback (most recent call last)") == 1


def test_result_of_a_local_class_travels(server, child_server):
    class Local:
        value = 5

    call_message = call_message_for(server, "add", [1])
    outcome = pickle.loads(child_server.pack(call_message, child_server.call(call_message, lambda a: Local()))[0])

    assert outcome["result"].value == 5


def test_result_that_exits_when_it_is_loaded_is_an_unexpected_exception(shared):
    server, application = shared
    server.registerFunction(dispatchers.end_reader, path="/read")
    assert call(application, "end_reader", target="/read")["error"]["code"] == -32603
    assert result_of(application, "add", [1]) == 2


def test_result_that_cannot_be_pickled_counts_as_failed():
    with running(ParallelBackend(poolSize=1)) as (server, application):
        server.registerFunction(lambda: threading.Lock(), path="/api", name="locked")  # noqa: PLW0108  under gevent, Lock is a class
        assert error_of(application, "locked")["code"] == -32603
        assert (counts(server)["done"], counts(server)["failed"]) == (0, 1)


# The magic variable


def test_connection_has_all_documented_fields(server, child_server):
    documented = set(re.findall(r"^    ([a-zA-Z]+)  +\S", ABOUT, re.MULTILINE))
    fields = run_call(server, child_server, "see")["result"]

    assert "headersOut" in documented
    assert documented | {"parallelType", "parallelPoolSize", "parallelId"} == set(fields)


def test_connection_has_the_fields_of_the_request_and_the_pool(server, child_server):
    run_call(server, child_server, "see", notify=True)
    connection = SEEN.pop()

    assert (connection.headers, connection.cookies, connection.ip) == ({"X-Asked": "yes"}, {"c": "1"}, "192.0.2.1")
    assert (connection.uniqueId, connection.path, connection.dispatcherName) == ("the id", "/api/", "see")
    assert (connection.dispatcher, connection.notify, connection.nativeThread) == (see, True, True)
    assert (connection.server, connection.serverName) == (child_server.facade, "inside")
    assert connection.servedBy == (False, "127.0.0.1", 8080)
    assert (connection.parallelType, connection.parallelPoolSize, connection.parallelId) == ("parallel", 4, 3)
    assert connection["call"] is connection.call


def test_options_of_the_answer_travel(server, child_server):
    outcome = run_call(server, child_server, "say", is_jsonp=True)

    assert outcome["response"] == {
        "headersOut": {"X-Said": "yes"},
        "cookiesOut": [{"name": "said", "value": "yes"}],
        "mimeType": "text/plain",
        "jsonp": "%(callback)s(%(data)s)",
        "allowCompress": True,
    }


@pytest.mark.parametrize(("is_jsonp", "seen"), [(False, False), ("%(callback)s=%(data)s", "%(callback)s=%(data)s")])
def test_connection_shows_whether_the_answer_is_jsonp(server, child_server, is_jsonp, seen):
    run_call(server, child_server, "see", is_jsonp=is_jsonp)

    assert SEEN.pop().jsonp == seen


def test_magic_variable_may_have_another_name(channel):
    server = flaskJSONRPCServer(None, magicVarForDispatcher="call", allowCompress=True, log=False)
    server.registerFunction(lambda call: call.allowCompress, path="/api", name="ask")
    child_server = ChildServer(make_setup(server._backend_context, number=0, pool_size=1), channel.client)

    assert run_call(server, child_server, "ask")["result"] is True


# Locks


def test_dispatcher_locks_and_unlocks_itself(server, child_server):
    assert run_call(server, child_server, "lock_this")["result"] == (True, False)
    assert server.wait(lock_this, returnStatus=True) is True
    assert server.wait(unlock_this, returnStatus=True) is False
    server.lock()

    run_call(server, child_server, "unlock_this")
    assert server.wait(unlock_this, returnStatus=True) is False
    assert server.wait(add, returnStatus=True) is True


def test_bound_methods_are_locked_by_their_own_call_and_by_others(server, child_server):
    server.registerInstance(Api(), path="/other")
    table = server._engine.router.table
    own, ping = table.find("/object/", "lock_own"), table.find("/object/", "ping")

    assert run_call(server, child_server, "lock_own", path="/object/") == {
        "result": None,
        "response": run_call(server, child_server, "see")["response"],
    }
    assert server.wait(own.function, returnStatus=True) is True
    assert server.wait(table.find("/other/", "lock_own").function, returnStatus=True) is False
    assert run_call(server, child_server, "lock_other", path="/object/")["error"]["code"] == -32603, "which of the two?"
    assert server.wait(ping.function, returnStatus=True) is False


def test_dispatcher_without_a_name_is_locked_by_its_own_call(server, child_server):
    function = functools.partial(lock_this)
    server.registerFunction(function, path="/api", name="nameless")
    run_call(server, child_server, "nameless")

    assert server.wait(function, returnStatus=True) is True
    assert server.wait(lock_this, returnStatus=True) is False


# The log


def test_log_is_that_of_the_parent(server, child_server, caplog):
    run_call(server, child_server, "log")

    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "said by a dispatcher"),
        (logging.CRITICAL, "\\ud800 critical"),
        (logging.ERROR, "by the log"),
    ]


def test_log_falls_back_to_the_child_without_a_channel(server, closed_channel, caplog):
    child_server = ChildServer(make_setup(server._backend_context, number=0, pool_size=1), closed_channel)
    outcome = run_call(server, child_server, "fail")

    assert outcome["error"]["code"] == -32603
    (record,) = caplog.records
    assert record.getMessage() == "dispatcher /api/fail raised [the id]"
    assert "a secret" in str(record.exc_info[1])


def test_logger_of_the_user_that_fails_fails_no_call(server, child_server, caplog):
    def broken(level, *parts):
        raise KeyError("disk full")

    server._logger = broken

    assert run_call(server, child_server, "fail")["error"]["code"] == -32603
    assert "dispatcher /api/fail raised [the id]" in caplog.text


def test_wait_for_dispatchers_leaves_its_own_call_out(server, child_server):
    call = server._backend_context.remote_calls.begin("/api/", {"method": "see", "params": None})
    call_message = call_message_for(server, "see")

    def wait(_connection):
        return _connection.server._waitProcessingDispatchers(timeout=0)

    assert child_server.call(call_message, wait)["result"] is True
    assert child_server.facade._waitProcessingDispatchers(timeout=0) is False
    call.end(failed=False)
