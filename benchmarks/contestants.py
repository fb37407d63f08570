"""The applications that are timed, and the function that sends a request to any of them."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.servBackend.native.messages import rpc_message

from .bare import BARE_FLASK, BARE_WSGI, Application, Json
from .workloads import PATH, Workload, add

JSON_MODULES = ("simplejson", "json", "orjson")

BARE, FLASK_VIEW, NATIVE, DIRECT, VIA_FLASK = "bare WSGI", "Flask view", "native", "direct", "via Flask"
CONTESTANTS = (BARE, NATIVE, DIRECT, FLASK_VIEW, VIA_FLASK)


def server_application(json_module: str, *, flask_context: bool) -> Application:
    """Return the WSGI callable of a typical server: with an address, and all other options at their defaults."""
    return typical_server(json_module, flaskContext=flask_context).getWSGI()


def typical_server(json_module: str, **options: Any) -> flaskJSONRPCServer:
    """Return a typical server with further options."""
    server = flaskJSONRPCServer(["127.0.0.1", 8080], jsonBackend=json_module, **options)
    server.registerFunction(add, path=PATH, validate=False)  # the others check no types either
    return server


class Received:
    """A request as the serving backend ``native`` passes it. Its head is the environ of the benchmark."""

    def __init__(self, head: dict[str, Any]) -> None:
        self.head = self.environ = head

    def body(self, _limit_bytes: int) -> bytes:
        body: bytes = self.head["wsgi.input"].getvalue()
        return body


def native_application(json_module: str, **options: Any) -> Application:
    """Return an application that calls a server like ``native``: with the parsed request, without WSGI."""
    server = typical_server(json_module, **options).getWSGI()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = server.respond(Received(environ))
        rpc_message(response, "")
        start_response(response.status, [])  # the message has the headers
        return [response.body]

    return application


def make_application(contestant: str, json_module: str, kind: str) -> Application:
    """Return the application of a contestant for one kind of workload."""
    if contestant == BARE:
        return BARE_WSGI[kind](Json(json_module))
    if contestant == FLASK_VIEW:
        return BARE_FLASK[kind](Json(json_module))
    if contestant == NATIVE:
        return native_application(json_module)
    return server_application(json_module, flask_context=contestant == VIA_FLASK)


def do_nothing(_environ: dict[str, Any], _start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer without work: the time of this application is that of the harness."""
    return _NOTHING


_NOTHING = [b"{}"]


def ignore_response(_status: str, _headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
    """Ignore the status and headers: the start_response of a timed request."""


def exchange(app: Application, environ: dict[str, Any], body: bytes, start_response: Callable[..., Any]) -> bytes:
    """Send one request to an application as a WSGI server does (PEP 3333); return the body of the answer."""
    environ = environ.copy()
    environ["wsgi.input"] = BytesIO(body)
    parts = app(environ, start_response)
    answer = b"".join(parts)
    if hasattr(parts, "close"):
        parts.close()
    return answer


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of an application: the status code, and the body as parsed JSON; None if it is empty."""

    code: int
    content: Any


def answer_of(app: Application, workload: Workload) -> Answer:
    statuses: list[str] = []
    body = exchange(app, workload.environ(), workload.body, lambda status, _headers, _exc=None: statuses.append(status))
    return Answer(int(statuses[-1].split()[0]), json.loads(body) if body else None)


def right_answer(workload: Workload) -> Answer:
    return Answer(204 if workload.expected is None else 200, workload.expected)


def check_answer(app: Application, contestant: str, workload: Workload) -> None:
    """Check that an application answers correctly, before it is timed.

    Raises:
        ValueError: The answer is wrong.
    """
    answer = answer_of(app, workload)
    if answer != right_answer(workload):
        raise ValueError(f"{contestant} answers {workload.name!r} with {answer!r}")
