"""The minimal WSGI callable on cheroot, served as in its documentation."""

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from cheroot.wsgi import Server


def nap() -> None:
    time.sleep(0.005)


METHODS: dict[str, Callable[..., Any]] = {"add": lambda a, b: a + b, "echo": lambda payload: payload, "nap": nap}


def answer(call: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": METHODS[call["method"]](**call.get("params", {})), "id": call["id"]}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    message = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    body = orjson.dumps([answer(call) for call in message] if isinstance(message, list) else answer(message))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), application).start()
