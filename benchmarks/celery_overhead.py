"""Time calls in Celery workers: ``python -m benchmarks.celery_overhead``.

A call of ours, measured from the WSGI callable, takes turns with a bare Celery ``add.delay(1, 2).get()``. Both have a
worker with one process, and share a broker: a Valkey server that the benchmark starts.
"""

import argparse
import contextlib
import importlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from flaskJSONRPCServer.runtime.progress import progress

from .broker import broker_running
from .contestants import exchange, ignore_response
from .report import machine
from .workloads import WORKLOADS

BOUND = 2.5
_WARM_UP = 20
_TIMEOUT_S = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.celery_overhead", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000, help="the number of calls of each")
    parser.add_argument("--check", action="store_true", help=f"exit with status 1 if the ratio exceeds {BOUND}")
    arguments = parser.parse_args()
    with progress("timing calls in Celery workers"), broker_running() as (url, _):
        os.environ["CELERY_OVERHEAD_BROKER"] = url
        apps = importlib.import_module("benchmarks.celery_apps")
        with worker("bare"), worker("celery"):
            ours, bare = race(call_of(apps.server), lambda: apps.add.delay(1, 2).get(_TIMEOUT_S), arguments.calls)
        apps.server.stop()
        apps.bare.close()
    ratio = statistics.median(ours) / statistics.median(bare)
    print(machine(), f"{arguments.calls} calls of each")
    print(line("bare Celery", bare), line("ours", ours), sep="\n")
    print(f"ours / bare Celery at p50: {ratio:.2f}, <= {BOUND}: {'pass' if ratio <= BOUND else 'FAIL'}")
    return int(arguments.check and ratio > BOUND)


@contextlib.contextmanager
def worker(name: str) -> Iterator[None]:
    """Run a worker of one process for an application of ``celery_apps``."""
    options = ["-c", "1", "-l", "error", "-n", f"{name}@%h", "--without-mingle", "--without-gossip"]
    command = [sys.executable, "-m", "celery", "-A", f"benchmarks.celery_apps:{name}", "worker", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(_TIMEOUT_S)


def call_of(server: object) -> Callable[[], float]:
    """Return a function that makes a call of ours and reads its answer."""
    app, workload = server.getWSGI(), WORKLOADS[0]  # type: ignore[attr-defined]

    def call() -> float:
        answer = exchange(app, workload.environ(), workload.body, ignore_response)
        if b'"result":3' not in answer:
            raise ValueError(f"ours answers {answer!r}")
        return 3

    return call


def race(ours: Callable[[], float], bare: Callable[[], float], calls: int) -> tuple[list[float], list[float]]:
    """Alternate between calls of both kinds; return their durations in milliseconds."""
    for _ in range(_WARM_UP):
        ours(), bare()
    pairs = [(timed(ours), timed(bare)) for _ in range(calls)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def timed(call: Callable[[], float]) -> float:
    begun_ns = time.perf_counter_ns()
    if call() != 3:
        raise ValueError("1 + 2 is not 3")
    return (time.perf_counter_ns() - begun_ns) / 1e6


def line(name: str, durations_ms: list[float]) -> str:
    ordered = sorted(durations_ms)
    p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    return f"{name:12} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms"


if __name__ == "__main__":
    sys.exit(main())
