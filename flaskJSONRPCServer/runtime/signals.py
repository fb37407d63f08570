"""Waiting for the end of a server: by signal, or by another thread; and for SIGHUP meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

__all__ = ["EndRequest", "ended_by_signals"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class EndRequest:
    """Lets one thread wait until anyone, a signal included, asks for the end.

    It waits on a socket. The system may deliver a signal to any thread, and Python runs its handler in the main thread,
    which would not wake from a lock for that; a byte on a socket wakes it in any case.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        self._requested = False
        self._hung_up = False  # set by a signal handler and cleared by the thread that waits, which is the same thread

    def request(self) -> None:
        """Ask for the end. A signal handler may call this."""
        self._requested = True
        self._wake()

    def note_hangup(self) -> None:
        """Let :meth:`wait` return before the end. A signal handler may call this."""
        self._hung_up = True
        self._wake()

    def take_hangup(self) -> bool:
        """Return whether a hangup has been noted since the last time."""
        noted, self._hung_up = self._hung_up, False
        return noted

    def _wake(self) -> None:
        try:
            self._sender.send(b"\0")
        except OSError:  # full, so it wakes anyway; or closed, so nobody waits any more
            return

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until the end has been asked for, a hangup noted, or the time is over.

        Returns:
            Whether the end has been asked for.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._requested and not self._hung_up:
            self._receiver.settimeout(None if deadline is None else max(0.001, deadline - time.monotonic()))
            try:
                self._receiver.recv(4096)
            except TimeoutError:
                break
        return self._requested

    def fileno(self) -> int:
        """The descriptor to which a byte is written to wake :meth:`wait` up."""
        return self._sender.fileno()

    def close(self) -> None:
        """Close the sockets."""
        self._receiver.close()
        self._sender.close()


@contextmanager
def ended_by_signals(*, notes_hangups: bool = False) -> Iterator[EndRequest]:
    """Make the first Ctrl-C or SIGTERM inside the block a request for the end; the second one kills the process.

    Outside the main thread, where Python allows no signal handlers, signals are left as they are.

    Args:
        notes_hangups: Whether SIGHUP wakes :meth:`EndRequest.wait` too, rather than end the process.
    """
    end = EndRequest()
    with ExitStack() as undo:
        undo.callback(end.close)
        if threading.current_thread() is threading.main_thread():
            handle_signals(end, undo)
            if notes_hangups and hasattr(signal, "SIGHUP"):  # Windows has none
                handle_hangups(end, undo)
        yield end


def handle_signals(end: EndRequest, undo: ExitStack) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        end.request()

    for number in _SIGNALS:
        undo.callback(signal.signal, number, signal.signal(number, handle))
    undo.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(end.fileno(), warn_on_full_buffer=False))


def handle_hangups(end: EndRequest, undo: ExitStack) -> None:
    """Note each SIGHUP, but end the program for the one that says that its terminal has been closed.

    A program that is to outlive its terminal is started by nohup, which ignores the signal, or without a terminal.
    """
    before = signal.getsignal(signal.SIGHUP)
    ends_with_terminal = before is not signal.SIG_IGN and has_terminal()

    def handle(number: int, frame: FrameType | None) -> None:
        if ends_with_terminal and not has_terminal():
            end.request()
        else:
            end.note_hangup()

    undo.callback(signal.signal, signal.SIGHUP, before)
    signal.signal(signal.SIGHUP, handle)


def has_terminal() -> bool:
    """Return whether the process has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
