"""Exceptions raised by signals, as opposed to exceptions raised by code."""

import functools
import signal
import sys
import threading

import pytest

from flaskJSONRPCServer.runtime.interrupts import is_interrupt, is_raised_by_handler


def caught(function):
    try:
        function()
    except BaseException as exc:  # noqa: BLE001  whatever it is
        return is_interrupt(exc)
    raise AssertionError("nothing was raised")


def leave(number, frame):
    sys.exit(3)


class Handler:
    def __call__(self, number, frame):
        raise KeyboardInterrupt

    def method(self, number, frame):
        leave(number, frame)


def interrupted(handler):
    """Raise in a signal handler that is still installed when the exception is examined."""
    before = signal.signal(signal.SIGTERM, handler)
    try:
        return caught(lambda: signal.raise_signal(signal.SIGTERM))
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    "handler",
    [signal.default_int_handler, leave, Handler(), Handler().method, functools.partial(leave)],
    ids=["default", "function", "object", "method", "partial"],
)
def test_exception_of_a_signal_handler_is_an_interrupt(handler):
    assert interrupted(handler)


def test_exception_of_any_kind_is_known_to_come_from_a_handler():
    def refuse(number, frame):
        raise ValueError

    before = signal.signal(signal.SIGTERM, refuse)
    try:
        with pytest.raises(ValueError) as by_handler:  # noqa: PT011  it has no text
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(ValueError) as by_code:  # noqa: PT011  it has one of Python's
            int("x")
        assert is_raised_by_handler(by_handler.value)
        assert not is_raised_by_handler(by_code.value)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_interrupt_of_a_loop_is_an_interrupt():
    def work():
        before = signal.signal(signal.SIGVTALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.01)
        try:
            while True:
                pass
        finally:
            signal.signal(signal.SIGVTALRM, before)

    assert caught(work)


def raise_again():
    try:
        raise KeyboardInterrupt
    finally:
        threading.get_ident()


def raise_(exc):
    raise exc


@pytest.mark.parametrize(
    "function",
    [
        raise_again,
        sys.exit,
        functools.partial(raise_, KeyboardInterrupt()),
        functools.partial(raise_, ValueError()),
        functools.partial(raise_, GeneratorExit()),
    ],
)
def test_exception_raised_by_code_is_no_interrupt(function):
    assert not caught(function)


@pytest.mark.parametrize(("handler", "is_one"), [(signal.default_int_handler, True), (leave, False)])
def test_keyboard_interrupt_without_a_raise_is_an_interrupt_under_pythons_handler(handler, is_one):
    before = signal.signal(signal.SIGINT, handler)
    try:
        assert caught(lambda: (_ for _ in ()).throw(KeyboardInterrupt)) is is_one
    finally:
        signal.signal(signal.SIGINT, before)


def test_exception_of_another_thread_is_no_interrupt():
    results = []
    thread = threading.Thread(target=lambda: results.append(caught(functools.partial(leave, 0, None))))
    before = signal.signal(signal.SIGTERM, leave)
    try:
        thread.start()
        thread.join()
    finally:
        signal.signal(signal.SIGTERM, before)

    assert results == [False]
