"""Check JSON values against JSON Schema draft-07, the dialect of OpenRPC documents.

Source: https://json-schema.org/draft-07. As there, unknown keywords say nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from ..contract.compatibility.json_values import canonical, kind_of, shown
from ..errors import ContractError
from .formats import FORMATS

__all__ = ["SchemaChecker"]

_Mismatches = Iterator[str]

# Further names of a member, which our documents have.
ALIASES: Final = "x-aliases"


class SchemaChecker:
    """Checks values against the schemas of one document.

    Args:
        document: The document that references (``$ref``) point into.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def mismatch(self, value: Any, schema: Any, place: str) -> str | None:
        """Return why a value does not fit a schema; None if it fits.

        Args:
            value: A JSON value.
            schema: A schema of the document.
            place: The name of the value in the text, such as ``result``.

        Raises:
            ContractError: The schema cannot be followed.
        """
        try:
            return next(self.mismatches(value, schema, place), None)
        except RecursionError as exc:
            raise ContractError(f"the schema of {place} refers to itself without an end") from exc

    def fits(self, value: Any, schema: Any) -> bool:
        """Return whether a value fits a schema."""
        return next(self.mismatches(value, schema, ""), None) is None

    def mismatches(self, value: Any, schema: Any, place: str) -> _Mismatches:
        """Yield why a value does not fit a schema."""
        if schema is False:
            yield f"{place} is not allowed"
        if not isinstance(schema, Mapping):
            return
        if isinstance(schema.get("$ref"), str):  # keywords beside it are ignored: draft-07, section 8.3
            yield from self.mismatches(value, self.resolved(schema["$ref"]), place)
            return
        for keyword, argument in schema.items():
            check = _CHECKS.get(keyword)
            if check is not None:
                yield from check(Case(self, value, argument, place, schema))

    def resolved(self, reference: str) -> Any:
        """Return the schema that a reference points to.

        Raises:
            ContractError: It does not point into the document.
        """
        schema: Any = self._document
        pointer = unquote(reference.removeprefix("#"))
        try:
            for part in pointer.split("/")[1:]:
                name = part.replace("~1", "/").replace("~0", "~")
                schema = schema[int(name)] if isinstance(schema, list) else schema[name]
        except (KeyError, IndexError, ValueError, TypeError):
            schema = None
        if not reference.startswith("#") or not isinstance(schema, (Mapping, bool)):
            raise ContractError(f"$ref {reference!r} does not point to a schema of the document")
        return schema


class Case(NamedTuple):
    """A value, and one keyword of the schema that it is checked against.

    Attributes:
        checker: Checks the parts of the value.
        value: The value.
        argument: The value of the keyword.
        place: The name of the value in texts.
        schema: The whole schema.
    """

    checker: SchemaChecker
    value: Any
    argument: Any
    place: str
    schema: Mapping[str, Any]

    def part(self, value: Any, schema: Any, suffix: str = "") -> _Mismatches:
        """Check a part of the value, or the same value by another schema."""
        return self.checker.mismatches(value, schema, f"{self.place}{suffix}")

    def members(self) -> Mapping[str, Any]:
        """Return the members of an object, with aliases (``x-aliases``) under the names that the schema has."""
        if not isinstance(self.value, dict):
            return {}
        described: Mapping[str, Any] = self.schema.get("properties", {})
        aliases: dict[Any, str] = {alias: name for name, one in described.items() for alias in aliases_of(one)}
        return {aliases.get(name, str(name)): member for name, member in self.value.items()} if aliases else self.value


def aliases_of(schema: Any) -> Iterable[str]:
    aliases: Iterable[str] = schema.get(ALIASES, ()) if isinstance(schema, Mapping) else ()
    return aliases


_Check = Callable[[Case], _Mismatches]


def check_type(case: Case) -> _Mismatches:
    names = case.argument if isinstance(case.argument, list) else [case.argument]
    if not any(has_type(case.value, name) for name in names):
        yield f"{case.place} is {shown(case.value)}, not of type {' or '.join(map(str, names))}"


def has_type(value: Any, name: str) -> bool:
    kind = kind_of(value)
    return kind == name or (name == "integer" and kind == "number" and float(value).is_integer())


def check_enum(case: Case) -> _Mismatches:
    if canonical(case.value) not in map(canonical, case.argument):
        yield f"{case.place} is {shown(case.value)}, none of {shown(case.argument)}"


def check_const(case: Case) -> _Mismatches:
    if canonical(case.value) != canonical(case.argument):
        yield f"{case.place} is {shown(case.value)}, not {shown(case.argument)}"


def compared(kind: str, measure: Callable[[Any], Any], is_right: Callable[[Any, Any], bool], words: str) -> _Check:
    """Return the check of a keyword that compares a measure of values of one type with a number."""

    def check(case: Case) -> _Mismatches:
        if kind_of(case.value) == kind and not is_right(measure(case.value), case.argument):
            yield f"{case.place} is {shown(case.value)}, {words} {shown(case.argument)}"

    return check


def is_multiple(value: float, divisor: float) -> bool:
    if isinstance(value, int) and isinstance(divisor, int):
        return value % divisor == 0
    quotient = value / divisor
    return math.isfinite(quotient) and quotient.is_integer()


def matches(value: str, pattern: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error as exc:
        raise ContractError(f"the pattern {pattern!r} cannot be read: {exc}") from exc


def check_format(case: Case) -> _Mismatches:
    is_valid = FORMATS.get(case.argument)
    if is_valid is not None and isinstance(case.value, str) and not is_valid(case.value):
        yield f"{case.place} is {shown(case.value)}, not of the format {case.argument}"


def check_items(case: Case) -> _Mismatches:
    if not isinstance(case.value, list):
        return
    if not isinstance(case.argument, list):
        for index, item in enumerate(case.value):
            yield from case.part(item, case.argument, f"[{index}]")
        return
    for index, (item, inner) in enumerate(zip(case.value, case.argument, strict=False)):
        yield from case.part(item, inner, f"[{index}]")
    for index in range(len(case.argument), len(case.value)):
        yield from case.part(case.value[index], case.schema.get("additionalItems", True), f"[{index}]")


def check_unique(case: Case) -> _Mismatches:
    if case.argument and isinstance(case.value, list) and len(set(map(canonical, case.value))) < len(case.value):
        yield f"{case.place} is {shown(case.value)}, which has an item twice"


def check_contains(case: Case) -> _Mismatches:
    if isinstance(case.value, list) and not any(case.checker.fits(one, case.argument) for one in case.value):
        yield f"{case.place} is {shown(case.value)}, none of whose items fits"


def check_members(case: Case) -> _Mismatches:
    properties, patterns = case.schema.get("properties", {}), case.schema.get("patternProperties", {})
    for name, member in case.members().items():
        known = [properties[name]] if name in properties else []
        known += [inner for pattern, inner in patterns.items() if matches(name, pattern)]
        for inner in known or [case.schema.get("additionalProperties", True)]:
            yield from case.part(member, inner, f".{name}")


def check_members_once(case: Case) -> _Mismatches:
    """Check the members of an object for a keyword that belongs together with ``properties``."""
    first = next(name for name in _OF_MEMBERS if name in case.schema)
    if case.argument is case.schema[first]:
        yield from check_members(case)


_OF_MEMBERS: Final = ("properties", "patternProperties", "additionalProperties")


def check_required(case: Case) -> _Mismatches:
    if isinstance(case.value, dict):
        members = case.members()
        for name in case.argument:
            if name not in members:
                yield f"{case.place} has no member {name!r}"


def check_names(case: Case) -> _Mismatches:
    for name in case.value if isinstance(case.value, dict) else ():
        yield from case.checker.mismatches(name, case.argument, f"the name {name!r} in {case.place}")


def check_dependencies(case: Case) -> _Mismatches:
    for name, needed in case.argument.items() if isinstance(case.value, dict) else ():
        if name in case.value:
            inner = {"required": needed} if isinstance(needed, list) else needed
            yield from case.part(case.value, inner)


def check_all(case: Case) -> _Mismatches:
    for inner in case.argument:
        yield from case.part(case.value, inner)


def check_any(case: Case) -> _Mismatches:
    reasons = [next(case.part(case.value, inner), None) for inner in case.argument]
    if None not in reasons:
        yield "; or ".join(filter(None, reasons))


def check_one(case: Case) -> _Mismatches:
    if sum(case.checker.fits(case.value, inner) for inner in case.argument) > 1:
        yield f"{case.place} is {shown(case.value)}, which fits several schemas that exclude each other"
    yield from check_any(case)


def check_not(case: Case) -> _Mismatches:
    if case.checker.fits(case.value, case.argument):
        yield f"{case.place} is {shown(case.value)}, which is excluded"


def check_if(case: Case) -> _Mismatches:
    branch = "then" if case.checker.fits(case.value, case.argument) else "else"
    yield from case.part(case.value, case.schema.get(branch, True))


_CHECKS: Final[Mapping[str, _Check]] = {
    "type": check_type,
    "enum": check_enum,
    "const": check_const,
    "multipleOf": compared("number", lambda value: value, is_multiple, "no multiple of"),
    "maximum": compared("number", lambda value: value, lambda a, b: a <= b, "above"),
    "exclusiveMaximum": compared("number", lambda value: value, lambda a, b: a < b, "not below"),
    "minimum": compared("number", lambda value: value, lambda a, b: a >= b, "below"),
    "exclusiveMinimum": compared("number", lambda value: value, lambda a, b: a > b, "not above"),
    "maxLength": compared("string", len, lambda a, b: a <= b, "longer than"),
    "minLength": compared("string", len, lambda a, b: a >= b, "shorter than"),
    "pattern": compared("string", lambda value: value, matches, "which does not match"),
    "maxItems": compared("array", len, lambda a, b: a <= b, "longer than"),
    "minItems": compared("array", len, lambda a, b: a >= b, "shorter than"),
    "maxProperties": compared("object", len, lambda a, b: a <= b, "with more members than"),
    "minProperties": compared("object", len, lambda a, b: a >= b, "with fewer members than"),
    "format": check_format,
    "items": check_items,
    "uniqueItems": check_unique,
    "contains": check_contains,
    **dict.fromkeys(_OF_MEMBERS, check_members_once),
    "required": check_required,
    "propertyNames": check_names,
    "dependencies": check_dependencies,
    "allOf": check_all,
    "anyOf": check_any,
    "oneOf": check_one,
    "not": check_not,
    "if": check_if,
}
