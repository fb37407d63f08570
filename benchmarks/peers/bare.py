"""The minimal handwritten WSGI callable or Flask view, on the same HTTP server as ours."""

import argparse
import importlib
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, request

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.servBackend import find_serv_backend
from flaskJSONRPCServer.servBackend.sockets import Address, open_listener

Loads = Callable[[bytes], Any]
Dumps = Callable[[Any], bytes]


def nap() -> None:
    time.sleep(0.005)


METHODS: dict[str, Callable[..., Any]] = {"add": lambda a, b: a + b, "echo": lambda payload: payload, "nap": nap}


def answer(call: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": METHODS[call["method"]](**call.get("params", {})), "id": call["id"]}


def answer_all(message: Any) -> Any:
    return [answer(call) for call in message] if isinstance(message, list) else answer(message)


def wsgi_application(loads: Loads, dumps: Dumps) -> Any:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = dumps(answer_all(loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))))
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return application


def flask_application(loads: Loads, dumps: Dumps) -> Any:
    app = Flask("bare")

    @app.post("/api")
    def view() -> Response:
        return Response(dumps(answer_all(loads(request.get_data()))), mimetype="application/json")

    return app


def json_functions(module_name: str) -> tuple[Loads, Dumps]:
    module = importlib.import_module(module_name)
    if isinstance(module.dumps(None), bytes):
        return module.loads, module.dumps
    return module.loads, lambda value: module.dumps(value).encode()


def serve(app: Any, port: int, backend_name: str) -> None:
    """Serve an application like a server of ours, until SIGTERM ends the process."""
    gevent = backend_name == "pywsgi"
    server = flaskJSONRPCServer(["127.0.0.1", port], servBackend=backend_name, gevent=gevent)
    backend = find_serv_backend(backend_name, gevent=gevent)
    where: Any = ["127.0.0.1", port]
    if backend._supportRawSocket:
        where = open_listener(Address("127.0.0.1", port), server.settings.backlog).raw_address
    running = backend.start(where, app, server, False)
    wait_for_end(gevent)
    backend.stop(running, 0, server, 5)


def wait_for_end(gevent: bool) -> None:
    if not gevent:
        signal.sigwait([signal.SIGTERM])
        return
    # A native wait would block the greenlets.
    from gevent import event, signal_handler

    end = event.Event()
    signal_handler(signal.SIGTERM, end.set)
    end.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--json", default="simplejson")
    parser.add_argument("--via-flask", action="store_true")
    arguments = parser.parse_args()
    make = flask_application if arguments.via_flask else wsgi_application
    if arguments.backend != "pywsgi":
        # Blocked before any thread starts, so that sigwait receives it.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    serve(make(*json_functions(arguments.json)), arguments.port, arguments.backend)


if __name__ == "__main__":
    main()
