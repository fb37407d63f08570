"""The server, as dispatchers see it in a child."""

import concurrent.futures
import functools
import inspect

import pytest

from flaskJSONRPCServer import ServerStateError, flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.connection import ABOUT
from flaskJSONRPCServer.execBackend.parallel.child import ChildServer
from flaskJSONRPCServer.execBackend.parallel.facade import PARENT_ONLY
from flaskJSONRPCServer.execBackend.parallel.messages import make_setup
from tests.execBackend.parallel.children import send_setup
from tests.helpers import wait_until


def add(a, b=1):
    return a + b


def other():
    return None


@pytest.fixture
def server():
    server = flaskJSONRPCServer(["127.0.0.1", 0], name="inside", log=2, max_batch_length=7)
    server.registerFunction(add, path="/api")
    return server


def test_facade_has_every_name_of_the_server(child_server):
    names = {name for name in dir(flaskJSONRPCServer) if not name.startswith("__")} - {
        "_backend_context",
    }

    assert {name for name in names if not hasattr(type(child_server.facade), name)} == set()


def test_methods_have_the_parameters_of_the_servers(child_server):
    for name in dir(flaskJSONRPCServer):
        theirs, ours = getattr(flaskJSONRPCServer, name), getattr(type(child_server.facade), name, None)
        if inspect.isfunction(theirs) and name not in PARENT_ONLY and not name.startswith("__"):
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters), name


@pytest.mark.parametrize("name", PARENT_ONLY)
def test_method_for_the_parent_only_is_refused(child_server, name):
    with pytest.raises(ServerStateError, match=rf"{name}\(\) is used in a child process .*server's own process"):
        getattr(child_server.facade, name)(1, 2)


def test_flask_application_is_for_the_parent_only(child_server):
    with pytest.raises(ServerStateError, match="flaskApp is used in a child process"):
        _ = child_server.facade.flaskApp


def test_facade_locks_unlocks_and_waits(server, child_server):
    facade = child_server.facade
    facade.lock()
    facade.lock(add)
    assert (server.wait(returnStatus=True), facade.wait(returnStatus=True)) == (True, True)
    assert facade.wait(add, returnStatus=True) is True
    facade.unlock(add, exclusive=True)
    assert server.wait(add, returnStatus=True) is False
    facade.unlock()

    assert facade.wait() is None
    assert server.wait(returnStatus=True) is False


def test_sleep_method_is_called_instead_of_waiting(server, child_server):
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        server.unlock()

    server.lock()
    child_server.facade.wait(sleepMethod=sleep)

    assert slept == [server.settings.sleepTime_waitLock]


def test_sleep_method_is_not_called_beyond_the_stop_of_the_server(server, child_server):
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        assert len(slept) < 3
        if len(slept) == 2:
            server._engine.locks.end_period(0)

    server.getWSGI()
    server.lock(add)
    with pytest.raises(ServerStateError, match="the server stops, and what this dispatcher waits for is still locked"):
        child_server.facade.wait(add, sleepMethod=sleep)
    assert child_server.facade.wait(add, returnStatus=True) is True
    server.unlock(add)
    assert child_server.facade.wait(add, sleepMethod=sleep) is None


def test_wait_for_dispatchers_may_have_no_end(server, child_server):
    call = server._backend_context.remote_calls.begin("/api/", {"method": "add", "params": [1]})
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(child_server.facade._waitProcessingDispatchers, float("inf"))
        wait_until(lambda: server._engine.stats.awaiting_idle or waiting.done())
        call.end(failed=False)

        assert waiting.result() is True


@pytest.mark.parametrize("value", ["add", 5])
def test_value_that_is_no_function_cannot_be_locked(child_server, value):
    with pytest.raises(TypeError, match="is not a dispatcher; pass the function itself"):
        child_server.facade.lock(value)


def test_function_that_is_no_dispatcher_cannot_be_locked(child_server):
    with pytest.raises(ServerStateError, match=r":other', and the server has no dispatcher of this name"):
        child_server.facade.lock(other)


def test_function_without_a_name_cannot_be_locked(child_server):
    with pytest.raises(ServerStateError, match="has no name by which the server's process could find it"):
        child_server.facade.lock(functools.partial(add, 1))


def test_statistics_requests_and_urls_are_those_of_the_parent(server, child_server):
    facade = child_server.facade
    server._speedStatsAdd("load", 5)
    facade._speedStatsAdd(["load", "save"], [7, 2])
    facade._speedStatsAdd("load", [6])
    facade._deepLock()
    is_held = server._engine.locks.closed
    facade._deepUnlock()

    assert facade.stats(inMS=True)["speedStats"] == server.stats(inMS=True)["speedStats"]
    assert facade.stats(inMS=True)["speedStats"]["load_max"] == 7
    assert facade.stats()["speedStats"]["save_average"] == 0.002
    assert (is_held, server._engine.locks.closed) == (True, False)
    assert facade._getServerUrl() == server._getServerUrl()
    assert facade.addresses == []


def test_addresses_are_those_of_the_server(server, child_server):
    server.start()
    try:
        assert child_server.facade.addresses == server.addresses
    finally:
        server.stop()


@pytest.mark.parametrize(("duration", "kind"), [("x", TypeError), (float("nan"), ValueError)])
def test_wrong_duration_is_refused_in_the_child(server, child_server, duration, kind):
    with pytest.raises(kind, match="is refused as a duration"):
        child_server.facade._speedStatsAdd("load", duration)


def test_logger_of_the_user_gets_the_messages(server, child_server):
    written = []
    server._logger = lambda level, *parts: written.append((level, parts))
    child_server.facade._logger(4, "fine", 5)

    assert written == [(4, ("fine", "5"))]


def test_settings_can_be_read_and_not_changed(server, child_server):
    settings = child_server.facade.settings

    assert child_server.facade.setts is settings
    assert (settings.max_batch_length, settings.bindAdress) == (7, ["127.0.0.1", 0])
    assert (child_server.facade.name, child_server.facade.aboutMagicVarForDispatcher) == ("inside", ABOUT)
    with pytest.raises(ServerStateError, match="setting 'debug' cannot be changed in a child process"):
        settings.debug = True
    with pytest.raises(AttributeError, match="setting 'nothing' is unknown"):
        _ = settings.nothing


def test_setting_that_is_an_object_stays_in_the_parent(channel):
    server = flaskJSONRPCServer(None, auth=lambda *_: True, log=False)
    setup = make_setup(server._backend_context, number=0, pool_size=1)
    child_server = ChildServer(send_setup(setup), channel.client)

    with pytest.raises(AttributeError, match="setting 'auth' is unknown, or an object that only"):
        _ = child_server.facade.settings.auth


def test_helpers_work_in_the_child(server, child_server):
    facade = child_server.facade
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


def test_child_process_has_the_name_and_the_script_of_the_server(server, child):
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


def test_child_process_that_waits_goes_on_when_the_server_is_unlocked(server, child, waits):
    server.lock()
    child.begin("server.wait()")
    wait_until(lambda: waits)
    server.unlock()

    assert child.end() is None


def test_threads_of_a_child_process_may_ask_at_once(server, child, tmp_path):
    (tmp_path / "many.py").write_text(
        "import threading\n"
        "def ask(server, count):\n"
        "    answers = []\n"
        "    def run():\n"
        "        for _ in range(20):\n"
        "            answers.append(server.wait(returnStatus=True))\n"
        "    threads = [threading.Thread(target=run) for _ in range(count)]\n"
        "    for thread in threads: thread.start()\n"
        "    for thread in threads: thread.join()\n"
        "    return len(answers), any(answers)\n"
    )
    child.ask(f"__import__('sys').path.append({str(tmp_path)!r})")

    assert child.ask("__import__('many').ask(server, 8)") == [160, False]
