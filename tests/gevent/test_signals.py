"""Ctrl-C and SIGTERM under gevent."""

import signal
import subprocess
import sys
import textwrap

import pytest

from tests.test_lifecycle import SCRIPT, start_call, wait_until_refused


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
