"""The folder in which the processes of one program find each other's sockets."""

from __future__ import annotations

import os
import re
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Final

from ...servBackend.sockets import is_listened_on

__all__ = ["SocketFolder", "UnsafeFolderError"]

# What a client sends as a name must not lead out of the folder.
_NAME_BYTES: Final = 8
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{11}")


class UnsafeFolderError(Exception):
    """Other users may write to the folder. The message names it, and the remedy."""


class SocketFolder:
    """A folder for sockets, in the folder of the system for temporary files. Only its user may enter it.

    Args:
        name: Its name, which all processes of the program know.
    """

    def __init__(self, name: str) -> None:
        self._path = Path(tempfile.gettempdir()) / name

    def path_of(self, name: str) -> Path | None:
        """Return the path of the socket with a name; None if no socket has such a name."""
        return self._path / name if _NAME.fullmatch(name) else None

    def new_path(self) -> Path:
        """Return a path for one more socket."""
        return self._path / secrets.token_urlsafe(_NAME_BYTES)

    def make(self) -> None:
        """Make the folder if there is none, and remove the sockets of processes that have ended.

        Raises:
            UnsafeFolderError: Another user has made it, or may write to it.
            OSError: It cannot be made.
        """
        try:
            self._path.mkdir(0o700)
        except FileExistsError:
            self._check()
        for path in self._path.iterdir():
            if not is_listened_on(str(path)):
                path.unlink(missing_ok=True)

    def paths(self) -> list[Path]:
        """Return the paths of all sockets; none if there is no folder.

        Raises:
            UnsafeFolderError: Another user has made it, or may write to it.
        """
        try:
            self._check()
            return list(self._path.iterdir())
        except FileNotFoundError:
            return []

    def _check(self) -> None:
        status = self._path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise UnsafeFolderError(f"{self._path} is not a folder of this user alone; remove it, or set TMPDIR")
