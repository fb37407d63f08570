"""jsonrpcserver in a view of Flask, on Flask's own server."""

import sys
import time
from typing import Any

from flask import Flask, Response, request
from jsonrpcserver import Result, Success, dispatch, method

app = Flask("benchmark")


@method
def add(a: int, b: int) -> Result:
    return Success(a + b)


@method
def echo(payload: Any) -> Result:
    return Success(payload)


@method
def nap() -> Result:
    time.sleep(0.005)
    return Success(None)


@app.post("/api")
def index() -> Response:
    return Response(dispatch(request.get_data().decode()), content_type="application/json")


app.run(host="127.0.0.1", port=int(sys.argv[1]))
