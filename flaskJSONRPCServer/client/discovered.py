"""Facts about methods from the OpenRPC document of a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .parameters import Signature

__all__ = ["Discovered", "discovered_in"]

_IDEMPOTENT: Final = "x-idempotent"


@dataclass(frozen=True, slots=True)
class Discovered:
    """The methods of a server.

    Attributes:
        signatures: The names of the parameters that can be passed by position, by the names of the methods.
        idempotent: The names of the methods that may be run twice.
    """

    signatures: Mapping[str, Signature] = field(default_factory=dict)
    idempotent: frozenset[str] = frozenset()


def discovered_in(document: Any) -> Discovered:
    """Return what an OpenRPC document says; of a method that is not described as one, nothing."""
    methods = list(methods_in(document))
    return Discovered(
        {method["name"]: names for method in methods if (names := names_of(method.get("params"))) is not None},
        # A name that is there twice is idempotent if both say so.
        frozenset(method["name"] for method in methods if method.get(_IDEMPOTENT) is True)
        - {method["name"] for method in methods if method.get(_IDEMPOTENT) is not True},
    )


def methods_in(document: Any) -> Iterator[dict[str, Any]]:
    methods = document.get("methods") if isinstance(document, dict) else None
    for method in methods if isinstance(methods, list) else ():
        if isinstance(method, dict) and isinstance(method.get("name"), str):
            yield method


def names_of(params: Any) -> Signature | None:
    if not isinstance(params, list):
        return None
    names: tuple[Any, ...] = tuple(param.get("name") if isinstance(param, dict) else None for param in params)
    return names if all(isinstance(name, str) for name in names) else None
