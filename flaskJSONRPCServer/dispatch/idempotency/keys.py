"""The keys of requests and of calls, as clients write them."""

from __future__ import annotations

import re
from typing import Final

from ...http.refusals import BadRequest
from ...sansio_jsonrpc import IDEMPOTENCY_KEY, JsonRpcInvalidRequestError, JsonRpcKeyedRequest

__all__ = ["HEADER", "HEADER_NAME", "key_of_call", "key_of_request"]

HEADER: Final = "HTTP_IDEMPOTENCY_KEY"
"""The name of the header in an environ."""

HEADER_NAME: Final = "Idempotency-Key"

_LONGEST: Final = 255

# Visible ASCII and spaces inside: with other characters, two keys could look alike and differ.
_KEY: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")

# Two fields of the same name arrive joined by a comma, so a plain key has none.
_PLAIN: Final = re.compile(r"[!#-+\--~]+")

# sf-string of RFC 8941, section 3.3.3.
_QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_ESCAPE: Final = re.compile(r"\\(.)")

_ACCEPTS: Final = f"1 to {_LONGEST} visible ASCII characters"


def key_of_request(value: str) -> str:
    """Return the key in the header of a request.

    Args:
        value: The value of the header: a string of structured fields, or a plain text without commas and quotes.

    Raises:
        BadRequest: It is malformed, or longer than 255 characters.
    """
    value = value.strip(" \t")
    quoted = _QUOTED.fullmatch(value)
    if quoted is None and not _PLAIN.fullmatch(value):
        raise BadRequest(f"{HEADER_NAME} is malformed: send it once, with {_ACCEPTS}, in double quotes or without")
    key = value if quoted is None else _ESCAPE.sub(r"\1", quoted[1])
    if (fault := fault_of(key)) is not None:
        raise BadRequest(f"{HEADER_NAME} {fault}")
    return key


def key_of_call(call: JsonRpcKeyedRequest) -> str:
    """Return the key of a call.

    Raises:
        JsonRpcInvalidRequestError: It is malformed, or longer than 255 characters.
    """
    key = call.key
    fault = fault_of(key) if isinstance(key, str) else f"must be a string of {_ACCEPTS}"
    if fault is not None:
        raise JsonRpcInvalidRequestError(f"Invalid Request: {IDEMPOTENCY_KEY} {fault}")
    return str(key)


def fault_of(key: str) -> str | None:
    """Return the fault of a key, in words; None for a valid key."""
    if len(key) > _LONGEST:
        return f"has {len(key)} characters; at most {_LONGEST} are taken"
    return None if _KEY.fullmatch(key) else f"is malformed: it takes {_ACCEPTS}"
