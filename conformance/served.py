"""Starting the example on a serving backend, or in another program."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

__all__ = ["BACKENDS", "GUNICORN", "ServedError", "served"]

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "mcp_everything.py"

GUNICORN = "gunicorn, 2 workers"

BACKENDS = ("native", "granian", "werkzeug", "pywsgi", GUNICORN)
"""The programs that serve the example: the serving backends, and gunicorn with a Flask application."""

_PATIENCE_S = 40


class ServedError(Exception):
    """The example did not start; the message has its output."""


@contextlib.contextmanager
def served(backend: str) -> Iterator[str]:
    """Serve the example, and yield the URL of its endpoint.

    Raises:
        ServedError: It does not start.
    """
    port = free_port()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command_of(backend, port),
            cwd=ROOT,
            env={**os.environ, "SECRET": secrets.token_hex(32)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}/mcp"
            if not answers(url, process):
                output.seek(0)
                raise ServedError(f"{backend} does not answer:\n{output.read().decode(errors='replace')}")
            yield url
        finally:
            end(process)


def command_of(backend: str, port: int) -> list[str]:
    """Return the command that serves the example at a port."""
    if backend != GUNICORN:
        return [sys.executable, str(EXAMPLE), str(port), backend]
    options = ["--workers", "2", "--threads", "16", "--bind", f"127.0.0.1:{port}", "--pythonpath", str(EXAMPLE.parent)]
    return [sys.executable, "-m", "gunicorn", "--log-level", "error", *options, "conformance.mounted:app"]


def answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the endpoint answers; return False if the program ends before, or takes too long."""
    ends_at = time.monotonic() + _PATIENCE_S
    while process.poll() is None and time.monotonic() < ends_at:
        if has_answered(url):
            return True
        time.sleep(0.05)
    return False


def has_answered(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=_PATIENCE_S).close()
    except urllib.error.HTTPError as exc:  # as to any GET without a session
        exc.close()
    except OSError:
        return False
    return True


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program and its workers."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
