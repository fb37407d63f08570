"""A long run under mixed load: calls, batches and notifications, while the server reloads, locks and restarts.

It ends with a table, and with status 1 if a call was lost or answered wrongly, or if a thread, a descriptor or memory
was left behind. `make soak` runs it for ten minutes. With `--parallel`, some calls run in child processes, of which one
after the other is killed: such a kill may cost one call, which is answered with -32005.
"""

import argparse
import contextlib
import http.client
import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flaskJSONRPCServer.dispatch.remote import WORKER_LOST

from .soak_server import PATH

_ROOT = Path(__file__).resolve().parents[1]

# Threads of the exec backends end when they have had no work for 30 seconds.
_IDLE_S = 35

# What a process may grow by between an idle moment near the start and one at the end.
MOST_GROWTH = {"threads": 0, "descriptors": 0, "children": 0, "modules": 0, "memory_mb": 3.0}

Payload = dict[str, Any] | list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long the load lasts")
    parser.add_argument("--warm-up-s", type=float, default=30, help="how long it lasts before the first figures")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--gevent", action="store_true", help="serve with pywsgi, under gevent")
    parser.add_argument(
        "--parallel", action="store_true", help="run some calls in child processes, and kill one after the other"
    )
    given = parser.parse_args()
    options = ["--parallel"] if given.parallel else []
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server("soak_server", Path(folder), *options, gevent=given.gevent) as server,
    ):
        load_for(given.warm_up_s, given.clients, server)
        before = server.idle_figures()
        counts, faults = load_for(given.minutes * 60, given.clients, server)
        after = server.idle_figures()
    faults += faults_of(counts, before, after)
    print_table(counts, before, after)
    for fault in faults[:20]:
        print("FAULT", fault)
    print(f"{len(faults)} faults")
    sys.exit(1 if faults else 0)


class Server:
    """The server's process, which answers a line by its figures."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self._process = process
        self.address = address

    def ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        figures: dict[str, Any] = json.loads(self._process.stdout.readline())
        return figures

    def idle_figures(self) -> dict[str, Any]:
        """Return the figures after the threads without work have ended."""
        time.sleep(_IDLE_S)
        return self.ask("figures")


@contextlib.contextmanager
def running_server(module: str, folder: Path, *options: str, gevent: bool) -> Iterator[Server]:
    """Run a module of the benchmarks that serves on a socket in a folder, and answers lines of its input."""
    command = [sys.executable, "-m", f"benchmarks.{module}", str(folder), *options, *(["--gevent"] if gevent else [])]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=_ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        server = Server(process, str(folder / "socket"))
        server.ask("figures")  # answered once it listens
        yield server
        assert process.stdin is not None
        process.stdin.close()
        if process.wait(60) != 0:
            raise RuntimeError(f"the server ended with status {process.returncode}")


def load_for(duration_s: float, clients: int, server: Server) -> tuple[Counter[str], list[str]]:
    """Load the server for a while; return what was answered, and what was wrong."""
    deadline = time.monotonic() + duration_s
    loads = [Client(server.address, deadline, seed) for seed in range(clients)]
    server.ask("start")
    for load in loads:
        load.start()
    for load in loads:
        load.join()
    server.ask("stop")
    return sum((load.counts for load in loads), Counter()), [fault for load in loads for fault in load.faults]


class Client(threading.Thread):
    """Sends one request after another over a connection that it keeps as long as the server does."""

    def __init__(self, address: str, deadline: float, seed: int) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._connection = UnixConnection(address)
        self._deadline = deadline
        self._random = random.Random(seed)
        self._version = 0
        self._value = 0

    def run(self) -> None:
        kinds: list[tuple[Callable[[], None], int]] = [
            (self._call, 60),
            (self._get_version, 15),
            (self._batch, 10),
            (self._notify, 10),
            (self._fail, 5),
        ]
        kinds, weights = zip(*kinds, strict=True)  # type: ignore[assignment]
        while time.monotonic() < self._deadline:
            work = self._random.choices(kinds, weights)[0]
            try:
                work()  # type: ignore[operator]
            except Exception as exc:  # noqa: BLE001  whatever it is, it is to be told
                self.faults.append(f"{work}: {exc!r}")
                self._connection.close()
        self._connection.close()

    def _call(self) -> None:
        method = self._random.choice(["echo", "pooled", "locked", "make_cycle"])
        call = self._next_call(method)
        self._hold(self._post(call), {"jsonrpc": "2.0", "result": call["params"][0], "id": call["id"]})
        self.counts["calls"] += 1

    def _fail(self) -> None:
        call = self._next_call("fail")
        error = {"code": 1, "message": "as asked", "data": call["params"][0]}
        self._hold(self._post(call), {"jsonrpc": "2.0", "error": error, "id": call["id"]})
        self.counts["calls"] += 1

    def _get_version(self) -> None:
        first, second = self._post({"jsonrpc": "2.0", "method": "version", "id": 1})["result"]
        if first != second or first < self._version:
            self.faults.append(f"version {first}, {second} after {self._version}: neither old nor new")
        self._version = first
        self.counts["calls"] += 1

    def _batch(self) -> None:
        calls = [self._next_call(method) for method in ("echo", "pooled", "locked", "pooled", "echo")]
        note = {"jsonrpc": "2.0", "method": "note"}
        answers = self._post([*calls, note, note])
        self._hold(answers, [{"jsonrpc": "2.0", "result": call["params"][0], "id": call["id"]} for call in calls])
        self.counts["calls"] += len(calls)
        self.counts["notifications"] += 2
        self.counts["batches"] += 1

    def _notify(self) -> None:
        self._hold(self._post({"jsonrpc": "2.0", "method": "note"}), None)
        self.counts["notifications"] += 1

    def _next_call(self, method: str) -> dict[str, Any]:
        self._value += 1
        return {"jsonrpc": "2.0", "method": method, "params": [f"{self.name} {self._value}"], "id": self._value}

    def _hold(self, answer: Any, expected: Any) -> None:
        if isinstance(answer, list) and isinstance(expected, list) and len(answer) == len(expected):
            for pair in zip(answer, expected, strict=True):
                self._hold(*pair)
        elif is_killed(answer) and answer["id"] == expected["id"]:
            self.counts["killed calls"] += 1
        elif answer != expected:
            self.faults.append(f"answer {answer!r} instead of {expected!r}")

    def _post(self, payload: Payload) -> Any:
        body = json.dumps(payload)
        self._connection.request("POST", PATH, body, {"Content-Type": "application/json", "Host": "localhost"})
        response = self._connection.getresponse()
        text = response.read()
        if response.status not in (200, 204):
            raise RuntimeError(f"status {response.status}: {text!r}")
        return json.loads(text) if text else None


def is_killed(answer: Any) -> bool:
    """Tell whether a call was lost with the process that ran it."""
    return isinstance(answer, dict) and answer.get("error", {}).get("code") == WORKER_LOST


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket: a minute of thousands of connections would use up the ports of one address."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def faults_of(counts: Counter[str], before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what was lost, and what was left behind."""
    faults = [
        f"{name} grew from {before[name]:g} to {after[name]:g}"
        for name, most in MOST_GROWTH.items()
        if after[name] - before[name] > most
    ]
    if counts["killed calls"] > (kills := after["kills"] - before["kills"]):
        faults.append(f"{counts['killed calls']} calls were lost with {kills} processes")
    ran = after["notes"] - before["notes"]
    if ran != counts["notifications"] or after["notificationLostCount"]:
        faults.append(f"of {counts['notifications']} notifications {ran} ran")
    unended = [name for name in ("processingRequestCount", "processingDispatcherCount") if after[name]]
    return [*faults, *(f"{name} is {after[name]} at the end" for name in unended)]


def print_table(counts: Counter[str], before: dict[str, Any], after: dict[str, Any]) -> None:
    for name, count in counts.items():
        print(f"{name:28} {count:>12,}")
    for name in ("reloads", "locks", "restarts", "kills", "requestCount"):
        print(f"{name:28} {after[name] - before[name]:>12,}")
    for name in MOST_GROWTH:
        print(f"{name:28} {before[name]:>12,.10g} -> {after[name]:,.10g}")
    for url, p99_ms in after["p99_ms"].items():
        print(f"{'p99 of ' + url:28} {p99_ms:>12,} ms")


if __name__ == "__main__":
    main()
