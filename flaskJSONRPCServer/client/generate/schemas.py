"""Read JSON Schemas as types, in the dialects from draft-07 to 2020-12, and as OpenAPI has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from .documents import MISSING, Document, text_in
from .names import Names, class_name
from .texts import is_encodable
from .types import (
    ANY,
    NULL,
    AliasType,
    Declaration,
    Field,
    ListType,
    LiteralType,
    MapType,
    NamedType,
    ObjectType,
    Primitive,
    TupleType,
    Type,
    UnionType,
    union_of,
)

__all__ = ["SchemaReader"]

# Deeper types are any value. A document of a stranger could nest them until Python gives up.
_MOST_NESTED = 24

# Type checkers take long for more.
_MOST_VALUES = 1000

_LONGEST_NAME = 80

# In Python, an object of which some members may be missing has further types.
_PARTS = ("{}Required", "{}Optional")

# Beyond it, JavaScript has no exact integers.
_LARGEST_INTEGER = 2**53 - 1

# A literal type of more characters gets a name.
_LONGEST_INLINE = 80

_PRIMITIVES = {name: Primitive(name) for name in ("null", "string", "integer", "number", "boolean")}
_OBJECT_KEYWORDS = ("properties", "additionalProperties", "patternProperties")
_ARRAY_KEYWORDS = ("items", "prefixItems")

# Keywords that a schema may have beside `allOf` without a meaning for types.
_NOTES = frozenset({"title", "description", "default", "examples", "deprecated", "$schema", "$id", "$defs"})


class SchemaReader:
    """Reads the schemas of one document. Objects with known members are declared, and so are shared types.

    Args:
        document: The document.
        names: The names of types, which this adds to.
    """

    def __init__(self, document: Document, names: Names) -> None:
        self._document = document
        self._names = names
        self._by_schema: dict[int, Declaration] = {}  # by the identity of the schema that is referred to
        self._declared: list[Declaration] = []
        self._unread: list[
            tuple[Declaration, dict[str, Any], Any]
        ] = []  # declarations, their schemas, the roots of these
        self._depth = 0
        self._root: Any = MISSING  # the schema whose own definitions references may lead to
        self._naming = ""  # the alias that is being read

    def read(self, schema: Any, hint: str) -> Type:
        """Return the type of a schema.

        Args:
            schema: The schema.
            hint: A name for the type, if it has to be declared.
        """
        self._root = schema
        kind = self._read(schema, hint)
        while self._unread:  # one after the other, since a chain of references may be long
            declared, inner, self._root = self._unread.pop()
            if isinstance(declared, ObjectType):
                declared.fields = self._fields(inner, declared.name)
            else:
                self._naming = declared.name
                declared.type = self._read(inner, declared.name)
                self._naming = ""
        return kind

    def declarations(self) -> list[Declaration]:
        """Return the declared types by name. Aliases that mean only each other are any value."""
        aliases = {each.name: each for each in self._declared if isinstance(each, AliasType)}
        circular = circular_names(aliases)
        for name in circular:
            aliases[name].type = union_of(
                ANY if isinstance(choice, NamedType) and choice.name in circular else choice
                for choice in choices_of(aliases[name].type)
            )
        return sorted(self._declared, key=lambda declared: declared.name)

    def _read(self, schema: Any, hint: str) -> Type:
        if not isinstance(schema, dict) or self._depth > _MOST_NESTED:
            return ANY
        self._depth += 1
        try:
            kind = self._kind(schema, hint)
        finally:
            self._depth -= 1
        return union_of([kind, NULL]) if schema.get("nullable") is True else kind

    def _kind(self, schema: dict[str, Any], hint: str) -> Type:
        readers: tuple[tuple[str, type, Callable[[dict[str, Any], str], Type]], ...] = (
            ("$ref", str, self._reference),
            ("enum", list, self._values),
            ("allOf", list, self._all_of),
            ("type", list, self._types),
        )
        if "const" in schema:
            return self._values({"enum": [schema["const"]]}, hint)
        for keyword, needed, read in readers:
            if isinstance(schema.get(keyword), needed):
                return read(schema, hint)
        alternatives = ANY if "properties" in schema else self._any_of(schema, hint)
        return self._single(schema, hint) if alternatives == ANY else alternatives

    def _single(self, schema: dict[str, Any], hint: str) -> Type:
        kind = schema.get("type")
        if kind == "object" or (kind is None and any(keyword in schema for keyword in _OBJECT_KEYWORDS)):
            return self._object(schema, hint)
        if kind == "array" or (kind is None and any(keyword in schema for keyword in _ARRAY_KEYWORDS)):
            return self._array(schema, hint)
        return _PRIMITIVES.get(kind, ANY) if isinstance(kind, str) else ANY

    def _reference(self, schema: dict[str, Any], hint: str) -> Type:
        reference = schema["$ref"]
        target = self._document.at(reference, self._root)
        if target is MISSING or not isinstance(target, dict):
            return ANY
        declared = self._by_schema.get(id(target))
        if declared is None:
            declared = self._declare(target, class_name(reference.rpartition("/")[2], "Type"))
            self._by_schema[id(target)] = declared
        return NamedType(declared.name)

    def _declare(self, schema: dict[str, Any], wanted: str) -> Declaration:
        """Declare a type, which is read later, since it may contain itself."""
        name = self._names.add(wanted[:_LONGEST_NAME], *_PARTS)
        text = text_in(schema, "description")
        declared: Declaration = ObjectType(name, (), text) if self._has_fields(schema) else AliasType(name, ANY, text)
        self._declared.append(declared)
        self._unread.append((declared, schema, self._root))
        return declared

    def _has_fields(self, schema: dict[str, Any]) -> bool:
        """Return whether a schema is that of an object with known members, and of nothing else."""
        properties = schema.get("properties")
        is_object = schema.get("type", "object") == "object" and not any(
            keyword in schema for keyword in ("$ref", "const", "enum", "allOf")
        )
        return is_object and isinstance(properties, dict) and any(map(is_usable, properties))

    def _object(self, schema: dict[str, Any], hint: str) -> Type:
        if self._has_fields(schema):
            return NamedType(self._declare(schema, class_name(hint, "Object")).name)
        patterns = schema.get("patternProperties")
        choices: list[Any] = [*patterns.values()] if isinstance(patterns, dict) else []
        rest = schema.get("additionalProperties")
        if rest is not False and (rest is not None or not choices):
            choices.append(rest)
        return MapType(union_of(self._read(choice, f"{hint}Value") for choice in choices))

    def _fields(self, schema: dict[str, Any], hint: str) -> list[Field]:
        required = schema.get("required")
        always = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
        return [
            Field(
                name,
                self._read(member, f"{hint}{class_name(name, 'Member')}"),
                name in always,
                text_in(member, "description") if isinstance(member, dict) else "",
            )
            for name, member in schema["properties"].items()
            if is_usable(name)
        ]

    def _array(self, schema: dict[str, Any], hint: str) -> Type:
        places = schema.get("prefixItems")
        rest = schema.get("items") if isinstance(places, list) else schema.get("additionalItems")
        if not isinstance(places, list):
            places = schema.get("items")
        if not isinstance(places, list):
            return ListType(self._read(places, f"{hint}Item"))
        least = schema.get("minItems")
        return TupleType(
            tuple(self._read(place, f"{hint}Item{number}") for number, place in enumerate(places, 1)),
            min(least, len(places)) if isinstance(least, int) else 0,
            None if rest is False or schema.get("maxItems") == len(places) else self._read(rest, f"{hint}Item"),
        )

    def _values(self, schema: dict[str, Any], hint: str) -> Type:
        values = schema["enum"]
        if len(values) > _MOST_VALUES:
            return union_of(map(base_of, values))
        texts = [*dict.fromkeys(json.dumps(value) for value in values if is_literal(value))]
        literal = [LiteralType(tuple(texts))] if texts else []
        kind = union_of([*literal, *(base_of(value) for value in values if not is_literal(value))])
        return self._named_if_long(kind, hint) if sum(map(len, texts)) > _LONGEST_INLINE else kind

    def _named_if_long(self, kind: Type, hint: str) -> Type:
        if hint == self._naming and self._depth == 1:
            return kind  # it has a name
        alias = AliasType(self._names.add(class_name(hint, "Value")[:_LONGEST_NAME], *_PARTS), kind)
        self._declared.append(alias)
        return NamedType(alias.name)

    def _any_of(self, schema: dict[str, Any], hint: str) -> Type:
        choices: list[Any] = next(
            (schema[name] for name in ("anyOf", "oneOf") if isinstance(schema.get(name), list)), []
        )
        return union_of([self._read(choice, f"{hint}{number}") for number, choice in enumerate(choices, 1)])

    def _types(self, schema: dict[str, Any], hint: str) -> Type:
        kinds = dict.fromkeys(kind for kind in schema["type"] if isinstance(kind, str))
        return union_of(self._read({**schema, "type": kind}, hint) for kind in kinds)

    def _all_of(self, schema: dict[str, Any], hint: str) -> Type:
        parts = [part for part in schema["allOf"] if isinstance(part, dict)]
        rest = {name: value for name, value in schema.items() if name != "allOf" and name not in _NOTES}
        parts += [rest] if rest else []
        if len(parts) != 1:
            whole = self._whole_object(parts)
            if whole is not None:
                return self._object(whole, hint)
        read = (self._read(part, hint) for part in parts)
        return next((kind for kind in read if kind != ANY), ANY)

    def _whole_object(self, parts: list[dict[str, Any]]) -> dict[str, Any] | None:
        """Return one schema for the objects that several schemas describe together; None if one is of another type."""
        whole: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
        for part in map(self._followed, parts):
            if part.keys().isdisjoint({*_OBJECT_KEYWORDS, "required"}) or "allOf" in part:
                return None
            properties, required = part.get("properties"), part.get("required")
            whole["properties"].update(properties if isinstance(properties, dict) else {})
            whole["required"] += required if isinstance(required, list) else []
        return whole

    def _followed(self, schema: dict[str, Any]) -> dict[str, Any]:
        reference = schema.get("$ref")
        target = self._document.at(reference, self._root) if isinstance(reference, str) else schema
        return target if isinstance(target, dict) else {}


def circular_names(aliases: Mapping[str, AliasType]) -> set[str]:
    """Return the aliases that lead to a circle of aliases, without an array or an object in between."""
    targets = {
        name: {choice.name for choice in choices_of(alias.type) if isinstance(choice, NamedType)} & aliases.keys()
        for name, alias in aliases.items()
    }
    sources: dict[str, list[str]] = {name: [] for name in aliases}
    for name, others in targets.items():
        for other in others:
            sources[other].append(name)
    ended = [name for name, others in targets.items() if not others]
    while ended:  # those that are left at the end never come to an end
        done = ended.pop()
        for name in sources[done]:
            targets[name].discard(done)
            ended += [] if targets[name] else [name]
        del targets[done]
    return set(targets)


def choices_of(kind: Type) -> tuple[Type, ...]:
    """Return the types of a union; any other type alone."""
    return kind.choices if isinstance(kind, UnionType) else (kind,)


def is_usable(name: str) -> bool:
    """Return whether a type can have a member of this name in each language."""
    return bool(name) and is_encodable(name)


def is_literal(value: Any) -> bool:
    """Return whether a value can be a literal type in each language."""
    if isinstance(value, int):
        return abs(value) <= _LARGEST_INTEGER
    return isinstance(value, str) and is_encodable(value)


def base_of(value: Any) -> Type:
    """Return the type of a JSON value, without its parts."""
    if value is None:
        return NULL
    if isinstance(value, dict):
        return MapType(ANY)
    if isinstance(value, list):
        return ListType(ANY)
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return Primitive(names[type(value)])
