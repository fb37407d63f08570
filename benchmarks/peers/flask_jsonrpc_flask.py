"""Flask-JSONRPC on Flask's own server, as in its README."""

import sys
import time
from typing import Any

from flask import Flask
from flask_jsonrpc import JSONRPC

app = Flask("benchmark")
jsonrpc = JSONRPC(app, "/api")


@jsonrpc.method("add")
def add(a: int, b: int) -> int:
    return a + b


@jsonrpc.method("echo")
def echo(payload: Any) -> Any:
    return payload


@jsonrpc.method("nap")
def nap() -> None:
    time.sleep(0.005)


app.run(host="127.0.0.1", port=int(sys.argv[1]))
