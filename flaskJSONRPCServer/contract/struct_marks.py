"""The marks that pydantic leaves in a core schema at classes that it does not know: ``is-instance`` schemas."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin

__all__ = ["marks_in", "parametrised", "replace_marks"]

# The keys of a core schema under which there are values of the user's, or functions.
_NOT_SCHEMAS = frozenset({"metadata", "serialization", "config", "default", "expected", "members", "ref", "type"})

_OF_CLASSES = frozenset({"dataclass", "model", "named-tuple", "typed-dict"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part of a core schema is.

    Attributes:
        hints: The hints of the class around it, by field.
        hint: The hint of the field around it; None outside classes.
    """

    hints: Mapping[str, Any] = field(default_factory=dict)
    hint: Any = None

    def of(self, schema: Mapping[str, Any]) -> Place:
        """Return the place of the parts of a schema in this place."""
        if schema.get("type") in _OF_CLASSES and "cls" in schema:
            return Place(hints_of_class(schema["cls"]))
        return self.in_field(schema["name"]) if isinstance(schema.get("name"), str) else self

    def in_field(self, name: str) -> Place:
        return Place(self.hints, self.hints.get(name))


def hints_of_class(klass: type) -> dict[str, Any]:
    """Return the hints of a class; none if they cannot be resolved."""
    try:
        return typing.get_type_hints(klass, localns={klass.__name__: klass}, include_extras=True)
    except Exception:  # noqa: BLE001  evaluating a hint runs the user's code
        return {}


def marks_in(schema: Any) -> Iterator[Any]:
    """Yield the classes that are marked in a core schema."""
    if isinstance(schema, dict):
        if schema.get("type") == "is-instance":
            yield schema["cls"]
        for key, value in schema.items():
            if key not in _NOT_SCHEMAS:
                yield from marks_in(value)
    elif isinstance(schema, (list, tuple)):
        for item in schema:
            yield from marks_in(item)


def replace_marks(schema: Any, replace: Callable[[Any, Any], Any], place: Place | None = None) -> Any:
    """Return a core schema with other schemas in the place of its marks.

    Args:
        schema: The core schema, or a part of one.
        replace: Returns the schema for a mark, given the mark and the hint of the field that it is in.
        place: Where the part is.
    """
    place = place or Place()
    if isinstance(schema, (list, tuple)):
        return type(schema)(replace_marks(item, replace, place) for item in schema)
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "is-instance":
        return replace(schema, place.hint)
    inside = place.of(schema)
    return {
        key: value if key in _NOT_SCHEMAS else replace_in_member(key, value, replace, inside)
        for key, value in schema.items()
    }


def replace_in_member(key: str, value: Any, replace: Callable[[Any, Any], Any], place: Place) -> Any:
    if key == "fields" and isinstance(value, dict):
        return {name: replace_marks(member, replace, place.in_field(name)) for name, member in value.items()}
    return replace_marks(value, replace, place)


def parametrised(generic: type, hint: Any) -> Any:
    """Return the one form of a generic class with parameters that is in a hint; None if there is not just one."""
    found = set(forms_of(generic, hint))
    [form] = found if len(found) == 1 else [None]
    return None if getattr(form, "__parameters__", ()) and form is not generic else form


def forms_of(generic: type, hint: Any) -> Iterator[Any]:
    if hint is generic or get_origin(hint) is generic:
        yield hint
    else:
        for argument in get_args(hint):
            yield from forms_of(generic, argument)
