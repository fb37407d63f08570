"""The errors that a server of the Model Context Protocol answers with, and their HTTP statuses.

    McpError
    ├── ParseError                  -32700  400
    ├── InvalidRequest              -32600  400
    ├── MethodNotFound              -32601  404
    ├── InvalidParams               -32602  200
    │   └── MalformedRequest        -32602  400  the request itself, and not what it asks for
    ├── TooManyTasks                -32000  503
    ├── TooManyOpenRequests         -32000  503
    ├── TooLarge                    -32001  200
    ├── ResourceNotFound            -32002  200  in revisions with sessions only
    ├── HeaderMismatch              -32020  400
    ├── MissingClientCapability     -32021  400
    ├── UnsupportedVersion          -32022  400
    ├── NoAnswer                    -32603  200
    └── SessionNotFound             -32600  404

Source: revision 2026-07-28, "Overview", section "Error Codes", and "Streamable HTTP", section "Server Validation".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from ...sansio_jsonrpc import ABSENT, JsonRpcError
from .revisions import CURRENT, SESSION_REVISIONS

__all__ = [
    "INTERNAL_ERROR",
    "HeaderMismatch",
    "InvalidParams",
    "InvalidRequest",
    "MalformedRequest",
    "McpError",
    "MethodNotFound",
    "MissingClientCapability",
    "NoAnswer",
    "ParseError",
    "ResourceNotFound",
    "SessionNotFound",
    "TooLarge",
    "TooManyOpenRequests",
    "TooManyTasks",
    "UnsupportedVersion",
    "is_kept_code",
    "resource_not_found",
]

INTERNAL_ERROR: Final = -32603
"""The code of an error of the server or of a function (JSON-RPC 2.0, section 5.1)."""


# JSON-RPC 2.0, section 5.1: the range that it keeps for itself, and the codes in it that a function may send. Source of
# the others: revision 2026-07-28, "Overview", section "Error Codes"; -32017 to -32019 are internal to this package.
_KEPT: Final = range(-32768, -31999)
_FREE: Final = frozenset({-32600, -32601, -32602, -32603, *range(-32016, -31999)} - {-32002})


def is_kept_code(code: int) -> bool:
    """Return whether no function may send an error code: the protocol keeps it for itself, or has given it up."""
    return code in _KEPT and code not in _FREE


class McpError(Exception):
    """A request cannot be answered with a result. The message is sent to the client.

    Attributes:
        code: The code of the error.
        status: The HTTP status.
        data: The data of the error; ABSENT for none.
        request_id: The id of the request; ABSENT if it is not known, or is given elsewhere.
        retry_after_s: In how many seconds to try again; None if nobody knows.
    """

    code: ClassVar[int]
    status: ClassVar[str] = "200 OK"
    request_id: Any = ABSENT
    retry_after_s: int | None = None

    def __init__(self, message: str, data: Any = ABSENT) -> None:
        super().__init__(message)
        self.data = data

    @property
    def error(self) -> JsonRpcError:
        """The error to send."""
        return JsonRpcError(self.code, str(self), self.data)


class ParseError(McpError):
    """The body is not JSON, or exceeds a limit."""

    code = -32700
    status = "400 Bad Request"


class InvalidRequest(McpError):
    """The JSON is no message that a client may send."""

    code = -32600
    status = "400 Bad Request"


class MethodNotFound(McpError):
    """The server has no such method."""

    code = -32601
    status = "404 Not Found"


class InvalidParams(McpError):
    """The method does not accept these parameters: a tool that does not exist, an unknown cursor."""

    code = -32602


class MalformedRequest(InvalidParams):
    """The request lacks what each request must have."""

    status = "400 Bad Request"


class TooManyTasks(McpError):
    """The server keeps no more tasks, of this caller or of all together."""

    code = -32000
    status = "503 Service Unavailable"


class TooManyOpenRequests(McpError):
    """As many requests or subscriptions of a client are open as it may have. The message says what makes room."""

    code = -32000
    status = "503 Service Unavailable"

    @classmethod
    def over(cls, most: int) -> TooManyOpenRequests:
        """Return the error for a request beyond the most that are answered at the same time."""
        return cls(f"{most} requests have not been answered yet; send this one again after an answer, or cancel one")


class TooLarge(McpError):
    """An answer exceeds ``max_response_bytes``, or what a task would keep exceeds its bounds."""

    code = -32001


class ResourceNotFound(McpError):
    """No resource has this URI; the newest revision calls that invalid parameters."""

    MESSAGE = "Resource not found"

    code = -32002


def resource_not_found(uri: str, revision: str) -> McpError:
    """Return the error of a revision for a URI that no resource has."""
    kind = InvalidParams if revision == CURRENT else ResourceNotFound
    return kind(ResourceNotFound.MESSAGE, {"uri": uri})


class HeaderMismatch(McpError):
    """A header field is missing, malformed, or says something else than the body."""

    code = -32020
    status = "400 Bad Request"


class MissingClientCapability(McpError):
    """The call needs something of the client that the client has not declared."""

    code = -32021
    status = "400 Bad Request"

    def __init__(self, required: Mapping[str, Any]) -> None:
        names = ", ".join(name for key, parts in required.items() for name in capability_names(key, parts))
        super().__init__(f"the client has not declared a capability that this needs: {names}")
        self.data = {"requiredCapabilities": dict(required)}


class UnsupportedVersion(McpError):
    """The server does not speak this revision, or not in this way.

    Args:
        requested: The revision.
        supported: Those that are possible in this way: in ``_meta``, or in the header field of a session.
    """

    code = -32022
    status = "400 Bad Request"

    def __init__(self, requested: str, supported: Sequence[str] = (CURRENT,)) -> None:
        is_older = requested in SESSION_REVISIONS
        remedy = f": in _meta there is {CURRENT} only; a client of {requested} begins with initialize"
        super().__init__(f"Unsupported protocol version{remedy if is_older else ''}")
        self.data = {"supported": list(supported), "requested": requested}


class NoAnswer(McpError):
    """A function has asked the client, and the client has not answered, or not with what was asked for."""

    code = INTERNAL_ERROR


class SessionNotFound(McpError):
    """There is no session with this id, or it belongs to another caller. The client begins a new one."""

    code = -32600
    status = "404 Not Found"

    def __init__(self) -> None:
        super().__init__("Session not found: begin a new one with initialize")


def capability_names(name: str, parts: Mapping[str, Any]) -> list[str]:
    """Return the names of a capability's parts, such as ``elicitation.url``; its own if it needs none."""
    return [f"{name}.{part}" for part in parts] or [name]
