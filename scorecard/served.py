"""The server under test, as a separate process: ``python -m scorecard.served '{...}'``.

It prints its addresses as a line of JSON. Each line of its standard input is a command, which it answers with a line of
JSON.
"""

from __future__ import annotations

import contextlib
import gc
import hmac
import json
import resource
import sys
import threading
from collections.abc import Iterable
from typing import Any

from flaskJSONRPCServer import flaskJSONRPCServer

from .dispatchers import Api, add_pages, pooled_echo, pooled_pid, pooled_sleep

# How long a restart waits for running calls, in seconds.
_RESTART_TIMEOUT_S = 20


def main() -> None:
    config = json.loads(sys.argv[1])
    if config["descriptors"] is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (config["descriptors"],) * 2)
    options = config["options"]
    pool = options.pop("pool", None)
    if options.get("auth") == "token":
        options["auth"] = has_token
    server = flaskJSONRPCServer(
        config["address"], servBackend=config["backend"], gevent=config["backend"] == "pywsgi", **options
    )
    api = Api()
    server.registerInstance(api, path="/api")
    server.registerFunction(api.mark, path="/posted", name="mark", fallback=False)
    add_pages(server.flaskApp, api)
    if pool is not None:
        add_pool(server, pool)
    # A daemon, since it reads standard input, which may stay open after the end of the server.
    control = threading.Thread(target=answer_commands, args=(server, api), daemon=True)
    server.serveForever(on_start=lambda server: control.start())
    print(json.dumps("stopped"), flush=True)


def has_token(_server: Any, _path: str, request: Any, _method: str | None) -> bool:
    header = request.headers.get("Authorization", "")
    return hmac.compare_digest(header.encode(), b"Bearer right")


def add_pool(server: flaskJSONRPCServer, options: dict[str, Any]) -> None:
    """Register functions that run in child processes, under a separate path."""
    from flaskJSONRPCServer.execBackend import ParallelBackend

    backend = ParallelBackend(**options)
    for function in (pooled_pid, pooled_sleep, pooled_echo):
        server.registerFunction(function, path="/pool", dispatcherBackend=backend)


def answer_commands(server: flaskJSONRPCServer, api: Api) -> None:
    print_json([list(address) if isinstance(address, tuple) else address for address in server.addresses])
    for line in read_lines():
        command = line.strip()
        if command == "restart":
            server.restart(timeout=_RESTART_TIMEOUT_S)
        elif command == "collect":
            gc.collect()
        print_json(api.figures())
    server.stop()  # EOF: the parent process has ended


def print_json(value: Any) -> None:
    # The reader may be gone at the end of a check that has killed processes.
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(value), flush=True)


def read_lines() -> Iterable[str]:
    # Under gevent, a read of standard input would block all greenlets.
    if "gevent" in sys.modules and is_patched():
        from gevent.fileobject import FileObject

        lines: Iterable[str] = FileObject(sys.stdin.fileno(), "r", closefd=False)
        return lines
    return sys.stdin


def is_patched() -> bool:
    from gevent import monkey

    return bool(monkey.is_module_patched("threading"))


if __name__ == "__main__":
    main()
