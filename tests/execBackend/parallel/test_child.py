"""The inside of a child process: the calls that it makes, and what stands for the server there."""

import functools
import inspect
import logging
import os
import pickle
import re
import socket
import threading

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, ServerStateError, flaskJSONRPCServer
from flaskJSONRPCServer.child import PARENT_ONLY
from flaskJSONRPCServer.dispatch.connection import ABOUT
from flaskJSONRPCServer.dispatch.remote import answer_of_outcome
from flaskJSONRPCServer.execBackend.parallel.channel import ChannelAddress
from flaskJSONRPCServer.execBackend.parallel.child import ChildServer, setup_of, shipment_of
from flaskJSONRPCServer.servBackend.serving import SERVED_BY
from tests.execBackend.parallel.children import Child, noted_waits
from tests.helpers import wait_until

PATIENCE_S = 20
NOWHERE = ChannelAddress("/nowhere/parent.sock", "")
REQUEST = {
    "headers": {"X-Asked": "yes"},
    "cookies": {"c": "1"},
    "environ": {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8080", "wsgi.input": threading.Lock()},
    "remote_addr": "192.0.2.1",
}


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


@pytest.fixture
def inside(server, channel):
    """A ChildServer in this process: to it, that makes no difference."""
    return ChildServer(pickle.loads(pickle.dumps(setup_of(server._backend_context, channel.address, pool_size=4))))


@pytest.fixture
def child(server, channel):
    child = Child(setup_of(server._backend_context, channel.address, pool_size=1))
    yield child
    child.kill()


def shipped(server, method, params=None, *, path="/api/", request=REQUEST, is_jsonp=False, notify=False, **options):
    """Return a call as it arrives in a child."""
    route = server._engine.router.table.find(path, method)
    data = {"method": method, "params": params, "id": None if notify else 1, "notify": notify}
    return pickle.loads(
        pickle.dumps(shipment_of(server._backend_context, route, "the id", data, request, is_jsonp, **options))
    )


def made(server, inside, method, params=None, *, path="/api/", **options):
    """Make a call, and let its outcome travel."""
    function = server._engine.router.table.find(path, method).function
    call_message = shipped(server, method, params, path=path, **options)
    return pickle.loads(inside.pack(call_message, inside.call(call_message, function))[0])


# Calls


@pytest.mark.parametrize(("params", "result"), [([1, 2], 3), ({"a": 5}, 6)])
def test_result_is_returned(server, inside, params, result):
    assert made(server, inside, "add", params) == {"result": result}


def test_call_without_a_connection_asks_the_parent_nothing(server):
    inside = ChildServer(setup_of(server._backend_context, NOWHERE, pool_size=1))

    assert made(server, inside, "add", [1, 2]) == {"result": 3}
    assert vars(inside.channel._local) == {}
    assert "response" in made(server, inside, "see"), "nor does one with a connection that asks nothing"


def test_call_without_a_connection_is_sent_without_its_request(server):
    assert shipped(server, "add", [1]).request == {}
    assert set(shipped(server, "see").request) == {"headers", "cookies", "remote_addr"}


def test_function_that_has_been_replaced_is_called_with_its_own_signature(server, inside):
    assert made(server, inside, "add", [1])["result"] == 2

    call_message = shipped(server, "add", {"x": 1})
    assert inside.call(call_message, lambda x: -x) == {"result": -1}


def test_application_error_travels_with_code_message_and_data(server, inside):
    outcome = made(server, inside, "refuse")

    assert outcome == {"error": {"code": 4799, "message": "Too much", "data": {"limit": 1}}}
    status, _, error = answer_of_outcome(outcome, "_connection")
    assert (status, type(error)) == (False, TooMuchError)


@pytest.mark.parametrize(("method", "kind"), [("fail", ValueError), ("leave", SystemExit)])
def test_unexpected_exception_is_in_the_log_of_the_parent_under_its_id(server, inside, caplog, method, kind):
    outcome = made(server, inside, method)

    assert outcome["error"] == {"code": -32603, "message": "Internal error", "data": {"correlationId": "the id"}}
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("flaskJSONRPCServer.inside", logging.ERROR)
    assert record.getMessage() == f"dispatcher /api/{method} raised [the id]"
    assert f"{kind.__name__}: a secret" in str(record.exc_info[1])


def test_client_sees_the_traceback_with_debug(channel, server):
    server.settings.debug = True
    inside = ChildServer(setup_of(server._backend_context, channel.address, pool_size=1))

    assert "ValueError: a secret" in made(server, inside, "fail")["error"]["data"]["traceback"]


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
def test_result_that_cannot_travel_is_an_unexpected_exception(server, inside, caplog, result, place):
    call_message = shipped(server, "add", [1])
    outcome = pickle.loads(inside.pack(call_message, inside.call(call_message, lambda a: result))[0])

    assert outcome["error"] == {"code": -32603, "message": "Internal error", "data": {"correlationId": "the id"}}
    assert f"result of 'add' cannot be sent to the server's process: {place}" in caplog.text
    assert caplog.text.count("Traceback (most recent call last)") == 1


def test_result_of_a_class_that_nobody_else_has_travels(server, inside):
    class Local:
        value = 5

    call_message = shipped(server, "add", [1])
    outcome = pickle.loads(inside.pack(call_message, inside.call(call_message, lambda a: Local()))[0])

    assert outcome["result"].value == 5


# The magic variable


def test_connection_has_all_documented_fields(server, inside):
    documented = set(re.findall(r"^    ([a-zA-Z]+)  +\S", ABOUT, re.MULTILINE))
    fields = made(server, inside, "see")["result"]

    assert "headersOut" in documented
    assert documented | {"parallelType", "parallelPoolSize", "parallelId"} == set(fields)


def test_connection_says_what_the_request_and_the_pool_are(server, inside):
    made(server, inside, "see", parallel_id=3, notify=True)
    connection = SEEN.pop()

    assert (connection.headers, connection.cookies, connection.ip) == ({"X-Asked": "yes"}, {"c": "1"}, "192.0.2.1")
    assert (connection.uniqueId, connection.path, connection.dispatcherName) == ("the id", "/api/", "see")
    assert (connection.dispatcher, connection.notify, connection.nativeThread) == (see, True, True)
    assert (connection.server, connection.serverName) == (inside.facade, "inside")
    assert connection.servedBy == (False, "127.0.0.1", 8080)
    assert (connection.parallelType, connection.parallelPoolSize, connection.parallelId) == ("parallel", 4, 3)
    assert connection["call"] is connection.call


def test_id_of_the_process_stands_for_that_of_the_worker(server, inside):
    made(server, inside, "see")

    assert SEEN.pop().parallelId == os.getpid()


def test_socket_that_serves_stays_in_the_parent(server, inside):
    with socket.socket() as serving:
        environ = {SERVED_BY: (True, "/run/server.sock", serving)}
        made(server, inside, "see", request={**REQUEST, "environ": environ})

    assert SEEN.pop().servedBy == (True, "/run/server.sock", None)


def test_what_is_said_about_the_answer_travels(server, inside):
    outcome = made(server, inside, "say", is_jsonp=True)

    assert outcome["response"] == {
        "headersOut": {"X-Said": "yes"},
        "cookiesOut": [{"name": "said", "value": "yes"}],
        "mimeType": "text/plain",
        "jsonp": "%(callback)s(%(data)s)",
        "allowCompress": True,
    }


@pytest.mark.parametrize(("is_jsonp", "seen"), [(False, False), ("%(callback)s=%(data)s", "%(callback)s=%(data)s")])
def test_connection_says_whether_the_answer_is_jsonp(server, inside, is_jsonp, seen):
    made(server, inside, "see", is_jsonp=is_jsonp)

    assert SEEN.pop().jsonp == seen


def test_magic_variable_may_have_another_name(channel):
    server = flaskJSONRPCServer(None, magicVarForDispatcher="call", allowCompress=True, log=False)
    server.registerFunction(lambda call: call.allowCompress, path="/api", name="ask")
    inside = ChildServer(setup_of(server._backend_context, channel.address, pool_size=1))

    assert made(server, inside, "ask")["result"] is True


# Locks


def test_dispatcher_locks_and_unlocks_itself(server, inside):
    assert made(server, inside, "lock_this")["result"] == (True, False)
    assert server.wait(lock_this, returnStatus=True) is True
    assert server.wait(unlock_this, returnStatus=True) is False
    server.lock()

    made(server, inside, "unlock_this")
    assert server.wait(unlock_this, returnStatus=True) is False
    assert server.wait(add, returnStatus=True) is True


def test_bound_methods_are_locked_by_their_own_call_and_by_others(server, inside):
    server.registerInstance(Api(), path="/other")
    table = server._engine.router.table
    own, ping = table.find("/object/", "lock_own"), table.find("/object/", "ping")

    assert made(server, inside, "lock_own", path="/object/") == {
        "result": None,
        "response": made(server, inside, "see")["response"],
    }
    assert server.wait(own.function, returnStatus=True) is True
    assert server.wait(table.find("/other/", "lock_own").function, returnStatus=True) is False
    assert made(server, inside, "lock_other", path="/object/")["error"]["code"] == -32603, "which of the two?"
    assert server.wait(ping.function, returnStatus=True) is False


def test_facade_locks_unlocks_and_waits(server, inside):
    facade = inside.facade
    facade.lock()
    facade.lock(add)
    assert (server.wait(returnStatus=True), facade.wait(returnStatus=True)) == (True, True)
    assert facade.wait(add, returnStatus=True) is True
    facade.unlock(add, exclusive=True)
    assert server.wait(add, returnStatus=True) is False
    facade.unlock()

    assert facade.wait() is None
    assert server.wait(returnStatus=True) is False


def test_sleep_of_ones_own_is_called_instead_of_waiting(server, inside):
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        server.unlock()

    server.lock()
    inside.facade.wait(sleepMethod=sleep)

    assert slept == [server.settings.sleepTime_waitLock]


@pytest.mark.parametrize("given", ["add", 5])
def test_what_is_no_function_cannot_be_locked(inside, given):
    with pytest.raises(TypeError, match="is not a dispatcher; pass the function itself"):
        inside.facade.lock(given)


def test_function_that_is_no_dispatcher_cannot_be_locked(inside):
    with pytest.raises(ServerStateError, match=r":other', and the server has no dispatcher of this name"):
        inside.facade.lock(other)


def test_function_without_a_name_cannot_be_locked(inside):
    with pytest.raises(ServerStateError, match="has no name by which the server's process could find it"):
        inside.facade.lock(functools.partial(add, 1))


def test_dispatcher_without_a_name_is_locked_by_its_own_call(server, inside):
    function = functools.partial(lock_this)
    server.registerFunction(function, path="/api", name="nameless")
    made(server, inside, "nameless")

    assert server.wait(function, returnStatus=True) is True
    assert server.wait(lock_this, returnStatus=True) is False


# The facade


def test_every_name_of_the_server_is_there(inside):
    names = {name for name in dir(flaskJSONRPCServer) if not name.startswith("__")} - {
        "_backend_context",
        "_child_facade",
    }

    assert {name for name in names if not hasattr(type(inside.facade), name)} == set()


def test_methods_take_what_those_of_the_server_take(inside):
    for name in dir(flaskJSONRPCServer):
        theirs, ours = getattr(flaskJSONRPCServer, name), getattr(type(inside.facade), name, None)
        if inspect.isfunction(theirs) and name not in PARENT_ONLY and not name.startswith("__"):
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters), name


@pytest.mark.parametrize("name", PARENT_ONLY)
def test_what_is_for_the_parent_only_says_so(inside, name):
    with pytest.raises(ServerStateError, match=rf"{name}\(\) is used in a child process .*server's own process"):
        getattr(inside.facade, name)(1, 2)


def test_flask_application_is_for_the_parent_only(inside):
    with pytest.raises(ServerStateError, match="flaskApp is used in a child process"):
        _ = inside.facade.flaskApp


def test_statistics_requests_and_urls_are_those_of_the_parent(server, inside):
    facade = inside.facade
    server._speedStatsAdd("load", 5)
    facade._speedStatsAdd(["load", "save"], [7, 2])
    facade._speedStatsAdd("load", [6])
    facade._deepLock()
    held = server._engine.locks.closed
    facade._deepUnlock()

    assert facade.stats(inMS=True)["speedStats"] == server.stats(inMS=True)["speedStats"]
    assert facade.stats(inMS=True)["speedStats"]["load_max"] == 7
    assert facade.stats()["speedStats"]["save_average"] == 0.002
    assert (held, server._engine.locks.closed) == (True, False)
    assert facade._getServerUrl() == server._getServerUrl()
    assert facade.addresses == []


def test_address_is_told_as_the_server_tells_it(server, inside):
    server.start()
    try:
        assert inside.facade.addresses == server.addresses
    finally:
        server.stop()


@pytest.mark.parametrize(("duration", "kind"), [("x", TypeError), (float("nan"), ValueError)])
def test_wrong_duration_is_refused_before_it_leaves(server, inside, duration, kind):
    with pytest.raises(kind, match="is refused as a duration"):
        inside.facade._speedStatsAdd("load", duration)


def test_own_call_is_not_waited_for(server, inside):
    call = server._backend_context.remote_calls.begin("/api/", {"method": "see", "params": None})
    call_message = shipped(server, "see")

    def wait(_connection):
        return _connection.server._waitProcessingDispatchers(timeout=0)

    assert inside.call(call_message, wait)["result"] is True
    assert inside.facade._waitProcessingDispatchers(timeout=0) is False
    call.end(failed=False)


def test_log_is_that_of_the_parent(server, inside, caplog):
    made(server, inside, "log")

    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "said by a dispatcher"),
        (logging.CRITICAL, "\\ud800 critical"),
        (logging.ERROR, "by the log"),
    ]


def test_logger_that_a_user_has_put_in_its_place_gets_it_all(server, inside):
    written = []
    server._logger = lambda level, *parts: written.append((level, parts))
    inside.facade._logger(4, "fine", 5)

    assert written == [(4, ("fine", "5"))]


def test_log_is_the_own_one_where_the_parent_cannot_be_reached(server, caplog):
    inside = ChildServer(setup_of(server._backend_context, NOWHERE, pool_size=1))
    outcome = made(server, inside, "fail")

    assert outcome["error"]["code"] == -32603
    (record,) = caplog.records
    assert record.getMessage() == "dispatcher /api/fail raised [the id]"
    assert "a secret" in str(record.exc_info[1])


def test_logger_that_fails_fails_no_call(server, inside, caplog):
    def broken(level, *parts):
        raise KeyError("disk full")

    server._logger = broken

    assert made(server, inside, "fail")["error"]["code"] == -32603
    assert "dispatcher /api/fail raised [the id]" in caplog.text


def test_settings_can_be_read_and_not_changed(server, inside):
    settings = inside.facade.settings

    assert inside.facade.setts is settings
    assert (settings.max_batch_length, settings.bindAdress) == (7, ["127.0.0.1", 0])
    assert (inside.facade.name, inside.facade.aboutMagicVarForDispatcher) == ("inside", ABOUT)
    with pytest.raises(ServerStateError, match="setting 'debug' cannot be changed in a child process"):
        settings.debug = True
    with pytest.raises(AttributeError, match="setting 'nothing' is unknown"):
        _ = settings.nothing


def test_setting_that_is_an_object_stays_in_the_parent(channel):
    server = flaskJSONRPCServer(None, auth=lambda *_: True, log=False)
    inside = ChildServer(pickle.loads(pickle.dumps(setup_of(server._backend_context, channel.address, pool_size=1))))

    with pytest.raises(AttributeError, match="setting 'auth' is unknown, or an object that only"):
        _ = inside.facade.settings.auth


def test_helpers_work_right_here(server, inside):
    facade = inside.facade
    packed = facade._compressGZIP("text")

    assert facade._inChild() is True
    assert facade.callAsync(add, [1, 2]) == 3
    assert facade._strGet("a[b]c", "[", "]") == "b"
    assert facade._formatPath("api") == "/api/"
    assert facade._parseJSON('{"a":1}') == {"a": 1}
    assert facade._serializeJSON({"a": 1}) == server._serializeJSON({"a": 1})
    assert facade._fixJSON({1}) == server._fixJSON({1})
    assert facade._uncompressGZIP(packed) == b"text"
    assert facade._parseRequest("[]") == server._parseRequest("[]")
    assert facade._prepResponse({"id": 1, "data": 2}) == server._prepResponse({"id": 1, "data": 2})
    assert facade._loggerPrep("text", []) == server._loggerPrep("text", [])


# A real process


def test_child_process_needs_neither_flask_nor_werkzeug(child):
    assert child.ask("__import__('sys').modules.keys() & {'flask', 'werkzeug'} == set()") is True


def test_child_process_knows_that_it_is_one_and_whose(server, child):
    assert child.ask("server._inChild()") is True
    assert child.ask("server.name") == "inside"
    assert child.ask("server._getScriptPath(full=True)") == server._getScriptPath(full=True)


def test_child_process_acts_on_the_server(server, child, caplog):
    child.ask("server.lock()")
    child.ask("server._logger(1, 'from afar')")

    assert server.wait(returnStatus=True) is True
    assert child.ask("server.wait(returnStatus=True)") is True
    assert child.ask("server.stats()['requestCount']") == 0
    assert child.ask("server.stop()")[0] == "ServerStateError"
    assert [record.getMessage() for record in caplog.records] == ["from afar"]


def test_child_process_that_waits_goes_on_when_the_server_is_unlocked(server, channel, child):
    waits = noted_waits(channel)
    server.lock()
    child.begin("server.wait()")
    wait_until(lambda: waits)
    server.unlock()

    assert child.end() is None


def test_child_process_makes_calls_of_many_threads_at_once(server, child, tmp_path):
    (tmp_path / "many.py").write_text(
        "import threading\n"
        "def ask(server, count):\n"
        "    answers = []\n"
        "    def run():\n"
        "        for _ in range(20):\n"
        "            answers.append(server.wait(returnStatus=True))\n"
        "    threads = [threading.Thread(target=run) for _ in range(count)]\n"
        "    for each in threads: each.start()\n"
        "    for each in threads: each.join()\n"
        "    return len(answers), any(answers)\n"
    )
    child.ask(f"__import__('sys').path.append({str(tmp_path)!r})")

    assert child.ask("__import__('many').ask(server, 8)") == [160, False]
