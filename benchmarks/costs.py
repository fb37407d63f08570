"""Tell how much of a core a call takes, by exec backend: ``python -m benchmarks.costs``.

For each backend a server is loaded over sockets, with a function that does next to nothing. What is told is the
processor time of each program that takes part, for each call: the server, its child processes, the Celery worker, the
broker. The load has no part in it. So the figures hold for a machine that is as busy as this one is under the load,
and do not depend on how many cores it has.
"""

import argparse
import contextlib
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil

from .broker import broker_running
from .report import machine
from .sockets.wrk import measure

BACKENDS = ("simple", "threaded", "parallel", "celery")
_MODULE = "benchmarks.costs_api:server"
_CALL = b'{"jsonrpc":"2.0","method":"add","params":{"a":1,"b":2},"id":1}'
_WARM_UP_S = 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.costs", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5, help="how long each backend is loaded")
    parser.add_argument("--connections", type=int, default=16, help="how many connections load it")
    parser.add_argument("--only", choices=BACKENDS, action="append", help="only this backend; may be repeated")
    given = parser.parse_args(arguments)
    print(machine(), f"{given.connections} connections, {given.seconds:g} s each")
    print("processor time of a call, in µs:")
    for backend in given.only or BACKENDS:
        with running(backend) as (address, programs):
            calls, spent = load(address, programs, given.seconds, given.connections)
        parts = "   ".join(f"{name} {seconds / calls * 1e6:.0f}" for name, seconds in spent.items())
        print(f"{backend:10} {calls / given.seconds:8,.0f} calls/s   {parts}")
    return 0


@contextlib.contextmanager
def running(backend: str) -> Iterator[tuple[str, dict[str, psutil.Process]]]:
    """Run a server, and what its backend needs; give its address and all programs by name."""
    environment = {**os.environ, "COSTS_BACKEND": backend}
    with contextlib.ExitStack() as stack:
        programs = {}
        if backend == "celery":
            environment["FLASKJSONRPC_CELERY_BROKER"], broker = stack.enter_context(broker_running())
            programs["broker"] = psutil.Process(broker)
            worker = stack.enter_context(started("worker", _MODULE, "-c", "1", "-l", "error", environment=environment))
            programs["worker"] = psutil.Process(worker.pid)
        server = stack.enter_context(started("serve", _MODULE, "--bind", "127.0.0.1:0", environment=environment))
        assert server.stdout is not None
        address = server.stdout.readline().rpartition("http://")[2].strip().rstrip("/")
        post(address, _CALL)  # waits until there is somebody to run it
        yield address, {"server": psutil.Process(server.pid), **programs}


@contextlib.contextmanager
def started(*arguments: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run the command line of the package."""
    command = [sys.executable, "-m", "flaskJSONRPCServer", *arguments]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, text=True, **quiet) as process:
        try:
            yield process
        finally:
            process.terminate()


def load(
    address: str, programs: dict[str, psutil.Process], seconds: float, connections: int
) -> tuple[int, dict[str, float]]:
    """Return how many calls were answered, and how many seconds of a core each program has spent on them."""
    url = f"http://{address}/api"
    measure(url, _CALL, connections=connections, seconds=_WARM_UP_S)
    calls, spent = count(address), spending(programs)
    measure(url, _CALL, connections=connections, seconds=seconds)
    calls, now = count(address) - calls, spending(programs)
    return calls, {name: now[name] - spent.get(name, 0) for name in now if now[name] > spent.get(name, 0)}


def count(address: str) -> int:
    """Return how many calls the server has begun."""
    told: int = post(address, b'{"jsonrpc":"2.0","method":"count","id":1}', "/count")["result"]
    return told


def post(address: str, body: bytes, path: str = "/api") -> dict[str, Any]:
    with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    if "result" not in answer:
        raise ValueError(f"the server answers {answer!r}")
    return answer


def spending(programs: dict[str, psutil.Process]) -> dict[str, float]:
    """Return the processor time of each program, in seconds, that of the server's children apart."""
    spent = {name: seconds(process) for name, process in programs.items()}
    for name, process in programs.items():
        below = sum(map(seconds, process.children(recursive=True)))
        spent["children" if name == "server" else name] = below + (0 if name == "server" else spent[name])
    return spent


def seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    sys.exit(main())
