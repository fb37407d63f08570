"""Waiting for the end of a server, by signal or by another thread."""

import os
import signal
import threading

import pytest

from flaskJSONRPCServer.runtime.signals import EndRequest, ended_by_signals

TIMEOUT_S = 30


@pytest.fixture
def end():
    end = EndRequest()
    yield end
    end.close()


def test_wait_ends_at_its_timeout(end):
    assert end.wait(0.001) is False


def test_wait_returns_at_once_after_a_request(end):
    end.request()
    assert end.wait(TIMEOUT_S) is True
    assert end.wait(TIMEOUT_S) is True


def test_request_of_another_thread_wakes_the_wait(end):
    thread = threading.Thread(target=end.request)
    thread.start()
    assert end.wait(TIMEOUT_S) is True
    thread.join(TIMEOUT_S)


def test_hangup_wakes_the_wait_and_is_taken_once(end):
    end.note_hangup()
    assert end.wait(TIMEOUT_S) is False
    assert [end.take_hangup(), end.take_hangup()] == [True, False]


def test_request_after_the_close_is_ignored():
    end = EndRequest()
    end.close()
    end.request()


def test_requests_beyond_the_buffer_of_the_socket_do_not_block(end):
    for _ in range(100_000):
        end.note_hangup()
    assert end.take_hangup() is True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_requests_the_end_and_restores_the_default_for_the_second(number):
    with ended_by_signals() as end:
        os.kill(os.getpid(), number)
        assert end.wait(TIMEOUT_S) is True
        assert signal.getsignal(number) is signal.SIG_DFL


def test_sighup_is_noted_only_if_requested():
    before = signal.getsignal(signal.SIGHUP)
    with ended_by_signals():
        assert signal.getsignal(signal.SIGHUP) == before
    with ended_by_signals(notes_hangups=True) as end:
        assert signal.getsignal(signal.SIGHUP) != before
        os.kill(os.getpid(), signal.SIGHUP)
        end.wait(TIMEOUT_S)
        assert end.take_hangup() is True
    assert signal.getsignal(signal.SIGHUP) == before


def test_handlers_and_wakeup_descriptor_are_restored():
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    with ended_by_signals():
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_signals_are_left_alone_outside_the_main_thread():
    before = signal.getsignal(signal.SIGINT)
    handlers = []

    def wait():
        with ended_by_signals():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join(TIMEOUT_S)
    assert handlers == [before]
