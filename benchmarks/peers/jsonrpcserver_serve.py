"""jsonrpcserver on the development server from its README."""

import sys
import time
from typing import Any

from jsonrpcserver import Result, Success, method, serve


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


serve("127.0.0.1", int(sys.argv[1]))
