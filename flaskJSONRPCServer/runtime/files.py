"""Read and write whole files, and read text files inside archives."""

from __future__ import annotations

import errno
import os
import re
import zipfile
from pathlib import Path

__all__ = ["read_file", "write_file"]

_READ_MODES = {
    "r": "r",
    "rt": "r",
    "tr": "r",
    "rU": "r",
    "rb": "rb",
    "br": "rb",
}  # "rU" is what Python 2 programs wrote
_WRITE_MODE = re.compile(r"[wax][bt]?")


def read_file(path: str | os.PathLike[str], mode: str) -> str | bytes:
    """Return the content of a file, or of a text file inside an archive.

    Args:
        path: The file.
        mode: ``"r"`` for text in UTF-8 or ``"rb"`` for bytes. Any other word names a member of the file, which is then
            a ZIP or TAR archive, compressed or not.

    Raises:
        OSError: The file cannot be read; FileNotFoundError also if the archive has no member of that name.
        ValueError: The mode is unknown and the file is no archive, or the text is not UTF-8.
    """
    if mode in _READ_MODES:
        return content_of(Path(path), _READ_MODES[mode])
    if zipfile.is_zipfile(path):
        return zip_member(path, mode).decode()
    import tarfile  # imported late, here and below: few servers read one, and the import takes a millisecond

    if tarfile.is_tarfile(path):
        return tar_member(path, mode).decode()
    raise ValueError(f"mode {mode!r} is refused: it is neither 'r' nor 'rb', and {os.fspath(path)!r} is no archive")


def write_file(path: str | os.PathLike[str], content: str | bytes, mode: str) -> str | bytes:
    """Write a file, and return its new content.

    Args:
        path: The file.
        content: Text, written as UTF-8, or bytes.
        mode: ``"w"`` replaces a file, ``"a"`` appends to it, ``"x"`` fails if it exists. A following ``"b"`` turns off
            the translation of line ends.

    Raises:
        OSError: The file cannot be written.
        ValueError: The mode is unknown.
    """
    if not _WRITE_MODE.fullmatch(mode):
        raise ValueError(f"mode {mode!r} is refused: it takes 'w', 'a' or 'x', with a 'b' for bytes")
    if "b" in mode or isinstance(content, bytes):
        with Path(path).open(f"{mode[0]}b") as file:
            file.write(content.encode() if isinstance(content, str) else content)
    else:
        with Path(path).open(mode, encoding="utf-8") as text_file:
            text_file.write(content)
    return content


def content_of(path: Path, mode: str) -> str | bytes:
    return path.read_bytes() if mode == "rb" else path.read_text(encoding="utf-8")


def zip_member(path: str | os.PathLike[str], name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        try:
            return archive.read(name)
        except KeyError as exc:
            raise no_member(path, name) from exc


def tar_member(path: str | os.PathLike[str], name: str) -> bytes:
    import tarfile

    with tarfile.open(path) as archive:
        try:
            member = archive.extractfile(name)
        except KeyError as exc:
            raise no_member(path, name) from exc
        if member is None:  # a folder or a device
            raise no_member(path, name)
        with member:
            return member.read()


def no_member(path: str | os.PathLike[str], name: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "no such file in the archive", os.path.join(path, name))  # noqa: PTH118  a name to read, no path
