"""Releases sockets of the parent in each process that it forks.

A child ends when the parent's ends of its sockets are closed, so that no child outlives a parent that was killed. A
forked process has copies of these ends, and would keep the children alive.
"""

from __future__ import annotations

import os
import weakref
from typing import Any

from ...runtime.concurrency import native

__all__ = ["release_in_forks"]

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
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(null, descriptor, inheritable=False)
    native("os", "close")(null)  # at once: gevent's leaves it to its loop


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=release_all)
