"""Waking the manager's thread: no wakeup is lost, even between two steps of a receive."""

import select

from flaskJSONRPCServer.servBackend.native.wakeup import Wakeup


def is_readable(wakeup):
    return bool(select.select([wakeup.receiver], [], [], 0)[0])


class BusyReceiver:
    """The receiving end, with another thread that sends immediately before or after a read."""

    def __init__(self, wakeup, *, before):
        self._wakeup = wakeup
        self._receiver = wakeup.receiver
        self._before = before

    def recv(self, size):
        if self._before:
            self._wakeup.send()
        try:
            return self._receiver.recv(size)
        finally:
            if not self._before:
                self._wakeup.send()


def test_wakeup_is_received_once():
    wakeup = Wakeup()
    assert not is_readable(wakeup)
    for _ in range(3):
        wakeup.send()
    assert is_readable(wakeup)
    wakeup.receive()
    assert not is_readable(wakeup)
    wakeup.receive()
    wakeup.close()


def test_wakeup_during_a_receive_does_not_suppress_the_next():
    for before in (True, False):
        wakeup = Wakeup()
        receiver = wakeup.receiver
        wakeup.send()
        wakeup.receiver = BusyReceiver(wakeup, before=before)
        wakeup.receive()
        wakeup.receiver = receiver
        wakeup.send()
        assert is_readable(wakeup), before
        wakeup.close()


def test_wakeup_of_a_thread_that_has_ended_is_no_error():
    wakeup = Wakeup()
    wakeup.close()
    wakeup.send()
