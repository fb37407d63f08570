"""What a request may be, whichever server reads it by llhttp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...settings import Settings
from ..gate import RpcApplication

__all__ = ["Head", "ParserLimits", "no_headers", "parser_limits"]

Head = dict[str, Any]


def no_headers(head: Head) -> list[tuple[str, str]]:
    """Return no headers, whatever the head is."""
    return []


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """What a request may be.

    Attributes:
        max_head_bytes: The largest head, in bytes.
        max_url_bytes: The longest request target, without the question mark.
        max_header_count: The most fields, and the most trailers.
        max_body_bytes: The largest body that is taken without asking ``body_limit``.
        spool_body_bytes: The largest body that is held in memory.
        refusal_headers: Says for a head what an answer that refuses it has among its headers.
        body_limit: Says for a head how large its body may be, and the name of the setting that says so.
    """

    max_head_bytes: int
    max_url_bytes: int
    max_header_count: int
    max_body_bytes: int
    spool_body_bytes: int
    body_limit: Callable[[Head], tuple[int, str]]
    refusal_headers: Callable[[Head], list[tuple[str, str]]] = no_headers


def parser_limits(settings: Settings, rpc: RpcApplication | None) -> ParserLimits:
    """Return the limits of a server's requests.

    Args:
        settings: Its settings.
        rpc: Its application, where that answers RPC requests; else None.
    """

    def body_limit(head: Head) -> tuple[int, str]:
        limit_bytes = None if rpc is None else rpc.body_limit_bytes(head)
        if limit_bytes is None:
            return settings.max_page_body_bytes, "max_page_body_bytes"
        return limit_bytes, "max_body_bytes"

    return ParserLimits(
        max_head_bytes=settings.max_head_bytes,
        max_url_bytes=settings.max_url_bytes,
        max_header_count=settings.max_header_count,
        max_body_bytes=min(settings.max_body_bytes, settings.max_page_body_bytes),
        spool_body_bytes=settings.spool_body_bytes,
        body_limit=body_limit,
        refusal_headers=no_headers if rpc is None else rpc.refusal_headers,
    )
