"""The server that :mod:`benchmarks.beside` sends large requests to. It answers each input line with a line of JSON."""

import argparse
import json
from pathlib import Path
from typing import Any

from flaskJSONRPCServer import flaskJSONRPCServer

from .soak.server import PATH, read_lines

_LARGEST_BYTES = 1 << 30


def echo(value: Any) -> Any:
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the socket is")
    parser.add_argument("--gevent", action="store_true")
    parser.add_argument("--experimental", action="store_true")
    arguments = parser.parse_args()
    server = flaskJSONRPCServer(
        str(arguments.folder / "socket"),
        gevent=arguments.gevent,
        experimental=arguments.experimental,
        log=2,
        allowCompress=True,
        max_body_bytes=_LARGEST_BYTES,
        max_response_bytes=_LARGEST_BYTES,
        max_buffered_bytes=_LARGEST_BYTES,
    )
    server.registerFunction(echo, path=PATH)
    server.start()
    for _ in read_lines():
        print(json.dumps({"experimental": arguments.experimental}), flush=True)
    server.stop()


if __name__ == "__main__":
    main()
