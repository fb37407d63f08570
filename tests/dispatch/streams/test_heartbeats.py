import threading
import time
from types import SimpleNamespace

from flaskJSONRPCServer.dispatch.streams.heartbeats import Heartbeats
from tests.helpers import wait_until


class Stream(SimpleNamespace):
    """A stream that notes its heartbeats."""

    __hash__ = object.__hash__

    def __init__(self, heartbeat_s):
        super().__init__(heartbeat=b":", heartbeat_s=heartbeat_s, sent_at=time.monotonic(), sent=[])

    def send(self, data):
        self.sent_at = time.monotonic()
        self.sent.append(data)
        return True


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "the-heartbeats"]


def test_one_thread_sends_all_heartbeats_and_ends_with_the_last_stream():
    heartbeats, streams = Heartbeats("the-heartbeats"), [Stream(0.01) for _ in range(50)]
    for stream in streams:
        heartbeats.add(stream)
    wait_until(lambda: all(len(stream.sent) >= 3 for stream in streams))
    assert len(threads()) == 1
    for stream in streams:
        heartbeats.discard(stream)
        heartbeats.discard(stream)
    wait_until(lambda: not threads())
    heartbeats.add(late := Stream(0.01))
    wait_until(lambda: late.sent)
    heartbeats.discard(late)
    wait_until(lambda: not threads())


def test_stream_that_sends_something_needs_no_heartbeat():
    heartbeats, busy, silent = Heartbeats("the-heartbeats"), Stream(0.2), Stream(0.2)
    heartbeats.add(busy)
    heartbeats.add(silent)
    while len(silent.sent) < 2:
        busy.sent_at = time.monotonic()
        time.sleep(0.001)
    assert busy.sent == []
    heartbeats.discard(busy)
    heartbeats.discard(silent)


def test_shorter_time_of_a_new_stream_is_kept():
    heartbeats, long, short = Heartbeats("the-heartbeats"), Stream(3600), Stream(0.01)
    heartbeats.add(long)
    heartbeats.add(short)
    wait_until(lambda: short.sent)
    assert long.sent == []
    heartbeats.discard(long)
    heartbeats.discard(short)
    wait_until(lambda: not threads())


def test_stream_that_takes_no_more_gets_no_more_heartbeats():
    class Closing(Stream):
        """A stream whose client has gone, before its owner knows."""

        def send(self, data):
            self.sent.append(data)
            return False

    heartbeats, closing, other = Heartbeats("the-heartbeats"), Closing(0.001), Stream(0.01)
    heartbeats.add(closing)
    heartbeats.add(other)
    wait_until(lambda: len(other.sent) >= 3)
    assert closing.sent == [b":"]
    heartbeats.discard(closing)
    heartbeats.discard(other)
    wait_until(lambda: not threads())
