"""JSON Schemas of hints, in the dialects draft-07 (OpenRPC) and 2020-12."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic.json_schema import JsonSchemaMode, JsonSchemaValue
from pydantic_core import PydanticSerializationError, core_schema

from .reading import BASE64, DECIMAL, INTEGER
from .schema_extensions import ALIASES, CHECKS, ExtendedGenerator
from .types import HintedType

__all__ = ["Dialect", "Mode", "Schemas", "schemas_of"]

Dialect = Literal["draft-07", "2020-12"]

Mode = JsonSchemaMode
"""``validation`` for a parameter, ``serialization`` for a result: some types are written in another form than read."""

COMPONENTS = "#/components/schemas/"
"""Where OpenRPC documents have the shared schemas."""

_INFINITE = (float("inf"), float("-inf"))


class Schemas:
    """The schemas of some types, with the shared ones apart.

    Args:
        by_type: The schema of each type and mode.
        components: The shared schemas by name; the others refer to them.
    """

    def __init__(self, by_type: Mapping[tuple[Any, Mode], Any], components: dict[str, Any]) -> None:
        self._by_type = by_type
        self.components = components

    def schema(self, hinted: HintedType | None, mode: Mode) -> Any:
        """Return the schema of a type; that of any value for None."""
        return {} if hinted is None else self._by_type[key_of(hinted), mode]


def schemas_of(types: Iterable[tuple[HintedType, Mode]], dialect: Dialect, shared_at: str = COMPONENTS) -> Schemas:
    """Return the schemas of types, each for parameters or for results.

    Two classes of one name get names with their modules. The names depend on the types alone, and not on their order.

    Args:
        types: The types, each with its mode.
        dialect: The dialect of the schemas.
        shared_at: The JSON Pointer of the place of the shared schemas, with a slash at its end.
    """
    distinct = {(key_of(hinted), mode): hinted for hinted, mode in types}
    inputs = [(key, mode, hinted.adapter.core_schema) for (key, mode), hinted in distinct.items()]
    generator = SchemaGenerator(ref_template=f"{shared_at}{{model}}")
    by_type, components = generator.generate_definitions(inputs)
    if dialect == "draft-07":
        return Schemas({key: as_draft_07(schema) for key, schema in by_type.items()}, as_draft_07(components))
    return Schemas(by_type, {str(name): schema for name, schema in components.items()})


def key_of(hinted: HintedType) -> Any:
    """Return a key that equal hints share: a thousand methods have few distinct types."""
    try:
        hash(hinted.hint)
    except TypeError:  # metadata of Annotated may be unhashable
        return id(hinted)
    return str(hinted.hint), hinted.hint  # the text too: Literal[1] equals Literal[True]


class SchemaGenerator(ExtendedGenerator):
    """Generates schemas that say exactly what is accepted."""

    # A default that JSON cannot write is left out, without a warning on the user's console.
    ignored_warning_kinds = frozenset({"skipped-choice", "non-serializable-default"})  # type: ignore[assignment]

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False: a title made of the name says nothing."""
        return False

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        """Return the schema of any value for a type that no schema describes."""
        return {}

    def encode_default(self, dft: Any) -> Any:
        """Return a default as a JSON value.

        Raises:
            PydanticSerializationError: JSON cannot write it.
        """
        encoded = super().encode_default(dft)
        try:
            json.dumps(encoded, allow_nan=False)
        except ValueError as exc:  # an infinite number
            raise PydanticSerializationError(str(exc)) from exc
        return encoded

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        """Return the schema of a number; an infinite bound is none."""
        written = super().float_schema(schema)
        return {name: value for name, value in written.items() if value not in _INFINITE}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Return the schema of a decimal number, or of its text."""
        written = super().decimal_schema(schema)
        choices = written.get("anyOf", [written])
        texts = [choice for choice in choices if choice.get("type") == "string"]
        for text in texts:
            text.setdefault("pattern", DECIMAL)
        return written

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        """Return the schema of base64."""
        return {"type": "string", "contentEncoding": "base64", "pattern": BASE64}

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        """Return the schema of a number of seconds; a parameter may be an ISO 8601 duration too."""
        seconds = {"type": "number"}
        return {"anyOf": [seconds, {"type": "string", "format": "duration"}]} if self.mode == "validation" else seconds

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Return the schema of an object; its names may have to be numbers."""
        written = super().dict_schema(schema)
        if schema.get("keys_schema", {}).get("type") == "int":
            written["propertyNames"] = {**written.get("propertyNames", {}), "pattern": INTEGER}
        return written

    def set_schema(self, schema: core_schema.SetSchema) -> JsonSchemaValue:
        """Return the schema of a set, whose array may have an item twice."""
        return self._with_known_uniqueness(super().set_schema(schema), schema)

    def frozenset_schema(self, schema: core_schema.FrozenSetSchema) -> JsonSchemaValue:
        """Return the schema of a set, whose array may have an item twice."""
        return self._with_known_uniqueness(super().frozenset_schema(schema), schema)

    def _with_known_uniqueness(self, written: JsonSchemaValue, schema: Mapping[str, Any]) -> JsonSchemaValue:
        """Return the schema of a set without ``uniqueItems`` for a parameter, or if items may be written equally."""
        items = schema.get("items_schema", {"type": "any"})
        if self.mode == "validation" or not self.has_distinct_forms(items):
            written.pop("uniqueItems", None)
        return written


def as_draft_07(schema: Any) -> Any:
    """Return a schema of the dialect 2020-12 in draft-07: the few keywords that pydantic writes and it lacks."""
    if isinstance(schema, list):
        return [as_draft_07(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: value if key in _VALUES else as_draft_07(value) for key, value in schema.items()}
    if isinstance(changed.get("prefixItems"), list):
        rest = changed.pop("items", None)
        changed["items"] = changed.pop("prefixItems")
        if rest is not None:
            changed["additionalItems"] = rest
    if isinstance(changed.get("$ref"), str) and len(changed) > 1:  # keywords beside a $ref are ignored there
        changed = {"allOf": [{"$ref": changed.pop("$ref")}], **changed}
    return changed


# Keywords whose value is a value of the user's, and no schema.
_VALUES = frozenset({"const", "enum", "default", "examples", "required", ALIASES, CHECKS})
