"""Measure calls of a tool beside JSON-RPC calls and the official SDK's server: ``python -m benchmarks.mcp``.

One connection sends one request after the other; the servers take turns. A time is that between the request and the
answer. The first answers are parsed and checked, and all later ones must have the same body: a client that parses each
leaves a server with longer answers idle for longer, and colder. The calls per second and core are the calls divided by
the processor time of the server, so the client and the other programs of the machine do not count.

Servers and client have one core each, as in ``benchmarks.sockets``. Otherwise the system puts a short call on the core
of the client and a longer one on the other core, where waking a thread takes longer than either call.
"""

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil

from flaskJSONRPCServer.runtime.progress import progress

from .report import machine
from .sockets.environments import PEERS, ROOT, prepare
from .sockets.serving import Pins

REVISION = "2026-07-28"

MOST_TIMES_A_CALL = 1.25
LEAST_TIMES_THE_SDK = 3.0


@dataclass
class Contestant:
    """One kind of call to one server.

    Attributes:
        name: Its name.
        connection: The connection.
        request: The whole request.
        server: The process of the server.
        answer: The body of each answer; empty before the first call.
        times_us: The time of each call, in microseconds.
        cpu_us: The processor time of the server for a call in each round, in microseconds.
    """

    name: str
    connection: socket.socket
    request: bytes
    server: psutil.Process
    answer: bytes = b""
    times_us: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def warm_up(self) -> None:
        """Let the server load what its first calls need, and note its answer."""
        for _ in range(20):
            self.connection.sendall(self.request)
            self.answer = read_answer(self.connection)
            check(self.answer)

    def sample(self, count: int) -> None:
        began_cpu = sum(self.server.cpu_times()[:2])
        for _ in range(count):
            began = time.perf_counter()
            self.connection.sendall(self.request)
            answer = read_answer(self.connection)
            self.times_us.append((time.perf_counter() - began) * 1e6)
            if answer != self.answer:
                raise SystemExit(f"another answer than before: {answer!r}")
        self.cpu_us.append((sum(self.server.cpu_times()[:2]) - began_cpu) / count * 1e6)

    @property
    def median_us(self) -> float:
        return statistics.median(self.times_us)

    @property
    def calls_per_core_second(self) -> float:
        return 1e6 / statistics.median(self.cpu_us)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mcp", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="how often the servers take turns")
    parser.add_argument("--calls", type=int, default=500, help="the number of calls in a turn")
    arguments = parser.parse_args()
    pins = Pins.of_machine()
    print(machine(), pins)
    with contextlib.ExitStack() as stack:
        contestants = list(started(stack, pins))
        if pins.load:
            os.sched_setaffinity(0, {int(pins.load[-1])})
        with progress("measuring calls"):
            for contestant in contestants:
                contestant.warm_up()
            for _ in range(arguments.rounds):
                for contestant in contestants:
                    contestant.sample(arguments.calls)
    return report(*contestants)


def started(stack: contextlib.ExitStack, pins: Pins) -> Iterator[Contestant]:
    """Start the servers, and yield the contestants: our JSON-RPC call, our tool, the tool of the SDK."""
    prepare("mcp-sdk")  # first: our server closes a connection that has been idle for long
    ours, port = stack.enter_context(our_server(pins))
    yield Contestant("JSON-RPC call", connected(stack, port), request_of(port, "/api", rpc_call()), ours)
    yield Contestant("tools/call", connected(stack, port), tool_request(port), ours)
    peer, port = stack.enter_context(sdk_server(pins))
    yield Contestant("tools/call, SDK", connected(stack, port), tool_request(port), peer)


@contextlib.contextmanager
def our_server(pins: Pins) -> Iterator[tuple[psutil.Process, int]]:
    command = [*pins.server, sys.executable, "-m", "benchmarks.mcp_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        yield psutil.Process(process.pid), int(process.stdout.readline())
        process.stdin.close()


@contextlib.contextmanager
def sdk_server(pins: Pins) -> Iterator[tuple[psutil.Process, int]]:
    port = free_port()
    command = [*pins.server, *prepare("mcp-sdk").command, str(PEERS / "mcp_sdk.py"), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(port, process)
            yield psutil.Process(process.pid), port
        finally:
            process.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen) -> None:
    """Wait until a server listens."""
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        if process.poll() is not None:
            raise SystemExit(f"the server of the SDK has ended with status {process.returncode}")
        time.sleep(0.1)


def connected(stack: contextlib.ExitStack, port: int) -> socket.socket:
    connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def rpc_call() -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "add", "params": {"a": 1, "b": 2}}


def tool_request(port: int) -> bytes:
    meta = {
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "add", "arguments": {"a": 1, "b": 2}, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    fields = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": REVISION,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "add",
    }
    return request_of(port, "/mcp", message, fields)


def request_of(port: int, path: str, message: Any, fields: dict[str, str] | None = None) -> bytes:
    body = json.dumps(message).encode()
    known = {"Host": f"127.0.0.1:{port}", "Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in {**known, **(fields or {})}.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read_answer(connection: socket.socket) -> bytes:
    """Return the body of an answer with a Content-Length."""
    data = received(connection)
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += received(connection)
    head = data[:end].lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    while len(data) < end + 4 + length:
        data += received(connection)
    return data[end + 4 :]


def received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise SystemExit("a server has closed its connection")
    return data


def check(body: bytes) -> None:
    """Check that an answer has the sum, and is no error."""
    result = json.loads(body)["result"]
    if result != 3 and result["content"][0]["text"] != "3":
        raise SystemExit(f"a wrong answer: {body!r}")


def report(call: Contestant, tool: Contestant, sdk: Contestant) -> int:
    for contestant in (call, tool, sdk):
        times = f"{contestant.median_us:8.1f} us at p50 {contestant.median_us / call.median_us:6.2f}"
        rate = contestant.calls_per_core_second
        print(
            f"{contestant.name:<18} {times} {rate:8.0f} calls a second and core {rate / sdk.calls_per_core_second:6.2f}"
        )
    missed = []
    if tool.median_us / call.median_us > MOST_TIMES_A_CALL:
        missed.append(f"p50 at most {MOST_TIMES_A_CALL} times a JSON-RPC call")
    if tool.calls_per_core_second / sdk.calls_per_core_second < LEAST_TIMES_THE_SDK:
        missed.append(f"at least {LEAST_TIMES_THE_SDK} times the calls of the SDK")
    print("missed: " + ", ".join(missed) if missed else "all goals are met")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
