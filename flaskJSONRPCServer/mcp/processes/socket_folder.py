"""The folder in which the processes of one program find each other's sockets."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ...runtime.private_folders import UnsafeFolderError, is_private_folder, make_private_folder
from ...servBackend.sockets import is_listened_on

__all__ = ["FolderError", "SocketFolder"]

# What a client sends as a name must not lead out of the folder.
_NAME_BYTES: Final = 8
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{11}")

# The longest path of a socket: macOS takes 103 bytes, Linux 107.
_LONGEST_PATH_BYTES: Final = 103

# After how many seconds nobody can be about to listen at a socket; guessed.
_STALE_S: Final = 60.0


class FolderError(Exception):
    """The folder cannot be used. The message names it, and the remedy."""


class SocketFolder:
    """A folder for sockets, in the folder of the system for temporary files. Only its user may enter it.

    Args:
        name: Its name, which all processes of the program know.
    """

    def __init__(self, name: str) -> None:
        self._path = Path(tempfile.gettempdir()) / name

    def find(self, name: str) -> Path | None:
        """Return the path of the socket with a name; None if there is none.

        Raises:
            FolderError: Another user may have made the socket.
        """
        if not _NAME.fullmatch(name) or not self._exists():
            return None
        path = self._path / name
        return path if path.is_socket() else None

    def paths(self) -> list[Path]:
        """Return the paths of all sockets.

        Raises:
            FolderError: Another user may have made them.
        """
        paths = self._path.iterdir() if self._exists() else ()
        return [path for path in paths if path.is_socket()]

    def new_path(self) -> Path:
        """Return a path for one more socket, after making the folder and removing sockets that nobody listens at.

        Raises:
            FolderError: Another user has made the folder, or the path is too long.
            OSError: The folder cannot be made.
        """
        path = self._path / secrets.token_urlsafe(_NAME_BYTES)
        if len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
            raise FolderError(f"the path {path} is too long for a socket; set TMPDIR to a shorter one")
        with refusals():
            make_private_folder(self._path)
        for other in self.paths():
            remove_stale(other)
        return path

    def _exists(self) -> bool:
        """Return whether there is the folder.

        Raises:
            FolderError: Another user has made it, or may write to it.
        """
        with refusals():
            return is_private_folder(self._path)


@contextmanager
def refusals() -> Iterator[None]:
    """Add the remedy to the refusal of a folder."""
    try:
        yield
    except UnsafeFolderError as exc:
        raise FolderError(f"{exc}, or set TMPDIR") from exc


def remove_stale(path: Path) -> None:
    """Remove a socket whose process has ended without removing it."""
    try:
        is_old = time.time() - path.lstat().st_mtime > _STALE_S
    except FileNotFoundError:
        return
    if is_old and not is_listened_on(str(path)):
        path.unlink(missing_ok=True)
