"""A server for one client over the standard streams of its process."""

import itertools
import os
import sys
import time

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Form, Tool, ask, log

server = flaskJSONRPCServer(("127.0.0.1", 0), log=3, auth=lambda *request: False)
endpoint = server.mcp("/mcp")
server.mcp("/empty", [])
cancelled, running = [], []
numbers = itertools.count()
print("printed while the module loads")


@server.method("/api", mcp=True)
def add(a: int, b: int) -> int:
    """Add two numbers, and print them."""
    print("printed", a, b)
    os.write(1, b"written to descriptor 1\n")
    os.system("echo printed by a child")
    return a + b


@server.method("/api", mcp=True)
def repeat(count: int) -> str:
    """Return a long text."""
    return "x" * count


@server.method("/api", mcp=True)
def read_input() -> list:
    """Return what this process and a child read from their standard input."""
    return [sys.stdin.read(), os.popen("cat").read()]


@server.method("/api", mcp=True)
def count_cancelled() -> int:
    """Return how many calls have noticed that they are cancelled."""
    return len(cancelled)


@server.method("/api", mcp=True)
def count_running() -> int:
    """Return how many calls of `wait` run."""
    return len(running)


@server.method("/api", mcp=True)
def wait(_connection) -> str:
    """Wait to be cancelled."""
    running.append(1)
    log("info", "begun")
    _connection.progress(1)
    while not _connection.cancelled:
        time.sleep(0.01)
    running.pop()
    cancelled.append(1)
    print("cancelled", file=sys.stderr, flush=True)
    return "cancelled"


@server.method("/api", mcp=Tool(task=True))
def wait_later(_connection) -> str:
    """Wait to be cancelled, in a task."""
    return wait(_connection)


@server.method("/api", mcp=Tool(task=True))
def note_follower() -> str:
    """Run, in a task, until a client follows it and a little longer."""
    while not endpoint._subscriptions:
        time.sleep(0.01)
    os.system("echo followed")
    return "followed"


@server.method("/api", mcp=True)
def greet() -> str:
    """Ask for a name."""
    return (
        "hello "
        + ask("name", Form("Who?", {"type": "object", "properties": {"name": {"type": "string"}}})).content["name"]
    )


@server.method("/api", mcp=Tool(task=True))
def greet_later() -> str:
    """Ask for a name, in a task."""
    return greet()


@server.method("/api", mcp=True)
def grow() -> str:
    """Become one more tool."""
    server.registerFunction(lambda: 1, path="/api", name=f"fresh{next(numbers)}", mcp=True)
    return "grown"
