"""Codecs on other engines.

Each tries its engine first. Where the engine refuses, or is known to answer differently, the standard codec decides: so
all codecs give the same answers, and an engine only makes the common case faster.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from .base import Codec, JsonLimits
from .guards import DIGITS_AS_ZEROS, JSON_WHITESPACE, exceeds_depth, finite_float, refuse_constant
from .standard import Default, StandardCodec, build_writer, refuse_type


@dataclass(frozen=True, slots=True)
class Engine:
    """A JSON implementation, and where it must not be trusted.

    Attributes:
        loads: Reads a text; raises ValueError or RecursionError for what it refuses.
        dumps: Writes a value; raises anything for what it refuses.
        default: The hook with which the standard codec writes what this engine writes.
        inexact_digits: So many digits in a row may be read as another value; None where they are not.
        lax_on: A text with these bytes, or this byte, may be taken although it is no strict JSON.
    """

    loads: Callable[[bytes], Any]
    dumps: Callable[[Any], bytes]
    default: Default
    inexact_digits: int | None = None
    lax_on: bytes | int | None = None


class EngineCodec(Codec):
    """JSON by an engine, with the standard codec behind it.

    Args:
        build_engine: Imports the engine and sets it up with a hook for the types that JSON lacks.
        default: That hook. Where the engine fails it is asked again, for the standard codec.
        limits: What a text may ask for.

    Raises:
        ImportError: The engine is not installed.
    """

    def __init__(
        self, build_engine: Callable[[Default], Engine], *, default: Default | None, limits: JsonLimits
    ) -> None:
        engine = build_engine(default or refuse_type)
        self._standard = StandardCodec(default=engine.default, limits=limits)
        self._engine_loads = engine.loads
        self._engine_dumps = engine.dumps
        self._lax_on = engine.lax_on
        self._max_depth = limits.max_depth
        self._digits = min(limits.integer_digits + 1, engine.inexact_digits or limits.integer_digits + 1)
        self._digit_run = b"0" * self._digits

    def loads(self, data: bytes) -> Any:
        """See `Codec.loads`."""
        # Might the engine take what the standard codec refuses, or read it as another value?
        if (
            (len(data) >= self._digits and self._digit_run in data.translate(DIGITS_AS_ZEROS))
            or (len(data) > self._max_depth and exceeds_depth(data, self._max_depth))
            or (self._lax_on is not None and self._lax_on in data)
        ):
            return self._standard.loads(data)
        try:
            return self._engine_loads(data)
        except (ValueError, RecursionError):
            return self._standard.loads(data)

    def dumps(self, value: Any) -> bytes:
        """See `Codec.dumps`."""
        try:
            return self._engine_dumps(value)
        except Exception:  # noqa: BLE001  the user's hook may raise anything, and is asked again
            return self._standard.dumps(value)


def simplejson_engine(default: Default) -> Engine:
    """Set up simplejson. It takes lone surrogates, which only an escape can make.

    It reads alone: its encoder would be built anew for each value, and what it writes is the same.
    """
    simplejson = importlib.import_module("simplejson")
    scan = simplejson.JSONDecoder(parse_float=finite_float, parse_constant=refuse_constant).scan_once

    def loads(data: bytes) -> Any:
        text = data.decode().strip(JSON_WHITESPACE)
        value, end = scan(text, 0)
        if end != len(text):
            raise ValueError("more text after the value")
        return value

    return Engine(loads, build_writer(default), default, lax_on=b"\\u")


def orjson_engine(default: Default) -> Engine:
    """Set up orjson. It reads an integer of more than 64 bits as a float, and writes NaN as null.

    It writes `enum.Enum` by its value and `uuid.UUID` as text before it asks the hook.
    """
    orjson = importlib.import_module("orjson")
    hook = _plain_types_first(default)
    option = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
    write = orjson.dumps

    def dumps(value: Any) -> bytes:
        written: bytes = write(value, hook, option)
        if b"null" in written and value is not None:
            raise ValueError("null may stand for a number that is not finite")
        return written

    return Engine(orjson.loads, dumps, _orjson_types_first(default), inexact_digits=19)


def rapidjson_engine(default: Default) -> Engine:
    """Set up python-rapidjson. It ends at a NUL as C does, and lets a long mantissa overflow to infinity."""
    rapidjson = importlib.import_module("rapidjson")
    hook = staticmethod(_plain_types_first(default))
    decode = rapidjson.Decoder(number_mode=0)
    encode = type("Encoder", (rapidjson.Encoder,), {"default": hook})(
        ensure_ascii=False,
        number_mode=0,
        bytes_mode=rapidjson.BM_NONE,
        iterable_mode=rapidjson.IM_ONLY_LISTS,
        mapping_mode=rapidjson.MM_ONLY_DICTS,
    )
    return Engine(
        lambda data: decode(data.decode()),
        lambda value: encode(value).encode(),
        default,
        inexact_digits=200,
        lax_on=0,
    )


def _plain_types_first(default: Default) -> Default:
    """Let the subclasses of JSON's own types be written as those: these engines ask the hook about them."""

    def convert(value: Any) -> Any:
        if isinstance(value, tuple):
            return list(value)
        if isinstance(value, dict):
            return dict(value)
        return float(value) if isinstance(value, float) else default(value)

    return convert


def _orjson_types_first(default: Default) -> Default:
    def convert(value: Any) -> Any:
        if isinstance(value, Enum):
            return value.value
        return str(value) if isinstance(value, UUID) else default(value)

    return convert
