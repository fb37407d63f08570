"""Codecs that use other JSON libraries as engines.

Each codec tries its engine first. If the engine fails, or is known to differ for this text, the standard codec decides.
So all codecs give the same results: `jsonBackend` changes the speed and not the answers.
"""

from __future__ import annotations

import importlib
import re
from enum import Enum
from typing import Any, Final
from uuid import UUID

from .base import Codec, JsonLimits
from .guards import DIGITS_AS_ZEROS, JSON_WHITESPACE, exceeds_depth, finite_float, has_digit_run, refuse_constant
from .standard import Default, StandardCodec, refuse_type

__all__ = ["MsgspecCodec", "OrjsonCodec", "RapidjsonCodec", "SimplejsonCodec"]

_LARGE_EXPONENT: Final = re.compile(rb"[0-9][eE]\+?[0-9]{3}")
# Searching for one byte is five times as fast as for several, and rules most texts out.
_BACKSLASH: Final = ord("\\")
_N: Final = ord("n")
_NULL: Final = b"null"  # for rfind(), which takes half as long as find() to look for several bytes; "in" takes longer
_OPENS_ARRAY: Final = ord("[")
_ZERO: Final = ord("0")
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


class EngineCodec(Codec):
    """JSON by an engine, with the standard codec as the fallback.

    Each subclass defines `loads` and `dumps`, which call the engine without a function in between, for speed.

    Args:
        default: The hook that makes the standard codec write the same output as the engine.
        limits: The limits on texts.
        inexact_digits: The number of consecutive digits that the engine may read inexactly; None if it never does.
    """

    def __init__(self, default: Default, limits: JsonLimits, *, inexact_digits: int | None = None) -> None:
        self.writes_standard_form = True
        self._standard = StandardCodec(default=default, limits=limits)
        self._max_depth = limits.max_depth
        self._long_run = b"0" * min(limits.integer_digits + 1, inexact_digits or limits.integer_digits + 1)
        # A text of at most this length cannot be too deep or have too many digits.
        self._harmless_bytes = min(limits.max_depth, len(self._long_run) - 1)

    def convert(self, value: Any) -> Any:
        """See `Codec.convert`."""
        return self._standard.convert(value)

    def _is_unsure(self, data: bytes) -> bool:
        """Return whether the engine might accept an invalid text, or read another value."""
        return exceeds_depth(data, self._max_depth) or (
            len(data) >= len(self._long_run) and has_digit_run(data, self._long_run)
        )


class SimplejsonCodec(EngineCodec):
    """JSON by simplejson. It accepts lone surrogates, which only an escape can produce.

    It is used for reading only: it builds an encoder for each value, and writes the same output as the standard codec.
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

    It writes `enum.Enum` by value and `uuid.UUID` as text without calling the hook.
    """

    def __init__(self, *, default: Default | None, limits: JsonLimits) -> None:
        orjson = importlib.import_module("orjson")
        super().__init__(orjson_types_first(default or refuse_type), limits, inexact_digits=19)
        self._read = orjson.loads
        self._write = orjson.dumps
        self._hook = plain_types_first(default or refuse_type)
        self._option = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
        self._nth = slice(len(self._long_run) - 1, None, len(self._long_run))
        # Five bytes are the least for a level of objects: `{"":` and `}`. Of invalid texts, the standard codec decides.
        self._shallow_object_bytes = 5 * limits.max_depth

    def loads(self, data: bytes) -> Any:
        """See `Codec.loads`."""
        length = len(data)
        # A run of that many digits has one digit at an nth position.
        if (
            length > self._max_depth
            and (length > self._shallow_object_bytes or _OPENS_ARRAY in data)
            and exceeds_depth(data, self._max_depth)
        ) or (_ZERO in data[self._nth].translate(DIGITS_AS_ZEROS) and has_digit_run(data, self._long_run)):
            return self._standard.loads(data)
        read = self._read
        try:
            return read(data)
        except ValueError:
            return self._standard.loads(data)

    def dumps(self, value: Any) -> bytes:
        """See `Codec.dumps`."""
        write = self._write
        try:
            written: bytes = write(value, self._hook, self._option)
            # A null may come from NaN, which does not equal the value that is read back.
            if _N not in written or written.rfind(_NULL) < 0 or value is None or self._read(written) == value:
                return written
        except Exception:  # noqa: BLE001, S110  the user's hook may raise anything, and is called again below
            pass
        return self._standard.dumps(value)


class MsgspecCodec(EngineCodec):
    """JSON by msgspec. It writes NaN as null, and many types in its own forms without calling the hook.

    So it writes only the types of JSON, and the standard codec writes everything else.
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
            if is_plain(value):
                written: bytes = self._write(value)
                # A null may come from NaN, which does not equal the value that is read back.
                if _N not in written or written.rfind(_NULL) < 0 or value is None or self._read(written) == value:
                    return written
        except (ValueError, RecursionError):
            pass
        return self._standard.dumps(value)


class RapidjsonCodec(EngineCodec):
    """JSON by python-rapidjson. It stops at a NUL, and reads some numbers that are too large as infinity."""

    def __init__(self, *, default: Default | None, limits: JsonLimits) -> None:
        rapidjson = importlib.import_module("rapidjson")
        super().__init__(default or refuse_type, limits, inexact_digits=200)
        hook = staticmethod(plain_types_first(default or refuse_type))
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
        except Exception:  # noqa: BLE001, S110  the user's hook may raise anything, and is called again below
            pass
        else:
            return written
        return self._standard.dumps(value)


def is_plain(value: Any) -> bool:
    """Return whether a value has only types of JSON, without subclasses, and only str as keys."""
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
        if type(element) not in _SCALARS and not is_plain(element):
            return False
    return True


def plain_types_first(default: Default) -> Default:
    """Wrap a hook to convert subclasses of the types of JSON: these engines call the hook for them."""

    def convert(value: Any) -> Any:
        if isinstance(value, tuple):
            return list(value)
        if isinstance(value, dict):
            return dict(value)
        return float(value) if isinstance(value, float) else default(value)

    return convert


def orjson_types_first(default: Default) -> Default:
    """Wrap a hook to convert the types that orjson converts without it."""

    def convert(value: Any) -> Any:
        if isinstance(value, Enum):
            return value.value
        return str(value) if isinstance(value, UUID) else default(value)

    return convert
