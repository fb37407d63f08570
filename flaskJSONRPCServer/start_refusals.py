"""Refuses to start a server in a process that only imports its module."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import ServerStateError

__all__ = ["StartRefusedError", "refuse_at_import", "refuse_in_worker", "starts_refused"]

# The commands that are importing a module now, innermost last.
_importing: list[str] = []


class StartRefusedError(ServerStateError):
    """A module starts its server while a command imports it; the command would start it."""


@contextmanager
def starts_refused(command: str) -> Iterator[None]:
    """Refuse every start of a server in the block, while a command imports a module that makes one."""
    _importing.append(command)
    try:
        yield
    finally:
        _importing.pop()


def refuse_at_import(name: str) -> None:
    """Check that no command is importing the module: the command would start the server.

    Raises:
        StartRefusedError: A command is importing it.
    """
    if _importing:
        raise StartRefusedError(
            f"the module starts server {name!r} while {_importing[-1]!r} imports it; put start() or serveForever() "
            'behind  if __name__ == "__main__":'
        )


def refuse_in_worker(name: str) -> None:
    """Check that this process does not run Celery's command line.

    Raises:
        ServerStateError: It does: a worker has imported a module that starts its server.
    """
    if "celery.bin.celery" in sys.modules:
        raise ServerStateError(
            f"server {name!r} does not serve in a celery worker, which only runs its calls; put start() or "
            'serveForever() behind  if __name__ == "__main__":'
        )
