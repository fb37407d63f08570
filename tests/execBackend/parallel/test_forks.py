"""Processes that the parent forks: they keep no child of the pool alive."""

import os
import signal

from tests.execBackend.parallel.pools import is_gone, serve_program, write_program
from tests.helpers import call_socket, post, rpc, wait_until

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
