"""Waiting for the end of a server: by signal, or by another thread."""

from __future__ import annotations

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

    def request(self) -> None:
        """Ask for the end. A signal handler may call this."""
        self._requested = True
        try:
            self._sender.send(b"\0")
        except OSError:  # full, so it wakes anyway; or closed, so nobody waits any more
            return

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until the end has been asked for, or the time is over. Return whether the end has been asked for."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._requested:
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
def ended_by_signals() -> Iterator[EndRequest]:
    """Make the first Ctrl-C or SIGTERM inside the block a request for the end; the second one kills the process.

    Outside the main thread, where Python allows no signal handlers, signals are left as they are.
    """
    end = EndRequest()
    with ExitStack() as undo:
        undo.callback(end.close)
        if threading.current_thread() is threading.main_thread():
            handle_signals(end, undo)
        yield end


def handle_signals(end: EndRequest, undo: ExitStack) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        end.request()

    for number in _SIGNALS:
        undo.callback(signal.signal, number, signal.signal(number, handle))
    undo.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(end.fileno(), warn_on_full_buffer=False))
