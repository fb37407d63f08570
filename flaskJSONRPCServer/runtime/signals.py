"""Wait until a signal or another thread ends the server, and report SIGHUP meanwhile."""

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
    """Blocks one thread until a signal or another thread requests the end.

    Why a socket and no lock: the system may deliver a signal to any thread, but Python runs the handler in the main
    thread, and a signal does not wake that from a lock. A byte on a socket does.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        self._requested = False
        self._hangup_noted = False  # set by a signal handler, cleared by the waiting thread; both are the main thread

    def request(self) -> None:
        """Request the end. Safe to call from a signal handler."""
        self._requested = True
        self._wake()

    def note_hangup(self) -> None:
        """Wake :meth:`wait` because of a SIGHUP. Safe to call from a signal handler."""
        self._hangup_noted = True
        self._wake()

    def take_hangup(self) -> bool:
        """Return whether a hangup was noted since the last call, and clear it."""
        noted, self._hangup_noted = self._hangup_noted, False
        return noted

    def _wake(self) -> None:
        try:
            self._sender.send(b"\0")
        except OSError:  # full: the thread wakes anyway; or closed: no thread waits any more
            return

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until the end is requested, a hangup is noted, or the timeout has passed.

        Returns:
            Whether the end was requested.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._requested and not self._hangup_noted:
            self._receiver.settimeout(None if deadline is None else max(0.001, deadline - time.monotonic()))
            try:
                self._receiver.recv(4096)
            except TimeoutError:
                break
            except OSError:  # of Python: a second signal came while the handler of the first was being replaced
                if not self._requested:
                    raise
        return self._requested

    def fileno(self) -> int:
        """Return the descriptor to write a byte to in order to wake :meth:`wait`."""
        return self._sender.fileno()

    def close(self) -> None:
        """Close the sockets."""
        self._receiver.close()
        self._sender.close()


@contextmanager
def ended_by_signals(*, notes_hangups: bool = False) -> Iterator[EndRequest]:
    """Turn the first Ctrl-C or SIGTERM inside the block into a request for the end; the second kills the process.

    Outside the main thread Python allows no signal handlers, and the signals are left alone.

    Args:
        notes_hangups: Whether SIGHUP wakes :meth:`EndRequest.wait` instead of ending the process.
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
        for ending in _SIGNALS:
            signal.signal(ending, signal.SIG_DFL)
        end.request()

    for number in _SIGNALS:
        undo.callback(signal.signal, number, signal.signal(number, handle))
    undo.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(end.fileno(), warn_on_full_buffer=False))


def handle_hangups(end: EndRequest, undo: ExitStack) -> None:
    """Note each SIGHUP, but end the program if its terminal has been closed.

    A program that must outlive its terminal is started by nohup, which ignores the signal, or without a terminal.
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
