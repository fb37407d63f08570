"""Releases sockets of this process in each process that it forks, and tells the two apart.

A forked process has copies of all sockets. As long as it lives, they would keep a stopped server's address taken, its
clients' connections open, and the children of the exec backend ``parallel`` alive after their parent was killed.
"""

from __future__ import annotations

import os
import weakref
from typing import Any

from .concurrency import native

__all__ = ["fork_count", "release_in_forks"]

_forks = 0  # how many forks lie between this process and the one that imported the module
_sockets: weakref.WeakSet[Any] = weakref.WeakSet()


def release_in_forks(connected: Any) -> None:
    """Release a socket in the processes that this one forks from now on.

    Args:
        connected: The socket, of the patched or of the unpatched class.
    """
    _sockets.add(connected)


def release_all() -> None:
    """Replace the sockets by the null device.

    Closing them would do harm under gevent: a forked process goes on with the loop and the greenlets that use them.
    """
    descriptors = [descriptor for connected in list(_sockets) if (descriptor := connected.fileno()) >= 0]
    if not descriptors:
        return
    close = native("os", "close")  # at once: gevent's leaves it to its loop
    for descriptor in descriptors:
        close(descriptor)
    null = os.open(os.devnull, os.O_RDWR)  # after that, so that there is a descriptor for it, however many are open
    for descriptor in descriptors:
        if descriptor != null:
            os.dup2(null, descriptor, inheritable=False)
    if null not in descriptors:
        close(null)


def fork_count() -> int:
    """Return a number that differs in a process from that in the process which forked it."""
    return _forks


def begin_child() -> None:
    global _forks  # noqa: PLW0603  one counter for each process
    _forks += 1
    release_all()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=begin_child)
