"""The JSON forms of Python's types that pydantic's core schemas leave open or have otherwise.

Values are written as those of functions without hints are (see the page on serialization), and read from the same form:
bytes as base64, durations as seconds, times by ``isoformat``, sets in order.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import enum
from collections.abc import Callable
from typing import Any

from pydantic_core import PydanticCustomError, core_schema

__all__ = ["with_json_forms"]

# The keys of a core schema under which there are values of the user's, or schemas that stay as they are.
_NOT_SCHEMAS = frozenset(
    {"metadata", "serialization", "config", "cls", "default", "expected", "members", "ref", "keys_schema"}
)


def with_json_forms(schema: Any) -> Any:
    """Return a core schema that reads and writes the documented forms; the schema itself if it does already."""
    if isinstance(schema, dict):
        changed = {key: value if key in _NOT_SCHEMAS else with_json_forms(value) for key, value in schema.items()}
        adapt = _ADAPTERS.get(str(schema.get("type")))
        adapted = None if adapt is None else adapt(changed)
        if adapted is not None:
            return adapted
        return changed if any(changed[key] is not value for key, value in schema.items()) else schema
    if isinstance(schema, (list, tuple)):
        items = [with_json_forms(item) for item in schema]
        return type(schema)(items) if any(new is not old for new, old in zip(items, schema, strict=True)) else schema
    return schema


def exact_literal(schema: dict[str, Any]) -> Any:
    return exact(schema, schema.get("expected", ()))


def exact_enum(schema: dict[str, Any]) -> Any:
    return exact(schema, [member.value for member in schema.get("members", ()) if isinstance(member, enum.Enum)])


def exact(schema: dict[str, Any], choices: Any) -> Any:
    """Return a schema in which true is not the choice 1, nor 1 the choice true, as Python has it."""
    kinds = {type(choice) is bool for choice in choices if isinstance(choice, int) and choice in (0, 1)}
    if len(kinds) != 1:
        return None
    is_bool = kinds == {True}

    def check(value: Any) -> Any:
        if isinstance(value, int) and isinstance(value, bool) is not is_bool:
            raise PydanticCustomError("literal_error", "Input should be one of the choices")
        return value

    reference = schema.pop("ref", None)
    return core_schema.no_info_before_validator_function(check, schema, ref=reference)


def base64_bytes(schema: dict[str, Any]) -> Any:
    read = core_schema.no_info_after_validator_function(decode, core_schema.str_schema())
    return core_schema.chain_schema([read, schema], serialization=own_writer(schema) or written_by(encode))


def decode(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise PydanticCustomError("bytes_base64", "Input should be base64") from None


def encode(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, (bytes, bytearray, memoryview)) else value


def duration(schema: dict[str, Any]) -> Any:
    seconds = core_schema.no_info_after_validator_function(of_seconds, core_schema.float_schema(strict=True))
    read = core_schema.union_schema(
        [core_schema.timedelta_schema(strict=True), seconds],
        mode="left_to_right",
        custom_error_type="time_delta_type",
    )
    return core_schema.chain_schema([read, schema], serialization=own_writer(schema) or written_by(to_seconds))


def of_seconds(seconds: float) -> datetime.timedelta:
    try:
        return datetime.timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        raise PydanticCustomError("time_delta_type", "Input should be a valid timedelta") from None


def to_seconds(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, datetime.timedelta) else value


def moment(schema: dict[str, Any]) -> Any:
    return {**schema, "serialization": own_writer(schema) or written_by(to_text)}


def to_text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (datetime.datetime, datetime.time)) else value


def ordered(schema: dict[str, Any]) -> Any:
    write = core_schema.wrap_serializer_function_ser_schema(in_order)
    return {**schema, "serialization": own_writer(schema) or write}


def in_order(value: Any, write: Callable[[Any], Any]) -> Any:
    """Return the items of a set in order, if they can be compared: the order of a set differs between processes."""
    try:
        items = sorted(value)
    except TypeError:
        items = list(value)
    return write(items)


def own_writer(schema: dict[str, Any]) -> Any:
    return schema.pop("serialization", None)


def written_by(function: Callable[[Any], Any]) -> Any:
    return core_schema.plain_serializer_function_ser_schema(function, when_used="json")


_ADAPTERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "literal": exact_literal,
    "enum": exact_enum,
    "bytes": base64_bytes,
    "timedelta": duration,
    "datetime": moment,
    "time": moment,
    "set": ordered,
    "frozenset": ordered,
}
