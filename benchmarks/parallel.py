"""Time calls in a pool of processes against bare loky: ``python -m benchmarks.parallel``.

A small call shows the cost of the way to the process and back, without HTTP and with the server's WSGI callable. A
large call shows the cost of its arguments and its result. Calls that compute show the gain of two processes, here and
with loky; free cores limit it. All take turns in interleaved rounds, and ratios are computed in each round.
"""

import argparse
import concurrent.futures
import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import loky

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import ParallelBackend
from flaskJSONRPCServer.runtime.progress import progress

from .contestants import exchange, ignore_response
from .timing import Spread
from .workloads import PATH, Workload

LARGE = "x" * 1_000_000
EMPTY_REQUEST = {"headers": {}, "cookies": {}, "environ": {}, "remote_addr": None}

# The bounds of the project. If other programs use the cores, loky's gain replaces the last bound.
MOST_OVERHEAD = 3.0
LEAST_GAIN = 1.8


def echo(value: Any) -> Any:
    return value


def compute(steps: int) -> int:
    total = 0
    for number in range(steps):
        total += number * number
    return total


class Ours:
    """A server whose calls run in a pool of processes."""

    def __init__(self, processes: int) -> None:
        self.backend = ParallelBackend(poolSize=processes)
        self.server = flaskJSONRPCServer(None, log=False, dispatcherBackend=self.backend)
        self.server.registerFunction(echo, path=PATH)
        self.server.registerFunction(compute, path=PATH)
        self.application = self.server.getWSGI()
        self.server._startExecBackends()

    def call(self, method: str, value: Any) -> Any:
        """Make a call like the server, without HTTP."""
        data = {"method": method, "params": [value], "id": 1, "notify": False}
        _, _, ticket = self.backend.add("id", f"{PATH}/", data, EMPTY_REQUEST)
        return self.backend.check("id", ticket)[2]


@dataclass(frozen=True, slots=True)
class Case:
    """A timed call: how often it runs in a sample, and the bare call that it is divided by."""

    name: str
    calls: int
    ours: Callable[[], object]
    bare: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Pools:
    """Pools of one process and of two, by whether they are ours."""

    one: Ours
    two: Ours
    bare_one: Any
    bare_two: Any

    def gains(self, steps: int) -> tuple[float, float]:
        """Return the speedup of two processes over one: ours, and loky's."""
        ours = [computing_s(partial(pool.call, "compute"), steps) for pool in (self.one, self.two)]
        bare = [
            computing_s(lambda steps, pool=pool: pool.submit(compute, steps).result(), steps)
            for pool in (self.bare_one, self.bare_two)
        ]
        return ours[0] / ours[1], bare[0] / bare[1]


@contextlib.contextmanager
def pools() -> Iterator[Pools]:
    with loky.ProcessPoolExecutor(1) as bare_one, loky.ProcessPoolExecutor(2) as bare_two:
        one, two = Ours(1), Ours(2)
        try:
            yield Pools(one, two, bare_one, bare_two)
        finally:
            one.server.stop()
            two.server.stop()


def cases(one: Ours, executor: Any) -> list[Case]:
    workload = Workload("call", "positional", b'{"jsonrpc": "2.0", "method": "echo", "params": [1], "id": 1}', None)
    environ, body = workload.environ(), workload.body
    application = one.application
    return [
        Case("call", 50, lambda: one.call("echo", 1), lambda: executor.submit(echo, 1).result()),
        Case(
            "call through the WSGI callable",
            50,
            lambda: exchange(application, environ, body, ignore_response),
            lambda: executor.submit(echo, 1).result(),
        ),
        Case(
            "1 MB there and back",
            5,
            lambda: one.call("echo", LARGE),
            lambda: executor.submit(echo, LARGE).result(),
        ),
    ]


def median_us(calls: int, run: Callable[[], object]) -> float:
    samples = []
    for _ in range(calls):
        started_ns = time.perf_counter_ns()
        run()
        samples.append((time.perf_counter_ns() - started_ns) / 1000)
    return statistics.median(samples)


def computing_s(call: Callable[[int], object], steps: int) -> float:
    """Return the duration of four concurrent calls."""
    started_s = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(call, [steps] * 4))
    return time.perf_counter() - started_s


def measure(rounds: int, steps: int) -> tuple[dict[str, tuple[float, Spread]], Spread, Spread]:
    """Return the median in microseconds and the ratio to bare loky of each case, our speedup, and loky's."""
    with pools() as all_pools:
        timed = cases(all_pools.one, all_pools.bare_one)
        samples: dict[str, list[tuple[float, float]]] = {case.name: [] for case in timed}
        gains = []
        for is_warming in (True, *[False] * rounds):
            pairs = {case.name: (median_us(case.calls, case.ours), median_us(case.calls, case.bare)) for case in timed}
            gain = all_pools.gains(steps)
            if not is_warming:
                gains.append(gain)
                for name, pair in pairs.items():
                    samples[name].append(pair)
    figures = {
        name: (statistics.median(ours for ours, _ in pairs), Spread.of(ours / bare for ours, bare in pairs))
        for name, pairs in samples.items()
    }
    return figures, Spread.of(ours for ours, _ in gains), Spread.of(bare for _, bare in gains)


def line(name: str, spread: Spread) -> str:
    return f"{name:<34} {spread.median:5.2f}  ({spread.least:.2f} to {spread.most:.2f})"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parallel", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="take fewer and shorter samples")
    parser.add_argument("--check", action="store_true", help="exit with status 1 if a bound is missed")
    arguments = parser.parse_args()
    with progress("timing calls in child processes"):
        figures, gain, bare_gain = measure(*((3, 20_000) if arguments.quick else (15, 2_000_000)))
    print("time of a call, divided by that of a bare loky submit:")
    for name, (median, ratio) in figures.items():
        print(line(name, ratio), f" {median:,.0f} us")
    print(line("gain of two processes over one", gain))
    print(line("the same with bare loky", bare_gain))
    missed = figures["call"][1].median > MOST_OVERHEAD or gain.median < min(LEAST_GAIN, bare_gain.median)
    return int(arguments.check and missed)


if __name__ == "__main__":
    sys.exit(main())
