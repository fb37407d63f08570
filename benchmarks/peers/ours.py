"""flaskJSONRPCServer, on one of its serving backends and with one of its JSON backends."""

import argparse
import time
from typing import Any

from flaskJSONRPCServer import flaskJSONRPCServer

# For bodies of 10 MB. All other settings have their defaults.
_MAX_BYTES = 64 * 1024 * 1024


def add(a: int, b: int) -> int:
    return a + b


def echo(payload: Any) -> Any:
    return payload


def nap() -> None:
    time.sleep(0.005)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--json", default="simplejson")
    parser.add_argument("--via-flask", action="store_true")
    arguments = parser.parse_args()
    server = flaskJSONRPCServer(
        ["127.0.0.1", arguments.port],
        servBackend=arguments.backend,
        gevent=arguments.backend == "pywsgi",
        jsonBackend=arguments.json,
        flaskContext=arguments.via_flask,
        max_body_bytes=_MAX_BYTES,
    )
    for function in (add, echo, nap):
        server.registerFunction(function, path="/api")
    server.serveForever()


if __name__ == "__main__":
    main()
