"""KeyboardInterrupt at any line of a start, stop or restart: the next ones work, and nothing of the run stays."""

import sys
import threading

import pytest

import flaskJSONRPCServer.lifecycle as lifecycle
from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.runtime.concurrency import is_patched, start_thread
from tests.helpers import wait_until

pytestmark = pytest.mark.usefixtures("frozen_heap")

# Each line would take too long for a suite.
_EVERY = 7


@pytest.fixture
def server():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0)
    server.registerFunction(lambda: "pong", path="/api", name="ping")
    yield server
    server.stop()


class InterruptAtLine:
    """Raises KeyboardInterrupt in this thread at the line with a number, counted from the beginning of the block.

    Args:
        number: How many lines of the life cycle run before that.

    Attributes:
        has_come: Whether there were so many lines.
    """

    def __init__(self, number):
        self._left = number
        self.has_come = False

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, kind, *_):
        sys.settrace(self._before)
        return kind is KeyboardInterrupt

    def _trace(self, frame, event, _):
        if self.has_come or frame.f_code.co_filename != lifecycle.__file__:
            return None
        if event == "line":
            self._left -= 1
            if self._left < 0:
                self.has_come = True
                raise KeyboardInterrupt
        return self._trace


def threads_of(server):
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(server.name)]


def assert_is_usable(server):
    server.stop(timeout=5)
    assert not server.addresses
    wait_until(lambda: not threads_of(server))
    server.start()
    assert server.addresses
    server.stop(timeout=5)


@pytest.mark.skipif(is_patched(), reason="counts native threads")
@pytest.mark.parametrize("call", ["start", "stop", "restart"])
def test_interrupt_at_any_line_leaves_nothing_behind(call, server):
    number, interrupt = 0, None
    while interrupt is None or interrupt.has_come:
        if call != "start":
            server.start()
        with InterruptAtLine(number) as interrupt:
            getattr(server, call)()
        assert_is_usable(server)
        number += _EVERY
    assert number > 5 * _EVERY


def test_thread_of_an_interrupted_stop_ends_with_it(server, monkeypatch):
    started = []

    def start_and_interrupt(*args, **options):
        started.append(start_thread(*args, **options))
        raise KeyboardInterrupt

    server.start()
    monkeypatch.setattr(lifecycle, "start_thread", start_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        server.stop(timeout=60)
    started[0].join(30)
    assert not started[0].is_alive()
