"""The requests to the contestants, and the right answers."""

import json
from dataclasses import dataclass
from typing import Any

CONNECTIONS = 16
BATCH_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of request on a number of connections.

    Attributes:
        name: The name for ``--workload``.
        title: The heading in a table.
        message: The request's body, as a JSON value.
        expected: The answer, as a JSON value.
        connections: The number of connections, kept alive if the server supports it.
        calls: The number of calls in one request.
        patience: The factor for the duration of the measurement, since a request is slow.
    """

    name: str
    title: str
    message: Any
    expected: Any
    connections: int = CONNECTIONS
    calls: int = 1
    patience: int = 1

    @property
    def body(self) -> bytes:
        return json.dumps(self.message, separators=(",", ":")).encode()


def call(method: str, request_id: int = 1, **params: Any) -> dict[str, Any]:
    # Named parameters, the only kind that every contestant accepts.
    return {"jsonrpc": "2.0", "method": method, "params": params, "id": request_id}


def answer(result: Any, request_id: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": result, "id": request_id}


def records(size_bytes: int) -> list[dict[str, Any]]:
    """Return about that many bytes of typical JSON."""
    one = {"id": 1000000, "name": "Ada Lovelace", "tags": ["first", "second"], "ratio": 0.125, "active": True}
    return [
        {**one, "id": 1000000 + index} for index in range(size_bytes // len(json.dumps(one, separators=(",", ":"))))
    ]


def echo(name: str, title: str, size_bytes: int, connections: int, patience: int = 1) -> Load:
    payload = records(size_bytes)
    return Load(name, title, call("echo", payload=payload), answer(payload), connections, patience=patience)


_NUMBERS = range(1, BATCH_LENGTH + 1)
_ADD, _THREE = call("add", a=1, b=2), answer(3)

SINGLE = Load("single", "one call", _ADD, _THREE)
BATCH = Load(
    "batch",
    f"batch of {BATCH_LENGTH}",
    [call("add", number, a=1, b=2) for number in _NUMBERS],
    [answer(3, number) for number in _NUMBERS],
    calls=BATCH_LENGTH,
)
PAYLOAD = echo("payload", "100 KB in and out", 100_000, CONNECTIONS)
KEPT_ALIVE = Load("connections", "1,000 connections", _ADD, _THREE, connections=1000)
NAP = Load("nap", "64 connections, 5 ms", call("nap"), answer(None), connections=64)
MEGABYTES = echo("megabytes", "10 MB in and out", 10_000_000, 2, patience=3)

MAIN = (SINGLE, BATCH, PAYLOAD, KEPT_ALIVE, NAP)
LOADS = (*MAIN, MEGABYTES)
