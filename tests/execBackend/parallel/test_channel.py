"""The line from child processes to the server: who may use it, what can be asked, and how it ends."""

import functools
import json
import logging
import os
import pickle
import socket
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from flaskJSONRPCServer import ServerStateError, flaskJSONRPCServer
from flaskJSONRPCServer.execBackend.parallel.channel import ChannelAddress, ChildChannel, ParentChannel
from flaskJSONRPCServer.execBackend.parallel.child import setup_of
from flaskJSONRPCServer.execBackend.parallel.methods import ParentMethods, name_of_dispatcher
from tests.execBackend.parallel.children import Child, noted_waits
from tests.helpers import wait_until

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


@pytest.fixture
def ask(channel):
    return ChildChannel(channel.address).request


@pytest.fixture
def child(server, channel):
    child = Child(setup_of(server._backend_context, channel.address, pool_size=1))
    yield child
    child.kill()


@pytest.fixture
def waits(channel):
    return noted_waits(channel)


def exchanged(channel, *messages):
    """Send bytes over a connection of its own; return all that comes until it is closed."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(channel.address.path)
        client.sendall(b"".join(messages))
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def message(method, params, **members):
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **members}).encode() + b"\n"


def token_of(channel):
    return message("authenticate", {"token": channel.address.token})


# What can be asked


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


def test_dispatcher_is_let_run_while_the_server_is_locked(server, ask):
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


def test_requests_are_held_and_let_go(server, ask):
    ask("deepLock", {})
    held = server._engine.locks.closed
    ask("deepUnlock", {})

    assert (held, server._engine.locks.closed) == (True, False)


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


def test_addresses_and_urls_are_told(server, ask):
    assert ask("addresses", {}) == []
    assert ask("urls", {}) == server._getServerUrl()


def test_table_has_what_is_tested_here_and_nothing_else(server):
    methods = ParentMethods(server._backend_context)

    assert set(methods.brief) == {
        "addresses",
        "deepLock",
        "deepUnlock",
        "isLocked",
        "lock",
        "log",
        "speedStatsAdd",
        "stats",
        "unlock",
        "urls",
    }
    assert set(methods.waiting) == {"copyGlobal", "eval", "execute", "wait", "waitProcessingDispatchers"}


@pytest.mark.parametrize("method", ["", "stop", "__class__", "_engine", "authenticate"])
def test_method_outside_the_table_is_refused(ask, method):
    with pytest.raises(RuntimeError, match=f"no method {method!r}"):
        ask(method, {})


# Exceptions


@pytest.mark.parametrize(("durations", "kind"), [(["x"], TypeError), ([1, 2], ValueError)])
def test_exception_of_the_server_is_raised_in_the_child(ask, durations, kind):
    with pytest.raises(kind, match="is refused"):
        ask("speedStatsAdd", {"names": ["load"], "durations": durations})
    assert ask("urls", {}), "the connection is as good as before"


def test_other_exceptions_come_as_runtime_errors_with_their_name(server, ask):
    def broken(level, *parts):
        raise KeyError("disk full")

    server._logger = broken

    with pytest.raises(RuntimeError, match="KeyError: 'disk full'"):
        ask("log", {"level": 1, "parts": []})


def test_result_that_is_not_json_is_an_error(server, ask):
    server._getServerUrl = lambda: [object()]

    with pytest.raises(RuntimeError, match="cannot be written as JSON"):
        ask("urls", {})


def test_parameters_that_are_not_json_never_leave(ask):
    with pytest.raises(TypeError, match=r"cannot take .*nan"):
        ask("waitProcessingDispatchers", {"timeout": float("nan"), "allowed": 0})


# Who may use it


def test_socket_lies_in_a_folder_of_this_user_alone(channel):
    folder = Path(channel.address.path).parent

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_token_is_not_shown(channel):
    assert channel.address.token not in repr(channel.address)
    assert pickle.loads(pickle.dumps(channel.address)) == channel.address
    assert len(channel.address.token) >= 32


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
def test_wrong_token_closes_the_connection_and_is_logged(channel, caplog, token):
    stranger = ChildChannel(ChannelAddress(channel.address.path, token))

    with pytest.raises(ServerStateError, match=r"cannot reach|ended the connection"):
        stranger.request("lock", {"dispatcher": None})
    wait_until(lambda: caplog.records)
    assert {record.getMessage() for record in caplog.records} == {
        "a connection to the channel of the child processes is closed: wrong token"
    }
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.parametrize(
    "first",
    [
        message("lock", {"dispatcher": None}, id=1),
        message("authenticate", [1]),
        message("authenticate", {"token": 5}),
        b'{"jsonrpc":"2.0","result":1,"id":1}\n',
        b"[]\n",
        b"\x00\xff\x80garbage\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"[" * 100_000 + b"\n",
        pickle.dumps({"token": 1}) + b"\n",
    ],
)
def test_whatever_else_comes_first_does_nothing(server, channel, ask, caplog, first):
    answer = exchanged(channel, first, message("lock", {"dispatcher": None}, id=2))

    assert answer == b""
    assert server.wait(returnStatus=True) is False
    assert ask("urls", {})
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("garbage", [b"\x00\xff\n", b'{"jsonrpc":"2.0","result":1,"id":1}\n', b"[]\n", b'[{"id":1}]\n'])
def test_garbage_behind_the_token_is_answered_with_an_error(channel, garbage):
    answer = exchanged(channel, token_of(channel), garbage, message("isLocked", {"dispatcher": None}, id="x"))

    first, second = map(json.loads, answer.splitlines())
    assert first["error"]["code"] in (-32700, -32600)
    assert second == {"jsonrpc": "2.0", "result": False, "id": "x"}


def test_missing_parameter_is_an_error(channel):
    answer = exchanged(channel, token_of(channel), message("lock", {}, id=1))

    assert json.loads(answer)["error"]["message"] == "KeyError: 'dispatcher'"


def test_message_without_an_end_is_cut(channel, ask, monkeypatch, caplog):
    from flaskJSONRPCServer.execBackend.parallel import channel as channels

    monkeypatch.setattr(channels, "_FRAMING", channels.NewlineFraming(limit_bytes=1000))

    assert exchanged(channel, token_of(channel), b"x" * 2000) == b""
    assert "more than 1000 bytes" in caplog.text
    assert ask("urls", {})


# How it ends


def test_child_that_dies_in_the_middle_of_a_wait_is_noticed(server, child, waits):
    server.lock()
    child.begin("server.wait()")
    wait_until(lambda: waits)
    child.kill()

    wait_until(lambda: not waits)
    assert server.wait(returnStatus=True) is True


def test_child_waits_until_another_thread_of_it_unlocks(server, child, waits):
    server.lock()
    child.ask("exec('import threading; waiter = threading.Thread(target=server.wait); waiter.start()')")
    wait_until(lambda: waits)
    assert child.ask("waiter.is_alive()") is True
    child.ask("server.unlock()")

    assert child.ask(f"waiter.join({PATIENCE_S}) or waiter.is_alive()") is False
    assert server.wait(returnStatus=True) is False


def test_stop_lets_go_a_child_that_waits(server, channel, child, waits):
    server.lock()
    child.begin("server.wait()")
    wait_until(lambda: waits)
    channel.stop()

    kind, text = child.end()
    assert kind == "ServerStateError"
    assert "before it answered 'wait'" in text
    assert child.ask("server.lock()")[0] == "ServerStateError"


def test_stop_of_the_server_lets_go_a_child_that_waits(server, child, waits):
    server.getWSGI()
    server.lock()
    child.begin("server.wait()")
    wait_until(lambda: waits)
    server._engine.locks.end_period(0)

    assert child.end() == ("ServerStateError", "the server stops, and what this dispatcher waits for is still locked")


def test_thread_of_a_child_that_has_ended_leaves_no_connection(channel):
    child = ChildChannel(channel.address)
    thread = threading.Thread(target=child.request, args=("urls", {}))
    thread.start()
    thread.join()

    wait_until(lambda: not channel._connected)


def test_each_thread_has_a_connection_of_its_own(channel, ask):
    ask("urls", {})
    thread = threading.Thread(target=ask, args=("urls", {}))
    ask("urls", {})
    wait_until(lambda: len(channel._connected) == 1)
    (first,) = channel._connected
    thread.start()
    thread.join()

    assert ask("urls", {})
    wait_until(lambda: list(channel._connected) == [first])


def test_connection_that_is_gone_is_made_again(channel, ask):
    ask("urls", {})
    for connected in list(channel._connected):
        connected.end()
    wait_until(lambda: not channel._connected)

    assert ask("urls", {})


def test_question_interrupted_before_its_answer_does_not_take_the_next_one_with_it(server, ask, monkeypatch):
    from flaskJSONRPCServer.execBackend.parallel import channel as channels

    ask("urls", {})

    def interrupted(messages, default=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(channels, "next", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        ask("isLocked", {"dispatcher": None})
    monkeypatch.undo()

    assert ask("urls", {}) == server._getServerUrl()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_child_of_a_child_has_a_connection_of_its_own(server, channel, child):
    child.ask("server.lock()")
    forked = (
        "exec('import os; pid = os.fork()\\n"
        "if pid == 0: os._exit(7 if server.wait(returnStatus=True) and server.unlock() is None else 1)')"
    )
    child.ask(forked)

    assert child.ask("os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])") == 7
    assert child.ask("server.wait(returnStatus=True)") is False
    wait_until(lambda: len(channel._connected) == 1)


def test_stop_removes_the_socket_and_start_makes_another(server):
    channel = ParentChannel(server._backend_context)
    channel.start()
    first = channel.address
    channel.stop()
    channel.stop()
    assert not Path(first.path).parent.exists()
    with pytest.raises(ServerStateError, match="not open; call start"):
        _ = channel.address

    channel.start()
    assert channel.address.path != first.path
    assert channel.address.token != first.token
    assert ChildChannel(channel.address).request("isLocked", {"dispatcher": None}) is False
    with pytest.raises(ServerStateError, match="cannot reach the server"):
        ChildChannel(first).request("isLocked", {"dispatcher": None})
    with pytest.raises(ServerStateError, match="open already"):
        channel.start()
    channel.stop()


def test_temporary_folder_with_a_long_path_is_refused_with_the_remedy(server, tmp_path, monkeypatch):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    channel = ParentChannel(server._backend_context)

    with pytest.raises(ServerStateError, match="too long for a socket; let TMPDIR"):
        channel.start()
    assert list(folder.iterdir()) == []
    monkeypatch.undo()
    channel.start()
    channel.stop()


def test_failed_accept_is_logged_and_does_not_end_the_channel(channel, ask, caplog):
    class Exhausted:
        def accept(self):
            channel._stopping.set()  # so that nobody waits for the next look
            raise OSError(24, "Too many open files")

    channel._accept_one(Exhausted(), "")
    channel._stopping.clear()

    assert "Too many open files" in caplog.text
    assert ask("urls", {})
