"""Time small calls during a large one, with ``experimental=True`` and without.

Another process sends small calls, one after the other, while this one sends a large request that the server reads,
echoes and compresses. The servers take turns in interleaved rounds, and ratios are computed in each round.
"""

import argparse
import contextlib
import gzip
import http.client
import json
import math
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from flaskJSONRPCServer.runtime.progress import progress

from .report import machine
from .soak.running import running_server
from .soak.server import PATH
from .timing import Spread

ALONE, PLAIN, EXPERIMENTAL = "alone", "beside, experimental=False", "beside, experimental=True"
FIGURES = ("p50 ms", "p99 ms", "max ms", "small calls/s", "large s")

_HEADERS = {"Content-Type": "application/json", "Host": "localhost"}
_SMALL = {"jsonrpc": "2.0", "method": "echo", "params": ["small"], "id": 1}
_TIMEOUT_S = 300


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gevent", action="store_true", help="serve with pywsgi, under gevent")
    parser.add_argument("--megabytes", type=float, default=20, help="the size of the large request")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    text = large_text(arguments.megabytes)
    sending = progress(f"sending {len(text) / 1e6:.1f} MB beside small calls, {arguments.rounds} times")
    with sending, tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        plain, experimental = (
            stack.enter_context(serving(Path(folder) / name, options, gevent=arguments.gevent))
            for name, options in (("plain", []), ("experimental", ["--experimental"]))
        )
        rounds = [run_round(plain, experimental, text) for _ in range(arguments.rounds)]
    print(machine(), f"{len(text) / 1e6:.1f} MB,", "gevent" if arguments.gevent else "native threads")
    print(table(rounds))


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket: a minute of thousands of connections would use up the ports of one address."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def large_text(megabytes: float) -> bytes:
    """Return a request that echoes a list of records, of about this size."""
    record = json.dumps(record_of(123_456))
    records = [record_of(number) for number in range(math.ceil(megabytes * 1e6 / len(record)))]
    return json.dumps({"jsonrpc": "2.0", "method": "echo", "params": [records], "id": 1}).encode()


def record_of(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"record {number}", "price": number / 7, "tags": ["a", "b", None], "sold": True}


@dataclass(frozen=True, slots=True)
class Sample:
    """The measurements of one server in one interval.

    Attributes:
        latencies_ms: The durations of the small calls, in ascending order.
        duration_s: The length of the interval.
        large_s: The duration of the large request; None if there was none.
    """

    latencies_ms: list[float]
    duration_s: float
    large_s: float | None

    def figures(self) -> dict[str, float | None]:
        return {
            "p50 ms": percentile(self.latencies_ms, 50),
            "p99 ms": percentile(self.latencies_ms, 99),
            "max ms": self.latencies_ms[-1],
            "small calls/s": len(self.latencies_ms) / self.duration_s,
            "large s": self.large_s,
        }


Round = dict[str, Sample]


def percentile(ordered: list[float], percent: float) -> float:
    """Return a percentile of values in ascending order."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


class Target:
    """A server, with a process that sends small calls to it."""

    def __init__(self, address: str, pipe: Connection) -> None:
        self._address = address
        self._pipe = pipe

    def sample(self, text: bytes) -> Sample:
        """Measure small calls during a large request."""
        with self._small_calls() as latencies_ms:
            started = time.perf_counter()
            answer = self._post(text)
            large_s = time.perf_counter() - started
        check_large(answer, text)
        return Sample(sorted(latencies_ms), large_s, large_s)

    def sample_alone(self, duration_s: float) -> Sample:
        with self._small_calls() as latencies_ms:
            time.sleep(duration_s)
        return Sample(sorted(latencies_ms), duration_s, None)

    @contextlib.contextmanager
    def _small_calls(self) -> Iterator[list[float]]:
        """Send small calls during the block. At its end, the list has their durations in milliseconds."""
        latencies_ms: list[float] = []
        self._pipe.send("start")
        self._pipe.recv()  # the first call has been answered
        yield latencies_ms
        self._pipe.send("stop")
        latencies_ms += self._pipe.recv()

    def _post(self, text: bytes) -> bytes:
        with contextlib.closing(UnixConnection(self._address)) as connection:
            connection.timeout = _TIMEOUT_S
            connection.request("POST", PATH, text, {**_HEADERS, "Accept-Encoding": "gzip"})
            return connection.getresponse().read()


def check_large(answer: bytes, text: bytes) -> None:
    plain = gzip.decompress(answer) if answer.startswith(b"\x1f\x8b") else answer
    if json.loads(plain).get("result") != json.loads(text)["params"][0]:
        raise ValueError(f"the large request was answered by {plain[:200]!r}")


@contextlib.contextmanager
def serving(folder: Path, options: list[str], *, gevent: bool) -> Iterator[Target]:
    """Run a server and the process that calls it."""
    folder.mkdir()
    with running_server("beside_server", folder, *options, gevent=gevent) as server:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        caller = context.Process(target=send_small_calls, args=(server.address, theirs))
        caller.start()
        try:
            yield Target(server.address, ours)
        finally:
            ours.send("end")
            caller.join()


def send_small_calls(address: str, pipe: Connection) -> None:
    """Send small calls over a persistent connection, between "start" and "stop"."""
    body = json.dumps(_SMALL)
    connection = UnixConnection(address)
    while pipe.recv() == "start":
        latency_of(connection, body)
        pipe.send("started")
        latencies_ms = []
        while not pipe.poll():
            latencies_ms.append(latency_of(connection, body))
        pipe.recv()
        pipe.send(latencies_ms)
    connection.close()


def latency_of(connection: UnixConnection, body: str) -> float:
    """Send a small call and return its duration in milliseconds."""
    started = time.perf_counter()
    connection.request("POST", PATH, body, _HEADERS)
    answer = json.loads(connection.getresponse().read())
    if answer.get("result") != "small":
        raise ValueError(f"a small call was answered by {answer}")
    return (time.perf_counter() - started) * 1000


def run_round(plain: Target, experimental: Target, text: bytes) -> Round:
    plain_sample = plain.sample(text)
    return {
        ALONE: plain.sample_alone(plain_sample.duration_s),
        PLAIN: plain_sample,
        EXPERIMENTAL: experimental.sample(text),
    }


def table(rounds: list[Round]) -> str:
    """Return the table of figures, each as the median over all rounds (least-most)."""
    figures = [{name: sample.figures() for name, sample in samples.items()} for samples in rounds]
    lines = [
        row(name, [cell([round_figures[name][figure] for round_figures in figures]) for figure in FIGURES])
        for name in (ALONE, PLAIN, EXPERIMENTAL)
    ]
    ratios = [cell([ratio(round_figures, figure) for round_figures in figures]) for figure in FIGURES]
    return "\n".join([row("", FIGURES), *lines, row("experimental True / False", ratios)])


def ratio(figures: dict[str, dict[str, Any]], figure: str) -> float:
    mine: float = figures[EXPERIMENTAL][figure]
    return mine / figures[PLAIN][figure]


def cell(values: list[Any]) -> str:
    if None in values:
        return "-"
    spread = Spread.of(values)
    return f"{spread.median:.3g} ({spread.least:.3g}-{spread.most:.3g})"


def row(name: str, cells: Any) -> str:
    return "  ".join([name.ljust(27), *(text.ljust(22) for text in cells)]).rstrip()


if __name__ == "__main__":
    main()
