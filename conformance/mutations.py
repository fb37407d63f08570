"""Valid requests, and changes that make most of them invalid."""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Callable
from typing import Any

from .oracle import CURRENT
from .requests import HttpRequest

__all__ = ["mutated", "seeds"]

_PREFIX = "io.modelcontextprotocol/"
_NAMES = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}

# Values where others are expected.
VALUES: list[Any] = [
    None, True, False, 0, -1, 2**53, 2**63, 10**30, 1.5, 1e308, "", " ", "\0", "a\r\nb", "\ud800", "ä", "x" * 3000, "1",
    [], [[]], [1, "a"], {}, {"a": {"b": {}}}, "__class__", "tools/call", "place", CURRENT, "2025-11-25", "1999-01-01",
    "%00", "../../etc/passwd", "=?base64?AA==?=", "data://x", "items://a/b", {"$ref": "#"}, [None] * 50,
]  # fmt: skip
NAMES = ["_meta", "name", "arguments", "uri", "cursor", "ref", "argument", "notifications", "requestState", "id", "x"]
TEXTS = ["", "*/*", "text/event-stream", "application/json", "a, b", "=?base64?!?=", "=?base64?w6Q=?=", "\xff", "null"]
FIELDS = [
    *("Accept", "Content-Type", "Content-Encoding", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Origin"),
    *("Mcp-Param-Region", "Mcp-Param-Count", "Mcp-Session-Id", "Last-Event-ID", "Authorization", "X-Any"),
]
METHODS = ["GET", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH", "post"]


def seeds(session_id: str) -> list[HttpRequest]:
    """Return valid requests of both ways: with all in ``_meta``, and in a session."""
    add = {"name": "add", "arguments": {"a": 1, "b": 2}}
    place = {"name": "place", "arguments": {"region": "eu-west", "count": 7}}
    complete = {"ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "code", "value": ""}}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("server/discover", {}),
        ("tools/list", {}),
        ("tools/call", add),
        ("tools/call", place),
        ("tools/call", {**add, "_meta": {"progressToken": "t"}}),
        ("tools/call", {"name": "wonder", "arguments": {}}),
        ("tools/call", {"name": "fail", "arguments": {"text": "no"}}),
        ("resources/list", {}),
        ("resources/templates/list", {}),
        ("resources/read", {"uri": "items://7"}),
        ("prompts/list", {}),
        ("prompts/get", {"name": "review", "arguments": {"code": "x"}}),
        ("completion/complete", complete),
        ("subscriptions/listen", {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["items://7"]}}),
    ]
    of_sessions: list[tuple[str, dict[str, Any]]] = [
        *calls[1:-1],
        ("ping", {}),
        ("logging/setLevel", {"level": "info"}),
        ("resources/subscribe", {"uri": "items://7"}),
        ("notifications/cancelled", {"requestId": 9}),
    ]
    begin = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    return [
        *(current_request(method, params) for method, params in calls),
        *(session_request(method, params, session_id) for method, params in of_sessions),
        session_request("initialize", begin, ""),
    ]


def current_request(method: str, params: dict[str, Any]) -> HttpRequest:
    """Return a request of the current revision."""
    client = {"name": "c", "version": "1"}
    meta = {"protocolVersion": CURRENT, "clientCapabilities": {"elicitation": {}}, "clientInfo": client}
    whole = {**{_PREFIX + name: value for name, value in meta.items()}, **params.get("_meta", {})}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": whole}}
    headers = {"MCP-Protocol-Version": CURRENT, "Mcp-Method": method}
    if method in _NAMES:
        headers["Mcp-Name"] = params[_NAMES[method]]
    if params.get("name") == "place":
        headers |= {"Mcp-Param-Region": "eu-west", "Mcp-Param-Count": "7"}
    return http_request(message, headers)


def session_request(method: str, params: dict[str, Any], session_id: str) -> HttpRequest:
    """Return a request of a session."""
    headers = {"MCP-Protocol-Version": "2025-11-25", "Mcp-Session-Id": session_id} if session_id else {}
    is_notification = method.startswith("notifications/")
    own_id = {} if is_notification else {"id": 1}
    return http_request({"jsonrpc": "2.0", **own_id, "method": method, "params": params}, headers)


def http_request(message: Any, headers: dict[str, str]) -> HttpRequest:
    own = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    return HttpRequest(json.dumps(message).encode(), list({**own, **headers}.items()))


def mutated(seed: HttpRequest, chance: random.Random) -> HttpRequest:
    """Return a request with up to three changes."""
    request = copy.deepcopy(seed)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        chance.choice(_MUTATIONS)(request, chance)
    return request


def change_message(request: HttpRequest, chance: random.Random) -> None:
    """Change one member of the message: remove it, rename it, double it, or replace its value."""
    try:
        message = json.loads(request.body)
    except ValueError:
        return
    places = list(members_of(message))
    if not places:
        return
    parent, key = chance.choice(places)
    kind = chance.randrange(4)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[chance.choice(NAMES)] = parent.pop(key)
    elif kind == 2:
        parent[key] = [parent[key]]
    else:
        parent[key] = chance.choice(VALUES)
    request.body = json.dumps(message).encode()


def members_of(value: Any) -> Any:
    """Yield each member of a message, at any depth, as its parent and its key."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from members_of(inner)


def change_bytes(request: HttpRequest, chance: random.Random) -> None:
    """Replace, remove, repeat or insert a piece of the body."""
    body = request.body
    begin = chance.randrange(len(body) + 1)
    end = min(len(body), begin + chance.randrange(8))
    piece = chance.choice((b"", chance.randbytes(3), body[begin:end] * 2, b'"', b"{", b"[" * 200, b"NaN", b"\\ud800"))
    request.body = body[:begin] + piece + body[end:]


def cut_body(request: HttpRequest, chance: random.Random) -> None:
    request.body = request.body[: chance.randrange(len(request.body) + 1)]


def make_batch(request: HttpRequest, chance: random.Random) -> None:
    request.body = b"[" + b",".join([request.body] * chance.randrange(4)) + b"]"


def drop_header(request: HttpRequest, chance: random.Random) -> None:
    if request.headers:
        request.headers.pop(chance.randrange(len(request.headers)))


def change_header(request: HttpRequest, chance: random.Random) -> None:
    """Replace the value of a header field, or the case of a letter in it."""
    if not request.headers:
        return
    place = chance.randrange(len(request.headers))
    name, value = request.headers[place]
    encoded = f"=?base64?{base64.b64encode(value.encode()).decode()}?="
    request.headers[place] = (name, chance.choice((*TEXTS, encoded, value.swapcase(), f" {value}\t", value + "x")))


def add_header(request: HttpRequest, chance: random.Random) -> None:
    """Add a header field, perhaps one that is there."""
    values = [value for _, value in request.headers]
    request.headers.append((chance.choice(FIELDS), chance.choice((*TEXTS, *values))))


def change_method(request: HttpRequest, chance: random.Random) -> None:
    request.method = chance.choice(METHODS)


_MUTATIONS: list[Callable[[HttpRequest, random.Random], None]] = [
    *[change_message] * 8, *[change_header] * 3, *[drop_header] * 2, *[add_header] * 2,
    change_bytes, change_bytes, cut_body, make_batch, change_method,
]  # fmt: skip
