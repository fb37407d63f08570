"""Print the processor time of describing a thousand methods by OpenRPC: ``python -m benchmarks.openrpc``.

Each method has type hints, a docstring with parameters, a result and an error, and types of its own. The document is
made once for the methods, and then answered from the cache. Measured in this process, without a socket.
"""

import argparse
import dataclasses
import datetime
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.runtime.progress import progress

from .bare import Application
from .contestants import exchange, ignore_response
from .report import machine

METHODS = 1000
PATH = "/api"

MAKING = "made from the methods"
GET, NOT_MODIFIED, DISCOVER = "GET, kept", "GET, 304", "rpc.discover, kept"

# Milliseconds, for a thousand methods.
WANTED_MS = {MAKING: 200.0, GET: 1.0, NOT_MODIFIED: 1.0, DISCOVER: 1.0}

# How many methods share one type of their own.
_METHODS_PER_TYPE = 20

_DISCOVER_CALL = b'{"jsonrpc":"2.0","method":"rpc.discover","id":1}'


@dataclass
class User:
    """A user that all methods know."""

    name: str
    born: datetime.date
    age: int = 0


def methods(count: int) -> list[Callable[..., Any]]:
    """Return functions with hints and docstrings."""
    types = [
        dataclasses.make_dataclass(f"Order{number}", [("id", int), ("user", User), ("notes", list[str])])
        for number in range(-(-count // _METHODS_PER_TYPE))
    ]
    return [method(number, types[number // _METHODS_PER_TYPE]) for number in range(count)]


def method(number: int, order_type: type) -> Callable[..., Any]:
    def function(order, count, note=None, kind="small"):  # type: ignore[no-untyped-def]
        """Place an order for a user.

        The order is kept until it is delivered. Orders of one user are delivered together.

        Args:
            order: The order.
            count: How often it is placed.
            note: Words for the people who deliver it.
            kind: The size of the parcel.

        Returns:
            The users who share the delivery.

        Raises:
            ValueError: The order is empty.
        """
        return []

    hints = {"order": order_type, "count": int, "note": str | None, "kind": Literal["small", "large"]}
    function.__annotations__ = {**hints, "return": list[User]}
    function.__name__ = f"place_order_{number}"
    function.__doc__ = f"{function.__doc__}".replace("Place an order", f"Place an order of kind {number}")
    return function


def server_with(count: int) -> flaskJSONRPCServer:
    """Return a server with so many methods."""
    server = flaskJSONRPCServer(None, log=False, name="openrpc")
    for function in methods(count):
        server.registerFunction(function, path=PATH)
    return server


def measure(count: int, rounds: int) -> tuple[dict[str, list[float]], int]:
    """Return the durations of each way in milliseconds, and the size of the document in bytes."""
    server = server_with(count)
    app = server.getWSGI()
    head = environ("GET", f"{PATH}/openrpc.json")
    tags: list[str] = []

    def keep_tag(_status: str, headers: list[tuple[str, str]], _exc: Any = None) -> None:
        tags.append(dict(headers)["ETag"])

    body = exchange(app, head, b"", keep_tag)
    ways: dict[str, tuple[dict[str, Any], bytes]] = {
        MAKING: (head, b""),
        GET: (head, b""),
        NOT_MODIFIED: ({**head, "HTTP_IF_NONE_MATCH": tags[0]}, b""),
        DISCOVER: (environ("POST", PATH, CONTENT_LENGTH=str(len(_DISCOVER_CALL))), _DISCOVER_CALL),
    }
    durations: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        server._engine.documents.forget()
        for way, (head_of_way, body_of_way) in ways.items():
            durations[way].append(elapsed_ms(app, head_of_way, body_of_way))
    return durations, len(body)


def elapsed_ms(app: Application, head: dict[str, Any], body: bytes) -> float:
    started = time.process_time()
    exchange(app, head, body, ignore_response)
    return (time.process_time() - started) * 1000


def environ(method: str, path: str, **variables: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8080",
        "CONTENT_TYPE": "application/json",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        **variables,
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; return 1 if one is over its bound, with a thousand methods."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.openrpc", description=__doc__.splitlines()[0])
    parser.add_argument("--methods", type=int, default=METHODS, help="the number of methods")
    parser.add_argument("--rounds", type=int, default=20, help="how often each way is measured")
    options = parser.parse_args(arguments)
    with progress(f"making documents of {options.methods} methods"):
        durations, size = measure(options.methods, options.rounds)
    print(machine(), f"{options.methods} methods, a document of {size:,} bytes, median of {options.rounds}")
    passed = True
    for way, samples in durations.items():
        figure, wanted = statistics.median(samples), WANTED_MS[way]
        passed = passed and (figure <= wanted or options.methods != METHODS)
        print(f"{way:24} {figure:9.3f} ms   wanted for {METHODS}: {wanted:g} ms")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
