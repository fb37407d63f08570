"""The requests that are timed, and their right answers."""

import json
from dataclasses import dataclass
from typing import Any

PATH = "/api"
BATCH_LENGTH = 100

_PARAMS = {"positional": [1, 2], "named": {"a": 1, "b": 2}}


def add(a: int, b: int) -> int:
    """Return the sum: next to no work, so that all time is overhead."""
    return a + b


@dataclass(frozen=True, slots=True)
class Workload:
    """One request.

    Attributes:
        kind: ``call``, ``notification`` or ``batch``.
        style: ``positional`` or ``named`` parameters.
        body: The request's body.
        expected: The answer as parsed JSON; None if there is none.
    """

    kind: str
    style: str
    body: bytes
    expected: Any

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.style}"

    def environ(self) -> dict[str, Any]:
        """Return the WSGI environ of the request without its body, much like that of a request from curl."""
        return {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": PATH,
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8080",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_SOFTWARE": "benchmark",
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_PORT": "40000",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(self.body)),
            "HTTP_HOST": "127.0.0.1:8080",
            "HTTP_USER_AGENT": "curl/8.5.0",
            "HTTP_ACCEPT": "*/*",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": None,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }


def request(style: str, **members: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "add", "params": _PARAMS[style], **members}


def response(request_id: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": 3, "id": request_id}


def workloads_of(style: str) -> list[Workload]:
    call = json.dumps(request(style, id=1)).encode()
    notification = json.dumps(request(style)).encode()
    batch = json.dumps([request(style, id=number) for number in range(BATCH_LENGTH)]).encode()
    return [
        Workload("call", style, call, response(1)),
        Workload("notification", style, notification, None),
        Workload("batch", style, batch, [response(number) for number in range(BATCH_LENGTH)]),
    ]


WORKLOADS = [workload for style in _PARAMS for workload in workloads_of(style)]
