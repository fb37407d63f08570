"""The options of calls, which views of a client replace."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from ..sansio_jsonrpc import JsonRpcException
from .retries import Retry
from .transports.headers import checked_value, merged_headers

__all__ = [
    "IDEMPOTENCY_FIELD",
    "UNCHANGED",
    "CallOptions",
    "Unchanged",
    "checked_key",
    "first_id",
    "idempotency_headers",
]


IDEMPOTENCY_FIELD: Final = "Idempotency-Key"
"""The name of the header field."""


class Unchanged:
    """The type of `UNCHANGED`."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final[Any] = Unchanged()
"""The default of an option that a view takes over: None is a value of some."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The options of the calls of a view.

    Attributes:
        timeout_s: How long a call may take, with its retries; None for no limit.
        tells_deadline: Whether requests tell the server the seconds that remain.
        retry: How calls are repeated.
        idempotency_key: A key, True for a new key for each call, or None.
        is_idempotent: Whether the calls may be run twice; None if nobody has said.
        headers: Header fields of the calls.
        read_result: Converts a result; None for none.
        errors: Classes of exceptions, by the codes of the errors.
    """

    timeout_s: float | None
    tells_deadline: bool
    retry: Retry
    idempotency_key: str | bool | None = None
    is_idempotent: bool | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    read_result: Callable[[Any], Any] | None = None
    errors: Mapping[int, type[JsonRpcException]] = field(default_factory=dict)

    @property
    def is_safe(self) -> bool:
        """Whether a request may be sent twice."""
        return bool(self.is_idempotent or self.idempotency_key)


def checked_key(key: str | bool | None) -> str | bool | None:
    """Return an idempotency key as the option has it.

    Raises:
        ValueError: It is something else, empty, or has characters that a header cannot have.
    """
    if key is None or isinstance(key, bool):
        return key
    if not isinstance(key, str) or not key:
        raise ValueError(f"idempotency_key={key!r}; it takes a text that is not empty, or True for a new one per call")
    return checked_value(IDEMPOTENCY_FIELD, key)


def first_id(options: CallOptions) -> int | None:
    """Return the id of the first call of a request with a key of the user; None without one.

    The server compares the bodies of all requests with a key, and a later repetition by the user has to have the same.
    """
    if not isinstance(options.idempotency_key, str):
        return None
    # 48 bits: clients and proxies may read numbers as floats.
    return int.from_bytes(hashlib.blake2b(options.idempotency_key.encode(), digest_size=6).digest(), "big")


def idempotency_headers(options: CallOptions) -> Mapping[str, str]:
    """Return the headers of one request: with its idempotency key, if it has one."""
    if not options.idempotency_key:
        return options.headers
    key = str(uuid4()) if options.idempotency_key is True else options.idempotency_key
    quoted = key.replace("\\", "\\\\").replace('"', '\\"')
    return merged_headers(options.headers, {IDEMPOTENCY_FIELD: f'"{quoted}"'})
