"""The lines to a client that does not read."""

import threading

import pytest

from flaskJSONRPCServer.mcp.stdio.output import Output
from tests.helpers import wait_until
from tests.mcp.session_client import PATIENCE_S

MIB = b"x" * 1024 * 1024


class Log:
    def __init__(self):
        self.texts = []

    def write(self, level, text, **options):
        self.texts.append(text)


class Blocked:
    """An output whose first line is written once that is released."""

    def __init__(self):
        self.log, self.written = Log(), []
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()
        self.output = Output(self.write, self.log)

    def write(self, line):
        self.has_begun.set()
        assert self.may_go_on.wait(PATIENCE_S)
        self.written.append(line)


@pytest.fixture
def blocked():
    blocked = Blocked()
    blocked.output.start()
    blocked.output.post(b"first")
    assert blocked.has_begun.wait(PATIENCE_S)
    yield blocked
    blocked.may_go_on.set()


def test_message_that_may_wait_does_so_while_much_is_unread(blocked):
    output, has_sent = blocked.output, threading.Event()
    output.send(MIB)

    def send():
        output.send(b"second")
        has_sent.set()

    thread = threading.Thread(target=send)
    thread.start()
    wait_until(lambda: output._waiting == 1)
    assert not has_sent.is_set()
    blocked.may_go_on.set()
    thread.join(PATIENCE_S)

    assert output.finish(PATIENCE_S) is True
    assert blocked.written == [b"first\n", MIB + b"\n", b"second\n"]


def test_client_that_leaves_too_much_unread_is_given_up(blocked):
    for _ in range(65):
        assert not blocked.output.is_lost
        blocked.output.post(MIB)
    blocked.output.send(b"nobody waits for room any more")

    assert blocked.output.is_lost
    assert blocked.output.finish(PATIENCE_S) is False
    assert blocked.log.texts == ["the client does not read its messages, and gets no more of them"]


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (BrokenPipeError(), "the client has closed the standard output, and gets no more messages"),
        (OSError("no space"), "a message could not be written"),
    ],
    ids=["end of the reader", "failure"],
)
def test_first_write_that_fails_is_logged_and_ends_the_output(failure, text):
    def write(line):
        raise failure

    log = Log()
    output = Output(write, log)
    output.start()
    output.post(b"first")
    wait_until(lambda: output.is_lost)
    output.post(b"second")

    assert output.finish(PATIENCE_S) is False
    assert log.texts == [text]
