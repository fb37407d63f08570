"""Processes that the parent forks: they keep no child of the pool alive."""

import os
import signal
import socket

import pytest

from flaskJSONRPCServer.execBackend.parallel.forks import release_in_forks
from tests.execBackend.parallel.pools import is_gone, serve_program, write_program
from tests.helpers import call_socket, post, rpc, wait_until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

PATIENCE_S = 20

FORKING = """
import os, time
from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import ParallelBackend

def pid():
    return os.getpid()

def ask(_connection):
    return _connection.call.eval("6 * 7")

def fork():
    if (forked := os.fork()) == 0:
        time.sleep(1000)
    return forked

server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, dispatcherBackend=ParallelBackend(poolSize=1))
for function in (pid, ask):
    server.registerFunction(function, path="/api")
server.registerFunction(fork, path="/here", dispatcherBackend="simple")
server.serveForever(on_start=lambda server: print(server.addresses[0][1], flush=True))
"""


def result(address, method, path="/api"):
    return call_socket(address, post(rpc(method), path)).json()["result"]


def test_children_end_with_their_parent_while_its_fork_lives_on(tmp_path):
    with serve_program(write_program(tmp_path, FORKING)) as (process, address):
        child = result(address, "pid")
        assert result(address, "ask") == 42
        forked = result(address, "fork", "/here")
        try:
            assert result(address, "ask") == 42, "the parent goes on with its sockets"
            process.send_signal(signal.SIGKILL)
            wait_until(lambda: is_gone(child))
            assert not is_gone(forked)
        finally:
            os.kill(forked, signal.SIGKILL)


def test_forked_process_has_no_copy_of_a_released_socket():
    ours, theirs = socket.socketpair()
    kept = socket.socket()
    with ours, theirs, kept:
        release_in_forks(ours)
        release_in_forks(closed := socket.socket())
        closed.close()
        theirs.settimeout(PATIENCE_S)
        read, write = os.pipe()
        if (forked := os.fork()) == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(ours.fileno() < 0 or kept.fileno() < 0)
        os.close(read)
        ours.close()
        try:
            assert theirs.recv(1) == b"", "this process has had the only copy"
        finally:
            os.close(write)
            assert os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1]) == 0
