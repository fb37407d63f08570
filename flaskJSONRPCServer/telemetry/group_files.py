"""Where the workers of one server keep their counts: files in memory, in a folder named by their parent process.

Nothing has to be wiped. A folder belongs to one parent process, by its id and its start. Workers of another parent
never read it, and remove it once that parent has ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ..runtime.private_folders import UnsafeFolderError, make_private_folder
from .families import Family, as_json, from_json, kept_after_death, merged

__all__ = ["GroupFiles", "UnsafeFolderError", "is_forked_from_parent", "process_identity"]

# In memory, so that writing costs no disk; elsewhere the system's folder for temporary files serves as well.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  the folder below it is checked  # nosec B108

_DEAD: Final = "dead"
_NEW: Final = ".new"
_PROC: Final = Path("/proc")

# After the name of the program, which may have spaces: the start is the twentieth of these fields (proc(5)).
_START_FIELD: Final = 19
_ENDED_STATES: Final = ("X", "Z")


def process_identity(pid: int) -> str | None:
    """Return the id and the start of a running process, which no other process has; None if it has ended."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in _ENDED_STATES else f"{pid}-{fields[_START_FIELD]}"


def is_forked_from_parent() -> bool:
    """Return whether this process is a fork of its parent and runs the same program, as a worker of gunicorn does.

    The auxiliary vector has random addresses, which each start of a program chooses anew. Processes that a shell,
    systemd or :mod:`subprocess` has started are servers of their own.
    """
    parent = os.getppid()
    try:
        return (_PROC / str(parent) / "auxv").read_bytes() == (_PROC / "self" / "auxv").read_bytes()
    except PermissionError:  # the parent is of another user, as gunicorn's with `--user`
        return os.getpgid(parent) == os.getpgrp()
    except OSError:
        return False


def folder_name() -> str:
    """Return the name of the folder of this user, and of its namespace of processes.

    Containers may share the memory, but not the ids of processes: each would take the workers of the other for ended.
    The first process of the namespace tells them apart; its identity can be read also without privileges.
    """
    return f"flaskJSONRPCServer-{os.geteuid()}-{process_identity(1)}"


def base_folder() -> Path:
    """Return the folder of this user, and make it if there is none.

    Raises:
        UnsafeFolderError: Another user owns it, or can write to it.
    """
    parent = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    folder = parent / folder_name()
    make_private_folder(folder)
    return folder


class GroupFiles:
    """The files of the workers of one server, as one worker uses them.

    Each worker has a file with its latest counts, and a socket at which it is asked to write them. One more file has
    the sum of the workers that have ended.

    Args:
        parent: The identity of the parent process.
        server: The name of the server among those of the program.

    Raises:
        OSError: The folder cannot be made.

    Attributes:
        worker: The identity of this worker.
    """

    def __init__(self, parent: str, server: str) -> None:
        base = base_folder()
        remove_ended_groups(base)
        name = hashlib.sha256(server.encode("utf-8", "replace")).hexdigest()[:12]
        self._folder = base / parent / name
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.worker = process_identity(os.getpid()) or str(os.getpid())

    @property
    def socket_path(self) -> Path:
        """The path of this worker's socket."""
        return self._folder / f"{self.worker}.sock"

    def sockets_of_others(self) -> list[Path]:
        """Return the paths of the sockets of the other workers that run."""
        return [path for path in self._folder.glob("*.sock") if path.stem != self.worker and is_running(path.stem)]

    def write(self, families: list[Family]) -> None:
        """Replace the counts of this worker."""
        write_json(self._folder / f"{self.worker}.json", as_json(families))

    def remove_worker(self) -> None:
        """Remove the socket and the counts of this worker, as if it had never counted."""
        for path in (self.socket_path, self._folder / f"{self.worker}.json"):
            path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let no other worker add up counts meanwhile. The lock ends with its process."""
        import fcntl  # missing on Windows, where no process is a fork

        with (self._folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def others(self) -> list[list[Family]]:
        """Return the counts of the other workers; those that have ended are added up. Call it under :meth:`locked`."""
        files = {path.stem: path for path in self._folder.glob("*-*.json") if path.stem != self.worker}
        running = {worker: path for worker, path in files.items() if is_running(worker)}
        ended = {worker: path for worker, path in files.items() if worker not in running}
        return [*map(read_families, running.values()), self._add_ended(ended)]

    def _add_ended(self, ended: Mapping[str, Path]) -> list[Family]:
        """Add the counts of workers that have ended to those of the earlier ones, and return the sum."""
        dead, counted = self._read_dead()
        if not ended:
            return dead
        new = [kept_after_death(read_families(path)) for worker, path in ended.items() if worker not in counted]
        dead = merged([dead, *new])
        # With their names, so that an interruption before their files are removed counts none of them twice.
        write_json(self._folder / f"{_DEAD}.json", [as_json(dead), list(ended)])
        for path in ended.values():
            path.unlink(missing_ok=True)
            for suffix in (".sock", _NEW):
                path.with_suffix(suffix).unlink(missing_ok=True)
        return dead

    def _read_dead(self) -> tuple[list[Family], list[str]]:
        path = self._folder / f"{_DEAD}.json"
        if not path.exists():
            return [], []
        families, counted = read_json(path)
        return from_json(families), counted


def is_running(identity: str) -> bool:
    """Return whether the process with an identity runs."""
    pid = identity.partition("-")[0]
    return pid.isdecimal() and process_identity(int(pid)) == identity


def remove_ended_groups(base: Path) -> None:
    """Remove the folders of parents that have ended."""
    for folder in base.iterdir():
        if not is_running(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Replace a file in one step, so that a reader never sees a part of it."""
    new = path.with_suffix(_NEW)
    new.write_text(json.dumps(value), encoding="utf-8")
    new.replace(path)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_families(path: Path) -> list[Family]:
    """Return the counts in a file; none if its worker has just left."""
    try:
        return from_json(read_json(path))
    except FileNotFoundError:
        return []
