"""Write the output of a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import CommandError

__all__ = ["until_output_closes", "write_output"]


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
    """Exit with status 1 and without a traceback if the reader of the output closes it, as `head` does."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The end of the process flushes once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
