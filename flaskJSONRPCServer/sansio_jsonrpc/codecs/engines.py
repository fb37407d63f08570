"""Codecs on other engines.

Each tries its engine first. Where the engine refuses, or is known to answer differently, the standard codec decides: so
all codecs give the same answers, and an engine only makes the common case faster.
"""

from __future__ import annotations

import importlib
import re
from enum import Enum
from typing import Any, Final
from uuid import UUID

from .base import Codec, JsonLimits
from .guards import JSON_WHITESPACE, exceeds_depth, finite_float, has_digit_run, refuse_constant
from .standard import Default, StandardCodec, refuse_type

_LARGE_EXPONENT: Final = re.compile(rb"[0-9][eE]\+?[0-9]{3}")
_DIGITS: Final = frozenset(b"0123456789")
# Bytes are searched for one byte five times as fast as for several: that rules most texts out.
_BACKSLASH: Final = ord("\\")
_N: Final = ord("n")
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


class EngineCodec(Codec):
    """JSON by an engine, with the standard codec behind it.

    An engine's class has `loads` and `dumps` of its own, which call the engine with no function between.

    Args:
        default: The hook with which the standard codec writes what the engine writes.
        limits: What a text may ask for.
        inexact_digits: So many digits in a row the engine may read as another value; None where it does not.
    """

    writes_standard_form = True

    def __init__(self, default: Default, limits: JsonLimits, *, inexact_digits: int | None = None) -> None:
        self._standard = StandardCodec(default=default, limits=limits)
        self._max_depth = limits.max_depth
        self._long_run = b"0" * min(limits.integer_digits + 1, inexact_digits or limits.integer_digits + 1)
        # A text of no more bytes is neither too deep nor has it too many digits.
        self._harmless_bytes = min(limits.max_depth, len(self._long_run) - 1)

    def convert(self, value: Any) -> Any:
        """See `Codec.convert`."""
        return self._standard.convert(value)

    def _is_unsure(self, data: bytes) -> bool:
        """Whether the engine might take what the standard codec refuses, or read it as another value."""
        return exceeds_depth(data, self._max_depth) or (
            len(data) >= len(self._long_run) and has_digit_run(data, self._long_run)
        )


class SimplejsonCodec(EngineCodec):
    """JSON by simplejson. It takes lone surrogates, which only an escape can make.

    It reads alone: its encoder would be built anew for each value, and what it writes is the same.
    """

    def __init__(self, *, default: Default | None, limits: JsonLimits) -> None:
        simplejson = importlib.import_module("simplejson")
        super().__init__(default or refuse_type, limits)
        self._scan = simplejson.JSONDecoder(parse_float=finite_float, parse_constant=refuse_constant).scan_once

    def loads(self, data: bytes) -> Any:
        """See `Codec.loads`."""
        if (_BACKSLASH in data and b"\\u" in data) or (len(data) > self._harmless_bytes and self._is_unsure(data)):
            return self._standard.loads(data)
        try:
            text = data.decode().strip(JSON_WHITESPACE)
            value, end = self._scan(text, 0)
        except (ValueError, RecursionError):
            return self._standard.loads(data)
        return value if end == len(text) else self._standard.loads(data)

    def dumps(self, value: Any) -> bytes:
        """See `Codec.dumps`."""
        return self._standard.dumps(value)


class OrjsonCodec(EngineCodec):
    """JSON by orjson. It reads an integer of more than 64 bits as a float, and writes NaN as null.

    It writes `enum.Enum` by its value and `uuid.UUID` as text before it asks the hook.
    """

    def __init__(self, *, default: Default | None, limits: JsonLimits) -> None:
        orjson = importlib.import_module("orjson")
        super().__init__(_orjson_types_first(default or refuse_type), limits, inexact_digits=19)
        self._read = orjson.loads
        self._write = orjson.dumps
        self._hook = _plain_types_first(default or refuse_type)
        self._option = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
        self._nth = slice(len(self._long_run) - 1, None, len(self._long_run))

    def loads(self, data: bytes) -> Any:
        """See `Codec.loads`."""
        # Of as many digits in a row as make it unsure, one stands at an nth place.
        if (len(data) > self._max_depth and exceeds_depth(data, self._max_depth)) or (
            not _DIGITS.isdisjoint(data[self._nth]) and has_digit_run(data, self._long_run)
        ):
            return self._standard.loads(data)
        try:
            return self._read(data)
        except ValueError:
            return self._standard.loads(data)

    def dumps(self, value: Any) -> bytes:
        """See `Codec.dumps`."""
        try:
            written: bytes = self._write(value, self._hook, self._option)
            # A null may stand for NaN, which is not equal to what is read back.
            if _N not in written or b"null" not in written or value is None or self._read(written) == value:
                return written
        except Exception:  # noqa: BLE001, S110  the user's hook may raise anything, and is asked again
            pass
        return self._standard.dumps(value)


class MsgspecCodec(EngineCodec):
    """JSON by msgspec. It writes NaN as null, and many types in forms of its own before it would ask the hook.

    So it is given what JSON has types for, and the standard codec writes everything else.
    """

    def __init__(self, *, default: Default | None, limits: JsonLimits) -> None:
        msgspec = importlib.import_module("msgspec")
        super().__init__(default or refuse_type, limits)
        self._read = msgspec.json.Decoder().decode
        self._write = msgspec.json.Encoder().encode
        self._refusals = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

    def loads(self, data: bytes) -> Any:
        """See `Codec.loads`."""
        if len(data) > self._harmless_bytes and self._is_unsure(data):
            return self._standard.loads(data)
        try:
            return self._read(data)
        except self._refusals:
            return self._standard.loads(data)

    def dumps(self, value: Any) -> bytes:
        """See `Codec.dumps`."""
        try:
            if _is_plain(value):
                written: bytes = self._write(value)
                # A null may stand for NaN, which is not equal to what is read back.
                if _N not in written or b"null" not in written or value is None or self._read(written) == value:
                    return written
        except (ValueError, RecursionError):
            pass
        return self._standard.dumps(value)


class RapidjsonCodec(EngineCodec):
    """JSON by python-rapidjson. It ends at a NUL as C does, and reads some numbers that are too large as infinity."""

    def __init__(self, *, default: Default | None, limits: JsonLimits) -> None:
        rapidjson = importlib.import_module("rapidjson")
        super().__init__(default or refuse_type, limits, inexact_digits=200)
        hook = staticmethod(_plain_types_first(default or refuse_type))
        self._read = rapidjson.Decoder(number_mode=0)
        self._write = type("Encoder", (rapidjson.Encoder,), {"default": hook})(
            ensure_ascii=False,
            number_mode=0,
            bytes_mode=rapidjson.BM_NONE,
            iterable_mode=rapidjson.IM_ONLY_LISTS,
            mapping_mode=rapidjson.MM_ONLY_DICTS,
        )

    def loads(self, data: bytes) -> Any:
        """See `Codec.loads`."""
        if 0 in data or _LARGE_EXPONENT.search(data) or (len(data) > self._harmless_bytes and self._is_unsure(data)):
            return self._standard.loads(data)
        try:
            return self._read(data.decode())
        except (ValueError, RecursionError):
            return self._standard.loads(data)

    def dumps(self, value: Any) -> bytes:
        """See `Codec.dumps`."""
        try:
            written: bytes = self._write(value).encode()
        except Exception:  # noqa: BLE001, S110  the user's hook may raise anything, and is asked again
            pass
        else:
            return written
        return self._standard.dumps(value)


def _is_plain(value: Any) -> bool:
    """Whether a value is made of JSON's own types alone, with no subclass of them, and str as keys."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is dict:
        for key in value:
            if type(key) is not str:
                return False
        value = value.values()
    elif kind is not list and kind is not tuple:
        return False
    for element in value:  # noqa: SIM110  all() over a generator takes twice as long
        if type(element) not in _SCALARS and not _is_plain(element):
            return False
    return True


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
