"""Write the output of a command."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .errors import CommandError

__all__ = ["require_output", "until_output_closes", "write_output"]

# A full disk, a quota, the largest file, and a failure of the device.
_WRITE_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def write_output(name: str | None, content: bytes) -> None:
    """Write a file; standard output for None.

    Raises:
        CommandError: It cannot be written.
    """
    if name is None:
        sys.stdout.buffer.write(content)
        return
    try:
        Path(name).write_bytes(content)
    except OSError as exc:
        raise CommandError(f"{name} cannot be written: {exc}") from exc


@contextmanager
def until_output_closes() -> Iterator[None]:
    """Exit with status 1 and without a traceback if the output cannot be written.

    There is no message if its reader closes it, as `head` does.
    """
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        sys.exit(1)
    except OSError as exc:
        if exc.errno not in _WRITE_ERRORS or exc.filename is not None:
            raise
        discard_output()
        sys.exit(f"error: the output cannot be written: {exc.strerror}")


def require_output() -> None:
    """Exit with status 1 if there is no output, before a command does anything whose result would be lost."""
    if sys.stdout is None:  # so Python marks a closed descriptor
        sys.exit("error: the standard output is closed")


def discard_output() -> None:
    """Let the end of the process, which flushes once more, succeed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
