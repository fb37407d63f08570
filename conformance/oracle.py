"""Whether header fields say something else than the body, decided apart from the code of the server.

Source: revision 2026-07-28, "Streamable HTTP", sections "Request Metadata" and "Custom Headers from Tool Parameters".
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from .requests import HttpRequest

__all__ = ["disagrees"]

CURRENT = "2026-07-28"
_VERSION = "io.modelcontextprotocol/protocolVersion"
_NAMES = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_PARAMETERS = {"region": "Mcp-Param-Region", "count": "Mcp-Param-Count"}


def disagrees(request: HttpRequest) -> bool:
    """Return whether a request of the current revision has header fields that its body contradicts."""
    try:
        message = json.loads(request.body)
    except (ValueError, RecursionError):
        return False
    params = message.get("params") if isinstance(message, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    if not isinstance(meta, dict) or meta.get(_VERSION) != CURRENT or "id" not in message:
        return False
    method = message.get("method")
    if list(set(request.values("MCP-Protocol-Version"))) != [CURRENT] or request.values("Mcp-Method") != [method]:
        return True
    name = params.get(_NAMES.get(method)) if isinstance(method, str) else None
    if isinstance(name, str) and not says(request.values("Mcp-Name"), name):
        return True
    is_placed = method == "tools/call" and name == "place"
    return is_placed and any(differs(request, params.get("arguments"), *pair) for pair in _PARAMETERS.items())


def differs(request: HttpRequest, arguments: Any, name: str, header: str) -> bool:
    value = arguments.get(name) if isinstance(arguments, dict) else None
    if value is None:
        return bool(request.values(header))
    return not says(request.values(header), value)


def says(values: list[str], expected: Any) -> bool:
    """Return whether a header field is sent once, and says the same as a value in the body."""
    if len(values) != 1:
        return False
    text = decoded(values[0])
    if isinstance(expected, bool):
        return text == str(expected).lower()
    if isinstance(expected, (int, float)):
        try:
            return float(text) == expected
        except (ValueError, OverflowError):
            return False
    return isinstance(expected, str) and text == expected


def decoded(value: str) -> str:
    if not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    try:
        return base64.b64decode(value[9:-2], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "\0invalid"
