"""Starting, observing and stopping the server under test."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from flaskJSONRPCServer.settings import OPTIONS

from . import wire

__all__ = ["ROOT", "Start", "Starter", "Subject", "SubjectError", "wait_until"]

ROOT = Path(__file__).resolve().parents[1]

# How long a server may take to end after SIGTERM before it is killed, in seconds.
_END_S = 25

# Settings of single backends. If the package lacks one, the check runs without it, and its figures show the missing
# bound.
_BACKEND_SETTINGS = frozenset(
    {
        "max_waiting_requests",
        "head_timeout_s",
        "body_timeout_s",
        "handshake_timeout_s",
        "idle_timeout_s",
        "min_body_rate",
        "min_answer_rate",
        "rate_grace_s",
        "request_timeout_s",
        "max_connections",
        "max_connections_per_client",
        "max_requests_per_connection",
        "max_buffered_bytes",
        "max_spooled_bytes",
        "spool_body_bytes",
        "max_head_bytes",
        "max_concurrent_calls",
        "read_timeout_s",
    }
)


class SubjectError(Exception):
    """A server could not be started; the message has the last line of its log."""


class Subject:
    """A server in a separate process.

    Args:
        backend: The serving backend.
        options: The options of the server. Those of :data:`_BACKEND_SETTINGS` that the package lacks are ignored.
        folder: The folder of its log.
        address: The address to bind to; by default a loopback port that the system chooses.
        descriptors: Its limit of open files.
        environ: Environment variables in addition to those of this process.

    Attributes:
        address: The address that clients connect to.
        log_path: The file of its standard error.
        process: Its resource usage, by psutil.

    Raises:
        SubjectError: The server does not start.
    """

    def __init__(
        self,
        backend: str,
        options: dict[str, Any],
        *,
        folder: Path,
        address: Any = None,
        descriptors: int | None = None,
        environ: dict[str, str] | None = None,
    ) -> None:
        self.backend = backend
        self.log_path = folder / f"{backend}-{time.monotonic_ns()}.log"
        config = {
            "backend": backend,
            "address": address or ["127.0.0.1", 0],
            "descriptors": descriptors,
            "options": {"log": 2, **supported(options)},
        }
        with self.log_path.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "scorecard.served", json.dumps(config)],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **(environ or {})},
            )
        addresses = self._read()
        if addresses is None:
            self.stop()
            raise SubjectError(f"servBackend {backend!r} does not start: {self.last_line()}")
        self.address: Any = tuple(addresses[0]) if isinstance(addresses[0], list) else addresses[0]
        self.process = psutil.Process(self.popen.pid)

    def _read(self) -> Any:
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        return json.loads(line) if line else None

    def ask(self, command: str = "figures") -> dict[str, Any]:
        """Send a command, not over HTTP. Return the counts of :class:`~scorecard.dispatchers.Api`."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(f"{command}\n")
        self.popen.stdin.flush()
        figures: dict[str, Any] = self._read()
        return figures

    def ran(self) -> int:
        """Return how many calls have begun."""
        ran = self.ask()["ran"]
        return int(sum(ran.values()) - ran.get("page", 0))

    def marked(self, text: str) -> int:
        """Return how many calls of ``mark`` and ``slow`` have begun with a text."""
        return int(self.ask()["texts"].get(text, 0))

    def call(self, method: str, *params: Any, timeout_s: float = 5) -> wire.Answer:
        return wire.call(self.address, method, *params, timeout_s=timeout_s)

    def is_alive(self) -> bool:
        """Return whether this process answers the next valid call within a second."""
        return bool(self.call("pid", timeout_s=1).result == self.popen.pid)

    def memory(self) -> int:
        """Return the resident memory, in bytes."""
        return int(self.process.memory_info().rss)

    def reset_peak(self) -> None:
        """Begin the measurement of :meth:`peak`."""
        Path(f"/proc/{self.popen.pid}/clear_refs").write_text("5", encoding="ascii")

    def peak(self) -> int:
        """Return the peak of the resident memory since :meth:`reset_peak`, in bytes."""
        status = Path(f"/proc/{self.popen.pid}/status").read_text(encoding="ascii")
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    def descriptors(self) -> int:
        return int(self.process.num_fds())

    def settled_descriptors(self) -> int:
        """Return the number of descriptors once ten readings agree, or after 5 s.

        A connection that its client has just closed counts until the server notices, and under gevent twice.
        """
        readings = [self.descriptors()]

        def has_settled() -> bool:
            readings.append(self.descriptors())
            return len(readings) >= 10 and len(set(readings[-10:])) == 1

        wait_until(has_settled, 5)
        return readings[-1]

    def threads(self) -> int:
        return int(self.process.num_threads())

    def cpu(self, during_s: float) -> float:
        """Return the share of a core that the process uses during the next seconds."""
        before = sum(self.process.cpu_times()[:2])
        time.sleep(during_s)
        return (sum(self.process.cpu_times()[:2]) - before) / during_s

    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def last_line(self) -> str:
        return (self.log().strip().splitlines() or ["its log is empty"])[-1]

    def stop(self) -> None:
        """End the server, and every process that it has started."""
        children = []
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self.popen.pid).children(recursive=True)
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(_END_S)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def supported(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options without those of single backends that the package lacks."""
    return {name: value for name, value in options.items() if name in OPTIONS or name not in _BACKEND_SETTINGS}


Start = Callable[..., Subject]
"""A function that starts a server of the checked backend, with its options as keywords. It ends with the check."""


@contextlib.contextmanager
def Starter(backend: str) -> Iterator[Start]:  # noqa: N802  used as a class
    """Yield a function that starts servers of a backend. They end with the block."""
    with tempfile.TemporaryDirectory(prefix="scorecard") as folder, contextlib.ExitStack() as stack:

        def start(**options: Any) -> Subject:
            arguments = {name: options.pop(name, None) for name in ("address", "descriptors", "environ")}
            subject = Subject(backend, options, folder=Path(folder), **arguments)
            stack.callback(subject.stop)
            return subject

        yield start


def wait_until(condition: Callable[[], object], timeout_s: float) -> bool:
    """Poll a condition. Return whether it held before the timeout."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)  # polling, since another process signals no event
    return True


def raise_descriptor_limit() -> None:
    """Raise the descriptor limit of this process to its hard limit."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def is_running(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")  # noqa: PTH110  a process, not a path
