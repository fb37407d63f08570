"""The processes that use a store file: each locks a byte of a file beside it, so that its death is seen by the others.

The kernel frees the lock when the process ends, however it ends. The number of a process would not do: it is used
again, and is another one in each container. A lock of `fcntl` is not inherited by forked processes, as one of `flock`
is. But it is lost as soon as its process closes the file by any descriptor, so the file is opened once, and never
closed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from typing import Final

from ...runtime.concurrency import make_lock

__all__ = ["Owner", "owner_of"]

_BITS: Final = 62


class Owner:
    """This process among those that use a store file.

    Args:
        path: The file with the locks.

    Attributes:
        number: A random number that no other living process has.

    Raises:
        OSError: The file cannot be opened or locked, or is a link.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self.number = secrets.randbits(_BITS)
        while not self._lock(self.number):
            self.number = secrets.randbits(_BITS)

    def is_alive(self, number: int) -> bool:
        """Return whether the process with a number lives."""
        if number == self.number:
            return True
        if not self._lock(number):
            return True
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, number)
        return False

    def _lock(self, number: int) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except (BlockingIOError, PermissionError):  # either says that another process has the lock
            return False
        return True


class Owners:
    """The owners that this process is, by their files."""

    def __init__(self) -> None:
        self._lock = make_lock()
        self._owners: dict[Path, Owner] = {}  # guarded by _lock

    def of(self, path: Path) -> Owner:
        """Return the owner that this process is for a file."""
        with self._lock:
            if path not in self._owners:
                self._owners[path] = Owner(path)
            return self._owners[path]


_owners = Owners()


def owner_of(path: Path) -> Owner:
    """Return the owner that this process is for a file: the same for each store of it.

    Args:
        path: The file beside a store, whose path has no links.

    Raises:
        OSError: The file cannot be opened or locked.
    """
    return _owners.of(path)


def begin_in_child() -> None:
    global _owners  # noqa: PLW0603  it is the state of the process
    _owners = Owners()


os.register_at_fork(after_in_child=begin_in_child)
