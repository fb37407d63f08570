"""Measure the growth of the process over a million calls. As a program, it prints one JSON object for its parent."""

import gc
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from .bare import Application
from .contestants import exchange, ignore_response, server_application
from .workloads import WORKLOADS

CALLS = 1_000_000

_ROOT = Path(__file__).resolve().parents[1]
_MB = 1_000_000


def measure(calls: int) -> dict[str, Any]:
    """Return the growth of the process from the first tenth of the calls to the last call, in MB."""
    app = server_application("simplejson", flask_context=False)
    first = calls // 10
    put_requests(app, first)
    early_mb = resident_mb()
    put_requests(app, calls - first)
    late_mb = resident_mb()
    return {"calls": calls, "first": first, "early_mb": early_mb, "late_mb": late_mb, "growth_mb": late_mb - early_mb}


def put_requests(app: Application, count: int) -> None:
    """Send requests to an application: calls and notifications, positional and named, in turn."""
    requests = [(workload.environ(), workload.body) for workload in WORKLOADS if workload.kind != "batch"]
    for environ, body in itertools.islice(itertools.cycle(requests), count):
        exchange(app, environ, body, ignore_response)


def resident_mb() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss) / _MB


def measure_apart(calls: int) -> dict[str, Any]:
    """Run :func:`measure` in a fresh process, whose memory is not filled or fragmented."""
    command = [sys.executable, "-m", "benchmarks.memory", str(calls)]
    answer = subprocess.run(command, cwd=_ROOT, check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = json.loads(answer.stdout)
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
