"""Read members of a value that the user passes as an object or as a dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["member_of"]


def member_of(owner: Any, name: str) -> Any:
    """Return the entry of a dict, or the attribute of any other object; None if it is missing."""
    return owner.get(name) if isinstance(owner, Mapping) else getattr(owner, name, None)
