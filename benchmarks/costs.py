"""Print the processor time of a call by exec backend: ``python -m benchmarks.costs``.

For each backend a server is loaded over sockets, with a function that does next to nothing. The figures are the
processor
time of each participating program per call: the server, its child processes, the Celery worker, the broker. The load
generator is not counted. The figures hold for a machine as busy as this one under the load, and do not depend on the
number of cores.
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

from flaskJSONRPCServer.runtime.progress import progress

from .broker import broker_running
from .report import machine
from .sockets.wrk import measure

BACKENDS = ("simple", "threaded", "parallel", "celery")
_MODULE = "benchmarks.costs_api:server"
_CALL = b'{"jsonrpc":"2.0","method":"add","params":{"a":1,"b":2},"id":1}'
_WARM_UP_S = 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.costs", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5, help="the duration of the load on each backend")
    parser.add_argument("--connections", type=int, default=16, help="the number of connections")
    parser.add_argument("--only", choices=BACKENDS, action="append", help="only this backend; may be repeated")
    options = parser.parse_args(arguments)
    print(machine(), f"{options.connections} connections, {options.seconds:g} s each")
    print("processor time of a call, in µs:")
    for backend in options.only or BACKENDS:
        with progress(f"loading {backend}"), running(backend) as (address, programs):
            calls, spent = load(address, programs, options.seconds, options.connections)
        parts = "   ".join(f"{name} {seconds / calls * 1e6:.0f}" for name, seconds in spent.items())
        print(f"{backend:10} {calls / options.seconds:8,.0f} calls/s   {parts}")
    return 0


@contextlib.contextmanager
def running(backend: str) -> Iterator[tuple[str, dict[str, psutil.Process]]]:
    """Run a server and the programs that its backend needs; yield its address and all programs by name."""
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
        post(address, _CALL)  # waits until a worker runs it
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
    """Load a server; return the number of answered calls and the processor time of each program in seconds."""
    url = f"http://{address}/api"
    measure(url, _CALL, connections=connections, seconds=_WARM_UP_S)
    calls, spent = count(address), spending(programs)
    measure(url, _CALL, connections=connections, seconds=seconds)
    calls, now = count(address) - calls, spending(programs)
    return calls, {name: now[name] - spent.get(name, 0) for name in now if now[name] > spent.get(name, 0)}


def count(address: str) -> int:
    """Return how many calls the server has begun."""
    calls: int = post(address, b'{"jsonrpc":"2.0","method":"count","id":1}', "/count")["result"]
    return calls


def post(address: str, body: bytes, path: str = "/api") -> dict[str, Any]:
    with contextlib.closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    if "result" not in answer:
        raise ValueError(f"the server answers {answer!r}")
    return answer


def spending(programs: dict[str, psutil.Process]) -> dict[str, float]:
    """Return the processor time of each program in seconds, with the server's children as a separate entry."""
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
