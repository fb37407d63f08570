"""The codec for a JSON implementation of the user, with `loads` and `dumps` like the json module."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..exceptions import JsonRpcParseError, JsonRpcSerializationError
from .base import Codec, JsonLimits
from .guards import exceeds_depth, has_digit_run, utf8_text
from .standard import Default, StandardCodec

__all__ = ["CustomCodec"]

# Errors that a lax implementation accepts: numbers that are not finite, half a surrogate pair, NUL.
_SUSPICIOUS: Final = re.compile(r"NaN|Infinity|[0-9][eE]\+?[0-9]{3}|[0-9]{200}|\\u[dD][89a-fA-F]|\0")


class CustomCodec(Codec):
    """JSON by an implementation of the user, with the checks that it may lack.

    Args:
        backend: The implementation, with `loads(str)` and `dumps(value)`, which returns str or bytes.
        default: The hook for other types. It is passed on if `dumps` accepts it: `dumps(value, default=default)`.
        limits: The limits on texts.

    Raises:
        TypeError: `loads` or `dumps` is missing.
    """

    def __init__(self, backend: Any, *, default: Default | None, limits: JsonLimits) -> None:
        missing = [name for name in ("loads", "dumps") if not callable(getattr(backend, name, None))]
        if missing:
            raise TypeError(f"the JSON backend {backend!r} has no {' and no '.join(missing)}; it needs loads and dumps")
        self._backend = backend
        self._options = {"default": default} if default is not None and takes_default(backend.dumps) else {}
        self._max_depth = limits.max_depth
        self._long_run = b"0" * (limits.integer_digits + 1)
        self._standard = StandardCodec(default=default, limits=limits)

    def loads(self, data: bytes) -> Any:
        """See `Codec.loads`."""
        text = utf8_text(data)
        if self._is_unusual(data):
            return self._standard.loads(data)
        self._check_if_suspicious(text, data)
        try:
            return self._backend.loads(text)
        except Exception as exc:  # the user's implementation may raise anything
            raise JsonRpcParseError from exc

    def dumps(self, value: Any) -> bytes:
        """See `Codec.dumps`."""
        try:
            return self._strict_bytes(self._backend.dumps(value, **self._options))
        except Exception as exc:  # the user's implementation may raise anything
            raise JsonRpcSerializationError from exc

    def convert(self, value: Any) -> Any:
        """See `Codec.convert`."""
        return self._standard.convert(value) if self._options else value

    def _is_unusual(self, data: bytes) -> bool:
        """Return whether the standard codec has to decide: deep nesting, a byte order mark, a long integer."""
        return (
            data.startswith(b"\xef\xbb\xbf")
            or exceeds_depth(data, self._max_depth)
            or has_digit_run(data, self._long_run)
        )

    def _strict_bytes(self, written: str | bytes) -> bytes:
        text, data = (written, written.encode()) if isinstance(written, str) else (written.decode(), written)
        self._check_if_suspicious(text, data)
        return data

    def _check_if_suspicious(self, text: str, data: bytes) -> None:
        if _SUSPICIOUS.search(text):
            self._standard.loads(data)


def takes_default(dumps: Callable[..., Any]) -> bool:
    try:
        parameters = parameters_of(dumps)
    except ValueError:  # a built-in without a signature
        return True
    return "default" in parameters or any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def parameters_of(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    if sys.version_info >= (3, 14):  # as text, since a name in a hint may be missing (PEP 649)
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.STRING).parameters
    return inspect.signature(function).parameters
