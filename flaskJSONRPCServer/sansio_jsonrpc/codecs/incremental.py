"""The codec for large texts that must not block other threads. It is slower, and works in small steps.

C code that reads or writes a large text holds the interpreter's lock all the time. This codec returns to Python code
again and again, where the interpreter lets other threads run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from json.decoder import JSONArray, JSONObject  # type: ignore[attr-defined]  # the stubs leave them out
from typing import Any, Final

from .base import Codec, JsonLimits
from .guards import finite_float, refuse_constant
from .literals import NumberText, Scan, read_literals
from .standard import StandardCodec

__all__ = ["IncrementalCodec"]

# Writing a piece of this size takes about a millisecond.
_PIECE_BYTES: Final = 64 * 1024
# The message, its params and each of them. Below that, C code reads the elements of an array, and returns to Python for
# each object and each number.
_PYTHON_DEPTH: Final = 3
_DEEPEST: Final = 100


class IncrementalCodec(StandardCodec):
    """JSON by another codec for small payloads. Large payloads are read and written in pieces.

    Args:
        codec: The other codec, which also writes the pieces.
        limits: The limits on texts.
        large_bytes: The least size of a large payload: the length of a text, or the estimated length of a value.
    """

    def __init__(self, codec: Codec, *, limits: JsonLimits, large_bytes: int) -> None:
        super().__init__(default=None, limits=limits)
        self.writes_standard_form = codec.writes_standard_form
        self._codec = codec
        self._large_bytes = large_bytes
        self._scan = incremental_scan(
            parse_int=parse_integer, parse_float=finite_float, parse_constant=refuse_constant, object_hook=unchanged
        )
        self._scan_literals = incremental_scan(
            parse_int=number_text, parse_float=number_text, parse_constant=number_text, object_hook=unchanged
        )

    def loads(self, data: bytes) -> Any:
        """See `Codec.loads`."""
        return self._codec.loads(data) if len(data) < self._large_bytes else super().loads(data)

    def loads_literals(self, data: bytes) -> Any:
        """See `Codec.loads_literals`."""
        if len(data) < self._large_bytes:
            return self._codec.loads_literals(data)
        return read_literals(data, self._scan_literals)

    def dumps(self, value: Any) -> bytes:
        """See `Codec.dumps`."""
        return b"".join(self._pieces(value, 0)) if self.is_large(value) else self._codec.dumps(value)

    def convert(self, value: Any) -> Any:
        """See `Codec.convert`."""
        return self._codec.convert(value)

    def is_large(self, value: Any) -> bool:
        """Return whether a value is written in pieces."""
        return estimated_bytes(value, self._large_bytes) >= self._large_bytes

    def _pieces(self, value: Any, depth: int) -> Iterator[bytes]:
        if depth < _DEEPEST and type(value) in (list, tuple):
            return enclosed(b"[", self._elements(value, depth), b"]")
        if depth < _DEEPEST and type(value) is dict:
            return enclosed(b"{", self._members(value, depth), b"}")
        return iter([self._codec.dumps(value)])

    def _elements(self, array: Iterable[Any], depth: int) -> Iterator[Iterable[bytes]]:
        for group in grouped(array, lambda element: element):
            if len(group) == 1:
                yield self._pieces(group[0], depth + 1)
            else:
                yield [self._codec.dumps(group)[1:-1]]

    def _members(self, members: dict[Any, Any], depth: int) -> Iterator[Iterable[bytes]]:
        for group in grouped(members.items(), lambda member: member[1]):
            if len(group) == 1:
                ((key, value),) = group
                name = self._codec.dumps({key: None})[1 : -len(b"null}")]
                yield chain([name], self._pieces(value, depth + 1))
            else:
                yield [self._codec.dumps(dict(group))[1:-1]]


def incremental_scan(**hooks: Any) -> Scan:
    """Return a function that reads the JSON value at an index of a text, and returns it with the index after it.

    Args:
        hooks: The hooks of JSONDecoder, as Python functions: other threads can run during each call.
    """
    below = json.JSONDecoder(**hooks).scan_once  # type: ignore[attr-defined]
    scan: Scan = below
    for _ in range(_PYTHON_DEPTH):
        scan = partial(scan_container, scan, below)
    return scan


def scan_container(inner: Scan, scalar: Scan, text: str, index: int) -> tuple[Any, int]:
    first = text[index : index + 1]
    if first == "[":
        array: tuple[Any, int] = JSONArray((text, index + 1), inner)
        return array
    if first == "{":
        members: tuple[Any, int] = JSONObject((text, index + 1), True, inner, None, None)
        return members
    return scalar(text, index)


def unchanged(members: dict[str, Any]) -> dict[str, Any]:
    return members


def parse_integer(digits: str) -> int:
    return int(digits)


def number_text(digits: str) -> NumberText:
    return NumberText(digits)


def grouped(items: Iterable[Any], value_of: Callable[[Any], Any]) -> Iterator[list[Any]]:
    """Group items to pieces; a large item is a group on its own."""
    group: list[Any] = []
    room = _PIECE_BYTES
    for item in items:
        weight = estimated_bytes(value_of(item), _PIECE_BYTES)
        if group and weight > room:
            yield group
            group, room = [], _PIECE_BYTES
        group.append(item)
        room -= weight
    if group:
        yield group


def enclosed(opening: bytes, parts: Iterable[Iterable[bytes]], closing: bytes) -> Iterator[bytes]:
    yield opening
    separator = b""
    for part in parts:
        yield separator
        yield from part
        separator = b","
    yield closing


def estimated_bytes(value: Any, limit: int) -> int:
    """Estimate the length of a value as JSON, in bytes; counting ends at the limit."""
    weight = 0
    unseen = [value]
    while unseen and weight <= limit:
        value = unseen.pop()
        weight += len(value) + 3 if type(value) in (str, bytes) else 8  # with quotes and a comma
        if type(value) in (list, tuple):
            unseen.extend(value)
        elif type(value) is dict:
            unseen.extend(value)
            unseen.extend(value.values())
    return weight
