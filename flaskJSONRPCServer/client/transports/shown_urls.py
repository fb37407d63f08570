"""URLs in messages."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["without_secrets"]


def without_secrets(url: str) -> str:
    """Return a URL without the user, the password and the query, which may have a token in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
