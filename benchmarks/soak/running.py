"""Run a server in another process, which answers each input line with figures."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]


class Server:
    """The server's process.

    Attributes:
        pid: Its process id.
        address: The path of its Unix socket, if it listens on one.
    """

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self._process = process
        self.pid = process.pid
        self.address = address

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line and return the figures of the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        figures: dict[str, Any] = json.loads(self._process.stdout.readline())
        return figures

    def idle_figures(self, idle_s: float) -> dict[str, Any]:
        """Return the figures after an idle time."""
        time.sleep(idle_s)
        return self.ask("figures")


@contextlib.contextmanager
def running_server(
    module: str, folder: Path, *options: str, gevent: bool, environ: dict[str, str] | None = None
) -> Iterator[Server]:
    """Run a serving module of the benchmarks, with its files in a folder."""
    command = [sys.executable, "-m", f"benchmarks.{module}", str(folder), *options, *(["--gevent"] if gevent else [])]
    pipe = subprocess.PIPE
    variables = {**os.environ, **(environ or {})}
    with subprocess.Popen(command, cwd=_ROOT, env=variables, stdin=pipe, stdout=pipe, text=True) as process:
        server = Server(process, str(folder / "socket"))
        server.ask("figures")  # the server answers once it listens
        yield server
        assert process.stdin is not None
        process.stdin.close()
        if process.wait(60) != 0:
            raise RuntimeError(f"the server ended with status {process.returncode}")
