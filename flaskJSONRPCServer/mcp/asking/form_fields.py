"""Check what a user has filled in a form against its schema, as far as the protocol lets a form have rules.

Source: revision 2026-07-28, "Elicitation", section "Requested Schema"; JSON Schema 2020-12, validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

__all__ = ["checked_fields"]

_NUMBER: Final = (int, float, Decimal)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])",
    re.IGNORECASE,
)
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")


def checked_fields(content: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a form that its schema has.

    Args:
        content: The fields by name, as the client has sent them. Those that the form does not have are dropped.
        schema: The schema of the form.

    Raises:
        ValueError: A field is missing, or breaks a rule; the message says which.
    """
    required, fields = schema.get("required", ()), schema.get("properties", {})
    missing = [name for name in required if name not in content]
    if missing:
        raise ValueError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    for name, rules in fields.items():
        if name in content:
            for fault in faults_of(content[name], rules):
                raise ValueError(f"{name} {fault}")
    return {name: value for name, value in content.items() if name in fields or name in required}


def faults_of(value: Any, rules: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a value breaks the rules of its field; the first one says whether the others make sense."""
    kinds = types_in(rules)
    if kinds and not any(_IS_OF[kind](value) for kind in kinds):
        yield f"must be {' or '.join(_WORDS[kind] for kind in kinds)}"
    choices = choices_in(rules)
    if choices is not None and not any(is_same(value, choice) for choice in choices):
        yield f"must be one of {', '.join(map(str, choices))}"[:200]
    if isinstance(value, str):
        yield from faults_of_text(value, rules)
    elif isinstance(value, list):
        yield from faults_of_list(value, rules)
    elif is_number(value):
        yield from faults_of_size(value, rules, "minimum", "maximum", "")


def faults_of_text(value: str, rules: Mapping[str, Any]) -> Iterator[str]:
    yield from faults_of_size(len(value), rules, "minLength", "maxLength", " characters")
    form = rules.get("format")
    if isinstance(form, str) and form in _HAS_FORMAT and not _HAS_FORMAT[form](value):
        yield f"must be in the format {form}"


def faults_of_list(value: list[Any], rules: Mapping[str, Any]) -> Iterator[str]:
    yield from faults_of_size(len(value), rules, "minItems", "maxItems", " items")
    items = rules.get("items")
    if isinstance(items, Mapping):
        for item in value:
            yield from faults_of(item, items)


def faults_of_size(size: Any, rules: Mapping[str, Any], least: str, most: str, unit: str) -> Iterator[str]:
    if least in rules and size < rules[least]:
        yield f"must be at least {rules[least]}{unit}"
    if most in rules and size > rules[most]:
        yield f"must be at most {rules[most]}{unit}"


def types_in(rules: Mapping[str, Any]) -> list[str]:
    """Return the types that a field may have, if all of them are known; none for any type."""
    named = rules.get("type")
    kinds = [named] if isinstance(named, str) else list(named) if isinstance(named, (list, tuple)) else []
    return kinds if all(isinstance(kind, str) and kind in _IS_OF for kind in kinds) else []


def is_same(value: Any, choice: Any) -> bool:
    """Return whether two JSON values are equal: for Python, 1 equals true."""
    return isinstance(value, bool) == isinstance(choice, bool) and bool(value == choice)


def choices_in(rules: Mapping[str, Any]) -> list[Any] | None:
    """Return the values that a field may have; None for any. Choices with titles are constants in oneOf or anyOf."""
    if "enum" in rules:
        return list(rules["enum"])
    for name in ("oneOf", "anyOf"):
        titled = rules.get(name)
        if isinstance(titled, (list, tuple)) and all(isinstance(one, Mapping) and "const" in one for one in titled):
            return [one["const"] for one in titled]
    return None


def is_number(value: Any) -> bool:
    return isinstance(value, _NUMBER) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    return is_number(value) and value == value // 1


def is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and is_parsed(date.fromisoformat, text)


def is_date_time(text: str) -> bool:
    if not _DATE_TIME.fullmatch(text):
        return False
    seconds = text[: len("2026-01-01T00:00:00")].upper()  # Python 3.10 reads neither Z nor all fractions
    return is_parsed(datetime.fromisoformat, seconds)


def is_uri(text: str) -> bool:
    has_space = any(char.isspace() for char in text)
    return not has_space and is_parsed(urlsplit, text) and bool(urlsplit(text).scheme)


def is_parsed(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


_IS_OF: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "integer": is_integer,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
}
_WORDS: Final = {
    "string": "a string",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "array": "a list",
    "null": "null",
}
_HAS_FORMAT: Final[Mapping[str, Callable[[str], bool]]] = {
    "email": lambda text: _EMAIL.fullmatch(text) is not None,
    "uri": is_uri,
    "date": is_date,
    "date-time": is_date_time,
}
