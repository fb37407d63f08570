"""Folders of one user, in folders where all users may write."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

__all__ = ["UnsafeFolderError", "is_private_folder", "make_private_folder"]


class UnsafeFolderError(OSError):
    """Another user owns or can write a folder that is to be of this user alone."""


def is_private_folder(path: Path) -> bool:
    """Return whether there is a folder, which then is of this user alone.

    Raises:
        UnsafeFolderError: Another user owns it, or can write to it; or it is no folder.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise UnsafeFolderError(f"{path} is not a folder of this user alone; remove it")
    return True


def make_private_folder(path: Path) -> None:
    """Make a folder of this user alone, if there is none.

    Raises:
        UnsafeFolderError: As with :func:`is_private_folder`.
        OSError: It cannot be made.
    """
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    is_private_folder(path)
