"""Conditional requests, by entity tags."""

from __future__ import annotations

__all__ = ["is_known"]


def is_known(tag: str, if_none_match: str) -> bool:
    """Return whether a client has the entity of a tag already (RFC 9110, section 13.1.2).

    Args:
        tag: The tag, strong or weak: If-None-Match compares both weakly.
        if_none_match: The header field of that name; empty without one.
    """
    return if_none_match.strip() == "*" or tag.removeprefix("W/") in if_none_match
