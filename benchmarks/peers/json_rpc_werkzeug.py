"""json-rpc on Werkzeug's server, as in its README, but threaded like in Flask."""

import sys
import time
from typing import Any

from jsonrpc import JSONRPCResponseManager, dispatcher
from werkzeug.serving import run_simple
from werkzeug.wrappers import Request, Response


@dispatcher.add_method
def add(a: int, b: int) -> int:
    return a + b


@dispatcher.add_method
def echo(payload: Any) -> Any:
    return payload


@dispatcher.add_method
def nap() -> None:
    time.sleep(0.005)


@Request.application
def application(request: Request) -> Response:
    response = JSONRPCResponseManager.handle(request.get_data(), dispatcher)
    return Response(response.json, mimetype="application/json")


run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True)
