"""The servers that :mod:`benchmarks.soak` puts under load, without and with TLS, in one process.

Each second the process writes a new version of a script and reloads its dispatcher. It locks and unlocks continuously,
restarts periodically, and kills its child processes one after the other. It answers each input line with a line of
figures in JSON.
"""

import argparse
import contextlib
import itertools
import json
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import trustme

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcApplicationError

PATH = "/api"
AUTHORITY = "authority.pem"

# Short, so that each timeout occurs many times in a run, and small, so that a flood reaches the limits.
LIMITS: dict[str, Any] = {
    "threads": 16,
    "max_waiting_requests": 64,
    "max_body_bytes": 1_000_000,
    "handshake_timeout_s": 3,
    "head_timeout_s": 3,
    "body_timeout_s": 5,
    "read_timeout_s": 5,
    "idle_timeout_s": 10,
    "rate_grace_s": 3,
    "min_answer_rate": 100_000,
    "max_requests_per_connection": 5000,
}

_SCRIPT = """\
FIRST = {version}


def version():
    return [FIRST, SECOND]


SECOND = {version}
"""


def echo(value: Any) -> Any:
    return value


def pooled(value: Any) -> Any:
    return value


def locked(value: Any) -> Any:
    return value


def fail(value: Any) -> Any:
    raise JsonRpcApplicationError("as asked", code=1, data=value)


def large(size: int) -> str:
    """Return a result larger than the buffers of any kernel."""
    return "x" * size


def nap() -> None:
    """Occupy a thread as long as a slow query."""
    time.sleep(0.05)


def make_cycle(value: Any) -> Any:
    """Leave garbage that only a collection frees."""
    circle = [value]
    circle.append(circle)
    return value


class Notes:
    """Counts the notifications that have run."""

    def __init__(self) -> None:
        self._count = itertools.count()
        self.total = 0

    def note(self) -> None:
        self.total = next(self._count) + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the script and the socket are")
    parser.add_argument("--gevent", action="store_true")
    parser.add_argument("--parallel", action="store_true")
    parser.add_argument("--restart-every-s", type=float, default=10)
    arguments = parser.parse_args()
    if arguments.gevent:
        from gevent import monkey

        monkey.patch_all()
    notes = Notes()
    servers = [make_server(arguments, notes), make_server(arguments, notes, ssl=write_certificate(arguments.folder))]
    disturber = Disturber(servers, arguments.folder / "reloaded.py", arguments.restart_every_s)
    disturber.reload()
    for server in servers:
        server.start()
    print_figures(servers, notes, disturber)
    disturber.stop()
    for server in servers:
        server.stop()


def make_server(arguments: argparse.Namespace, notes: Notes, **options: Any) -> flaskJSONRPCServer:
    """Make a server with the dispatchers."""
    server = flaskJSONRPCServer(
        ["127.0.0.1", 0],
        gevent=arguments.gevent,
        log=1,  # the run causes countless refusals and cut connections
        notifBackend="threaded",
        controlGC_everySeconds=30,
        **LIMITS,
        **options,
    )
    for function in (echo, locked, fail, large, nap, make_cycle, notes.note):
        server.registerFunction(function, path=PATH)
    server.registerFunction(pooled, path=PATH, dispatcherBackend="parallel" if arguments.parallel else "threaded")
    return server


def write_certificate(folder: Path) -> list[str]:
    """Write a certificate for loopback and its authority; return the value for the option ``ssl``."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / AUTHORITY)
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    return [str(folder / "key.pem"), str(folder / "cert.pem")]


class Disturber:
    """Reloads, locks and restarts servers in its own threads, between start and stop.

    Only the first server is reloaded and locked.
    """

    def __init__(self, servers: list[flaskJSONRPCServer], script: Path, restart_every_s: float) -> None:
        self.counts = {"reloads": 0, "locks": 0, "restarts": 0, "kills": 0}
        self._server, *_ = self._servers = servers
        self._script = script
        self._restart_every_s = restart_every_s
        self._off = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        self._off.clear()
        tasks = [(self.reload, 1.0), (self.lock, 0.05), (self.restart, self._restart_every_s), (self.kill, 0.2)]
        self._threads = [threading.Thread(target=self._repeat, args=task) for task in tasks]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._off.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def reload(self) -> None:
        self.counts["reloads"] += 1
        new_script = self._script.with_suffix(".new")
        new_script.write_text(_SCRIPT.format(version=self.counts["reloads"]))
        new_script.replace(self._script)
        self._server.reload(
            {"dispatcher": "version", "scriptPath": str(self._script), "path": PATH}, timeout=10, safely=False
        )

    def lock(self) -> None:
        self.counts["locks"] += 1
        target = [None, locked, pooled][self.counts["locks"] % 3]
        self._server.lock(target)
        self._off.wait(0.01)
        self._server.unlock(target)

    def restart(self) -> None:
        self.counts["restarts"] += 1
        for server in self._servers:
            server.restart(timeout=10)

    def kill(self) -> None:
        """Kill a child process if all of them are ready."""
        stats = self._server.stats()
        if "parallel_alive" in stats and stats["parallel_alive"] == stats["parallel_poolSize"]:
            with contextlib.suppress(IndexError, psutil.NoSuchProcess):  # the server is restarting
                random.choice(psutil.Process().children()).kill()
                self.counts["kills"] += 1

    def _repeat(self, task: Any, every_s: float) -> None:
        while not self._off.wait(every_s):
            task()


def print_figures(servers: list[flaskJSONRPCServer], notes: Notes, disturber: Disturber) -> None:
    """Answer each line of standard input with figures; ``start`` and ``stop`` also switch the disturber."""
    for line in read_lines():
        if line.strip() == "start":
            disturber.start()
        elif line.strip() == "stop":
            disturber.stop()
        print(json.dumps(figures(servers, notes, disturber)), flush=True)


def read_lines() -> Any:
    # Under gevent, reading standard input would block all greenlets.
    if "gevent" in sys.modules:
        from gevent.fileobject import FileObject

        return FileObject(sys.stdin.fileno(), "r", closefd=False)
    return sys.stdin


def figures(servers: list[flaskJSONRPCServer], notes: Notes, disturber: Disturber) -> dict[str, Any]:
    servers[0]._controlGC(force=True)
    process = psutil.Process(os.getpid())
    stats = [server.stats(inMS=True) for server in servers]
    counts = ("processingRequestCount", "processingDispatcherCount", "requestCount", "notificationLostCount")
    return {
        **disturber.counts,
        "addresses": [server.addresses[0] for server in servers],
        "notes": notes.total,
        "threads": process.num_threads() - count_standbys(len(servers)),
        "descriptors": process.num_fds(),
        "children": len(process.children()),
        "memory_mb": process.memory_info().rss / 1e6,
        "blocks": sys.getallocatedblocks(),  # of Python's objects: they grow with a leak, and not by fragmentation
        "modules": len(sys.modules),
        **{name: sum(server_stats[name] for server_stats in stats) for name in counts},
        "p99_ms": {url: round(calls["p99"], 3) for url, calls in stats[0]["dispatchers"].items()},
    }


def count_standbys(addresses: int) -> int:
    """Return how many addresses have a second thread for their connections, of which each may have one.

    It starts once calls have been short for a while, so its existence depends on the last calls before the idle time.
    """
    managing = sum("-connections" in thread.name for thread in threading.enumerate())
    return min(max(managing - addresses, 0), addresses)


if __name__ == "__main__":
    main()
