"""Core schemas that read JSON values, as the page on contracts says.

pydantic's strict mode for Python refuses a string for a date; its lax mode accepts ``"3"`` for an integer; its strict
mode for JSON reads text only, and refuses what a validator of the user's returns. So this module defines what each type
takes: JSON values of its form, and Python's own values, which validators of the user's may return.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import decimal
import enum
import json
import re
import uuid
from collections.abc import Callable
from typing import Any, NoReturn

from pydantic_core import PydanticCustomError

from .core_schemas import Node, before, rewritten
from .writing import documented

__all__ = ["BASE64", "DECIMAL", "INTEGER", "for_reading"]

BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
DECIMAL = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
INTEGER = r"^[+-]?[0-9]+$"

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt _].*")
_TIME = re.compile(r"\d{2}:.*")
_DURATION = re.compile(r"[+-]?P.*")


def for_reading(schema: Any) -> Any:
    """Return a core schema that reads JSON values."""
    return rewritten(schema, _ADAPTERS)


def refuse(kind: str, text: str) -> NoReturn:
    raise PydanticCustomError(kind, text)


def strict(node: Node) -> Any:
    return {"strict": True, **node}


def lax(node: Node) -> Any:
    return {**node, "strict": False}


def finite(node: Node) -> Any:
    """Return the node of a float, without the infinities that JSON does not have."""
    return {"strict": True, "allow_inf_nan": False, **node}


def read_by(read: Callable[[Any], Any], mode: Callable[[Node], Any] = lax) -> Callable[[Node], Any]:
    """Return an adapter for a class whose values a function reads first."""
    return lambda node: before(mode(node), read)


def text_of(cls: type, form: re.Pattern[str], name: str, text: str) -> Callable[[Node], Any]:
    """Return an adapter for a class whose JSON form is a text of this form."""

    def check(value: Any) -> Any:
        if isinstance(value, str):
            return value if form.fullmatch(value) else refuse(f"{name}_parsing", f"Input should be {text} in ISO 8601")
        return value if isinstance(value, cls) else refuse(f"{name}_type", f"Input should be {text}")

    return read_by(check)


def read_duration(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return datetime.timedelta(seconds=value)
        except (OverflowError, ValueError):
            refuse("time_delta_parsing", "Input should be a duration that fits")
    if isinstance(value, str) and not _DURATION.fullmatch(value):
        refuse("time_delta_parsing", "Input should be a number of seconds, or a duration in ISO 8601")
    if not isinstance(value, (str, datetime.timedelta)):
        refuse("time_delta_type", "Input should be a valid timedelta")
    return value


def read_decimal(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(DECIMAL, value):
        refuse("decimal_parsing", "Input should be a valid decimal")
    if isinstance(value, bool) or not isinstance(value, (str, int, float, decimal.Decimal)):
        refuse("decimal_type", "Input should be a number or a string")
    return value


def read_uuid(value: Any) -> Any:
    return value if isinstance(value, (str, uuid.UUID)) else refuse("uuid_type", "Input should be a string")


def read_bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value if isinstance(value, bytes) else refuse("bytes_type", "Input should be base64")
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        refuse("bytes_base64", "Input should be base64")


def array(*classes: type) -> Callable[[Node], Any]:
    """Return an adapter for a class that is read from an array."""

    def check(value: Any) -> Any:
        return value if isinstance(value, (list, *classes)) else refuse("list_type", "Input should be a valid array")

    return read_by(check)


def eager(node: Node) -> Any:
    """Return the node of a list in the place of that of an iterable, which would be checked as it is read."""
    items = {key: node[key] for key in ("items_schema", "min_length", "max_length", "ref") if key in node}
    return {"type": "list", "strict": True, **items}


def dictionary(node: Node) -> Any:
    """Return the node of a dict; numbers, booleans and the values of enums are texts where they are keys."""
    keys = node.get("keys_schema", {"type": "any"})
    inner = keys
    while str(inner.get("type")).startswith("function-"):
        inner = inner["schema"]
    if inner["type"] == "int":
        keys = before(dict(keys), read_integer_key)
    elif inner["type"] in ("float", "bool", "enum", "literal"):
        keys = before(dict(keys), read_key)
    return {"strict": True, **node, "keys_schema": keys}


def read_integer_key(key: Any) -> Any:
    return int(key) if isinstance(key, str) and re.fullmatch(INTEGER, key) else key


def read_key(key: Any) -> Any:
    """Return the number or boolean that a text is; other texts are keys themselves."""
    try:
        value = json.loads(key) if isinstance(key, str) else key
    except ValueError:
        return key
    return value if isinstance(value, (int, float)) else key


def choice(node: Node) -> Any:
    """Return the node of a literal in which true is not the choice 1, nor 1 the choice true, as Python has it."""
    choices = node.get("expected", ())

    def check(value: Any) -> Any:
        if isinstance(value, int) and not any(type(item) is type(value) and item == value for item in choices):
            refuse("literal_error", f"Input should be {listed(choices)}")
        return value

    return before(node, check) if any(isinstance(item, int) for item in choices) else None


def member(node: Node) -> Any:
    """Return the node of an enum that is read from the JSON form of its members' values."""
    members = [item for item in node.get("members", ()) if isinstance(item, enum.Enum)]
    by_form = {key_of(documented(item.value)): item for item in members}
    accepted = listed([documented(item.value) for item in members])

    def check(value: Any) -> Any:
        if isinstance(value, enum.Enum):
            return value
        found = by_form.get(key_of(value))
        if found is None and "missing" not in node:
            refuse("enum", f"Input should be {accepted}")
        return value if found is None else found

    return before(lax(node) if "missing" in node else strict(node), check)


def key_of(value: Any) -> Any:
    """Return a key for a JSON value; true and 1 have different keys, and 1 and 1.0 have the same."""
    if isinstance(value, (list, tuple, dict, set)):
        return repr(value)
    return isinstance(value, bool), value


def listed(values: Any) -> str:
    return " or ".join(map(repr, values))


def kept(node: Node) -> Node:
    """Return the keys of a node that another one in its place has too."""
    return {key: node[key] for key in ("ref", "metadata") if key in node}


def either_form(node: Node) -> Any:
    """Return the node that reads the JSON form, or takes Python's own value."""
    choices = {"json": node["json_schema"], "python": node["python_schema"]}
    return {"type": "tagged-union", "choices": choices, "discriminator": form_of, **kept(node)}


def form_of(value: Any) -> str:
    return "json" if value is None or isinstance(value, (str, int, float, list, dict)) else "python"


def strict_form(node: Node) -> Any:
    """Return the node that takes the values of the strict mode only."""
    return {**node["strict_schema"], **kept(node)}


_ADAPTERS: dict[str, Callable[[Node], Any]] = {
    "bool": strict,
    "bytes": read_by(read_bytes, strict),
    "call": array(tuple),
    "dataclass": lax,
    "date": text_of(datetime.date, _DATE, "date", "a valid date"),
    "datetime": text_of(datetime.datetime, _DATETIME, "datetime", "a valid datetime"),
    "decimal": read_by(read_decimal),
    "deque": array(),
    "dict": dictionary,
    "enum": member,
    "float": finite,
    "frozenset": array(set, frozenset),
    "generator": eager,
    "int": strict,
    "json-or-python": either_form,
    "lax-or-strict": strict_form,
    "list": strict,
    "literal": choice,
    "model": lax,
    "named-tuple": array(tuple),
    "set": array(set, frozenset),
    "str": strict,
    "time": text_of(datetime.time, _TIME, "time", "a valid time"),
    "timedelta": read_by(read_duration),
    "tuple": array(tuple),
    "typed-dict": lax,
    "uuid": read_by(read_uuid),
}
