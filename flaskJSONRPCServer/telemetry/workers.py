"""The sum over the workers of a server that runs in several processes, such as those of gunicorn.

The worker that answers a scrape asks the others to write their counts, and adds them up. So the sum is exact, and costs
a call nothing. A worker also writes when it ends, and every half second if it has counted anything. If it is killed, no
more than that is lost, and never what a scrape has shown.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from ..runtime.concurrency import start_thread
from ..runtime.forks import release_in_forks
from ..runtime.logs import WARNING, ServerLog
from .families import Family, gauge, merged
from .group_files import GroupFiles, is_forked_from_parent, process_identity

__all__ = ["WorkerGroup"]

# How often a worker writes what it has counted, in seconds; guessed.
_WRITE_EVERY_S: Final = 0.5

# How long a scrape waits for the other workers, in seconds. After that, what they wrote last counts; guessed.
_ANSWER_WITHIN_S: Final = 2.0

_WRITTEN: Final = b"\n"

_WORKERS: Final = "jsonrpc_server_workers"


class WorkerGroup:
    """The workers of one server that are forks of one process, as one of them sees it.

    Args:
        name: The name of the server among those of the program.
        families: Returns the metrics of this worker.
        progress: Returns a value that changes with each count; this worker writes after it has changed.
        log: The log.
    """

    def __init__(
        self, name: str, families: Callable[[], list[Family]], progress: Callable[[], object], log: ServerLog
    ) -> None:
        self._name = name
        self._families = families
        self._progress = progress
        self._log = log
        self._joining = threading.Lock()
        self._pid: int | None = None  # of the process that has tried to join; written under _joining, as two below
        self._files: GroupFiles | None = None
        self._listener: socket.socket | None = None
        self._writing = threading.Lock()
        self._written: object = None  # the progress at the last write; guarded by _writing

    def begin_in_child(self) -> None:
        """Leave the group of the parent process in a fork of it."""
        self._joining, self._writing = threading.Lock(), threading.Lock()
        self._pid, self._files, self._listener, self._written = None, None, None, None

    def join(self) -> None:
        """Join the group of the other workers, if this process is one; once in each process."""
        if self._pid == os.getpid():
            return
        failure = None
        with self._joining:  # other threads wait: without the group, they would answer a scrape with too little
            if self._pid != os.getpid():
                try:
                    self._join()
                except OSError as exc:
                    failure = exc
                self._pid = os.getpid()
        if failure is not None:
            self._log.write(WARNING, f"metrics count this process only: {failure}")

    def _join(self) -> None:
        parent = process_identity(os.getppid())
        if parent is None or not is_forked_from_parent():
            return
        files = GroupFiles(parent, self._name)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(files.socket_path))
            listener.listen()
            listener.settimeout(_WRITE_EVERY_S)
        except OSError:
            listener.close()
            raise
        release_in_forks(listener)
        self._files, self._listener = files, listener
        start_thread(self._serve, args=(files, listener), name="metrics-worker")
        atexit.register(self._end, files)

    def leave(self) -> None:
        """Leave the group: this process serves by itself. Call it before anything is counted."""
        with self._joining:
            self._pid = os.getpid()
            files, listener = self._files, self._listener
            self._files = self._listener = None
        if files is not None and listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # its thread ends at once
            listener.close()
            with self._writing:
                files.remove_worker()

    @property
    def has_joined(self) -> bool:
        """Whether this process is one of several workers."""
        return self._files is not None

    def families(self) -> list[Family]:
        """Return the metrics of all workers together; those of this process if it is the only one."""
        files = self._files
        if files is None:
            return self._families()
        others = ask_to_write(files)
        own = self._write(files)
        with files.locked():
            counted = merged([own, *files.others()])
        return [*counted, gauge(_WORKERS, "Worker processes that run.", ({}, others + 1))]

    def _serve(self, files: GroupFiles, listener: socket.socket) -> None:
        """Write the counts when another worker asks for it, and from time to time."""
        with contextlib.suppress(OSError):  # the listener is closed, or released in a fork
            while self._listener is listener:
                self._serve_one(files, listener)

    def _serve_one(self, files: GroupFiles, listener: socket.socket) -> None:
        try:
            asking, _ = listener.accept()
        except TimeoutError:
            self._write_if_changed(files)
            return
        with asking, contextlib.suppress(OSError):
            self._write(files)
            asking.sendall(_WRITTEN)

    def _write_if_changed(self, files: GroupFiles) -> None:
        if self._progress() != self._written:
            self._write(files)

    def _write(self, files: GroupFiles) -> list[Family]:
        """Write what this worker has counted, and return that."""
        with self._writing:
            progress, families = self._progress(), self._families()
            try:
                if self._files is files:  # it has not left meanwhile
                    files.write(families)
                    self._written = progress
            except OSError as exc:  # such as a full memory: the next write may succeed
                self._log.write(WARNING, f"the counts of this worker cannot be written: {exc}")
            return families

    def _end(self, files: GroupFiles) -> None:
        """Write for the last time, at the end of the process."""
        if self._files is files and self._pid == os.getpid():
            self._write(files)
            files.socket_path.unlink(missing_ok=True)


def ask_to_write(files: GroupFiles) -> int:
    """Ask the other workers to write their counts, wait for them, and return their number."""
    deadline = time.monotonic() + _ANSWER_WITHIN_S
    paths = files.sockets_of_others()
    connections = []
    for path in paths:
        connections.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        connections[-1].settimeout(max(0.001, deadline - time.monotonic()))
        with contextlib.suppress(OSError):  # it is just ending, or many ask it at once
            connections[-1].connect(str(path))
    wait_for_answers(connections, deadline)
    return len(paths)


def wait_for_answers(connections: Iterable[socket.socket], deadline: float) -> None:
    for connection in connections:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            connection.recv(len(_WRITTEN))
