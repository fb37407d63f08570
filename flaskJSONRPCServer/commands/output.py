"""Write the output of a command."""

from __future__ import annotations

import sys
from pathlib import Path

from .errors import CommandError

__all__ = ["write_output"]


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
