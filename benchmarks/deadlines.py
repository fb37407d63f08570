"""Measure how late the answers of calls come whose deadlines pass: ``python -m benchmarks.deadlines``.

A few clients make calls that exceed their timeout, over kept connections. The lateness is the time from the begin of
the sending to the whole answer, without the timeout, so it includes the way of the request and of the answer. Beside it
is the longest lateness of a plain sleep meanwhile: a busy machine delays everything.
"""

import argparse
import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from flaskJSONRPCServer.runtime.progress import progress

from .broker import broker_running
from .deadlines_server import TIMEOUT_S
from .report import machine

BOUND_MS = 50
CASES = (
    *(("native", name) for name in ("simple", "threaded", "threadedNative", "parallel", "celery")),
    *((name, "simple") for name in ("werkzeug", "granian", "pywsgi")),
    ("pywsgi", "threaded"),
    ("pywsgi", "parallel"),
)
_END_S = 30
_CALL = json.dumps({"jsonrpc": "2.0", "method": "late", "id": 1})
_WORKER = ("worker", "benchmarks.deadlines_server:make", "-l", "error", "--without-mingle", "--without-gossip")

Sample = tuple[float, str]
"""The lateness of an answer in milliseconds, and what happened to the work."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deadlines", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=50, help="the number of calls of each client")
    parser.add_argument("--clients", type=int, default=4, help="the number of clients")
    parser.add_argument("--only", help="the serving or the exec backend to measure")
    arguments = parser.parse_args()
    print(machine(), f"{arguments.clients} clients, {arguments.calls} calls each, timeout {TIMEOUT_S * 1000:.0f} ms")
    print("serving   exec            p50       p99       max     sleep  work")
    passed = True
    with broker_running() as (url, _):
        environ = {**os.environ, "FLASKJSONRPC_CELERY_BROKER": url}
        for case in CASES:
            if arguments.only in (None, *case):
                with progress(f"measuring {' '.join(case)}"), ThreadPoolExecutor() as beside:
                    naps = beside.submit(oversleeps_ms, arguments.calls)
                    samples = measure(case, environ, arguments.clients, arguments.calls)
                passed &= report(case, samples, max(naps.result()))
    return int(not passed)


def measure(case: tuple[str, str], environ: dict[str, str], clients: int, calls: int) -> list[Sample]:
    """Return a sample of each call."""
    with serving(case, environ) as port, ThreadPoolExecutor(clients) as threads:
        return list(chain.from_iterable(threads.map(lambda _: samples_of(port, calls), range(clients))))


def oversleeps_ms(naps: int) -> list[float]:
    """Return how late sleeps end that are as long as the timeout: the lateness that the machine itself adds."""
    return [oversleep_ms() for _ in range(naps)]


def oversleep_ms() -> float:
    begun = time.perf_counter()
    time.sleep(TIMEOUT_S)
    return (time.perf_counter() - begun - TIMEOUT_S) * 1000


@contextlib.contextmanager
def serving(case: tuple[str, str], environ: dict[str, str]) -> Iterator[int]:
    """Run a server, and a worker if it needs one; yield its port."""
    with contextlib.ExitStack() as stack:
        if "celery" in case:
            stack.enter_context(running(["flaskJSONRPCServer", *_WORKER], environ))
        server = stack.enter_context(running(["benchmarks.deadlines_server", *case], environ))
        assert server.stdout is not None
        yield int(server.stdout.readline())


@contextlib.contextmanager
def running(module: list[str], environ: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", *module]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(_END_S)


def samples_of(port: int, calls: int) -> list[Sample]:
    """Make calls over one connection, without the first: it starts the exec backend."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_END_S)
    with contextlib.closing(connection):
        return [sample_of(connection) for _ in range(calls + 1)][1:]


def sample_of(connection: http.client.HTTPConnection) -> Sample:
    begun = time.perf_counter()
    connection.request("POST", "/api", _CALL, {"Content-Type": "application/json"})
    reply = json.loads(connection.getresponse().read())
    late_ms = (time.perf_counter() - begun - TIMEOUT_S) * 1000
    error = reply["error"]
    return late_ms, error["data"]["work"] if "data" in error else f"{error['code']} {error['message']}"


def report(case: tuple[str, str], samples: list[Sample], oversleep_ms: float) -> bool:
    """Print the figures of a case; return whether they are within the bound."""
    ordered = sorted(late_ms for late_ms, _ in samples)
    p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    works = ", ".join(f"{count} {work}" for work, count in Counter(work for _, work in samples).most_common())
    verdict = "pass" if p99 <= BOUND_MS else f"FAIL: over {BOUND_MS} ms"
    figures = "  ".join(f"{late_ms:5.1f} ms" for late_ms in (p50, p99, ordered[-1], oversleep_ms))
    print(f"{case[0]:9} {case[1]:14} {figures}  {works}  {verdict}", flush=True)
    return p99 <= BOUND_MS


if __name__ == "__main__":
    sys.exit(main())
