"""Clients do not notice restarts."""

import contextlib
import http.client
import json
import os
import signal
import socket
import threading

import pytest

from flaskJSONRPCServer import ServerStateError, SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.restart_reasons import near_descriptor_limit, read_reasons
from flaskJSONRPCServer.servBackend.sockets import Listener
from tests.helpers import wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts and reloads

RESTARTS = 20


@pytest.fixture
def server():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0)
    yield server
    server.stop()


def ask(address, method, *params):
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=30)) as connection:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})
        connection.request("POST", "/api", body, {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())["result"]


def test_clients_notice_nothing_of_restarts(server):
    calls, answers, failures, done = [], [], [], threading.Event()
    server.registerFunction(lambda number: calls.append(number) or number, path="/api", name="count")
    server.start()
    address = server.addresses[0]

    def hammer(first):
        number = first
        while not done.is_set():
            number += 4
            try:
                answers.append((number, ask(address, "count", number)))
            except (OSError, http.client.HTTPException) as exc:
                failures.append(exc)

    threads = [threading.Thread(target=hammer, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(RESTARTS):
        server.restart()
        assert ask(address, "count", -1) == -1
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(sent == got for sent, got in answers)
    assert sorted(calls) == sorted([-1] * RESTARTS + [number for number, _ in answers])
    assert server.addresses == [address]


def test_request_that_comes_meanwhile_is_held_and_answered(server):
    entered, leave = threading.Event(), threading.Event()
    server.registerFunction(lambda: entered.set() or leave.wait(30), path="/api", name="slow")
    server.registerFunction(lambda: "here", path="/api", name="where")
    server.start()
    address, results = server.addresses[0], []
    slow = threading.Thread(target=lambda: results.append(ask(address, "slow")))
    slow.start()
    assert entered.wait(30)
    restart = threading.Thread(target=server.restart)
    restart.start()
    while not server._lifecycle._gate._held:
        pass
    held = threading.Thread(target=lambda: results.append(ask(address, "where")))
    held.start()
    assert results == []
    leave.set()
    for thread in (slow, restart, held):
        thread.join()
    assert sorted(map(str, results)) == ["True", "here"]


@pytest.mark.parametrize("options", [{"processingDispatcherCountMax": 1}, {"timeout": 0}])
def test_call_within_the_allowed_count_is_answered(server, options):
    entered, leave, results = threading.Event(), threading.Event(), []
    server.registerFunction(lambda: entered.set() or leave.wait(30), path="/api", name="slow")
    server.start()
    slow = threading.Thread(target=lambda: results.append(ask(server.addresses[0], "slow")))
    slow.start()
    assert entered.wait(30)
    server.restart(**options)
    assert results == []
    leave.set()
    slow.join()
    assert results == [True]


def test_restart_from_a_dispatcher_happens_after_its_answer(server):
    pipelines = []

    def again():
        server.restart()
        server.restart()
        pipelines.append(server._engine.pipeline())
        return "asked"

    server.registerFunction(again, path="/api")
    server.start()
    address = server.addresses[0]
    before = server._engine.pipeline()
    assert ask(address, "again") == "asked"
    assert pipelines == [before]
    while server._engine._pipeline in (before, None):
        pass
    assert ask(address, "again") == "asked"


def test_restart_from_a_dispatcher_cannot_wait_for_its_own_end(server):
    def again():
        with pytest.raises(ServerStateError, match="cannot be called from a dispatcher"):
            server.restart(joinLoop=True)
        return "refused"

    server.registerFunction(again, path="/api")
    server.start()
    assert ask(server.addresses[0], "again") == "refused"


def test_restart_starts_a_server_that_does_not_run(server):
    server.restart()
    assert len(server.addresses) == 1


def test_join_loop_returns_when_stopped(server):
    server.start()
    joined = threading.Thread(target=server.restart, kwargs={"joinLoop": True})
    joined.start()
    server.stop()
    server.stop()
    while joined.is_alive():  # a stop before the restart leaves a server that the restart has started
        server.stop()
    assert server.addresses == []


@pytest.mark.usefixtures("frozen_heap")
def test_nothing_is_left_behind_by_restarts(server):
    server.start()
    threads = threading.active_count()
    for _ in range(5):
        server.restart()
    assert threading.active_count() <= threads  # entries of native threads that have ended may go


def test_serve_forever_restarts_for_a_reason(server):
    pipelines = []

    def broken(server):
        raise ValueError("no idea")

    def reason(asked):
        assert asked is server
        pipelines.append(server._engine.pipeline())
        if len(pipelines) == 3:
            threading.Thread(target=server.stop).start()
        return True

    server.serveForever(restartOn=[broken, reason], sleep=0.01)
    assert len({id(pipeline) for pipeline in pipelines[:3]}) == 3


def test_reasons_are_read():
    assert read_reasons(False) == []
    assert read_reasons("checkFileDescriptor") == [near_descriptor_limit]
    assert read_reasons([len, "checkFileDescriptor"]) == [len, near_descriptor_limit]
    with pytest.raises(SettingsError, match="restartOn=5 is refused"):
        read_reasons(5)


@pytest.mark.parametrize("is_near", [False, True])
def test_descriptor_limit_is_checked_by_the_server(is_near):
    server = flaskJSONRPCServer(None, log=0)
    assert near_descriptor_limit(server) is False
    server._checkFileDescriptor = lambda: is_near
    assert near_descriptor_limit(server) is is_near


@pytest.fixture
def interrupt_main_thread():
    """Return a function that presses Ctrl-C, as the main thread sees it."""
    return lambda: os.kill(os.getpid(), signal.SIGINT)


def hold_a_call(server):
    """Register a method that a test lets go, and return ``(has it begun, let it go)``."""
    begun, go = threading.Event(), threading.Event()
    server.registerFunction(lambda: begun.set() or go.wait(30), path="/api", name="held")
    return begun, go


def test_interrupted_restart_leaves_the_server_answering(server, interrupt_main_thread):
    begun, go = hold_a_call(server)
    server.registerFunction(lambda: "pong", path="/api", name="ping")
    server.start()
    address = server.addresses[0]
    call = threading.Thread(target=ask, args=(address, "held"))
    call.start()
    assert begun.wait(30)
    gate = server._lifecycle._gate
    interrupting = threading.Thread(target=interrupt_when, args=(lambda: gate._held, interrupt_main_thread))
    interrupting.start()

    with pytest.raises(KeyboardInterrupt):
        server.restart(timeout=30)

    interrupting.join()
    assert ask(address, "ping") == "pong"
    go.set()
    call.join()


def interrupt_when(is_reached, interrupt):
    while not is_reached():
        threading.Event().wait(0.001)
    interrupt()


def test_restart_may_wait_for_ever(server):
    begun, go = hold_a_call(server)
    server.start()
    address = server.addresses[0]
    call = threading.Thread(target=ask, args=(address, "held"))
    call.start()
    assert begun.wait(30)
    restart = threading.Thread(target=server.restart, args=(float("inf"),))
    restart.start()
    go.set()
    restart.join(30)
    call.join()
    assert not restart.is_alive()
    assert ask(address, "held") is True


@pytest.mark.parametrize("arguments", [(1, "1"), (1, 0.5)])
def test_count_that_is_no_number_changes_nothing(server, arguments):
    server.registerFunction(lambda: "pong", path="/api", name="ping")
    server.registerFunction(lambda: server.restart(*arguments), path="/api", name="restart")
    server.start()
    for method in (server.restart, server.stop):
        with pytest.raises(TypeError, match=r"processingDispatcherCountMax=.* is refused: it takes a whole number"):
            method(*arguments)
    assert ask(server.addresses[0], "ping") == "pong"
    with pytest.raises(KeyError):  # an error, in the place of a result
        ask(server.addresses[0], "restart")


@pytest.mark.parametrize("timeout", [None, "3"])
def test_timeout_that_is_no_number_changes_nothing(server, timeout):
    server.registerFunction(lambda: "pong", path="/api", name="ping")
    server.start()
    for method in (server.restart, server.stop):
        with pytest.raises(TypeError, match="is refused: it takes a number of seconds"):
            method(timeout)
    assert ask(server.addresses[0], "ping") == "pong"


def test_interrupted_stop_leaves_nothing_that_serves(server, interrupt_main_thread):
    begun, go = hold_a_call(server)
    server.start()
    address = server.addresses[0]
    call = threading.Thread(target=ask_quietly, args=(address, "held"))
    call.start()
    assert begun.wait(30)
    lifecycle = server._lifecycle
    interrupting = threading.Thread(
        target=interrupt_when, args=(lambda: not lifecycle.is_running, interrupt_main_thread)
    )
    interrupting.start()

    with pytest.raises(KeyboardInterrupt):
        server.stop(timeout=30, processingDispatcherCountMax=0)

    interrupting.join()
    go.set()
    call.join()
    with pytest.raises(ConnectionRefusedError):
        ask(address, "held")
    server.start()
    assert len(server.addresses) == 1


@pytest.mark.parametrize("backend", ["native", "werkzeug", "granian"])
def test_stop_that_is_interrupted_before_its_backend_stops_leaves_nothing_that_serves(backend, monkeypatch):
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend=backend)
    server.registerFunction(lambda: "pong", path="/api", name="ping")
    server.start()
    address = server.addresses[0]
    closings = iter([KeyboardInterrupt])
    close = Listener.close

    def close_after_interrupt(listener):
        for interrupt in closings:
            raise interrupt
        close(listener)

    monkeypatch.setattr(Listener, "close", close_after_interrupt)
    with pytest.raises(KeyboardInterrupt):
        server.stop()

    assert server.addresses == []
    wait_until(lambda: is_refused(address))  # granian closes its listener a moment later


def is_refused(address):
    try:
        socket.create_connection(address, 5).close()
    except ConnectionRefusedError:
        return True
    return False


def ask_quietly(address, method):
    with contextlib.suppress(OSError, http.client.HTTPException):
        ask(address, method)
