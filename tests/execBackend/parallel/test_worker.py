"""The main loop of a child: its sockets, signals, forks, and the end of its parent."""

import concurrent.futures
import os
import signal

import pytest

from flaskJSONRPCServer.execBackend import ParallelBackend
from tests.execBackend.parallel import dispatchers
from tests.execBackend.parallel.pools import (
    SPINNING,
    counts,
    error_of,
    is_gone,
    release,
    run,
    running,
    serve_program,
    wait_for_hold,
    write_program,
)
from tests.helpers import call_socket, post, result_of, rpc, wait_until


def test_forked_process_answers_no_call():
    with running(ParallelBackend(poolSize=1)) as (server, application):
        for function in (dispatchers.fork, dispatchers.release_fork):
            server.registerFunction(function, path="/forks")
        forked = result_of(application, "fork", target="/forks")
        assert result_of(application, "release_fork", forked, target="/forks") == "mine"
        assert result_of(application, "add", [1]) == 2
        assert (counts(server)["done"], counts(server)["restarted"]) == (3, 0)


def test_forked_process_cannot_ask_the_server():
    with running(ParallelBackend(poolSize=1)) as (server, application):
        server.registerFunction(dispatchers.ask_in_fork, path="/forks")
        name, text = result_of(application, "ask_in_fork", target="/forks")

        assert name == "ServerStateError"
        assert "'stats' is asked in a process that a dispatcher forked" in text
        assert result_of(application, "counted") == 2, "the child itself still asks"
        assert counts(server)["restarted"] == 0


def test_keyboard_interrupt_without_a_signal_ends_no_process(shared):
    server, application = shared
    server.registerFunction(dispatchers.throw_interrupt, path="/api")
    assert error_of(application, "throw_interrupt")["code"] == -32603


INHERITING = """
import os, socket, sys
from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call

def described():
    return len(os.listdir("/dev/fd")), sys.stdin.read(), os.getpid() == os.getpgrp()

with socket.create_server(("127.0.0.1", 0)) as handed_down:
    handed_down.set_inheritable(True)
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend="parallel")
    server.registerFunction(described, path="/api")
    print(call(server.getWSGI(), "described")["result"])
    server.stop()
"""


def test_child_inherits_nothing_but_the_output(tmp_path):
    done = run(write_program(tmp_path, INHERITING))

    # The standard streams, the sockets of its calls and its channel, and the descriptor by which the folder is read.
    assert (done.stdout, done.stderr) == ("[6, '', True]\n", "")


WITHOUT_STREAMS = """
import os, sys
from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import ParallelBackend
from tests.helpers import call

def described():
    empty = os.stat(os.devnull)
    for number in (1, 2):
        if os.path.samestat(os.fstat(number), empty):
            os.write(number, b"not a message")
    return [number for number in (0, 1, 2) if os.path.samestat(os.fstat(number), empty)]

def asked(_connection):
    return _connection.server.addresses

os.dup2(1, 100)
for number in sys.argv[1:]:
    os.close(int(number))
server = flaskJSONRPCServer(None, log=False, dispatcherBackend=ParallelBackend(poolSize=1))
for function in (described, asked):
    server.registerFunction(function, path="/api")
application = server.getWSGI()
answers = [call(application, method)["result"] for method in ("described", "asked", "described")]
os.write(100, repr(answers).encode())
server.stop()
"""


@pytest.mark.parametrize("closed", [(), (0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_child_of_a_server_without_standard_streams_has_empty_ones(tmp_path, closed):
    done = run(write_program(tmp_path, WITHOUT_STREAMS), *map(str, closed))
    empty = sorted({0, *closed})

    assert done.stdout == str([empty, [], empty])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_all_processes_lets_the_call_finish(tmp_path, number):
    with serve_program(write_program(tmp_path, SPINNING)) as (process, address):
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            answer = threads.submit(call_socket, address, post(rpc("hold", [str(tmp_path), "held"])))
            pid = wait_for_hold(tmp_path, "held")
            for target in (pid, process.pid):
                os.kill(target, number)
            release(tmp_path)
            assert answer.result().json()["result"] == "held"
        assert process.wait(30) == 0
        assert is_gone(pid)


def test_children_end_with_what_they_started_when_the_parent_is_killed(tmp_path):
    with serve_program(write_program(tmp_path, SPINNING)) as (process, address):
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            lost = threads.submit(call_socket, address, post(rpc("spin", [str(tmp_path), "busy"])))
            busy = wait_until(lambda: (path := tmp_path / "busy").exists() and path.read_text()).split()
            idle = call_socket(address, post(rpc("pid"))).json()["result"]
            process.send_signal(signal.SIGKILL)
            wait_until(lambda: all(is_gone(int(pid)) for pid in (*busy, idle)))
            assert isinstance(lost.exception(), OSError)
