"""Make the codec for a JSON implementation."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from .base import Codec, JsonLimits
from .custom import CustomCodec
from .engines import MsgspecCodec, OrjsonCodec, RapidjsonCodec, SimplejsonCodec
from .standard import Default, StandardCodec

__all__ = ["make_codec"]

_ENGINES: Final[dict[str, Callable[..., Codec]]] = {
    "simplejson": SimplejsonCodec,
    "orjson": OrjsonCodec,
    "msgspec": MsgspecCodec,
    "rapidjson": RapidjsonCodec,
}


def make_codec(backend: Any = "json", *, default: Default | None = None, limits: JsonLimits | None = None) -> Codec:
    """Make the codec for a JSON implementation.

    Args:
        backend: The name of a module, or a module or object with `loads` and `dumps`. Five modules give the same
            results: json, simplejson, orjson, msgspec, rapidjson.
        default: Converts a value of a type that JSON lacks, or raises.
        limits: The limits on texts; None for `JsonLimits()`.

    Raises:
        ImportError: There is no module of this name. Install it, or choose another.
        TypeError: `loads` or `dumps` is missing.
    """
    limits = limits or JsonLimits()
    name = backend.__name__ if isinstance(backend, ModuleType) else backend
    if name == "json":
        return StandardCodec(default=default, limits=limits)
    if isinstance(name, str) and name in _ENGINES:
        return _ENGINES[name](default=default, limits=limits)
    implementation = importlib.import_module(backend) if isinstance(backend, str) else backend
    return CustomCodec(implementation, default=default, limits=limits)
