"""Make core schemas of pydantic of JSON Schemas: they take at least the values that the JSON Schemas take.

These keywords count: ``$ref`` within the schema, ``type``, ``enum``, ``const``, ``allOf``, ``anyOf``, ``oneOf`` (as
``anyOf``), ``properties``, ``required``, ``additionalProperties``, ``propertyNames``, ``minProperties`` and
``maxProperties`` (of objects without ``properties`` and ``required``), ``items``, ``prefixItems`` (if ``minItems``
demands all of them), ``minItems``, ``maxItems``, ``uniqueItems``, ``minLength``, ``maxLength``, ``pattern`` and the
bounds of numbers. All others are ignored.

Source: JSON Schema 2020-12.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from pydantic_core import CoreSchema, PydanticCustomError, SchemaError, SchemaValidator, core_schema

from .compatibility.json_values import canonical
from .schema_patterns import is_portable

__all__ = ["Compiler"]

_ROOT: Final = "#"

_BOUNDS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
}

_ANYTHING: Final = core_schema.any_schema()


class Compiler:
    """Makes a core schema of pydantic of one JSON Schema.

    Each value that it takes stays as it is, so that a chain of nodes checks one value by several keywords.

    Args:
        root: The JSON Schema.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._definitions: dict[str, CoreSchema | None] = {}
        # The definitions that check the same value as another one, by its name. A circle among them has no end.
        self._same_value: dict[str, set[str]] = {}

    def schema(self) -> CoreSchema:
        """Return the core schema of the whole schema."""
        whole = self.reference(_ROOT, None)
        made = [node for node in self._definitions.values() if node is not None]
        return core_schema.definitions_schema(whole, made)

    def reference(self, reference: str, place: str | None) -> CoreSchema:
        """Return the node of a reference.

        Args:
            reference: The reference, with a JSON Pointer.
            place: The definition whose value the node checks; None within objects and arrays.
        """
        target = self._target(reference)
        if not isinstance(target, Mapping):
            return _ANYTHING if target is not False else nothing()
        if place is not None:
            if self._reaches(reference, place):
                return _ANYTHING
            self._same_value.setdefault(place, set()).add(reference)
        if reference not in self._definitions:
            self._definitions[reference] = None  # so that it may refer to itself
            self._definitions[reference] = with_name(self.node(target, reference), reference)
        return core_schema.definition_reference_schema(reference)

    def node(self, schema: Any, place: str | None) -> CoreSchema:
        """Return the node of a schema, with the arguments of :meth:`reference`."""
        if schema is False:
            return nothing()
        if not isinstance(schema, Mapping) or ("$id" in schema and schema is not self._root):
            return _ANYTHING  # references below an `$id` are relative to it
        parts = [part for part in self._parts(schema, place) if part["type"] != "any"]
        if not parts:
            return _ANYTHING
        return parts[0] if len(parts) == 1 else core_schema.chain_schema(parts)

    def _parts(self, schema: Mapping[str, Any], place: str | None) -> Iterator[CoreSchema]:
        """Yield the nodes of the keywords of a schema, all of which must take a value."""
        if isinstance(schema.get("$ref"), str):
            yield self.reference(schema["$ref"], place)
        if isinstance(schema.get("enum"), list):
            yield one_of(schema["enum"])
        if "const" in schema:
            yield one_of([schema["const"]])
        if not _TYPED.isdisjoint(schema):
            yield self._typed(schema)
        if isinstance(schema.get("allOf"), list):
            yield from (self.node(inner, place) for inner in schema["allOf"])
        for keyword in ("anyOf", "oneOf"):
            if isinstance(schema.get(keyword), list):
                yield any_of([self.node(inner, place) for inner in schema[keyword]])

    def _typed(self, schema: Mapping[str, Any]) -> CoreSchema:
        named = schema.get("type", [*_MAKERS])
        names = named if isinstance(named, list) else [named]
        if not all(isinstance(name, str) and name in _MAKERS for name in names):
            return _ANYTHING
        return any_of([_MAKERS[name](self, schema) for name in names])

    def object(self, schema: Mapping[str, Any]) -> CoreSchema:
        """Return the node of an object."""
        properties = schema.get("properties")
        members = properties if isinstance(properties, Mapping) else {}
        names = schema.get("required")
        required = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
        others = True if "patternProperties" in schema else schema.get("additionalProperties", True)
        if not members and not required:
            return self._mapping(schema, others)
        nodes = {**dict.fromkeys(required, _ANYTHING), **{name: self.node(one, None) for name, one in members.items()}}
        fields = {name: core_schema.typed_dict_field(node, required=name in required) for name, node in nodes.items()}
        if others is False:
            return core_schema.typed_dict_schema(fields, extra_behavior="forbid")
        extras = self.node(others, None)
        return core_schema.typed_dict_schema(fields, extra_behavior="allow", extras_schema=extras)

    def _mapping(self, schema: Mapping[str, Any], others: Any) -> CoreSchema:
        return core_schema.dict_schema(
            self.node(schema.get("propertyNames"), None),
            self.node(others, None),
            min_length=count_in(schema, "minProperties"),
            max_length=count_in(schema, "maxProperties"),
        )

    def array(self, schema: Mapping[str, Any]) -> CoreSchema:
        """Return the node of an array."""
        least, most = count_in(schema, "minItems"), count_in(schema, "maxItems")
        first, rest = schema.get("prefixItems"), schema.get("items")
        if isinstance(first, list) and first:
            checked = self._tuple(first, rest) if (least or 0) >= len(first) else _ANYTHING
            parts = [core_schema.list_schema(min_length=least, max_length=most), checked]
        else:
            items = self.node(rest, None)
            parts = [core_schema.list_schema(items, min_length=least, max_length=most, fail_fast=True)]
        if schema.get("uniqueItems") is True:
            parts.append(core_schema.no_info_plain_validator_function(distinct))
        return parts[0] if len(parts) == 1 else core_schema.chain_schema(parts)

    def _tuple(self, first: Sequence[Any], rest: Any) -> CoreSchema:
        items = [*(self.node(item, None) for item in first), self.node(rest, None)]
        whole = core_schema.tuple_schema(items, variadic_item_index=len(first), fail_fast=True)
        return core_schema.no_info_after_validator_function(list, whole)

    def text(self, schema: Mapping[str, Any]) -> CoreSchema:
        """Return the node of a string."""
        return core_schema.str_schema(
            strict=True,
            min_length=count_in(schema, "minLength"),
            max_length=count_in(schema, "maxLength"),
            pattern=usable_pattern(schema.get("pattern")),
        )

    def integer(self, schema: Mapping[str, Any]) -> CoreSchema:
        """Return the node of a number without a fraction."""
        whole = core_schema.no_info_after_validator_function(without_fraction, core_schema.float_schema(strict=True))
        return bounded(any_of([core_schema.int_schema(strict=True), whole]), schema)

    def number(self, schema: Mapping[str, Any]) -> CoreSchema:
        """Return the node of a number."""
        choices = [core_schema.int_schema(strict=True), core_schema.float_schema(strict=True)]
        return bounded(any_of(choices), schema)

    def _target(self, reference: str) -> Any:
        """Return the schema that a reference points to; None if it is not within the root."""
        if reference == _ROOT:
            return self._root
        found: Any = self._root if reference.startswith("#/") else None
        for step in unquote(reference).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = found[int(name)] if name.isdecimal() and int(name) < len(found) else None
            else:
                found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def _reaches(self, name: str, other: str) -> bool:
        """Return whether a definition checks its value by another one, or is that itself."""
        seen, waiting = {name}, [name]
        while waiting:
            new = self._same_value.get(waiting.pop(), set()) - seen
            seen |= new
            waiting += new
        return other in seen


_MAKERS: Final[Mapping[str, Callable[[Compiler, Mapping[str, Any]], CoreSchema]]] = {
    "object": Compiler.object,
    "array": Compiler.array,
    "string": Compiler.text,
    "integer": Compiler.integer,
    "number": Compiler.number,
    "boolean": lambda compiler, schema: core_schema.bool_schema(strict=True),
    "null": lambda compiler, schema: core_schema.none_schema(),
}

# The keywords that count for values of one type only.
_TYPED: Final = frozenset(
    {
        "type",
        *("properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"),
        *("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
        *("minLength", "maxLength", "pattern"),
        *_BOUNDS,
    }
)


def with_name(node: CoreSchema, name: str) -> CoreSchema:
    """Return the node of a definition; a reference and a node that others share get one of their own."""
    inner = core_schema.chain_schema([node]) if node is _ANYTHING or node["type"] == "definition-ref" else node
    return {**inner, "ref": name}


def any_of(nodes: Sequence[CoreSchema]) -> CoreSchema:
    if any(node["type"] == "any" for node in nodes):
        return _ANYTHING
    if len(nodes) == 1:
        return nodes[0]
    return core_schema.union_schema([*nodes], mode="left_to_right") if nodes else nothing()


def nothing() -> CoreSchema:
    """Return a node that takes no value."""
    return core_schema.no_info_plain_validator_function(refuse_any)


def refuse_any(value: Any) -> Any:
    raise PydanticCustomError("unexpected", "Input is not expected")


def one_of(values: Sequence[Any]) -> CoreSchema:
    """Return a node that takes these values."""
    if values and all(isinstance(value, str) for value in values):
        return core_schema.literal_schema([*values])
    accepted = {canonical(value) for value in values}
    shown = json.dumps(values)[:100]

    def check(value: Any) -> Any:
        if canonical(value) not in accepted:
            raise PydanticCustomError("enum", "Input should be one of {shown}", {"shown": shown})
        return value

    return core_schema.no_info_plain_validator_function(check)


def distinct(value: list[Any]) -> list[Any]:
    """Return an array whose items all differ."""
    if len({canonical(item) for item in value}) != len(value):
        raise PydanticCustomError("unique", "Input has an item twice")
    return value


def without_fraction(value: float) -> float:
    """Return a number that has no fraction."""
    if value.is_integer() or value in (float("inf"), float("-inf")):  # pydantic reads 1e400 as infinity
        return value
    raise PydanticCustomError("int_type", "Input should be a valid integer")


def bounded(node: CoreSchema, schema: Mapping[str, Any]) -> CoreSchema:
    """Return the node of a number with the bounds of its schema."""
    bounds = [(name, is_within, schema[name]) for name, is_within in _BOUNDS.items() if is_number(schema.get(name))]
    if not bounds:
        return node

    def check(value: Any) -> Any:
        for name, is_within, bound in bounds:
            if not is_within(value, bound):
                raise PydanticCustomError("bound", "Input is not within {name} {bound}", {"name": name, "bound": bound})
        return value

    return core_schema.no_info_after_validator_function(check, node)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def count_in(schema: Mapping[str, Any], keyword: str) -> int | None:
    """Return the number of a keyword; None if it has none."""
    count = schema.get(keyword)
    return count if type(count) is int and count >= 0 else None


def usable_pattern(pattern: Any) -> str | None:
    """Return a regular expression that means the same to pydantic, whose engine takes no exponential time; or None."""
    if not isinstance(pattern, str) or not is_portable(pattern):
        return None
    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError:
        return None
    return pattern
