"""A slot and its child: calls whose child is lost or too slow, or whose client is gone."""

import contextlib
import json
import os
import signal
import socket
import sys
import threading

import pytest

from flaskJSONRPCServer.execBackend import ParallelBackend
from flaskJSONRPCServer.execBackend.parallel import process
from tests.execBackend.parallel import dispatchers
from tests.execBackend.parallel.pools import (
    calls_in,
    counts,
    error_of,
    is_gone,
    make,
    possible_texts,
    release,
    running,
    wait_for_hold,
    wait_until_whole,
)
from tests.helpers import call, call_socket, call_wsgi, post, result_of, rpc, wait_until


@pytest.mark.parametrize(
    ("method", "how"),
    [
        ("kill_itself", "it was ended by SIGKILL"),
        ("segfault", "it was ended by SIGSEGV"),
        ("leave", "it ended with the status 3"),
    ],
)
def test_lost_process_concerns_its_call_alone(shared, tmp_path, method, how):
    server, application = shared
    wait_until_whole(server)
    with calls_in(application, ("hold", [str(tmp_path), "beside"])) as (beside,):
        wait_for_hold(tmp_path, "beside")
        error = error_of(application, method)
        assert error["code"] == -32005
        assert error["message"] in possible_texts(f"The process that ran the call was lost: {how}")
        wait_until_whole(server)
        assert result_of(application, "add", [1]) == 2
        release(tmp_path)
        assert beside.result()["result"] == "beside"
    assert server.stats()["processingDispatcherCount"] == 0


def test_process_that_is_killed_from_outside_is_replaced(shared, tmp_path):
    server, application = shared
    wait_until_whole(server)
    with calls_in(application, ("hold", [str(tmp_path), "killed"])) as (killed,):
        os.kill(wait_for_hold(tmp_path, "killed"), signal.SIGKILL)
        assert killed.result()["error"]["code"] == -32005
    wait_until_whole(server)
    idle = result_of(application, "pid")
    restarted = counts(server)["restarted"]
    os.kill(idle, signal.SIGKILL)
    wait_until(lambda: counts(server)["restarted"] == restarted + 1)
    wait_until_whole(server)
    assert result_of(application, "pid") != idle


def test_late_call_whose_client_was_answered_counts_as_killed(monkeypatch):
    """The answer at the deadline may let the client close the connection before the slot looks."""
    server = make(ParallelBackend(poolSize=1), ["127.0.0.1", 0])
    server.registerFunction(dispatchers.sleep, path="/timed", timeout=1, dispatcherBackend="parallel")
    server.start()
    try:
        # The process starts before a deadline depends on it.
        assert call_socket(server.addresses[0], post(rpc("add", [1, 2]))).json()["result"] == 3
        monkeypatch.setattr(process.ChildProcess, "_wait_until", lambda child, deadline: child.wait(None))
        answer = call_socket(server.addresses[0], post(rpc("sleep", [1000]), "/timed"))
        assert answer.json()["error"]["data"] == {"work": "killed"}
        wait_until(lambda: counts(server)["killed"] + counts(server)["cancelled"])
        assert (counts(server)["killed"], counts(server)["cancelled"]) == (1, 0)
    finally:
        monkeypatch.undo()
        server.stop()


@pytest.mark.parametrize("timeout", [1e9, float("inf")])
def test_timeout_may_be_longer_than_poll_can_wait(timeout):
    with running(ParallelBackend(poolSize=1, timeout=timeout)) as (_, application):
        assert result_of(application, "add", [1]) == 2


def test_timeout_kills_the_process_and_the_programs_it_started(tmp_path, caplog):
    with running(ParallelBackend(poolSize=1, timeout=1.5), log=4) as (server, application):
        error = error_of(application, "hold_with_program", [str(tmp_path)])
        assert error == {"code": -32006, "message": "The call took longer than 1.5 s, and was ended"}
        program = int((tmp_path / "program").read_text())
        wait_until(lambda: is_gone(program))
        assert result_of(application, "add", [1]) == 2
        assert counts(server) | {"alive": 1} == {
            "poolSize": 1,
            "alive": 1,
            "waiting": 0,
            "running": 0,
            "done": 1,
            "failed": 1,
            "killed": 1,
            "restarted": 1,
            "refused": 0,
            "cancelled": 0,
        }
    [(level, text)] = records_about_children(caplog)
    assert level == "WARNING"
    assert text.endswith(" was ended with its call, which took longer than 1.5 s")


def test_stop_that_does_not_wait_for_a_call_logs_no_lost_process(tmp_path, caplog):
    with running(ParallelBackend(poolSize=1), log=4) as (server, application):
        with calls_in(application, ("hold", [str(tmp_path), "unfinished"])) as (unfinished,):
            pid = wait_for_hold(tmp_path, "unfinished")
            server.stop(0)
            assert unfinished.result()["error"]["code"] == -32005
    ended = f"child process 0 (pid {pid}) was ended with its call, for which the stop of the server has not waited"
    assert records_about_children(caplog) == [("WARNING", ended)]


def test_function_may_have_a_timeout_of_its_own(shared):
    server, application = shared

    def slow():
        dispatchers.sleep(1000)

    slow._timeout = 0.05
    server.registerFunction(slow, path="/timed")
    assert call(application, "slow", target="/timed")["error"]["code"] == -32006


def test_process_is_replaced_after_its_number_of_calls():
    with running(ParallelBackend(poolSize=1, maxTasksPerChild=2)) as (_, application):
        pids = [result_of(application, "pid") for _ in range(5)]

    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


def test_process_for_each_call_keeps_what_a_call_sets_in_its_process_from_the_next():
    with running(ParallelBackend(poolSize=1, maxTasksPerChild=1)) as (_, application):
        before, changed, after = (
            result_of(application, name) for name in ("process_state", "set_process_state", "process_state")
        )

    assert before[0] != changed[0]
    assert before[1] < changed[1]
    assert after == before


def test_process_that_fails_to_start_is_started_again(monkeypatch):
    spawn, refusals = process.spawn, [KeyError("an environment that changes meanwhile")]

    def refused_once(*descriptors):
        if refusals:
            raise refusals.pop()
        return spawn(*descriptors)

    monkeypatch.setattr(process, "spawn", refused_once)
    with running(ParallelBackend(poolSize=1)) as (_, application):
        assert result_of(application, "add", [1]) == 2


def test_children_that_cannot_start_fail_the_calls(monkeypatch, caplog):
    monkeypatch.setattr(process, "get_executable", lambda: "/bin/false")
    with running(ParallelBackend(poolSize=1), log=1) as (_, application):
        error = error_of(application, "add", [1])

    assert error["code"] == -32005
    assert error["message"] in possible_texts(
        "Not run: child process 0 did not become ready: it ended with the status 1"
    )
    assert error["message"].removeprefix("Not run: ") in caplog.text


def test_function_or_result_that_cannot_be_pickled_is_logged(caplog):
    with running(ParallelBackend(poolSize=1), log=2) as (server, application):
        lock = threading.Lock()
        server.registerFunction(lambda: lock, path="/api", name="locked")
        assert error_of(application, "locked")["code"] == -32603
        assert "dispatcher /api/locked cannot be sent to a child process: " in caplog.text
        assert "run it on another exec backend" in caplog.text
        assert error_of(application, "unserialisable")["code"] == -32603
        assert result_of(application, "add", [1]) == 2


def test_function_that_a_child_cannot_load_is_logged(caplog, monkeypatch):
    module = type(sys)("nowhere_to_be_found")
    exec("def lost(): return 1", vars(module))
    monkeypatch.setitem(sys.modules, "nowhere_to_be_found", module)
    with running(ParallelBackend(poolSize=1), log=2) as (server, application):
        server.registerFunction(module.lost, path="/api")
        assert error_of(application, "lost")["code"] == -32603
        assert "No module named 'nowhere_to_be_found'" in caplog.text
        assert call_wsgi(application, post({"jsonrpc": "2.0", "method": "lost"})).code == 204


def test_notification_of_a_lost_process_is_logged(caplog):
    backend = ParallelBackend(poolSize=1)
    with running(backend, log=2) as (server, application):
        server.registerFunction(dispatchers.kill_itself, path="/notified", notifBackend=backend)
        call_wsgi(application, post({"jsonrpc": "2.0", "method": "kill_itself"}, "/notified"))
        wait_until(lambda: "notification /notified/kill_itself failed: The process that ran the call" in caplog.text)


@pytest.mark.parametrize("serving", ["native", "werkzeug"])
def test_call_of_a_client_that_is_gone_ends_or_does_not_run(tmp_path, serving, caplog):
    server = make(ParallelBackend(poolSize=1), ["127.0.0.1", 0], servBackend=serving, log=4)
    server.start()
    try:
        with asking(server.addresses[0], rpc("hold", [str(tmp_path), "runs"])):
            pid = wait_for_hold(tmp_path, "runs")
            with asking(server.addresses[0], rpc("hold", [str(tmp_path), "waits"])):
                wait_until(lambda: counts(server)["waiting"] == 1)
        wait_until(lambda: counts(server)["cancelled"] == 2)
        release(tmp_path)
        assert call_socket(server.addresses[0], post(rpc("add", [1]))).json()["result"] == 2
        assert is_gone(pid)
        assert not (tmp_path / "waits.runs").exists()
        ended = f"child process 0 (pid {pid}) was ended with its call, which its caller has cancelled"
        assert records_about_children(caplog) == [("DEBUG", ended)]
    finally:
        server.stop()


@contextlib.contextmanager
def asking(address, message):
    """Send a call, and close the connection at the end of the block, without waiting for the answer."""
    body = json.dumps(message).encode()
    head = f"POST /api HTTP/1.1\r\nHost: {address[0]}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(address) as connected:
        connected.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        yield


def records_about_children(caplog):
    """Return the level and the text of each record about a child process."""
    return [(entry.levelname, entry.message) for entry in caplog.records if "child process" in entry.message]
