"""The limits on one request, for every backend that parses with llhttp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...errors import SettingsError
from ...http.refusals import Refusal
from ...settings import Settings
from ..gate import RpcApplication, ignore_refusal, refusal_observer

__all__ = ["Head", "ParserLimits", "check_body_limits", "no_headers", "parser_limits", "warn_of_large_answers"]

Head = dict[str, Any]


def no_headers(head: Head) -> list[tuple[str, str]]:
    """Return no headers for any head."""
    return []


def accept_head(head: Head) -> None:
    """Accept any head."""


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """The limits on one request.

    Attributes:
        max_head_bytes: The largest head, in bytes.
        max_url_bytes: The longest request target, without the question mark.
        max_header_count: The largest number of header fields, and of trailers.
        max_body_bytes: The largest body that is accepted without a call of ``body_limit``.
        spool_body_bytes: The largest body that is held in memory.
        body_limit: Returns for a head the limit of its body in bytes, and the name of the setting that sets it.
        check_head: Raises the refusal of a request that would be refused by its head alone. Asked before the rest of a
            body that did not come whole with its head.
        refusal_headers: Returns for a head the headers to add to an answer that refuses it.
        observe_refusal: Called with the head, as far as it is known, of each request that is refused.
    """

    max_head_bytes: int
    max_url_bytes: int
    max_header_count: int
    max_body_bytes: int
    spool_body_bytes: int
    body_limit: Callable[[Head], tuple[int, str]]
    check_head: Callable[[Head], None] = accept_head
    refusal_headers: Callable[[Head], list[tuple[str, str]]] = no_headers
    observe_refusal: Callable[[Head, Refusal], None] = ignore_refusal


def parser_limits(settings: Settings, rpc: RpcApplication | None) -> ParserLimits:
    """Return the limits of a server.

    Args:
        settings: Its settings.
        rpc: Its application if that answers RPC requests; else None.
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
        check_head=accept_head if rpc is None else rpc.check_head,
        refusal_headers=no_headers if rpc is None else rpc.refusal_headers,
        observe_refusal=refusal_observer(rpc),
    )


def check_body_limits(settings: Settings) -> None:
    """Check that every body which one limit accepts can find the room that another one grants.

    Raises:
        SettingsError: Some bodies would always be refused, as if the server were busy.
    """
    if settings.spool_body_bytes > settings.max_buffered_bytes:
        raise SettingsError(
            f"spool_body_bytes={settings.spool_body_bytes} is refused: it may not be above "
            f"max_buffered_bytes={settings.max_buffered_bytes}, as bodies between the two would find no room"
        )
    for name in ("max_body_bytes", "max_page_body_bytes"):
        limit_bytes = getattr(settings, name)
        if limit_bytes > max(settings.spool_body_bytes, settings.max_spooled_bytes):
            raise SettingsError(
                f"max_spooled_bytes={settings.max_spooled_bytes} is refused: it may not be below "
                f"{name}={limit_bytes}, as bodies between the two would find no room"
            )


def warn_of_large_answers(settings: Settings, warn: Callable[[str], object]) -> None:
    """Warn of a limit on answers that only one answer at a time can reach."""
    if settings.max_response_bytes > settings.max_buffered_bytes:
        warn(
            f"max_response_bytes={settings.max_response_bytes} is above "
            f"max_buffered_bytes={settings.max_buffered_bytes}: of several answers of such a size at once, only one is "
            "sure to be sent whole"
        )
