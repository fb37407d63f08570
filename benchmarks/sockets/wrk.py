"""Measure with wrk, which loads a server. Its Lua script ends with one line of JSON."""

import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("wrk.lua")

# Longer than any measurement: a signal ends wrk, which itself only counts whole seconds.
_WRK_SECONDS = 3600

_ERRORS = ("connect", "read", "write", "timeout", "status")


@dataclass(frozen=True, slots=True)
class Sample:
    """The results of one measurement.

    Attributes:
        requests_per_s: Requests per second with a successful status.
        p50_ms: The median time of a request, in milliseconds.
        p99_ms: The 99th percentile.
        failed: The number of failed requests: refused, reset, timed out, or answered with an error status.
    """

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


class LoadError(RuntimeError):
    """wrk is missing, or has not measured anything."""


def find_wrk() -> str:
    """Return the path of wrk.

    Raises:
        LoadError: There is none.
    """
    path = shutil.which("wrk")
    if path is None:
        raise LoadError("wrk is not installed; run tools/install-wrk, or install it by hand")
    return path


def parse(output: str) -> Sample:
    """Parse the output of wrk.

    Raises:
        LoadError: It has no measurements.
    """
    last = (output.strip().splitlines() or [""])[-1]
    if not last.startswith("{"):
        raise LoadError(f"wrk has measured nothing: {last!r}")
    figures = json.loads(last)
    good = figures["requests"] - figures["status"]
    return Sample(
        good / (figures["duration_us"] / 1e6),
        figures["p50_us"] / 1000,
        figures["p99_us"] / 1000,
        sum(figures[name] for name in _ERRORS),
    )


@contextmanager
def body_file(body: bytes) -> Iterator[str]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        yield file.name


def measure(url: str, body: bytes, *, connections: int, seconds: float, prefix: Sequence[str] = ()) -> Sample:
    """Load a URL and return the results.

    Args:
        url: The URL for the POST requests.
        body: The body of every request.
        connections: The number of concurrent connections.
        seconds: The duration.
        prefix: A command before wrk, to pin it to a core.

    Raises:
        LoadError: wrk has measured nothing.
    """
    with body_file(body) as path:
        options = ["-t1", f"-c{connections}", f"-d{_WRK_SECONDS}s", "--latency", "-s", str(_SCRIPT)]
        return parse(run_for(seconds, [*prefix, find_wrk(), *options, url, "--", path]))


def run_for(seconds: float, command: list[str]) -> str:
    """Run a command, interrupt it after some seconds, and return its output."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            return process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=30)[0]
        finally:
            process.kill()
