"""Header fields that repeat parts of the body, for those who route requests without reading bodies.

A server that reads the body refuses a request whose header fields say something else: a load balancer would have
decided by the one, and the server would answer the other.

Source: revision 2026-07-28, "Streamable HTTP", sections "Request Metadata" and "Custom Headers from Tool Parameters".
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .errors import HeaderMismatch, InvalidRequest, UnsupportedVersion
from .requests import ClientRequest
from .revisions import CURRENT, SESSION_REVISIONS

__all__ = [
    "VERSION_HEADER",
    "HeaderParameter",
    "check_headers",
    "check_parameters",
    "check_session_revision",
    "header_parameters",
]

VERSION_HEADER: Final = "HTTP_MCP_PROTOCOL_VERSION"
"""The key of the field with the revision in an environ."""

_METHOD_HEADER: Final = "HTTP_MCP_METHOD"
_NAME_HEADER: Final = "HTTP_MCP_NAME"

# The parameter that `Mcp-Name` repeats, by method.
_NAMED_BY: Final = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}

_BASE64: Final = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)
_PLAIN: Final = re.compile(r"[\t\x20-\x7e]*")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")

# Integers that a double-precision number holds exactly.
_SAFE: Final = 2**53 - 1

_PRIMITIVES: Final = frozenset({"integer", "string", "boolean"})
_ANNOTATION: Final = "x-mcp-header"


@dataclass(frozen=True, slots=True)
class HeaderParameter:
    """A parameter of a tool that clients repeat in a header field.

    Attributes:
        name: The part of the field's name after ``Mcp-Param-``.
        path: The names that lead to the value in the arguments.
        kind: ``integer``, ``string`` or ``boolean``.
    """

    name: str
    path: tuple[str, ...]
    kind: str

    @property
    def key(self) -> str:
        """The key of the field in an environ."""
        return f"HTTP_MCP_PARAM_{self.name.upper().replace('-', '_')}"


def check_headers(head: Mapping[str, Any], request: ClientRequest) -> None:
    """Check the header fields that each request has.

    Args:
        head: The environ of the request, or its head.
        request: The request.

    Raises:
        HeaderMismatch: One is missing, malformed, or differs from the body.
    """
    method, revision = request.method, request.revision
    parameter = _NAMED_BY.get(method)
    # The present revision and the known methods have only characters that are allowed.
    if parameter is None or head.get(_METHOD_HEADER) != method or not head.get(VERSION_HEADER) == revision == CURRENT:
        check_field(head, VERSION_HEADER, "MCP-Protocol-Version", revision)
        check_field(head, _METHOD_HEADER, "Mcp-Method", method)
    if parameter is not None and isinstance(name := request.params.get(parameter), str):
        # As nearly all are; check_field() decides of all others.
        if head.get(_NAME_HEADER) == name and name.isascii() and name.isidentifier():
            return
        check_field(head, _NAME_HEADER, "Mcp-Name", name, True)


def check_session_revision(head: Mapping[str, Any], revision: str) -> None:
    """Check the header field with the revision in a request of a session. It may be missing, or name any with sessions.

    Args:
        head: The environ of the request, or its head.
        revision: The revision of the session.

    Raises:
        UnsupportedVersion: The field names an unknown revision.
        InvalidRequest: It names the revision without sessions.

    Source: revision 2025-11-25, "Transports", section "Protocol Version Header".
    """
    named = head.get(VERSION_HEADER)
    if named == CURRENT:
        remedy = f"send {revision}, or name {CURRENT} in _meta too and leave out Mcp-Session-Id"
        raise InvalidRequest(
            f"Invalid Request: MCP-Protocol-Version is {CURRENT}, and this session has {revision}: {remedy}"
        )
    if named is not None and named not in SESSION_REVISIONS:
        raise UnsupportedVersion(str(named)[:100], SESSION_REVISIONS)


def check_parameters(
    head: Mapping[str, Any], parameters: Sequence[HeaderParameter], arguments: Mapping[str, Any]
) -> None:
    """Check the header fields that repeat arguments of a tool.

    Raises:
        HeaderMismatch: One is missing, malformed, or differs from the argument.
    """
    for parameter in parameters:
        name = f"Mcp-Param-{parameter.name}"
        value = argument_at(arguments, parameter.path)
        if value is None:
            if parameter.key in head:
                raise HeaderMismatch(f"Header mismatch: {name} is sent, and the body has no such argument")
        elif not equals(field_value(head, parameter.key, name, may_be_encoded=True), value):
            raise HeaderMismatch(f"Header mismatch: {name} differs from the argument in the body")


def header_parameters(schema: Mapping[str, Any]) -> tuple[HeaderParameter, ...]:
    """Return the parameters of a tool that clients repeat in header fields.

    Args:
        schema: The schema of the tool's arguments.

    Raises:
        ValueError: An ``x-mcp-header`` is not allowed there; clients would reject the tool.
    """
    found = tuple(annotated(schema, ()))
    if len(found) != sum(1 for _ in all_annotations(schema)):
        raise ValueError(
            f"{_ANNOTATION} is only allowed at properties of objects, with no $ref or anyOf before it: not in a class, "
            "a list or a union"
        )
    names = [parameter.name.lower() for parameter in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two parameters have the same {_ANNOTATION}, {twice!r}")
    return found


def annotated(schema: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[HeaderParameter]:
    """Yield the annotated properties below a schema, as far as they are reached by ``properties`` alone."""
    properties = schema.get("properties")
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        if not isinstance(inner, dict):
            continue
        if _ANNOTATION in inner:
            yield checked_parameter(inner[_ANNOTATION], (*path, name), inner.get("type"))
        yield from annotated(inner, (*path, name))


def all_annotations(value: Any) -> Iterator[Any]:
    """Yield all annotations in a schema, wherever they are."""
    if isinstance(value, dict):
        if _ANNOTATION in value and not isinstance(value[_ANNOTATION], dict):
            yield value[_ANNOTATION]
        for inner in value.values():
            yield from all_annotations(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from all_annotations(inner)


def checked_parameter(header: Any, path: tuple[str, ...], kind: Any) -> HeaderParameter:
    where = ".".join(path)
    if not isinstance(header, str) or not _TOKEN.fullmatch(header):
        raise ValueError(f"{_ANNOTATION} {header!r} of {where} is no name of a header field")
    if "_" in header:
        raise ValueError(f"{_ANNOTATION} {header!r} of {where} has an underscore, which may be a hyphen")
    if kind is None or isinstance(kind, list):
        raise ValueError(
            f"{_ANNOTATION} of {where} needs one type: declare int, str or bool, without `| None` and no class, and "
            "give a default if it may be left out"
        )
    if not isinstance(kind, str) or kind not in _PRIMITIVES:
        raise ValueError(f"{_ANNOTATION} of {where} needs an integer, a string or a boolean, not {kind!r}")
    return HeaderParameter(header, path, kind)


def check_field(head: Mapping[str, Any], key: str, name: str, expected: str, may_be_encoded: bool = False) -> None:
    # As nearly all are; a field that may be decoded, or has a character that is not allowed, is looked at more closely.
    if head.get(key) == expected and "=" not in expected and expected.isascii() and expected.isprintable():
        return
    value = field_value(head, key, name, may_be_encoded=may_be_encoded)
    if value != expected:
        raise HeaderMismatch(f"Header mismatch: {name} differs from the body")


def field_value(head: Mapping[str, Any], key: str, name: str, *, may_be_encoded: bool) -> str:
    """Return the value of a header field, decoded.

    Raises:
        HeaderMismatch: It is missing or malformed.
    """
    value = head.get(key)
    if value is None:
        raise HeaderMismatch(
            f"Header mismatch: the request has no {name}; this header field repeats a value of the body"
        )
    text = str(value).strip(" \t")
    if not _PLAIN.fullmatch(text):
        raise HeaderMismatch(f"Header mismatch: {name} has a character that is not allowed; send base64")
    encoded = _BASE64.fullmatch(text) if may_be_encoded else None
    if encoded is None:
        return text
    try:
        return base64.b64decode(encoded[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as exc:
        raise HeaderMismatch(f"Header mismatch: {name} has no valid base64 of UTF-8") from exc


def argument_at(arguments: Mapping[str, Any], path: Sequence[str]) -> Any:
    """Return the value at a path; None if there is none."""
    value: Any = arguments
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def equals(text: str, value: Any) -> bool:
    """Return whether a header field says the same as an argument."""
    if isinstance(value, bool):
        return text == ("true" if value else "false")
    if isinstance(value, (int, float)):
        return is_same_number(text, value)
    return isinstance(value, str) and text == value


def is_same_number(text: str, value: float) -> bool:
    """Return whether a text is a number that equals an argument: ``42.0`` equals 42."""
    if not _NUMBER.fullmatch(text) or not math.isfinite(value) or abs(value) > _SAFE:
        return False
    number = int(text) if text.lstrip("-").isdigit() else float(text)
    return number == value
