"""Measure our client beside pjrpc over httpx, requests and aiohttp: ``python -m benchmarks.client``.

All call a bare server in another process. They take turns, so that a slow phase of the machine slows all alike. A
figure is the least time of a call in any round: what is above that is the machine's. aiohttp is measured if it is
installed: `pip install 'pjrpc[aiohttp]'`.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pjrpc.client.backend.httpx
import pjrpc.client.backend.requests

from flaskJSONRPCServer.client import AsyncClient, Client
from flaskJSONRPCServer.runtime.progress import progress

from .report import machine

BATCH = 100
IN_FLIGHT = 100
OURS = "our client"

# The least ratio to pjrpc over another library, for each kind of calls.
GOALS = {
    ("single calls", "httpx"): 2.0,
    ("single calls", "requests"): 1.3,
    (f"batches of {BATCH}", "httpx"): 2.0,
    (f"batches of {BATCH}", "requests"): 2.0,
    (f"asynchronous, {IN_FLIGHT} in flight", "aiohttp"): 2.0,
}


@dataclass
class Contestant:
    """One client doing one kind of calls.

    Attributes:
        name: The name of the client.
        run: Makes so many calls, batches or rounds.
        calls: How many JSON-RPC calls one of these has.
        least_us: The least time of a JSON-RPC call, in microseconds.
    """

    name: str
    run: Callable[[int], Any]
    calls: int = 1
    least_us: float = field(default=float("inf"))

    def sample(self, count: int) -> None:
        began = time.perf_counter()
        self.run(count)
        self.least_us = min(self.least_us, (time.perf_counter() - began) / count / self.calls * 1e6)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60, help="how often the clients take turns")
    parser.add_argument("--calls", type=int, default=300, help="the number of single calls in a turn")
    arguments = parser.parse_args()
    print(machine())
    with serving() as url, contextlib.ExitStack() as stack:
        table = dict(contests(url, stack))
        for kind, contestants in table.items():
            with progress(f"measuring {kind}"):
                race(contestants, arguments.rounds, arguments.calls)
            report(kind, contestants)
    missed = [f"{kind} to {name}" for (kind, name), goal in GOALS.items() if ratio(table, kind, name) < goal]
    print("missed: " + ", ".join(missed) if missed else "all goals are met")
    return int(bool(missed))


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Serve in another process. Yield the URL."""
    command = [sys.executable, "-m", "benchmarks.client_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/api"
        process.stdin.close()


def contests(url: str, stack: contextlib.ExitStack) -> Iterator[tuple[str, list[Contestant]]]:
    """Yield each kind of calls with its contestants."""
    ours = stack.enter_context(Client(url))
    others = {
        "httpx": stack.enter_context(pjrpc.client.backend.httpx.Client(url)),
        "requests": stack.enter_context(pjrpc.client.backend.requests.Client(url)),
    }
    yield (
        "single calls",
        [
            Contestant(OURS, lambda count: [ours.add(number, 2) for number in range(count)]),
            *(Contestant(name, single_calls(client)) for name, client in others.items()),
        ],
    )
    yield (
        f"batches of {BATCH}",
        [
            Contestant(OURS, lambda count: [our_batch(ours) for _ in range(count)], BATCH),
            *(Contestant(name, batches(client), BATCH) for name, client in others.items()),
        ],
    )
    if importlib.util.find_spec("aiohttp") is not None:
        yield f"asynchronous, {IN_FLIGHT} in flight", asynchronous(url, stack)


def single_calls(client: Any) -> Callable[[int], Any]:
    return lambda count: [client.call("add", number, 2) for number in range(count)]


def batches(client: Any) -> Callable[[int], Any]:
    def send() -> Any:
        with client.batch() as batch:
            for number in range(BATCH):
                batch.call("add", number, 2)
        return batch.get_results()

    return lambda count: [send() for _ in range(count)]


def our_batch(client: Client) -> list[Any]:
    with client.batch() as batch:
        for number in range(BATCH):
            batch.add(number, 2)
    return batch.results()


def asynchronous(url: str, stack: contextlib.ExitStack) -> list[Contestant]:
    """Return the asynchronous contestants, which share one event loop."""
    import pjrpc.client.backend.aiohttp

    loop = asyncio.new_event_loop()
    stack.callback(loop.close)

    async def opened(make: Callable[[], Any]) -> Any:
        return await make().__aenter__()

    ours = loop.run_until_complete(opened(lambda: AsyncClient(url)))
    theirs = loop.run_until_complete(opened(lambda: pjrpc.client.backend.aiohttp.Client(url)))
    for client in (ours, theirs):
        stack.callback(lambda client=client: loop.run_until_complete(client.__aexit__(None, None, None)))

    def together(call: Callable[[int], Any]) -> Callable[[int], Any]:
        async def gather() -> Any:
            return await asyncio.gather(*(call(number) for number in range(IN_FLIGHT)))

        return lambda count: [loop.run_until_complete(gather()) for _ in range(count)]

    return [
        Contestant(OURS, together(lambda number: ours.add(number, 2)), IN_FLIGHT),
        Contestant("aiohttp", together(lambda number: theirs.call("add", number, 2)), IN_FLIGHT),
    ]


def race(contestants: list[Contestant], rounds: int, calls: int) -> None:
    for contestant in contestants:  # the first calls open connections and load modules
        contestant.run(2)
    for _ in range(rounds):
        for contestant in contestants:
            contestant.sample(max(1, calls // contestant.calls))


def report(kind: str, contestants: list[Contestant]) -> None:
    ours = contestants[0].least_us
    for contestant in contestants:
        print(
            f"{kind:<28} {contestant.name:<12} {contestant.least_us:8.1f} us a call  {contestant.least_us / ours:5.2f}"
        )


def ratio(table: dict[str, list[Contestant]], kind: str, name: str) -> float:
    """Return how much longer a call of another client takes; 0 for one that was not measured, which misses its goal."""
    found = {contestant.name: contestant.least_us for contestant in table.get(kind, ())}
    return found[name] / found[OURS] if name in found else 0.0


if __name__ == "__main__":
    sys.exit(main())
