"""Ctrl-C and SIGTERM under gevent."""

import signal
import subprocess
import sys
import textwrap

import pytest

from tests.gevent.processes import lines_of
from tests.test_lifecycle import SCRIPT, signalled_while_joining, start_call, wait_until_refused


@pytest.fixture
def serving():
    """A process in serveForever() under gevent, with its port."""
    script = textwrap.dedent(SCRIPT).replace("log=0", "log=0, gevent=True")
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.port = int(process.stdout.readline())
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_serve_forever_cleanly(serving, number):
    serving.send_signal(number)
    out, err = serving.communicate(timeout=60)
    assert (out, err, serving.returncode) == ("after serveForever\n", "", 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_lets_the_call_in_flight_finish(serving, number):
    thread, answers = start_call(serving.port, "outlast")
    assert serving.stdout.readline() == "entered\n"
    serving.send_signal(number)
    thread.join()
    assert answers == [b'{"jsonrpc":"2.0","result":"outlasted","id":1}']
    assert serving.wait(timeout=60) == 0


def test_second_signal_ends_at_once(serving):
    thread, answers = start_call(serving.port, "hang")
    assert serving.stdout.readline() == "entered\n"
    serving.send_signal(signal.SIGTERM)
    wait_until_refused(serving.port)
    serving.send_signal(signal.SIGTERM)
    assert serving.wait(timeout=60) == -signal.SIGTERM
    thread.join()
    assert not any(isinstance(answer, bytes) for answer in answers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_start_that_joins_the_loop_cleanly(number):
    assert signalled_while_joining(number, "gevent=True") == ("after serveForever\n", "", 0)


OWN_LOOP = """
import time
from flaskJSONRPCServer import flaskJSONRPCServer
server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, gevent=True, dispatcherBackend="{backend}")

def compute():
    print("entered", flush=True)
    while True:
        pass

server.registerFunction(compute, path="/api", name="outlast")
server.start()
print(server.addresses[0][1], flush=True)
try:
    while True:
        time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    server.stop(timeout=1)
"""


@pytest.mark.parametrize("backend", ["simple", "threaded"])
def test_ctrl_c_in_the_middle_of_a_call_ends_a_loop_of_the_users_own(backend):
    command = [sys.executable, "-c", OWN_LOOP.format(backend=backend)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        thread, _ = start_call(int(process.stdout.readline()), "outlast")
        assert process.stdout.readline() == "entered\n"
        process.send_signal(signal.SIGINT)

        assert process.stdout.readline() == "interrupted\n"
        assert process.wait(timeout=60) == 0
        thread.join()


def test_exception_that_a_timeout_of_gevent_raises_in_a_call_fails_it_alone():
    assert lines_of(
        """
        def outlast():
            with gevent.Timeout(0.01):
                gevent.sleep(60)

        server._logger = lambda *args: None
        server.registerFunction(outlast, path="/api")
        server.registerFunction(lambda: "alive", path="/api", name="alive")
        server.start()
        print(call("outlast")["code"], call("alive"))
        server.stop()
        """
    ) == ["-32603 alive"]
