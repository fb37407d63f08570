"""The names of parameters, for calls with positional and named arguments together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Signature", "merged"]

Signature = tuple[str, ...]
"""The names of the parameters of a method that can be passed by position, in order."""

_REMEDY = "pass all arguments by position or all by name, or use client.typed() with its signature"


def merged(method: str, args: Sequence[Any], kwargs: Mapping[str, Any], signature: Signature | None) -> dict[str, Any]:
    """Return positional and named arguments by name.

    Raises:
        TypeError: The names are not known, or the arguments do not fit them.
    """
    if signature is None:
        raise TypeError(f"the parameter names of {method} are not known, since the server describes none; {_REMEDY}")
    if len(args) > len(signature):
        raise TypeError(f"{method} takes {len(signature)} arguments by position, not {len(args)}; {_REMEDY}")
    by_position = dict(zip(signature, args, strict=False))
    doubled = by_position.keys() & kwargs.keys()
    if doubled:
        raise TypeError(f"{method} got two values for {', '.join(sorted(doubled))}")
    return {**by_position, **kwargs}
