"""The methods of the server that a child may call, through a channel."""

import functools
import logging

import pytest

from flaskJSONRPCServer import ServerStateError, flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.call_control import CallControl
from flaskJSONRPCServer.execBackend.parallel.methods import name_of_dispatcher

PATIENCE_S = 20


def add(a, b=1):
    return a + b


def subtract(a, b):
    return a - b


def unregistered():
    return None


class Api:
    def ping(self):
        return "pong"

    @classmethod
    def kind(cls):
        return cls.__name__


@pytest.fixture
def server():
    server = flaskJSONRPCServer(None, name="channelled", log=2)
    server.registerFunction(add, path="/api")
    server.registerFunction(subtract, path="/api", name="minus")
    server.registerInstance(Api(), path="/one")
    return server


def test_locks_of_the_server_are_asked_for_and_changed(server, ask):
    ask("lock", {"dispatcher": None})
    locked = server.wait(returnStatus=True), ask("isLocked", {"dispatcher": None})
    ask("unlock", {"dispatcher": None, "exclusive": False})

    assert locked == (True, True)
    assert server.wait(returnStatus=False) is None
    assert ask("wait", {"dispatcher": None}) is None


@pytest.mark.parametrize("named", [["/api/", "minus"], name_of_dispatcher(subtract)])
def test_dispatcher_is_locked_by_its_route_or_its_name(server, ask, named):
    ask("lock", {"dispatcher": named})

    assert server.wait(subtract, returnStatus=True) is True
    assert server.wait(add, returnStatus=True) is False
    assert ask("isLocked", {"dispatcher": named}) is True
    ask("unlock", {"dispatcher": named, "exclusive": False})
    assert server.wait(subtract, returnStatus=True) is False


def test_dispatcher_may_run_exclusively_while_the_server_is_locked(server, ask):
    server.lock()
    ask("unlock", {"dispatcher": ["/api/", "add"], "exclusive": True})

    assert server.wait(add, returnStatus=True) is False
    assert server.wait(subtract, returnStatus=True) is True


@pytest.mark.parametrize("method", ["ping", "kind"])
def test_bound_method_is_found_by_its_class_and_name(server, ask, method):
    ask("lock", {"dispatcher": name_of_dispatcher(getattr(Api(), method))})

    assert server._engine.locks.is_locked(server._engine.router.table.find("/one/", method).lock_key)


@pytest.mark.parametrize("function", [unregistered, len, [].append])
def test_function_that_is_no_dispatcher_is_named_with_the_remedy(ask, function):
    with pytest.raises(ServerStateError, match=rf"{function.__name__}'.* no dispatcher of this name; .*lockThis\(\)"):
        ask("lock", {"dispatcher": name_of_dispatcher(function)})


def test_method_of_two_registered_objects_is_ambiguous(server, ask):
    server.registerInstance(Api(), path="/two")

    with pytest.raises(ServerStateError, match=r"Api\.ping', and the server has several dispatchers"):
        ask("lock", {"dispatcher": name_of_dispatcher(Api().ping)})
    ask("lock", {"dispatcher": name_of_dispatcher(Api.kind)})  # the same one, under two paths


def test_dispatcher_that_has_been_removed_is_named(ask):
    with pytest.raises(ServerStateError, match="no dispatcher /api/gone any more"):
        ask("lock", {"dispatcher": ["/api/", "gone"]})


def test_function_without_a_name_has_none():
    assert name_of_dispatcher(functools.partial(add, 1)) is None


def test_requests_are_held_and_released(server, ask):
    ask("deepLock", {})
    is_held = server._engine.locks.closed
    ask("deepUnlock", {})

    assert (is_held, server._engine.locks.closed) == (True, False)


def test_log_of_the_server_is_written(ask, caplog):
    ask("log", {"level": 2, "parts": ["from", "a child"]})
    ask("log", {"level": "no level", "parts": []})
    ask("log", {"level": 1, "parts": ["it failed"], "traceback": "Traceback\n  of a child"})

    first, second, third = caplog.records
    assert (first.levelno, first.getMessage()) == (logging.WARNING, "from a child")
    assert (second.levelno, second.getMessage()) == (logging.CRITICAL, "no level")
    assert (third.levelno, third.getMessage()) == (logging.ERROR, "it failed")
    assert "Traceback\n  of a child" in str(third.exc_info[1])


def test_statistics_are_asked_for_and_added_to(server, ask):
    ask("speedStatsAdd", {"names": ["load"], "durations": [5]})

    assert ask("stats", {"inMS": True})["speedStats"]["load_max"] == 5
    assert ask("stats", {"inMS": False})["speedStats"]["load_max"] == 0.005


def test_running_dispatchers_are_waited_for(server, ask):
    call = server._backend_context.remote_calls.begin("/api/", {"method": "add", "params": [1]})

    assert ask("waitProcessingDispatchers", {"timeout": 0, "allowed": 0}) is False
    assert ask("waitProcessingDispatchers", {"timeout": 0, "allowed": 1}) is True
    call.end(failed=False)
    assert ask("waitProcessingDispatchers", {"timeout": PATIENCE_S, "allowed": 0}) is True


def test_addresses_and_urls_are_those_of_the_server(server, ask):
    assert ask("addresses", {}) == []
    assert ask("urls", {}) == server._getServerUrl()


def test_progress_is_reported_to_the_control_of_its_call(ask):
    reports = []
    control = CallControl(lambda *progress: reports.append(progress))
    values = {"id": control.as_data()["id"], "done": 1, "total": 2, "message": "half"}

    ask("progress", values)
    control.end()
    ask("progress", {**values, "done": 2})
    ask("progress", {**values, "id": "unknown"})

    assert reports == [(1, 2, "half")]


def test_table_has_the_methods_tested_here_and_no_others(methods):
    assert set(methods.brief) == {
        "addresses",
        "deepLock",
        "deepUnlock",
        "isLocked",
        "lock",
        "log",
        "progress",
        "speedStatsAdd",
        "stats",
        "unlock",
        "urls",
    }
    assert set(methods.waiting) == {"copyGlobal", "eval", "execute", "wait", "waitProcessingDispatchers"}
