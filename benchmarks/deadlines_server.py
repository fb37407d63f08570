"""The server that ``benchmarks.deadlines`` measures: ``python -m benchmarks.deadlines_server SERVING EXEC``."""

import sys
import time
from typing import Any

from flaskJSONRPCServer import flaskJSONRPCServer

TIMEOUT_S = 0.25

# How long a call runs on after its deadline, if nothing ends it.
BEYOND_S = 0.2


def late(_connection):
    time.sleep(_connection.remaining + BEYOND_S)


def make(exec_backend: str = "celery", **options: Any) -> flaskJSONRPCServer:
    """Return a server with methods that exceed their timeout on an exec backend."""
    server = flaskJSONRPCServer(
        ["127.0.0.1", 0], log=False, max_abandoned_calls=1000, dispatcherBackend=exec_backend, **options
    )
    server.registerFunction(late, path="/api", timeout=TIMEOUT_S)
    return server


def main() -> None:
    serving, exec_backend = sys.argv[1:]
    server = make(exec_backend, servBackend=serving, gevent=serving == "pywsgi")
    server.serveForever(on_start=lambda started: print(started.addresses[0][1], flush=True))


if __name__ == "__main__":
    main()
