"""Core schemas that write values in the documented JSON forms, as functions without hints write them.

Bytes are base64, durations seconds, times ``isoformat``, sets in order. See the page on serialization.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import uuid
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from pydantic_core import core_schema

from .core_schemas import Node, rewritten, written_by

__all__ = ["documented", "for_writing"]


def for_writing(schema: Any) -> Any:
    """Return a core schema that writes the documented forms."""
    return rewritten(schema, _ADAPTERS)


def documented(value: Any) -> Any:
    """Return a value of any type with the documented forms; what has none stays as it is, for pydantic."""
    for classes, write in _FORMS:
        if isinstance(value, classes):
            return write(value)
    return value


def unless_written(write: Any) -> Callable[[Node], Any]:
    """Return an adapter that lets a function write a node, unless the user has chosen another writer."""
    return lambda node: {**node, "serialization": node.get("serialization") or write}


def ordered(node: Node) -> Any:
    """Return the node of a set that is written as the list of its items, each by the writer of the items."""
    items = core_schema.list_schema(node.get("items_schema"))
    writer = core_schema.wrap_serializer_function_ser_schema(in_order, schema=items)
    return {**node, "serialization": node.get("serialization") or writer}


def in_order(value: Any, write: Callable[[Any], Any]) -> Any:
    """Return the items of a set in order: the order of a set differs between processes."""
    return write(sorted_items(value))


def sorted_items(value: Any) -> list[Any]:
    try:
        return sorted(value)
    except TypeError:  # they cannot be compared
        return list(value)


def with_nan(node: Node) -> Any:
    """Return the node of a class that leaves NaN as it is, so that the writer of the answer refuses it."""
    return {**node, "config": {"ser_json_inf_nan": "constants", **(node.get("config") or {})}}


_FORMS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    ((datetime.date, datetime.time), lambda value: value.isoformat()),
    ((bytes, bytearray, memoryview), lambda value: base64.b64encode(value).decode()),
    (datetime.timedelta, lambda value: value.total_seconds()),
    ((decimal.Decimal, uuid.UUID, PurePath), str),
    (dict, lambda value: {key: documented(item) for key, item in value.items()}),
    ((list, tuple), lambda value: [documented(item) for item in value]),
    ((set, frozenset), lambda value: [documented(item) for item in sorted_items(value)]),
)

_PLAIN = unless_written(written_by(documented))

_ADAPTERS: dict[str, Callable[[Node], Any]] = {
    **dict.fromkeys(("any", "bytes", "datetime", "time", "timedelta"), _PLAIN),
    **dict.fromkeys(("set", "frozenset"), ordered),
    **dict.fromkeys(("dataclass", "model", "typed-dict"), with_nan),
}
