"""Members of JSON Schemas for what JSON Schema cannot say: further checks of values, and further names of members.

``x-checks`` names checks that may refuse a value of the schema, such as validators of the user's. ``x-aliases`` of a
member lists the other names that are accepted for it. Comparisons of documents need both: without them, a type that
refuses more values than before looks the same.
"""

from __future__ import annotations

import enum
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

__all__ = ["ALIASES", "CHECKS", "ExtendedGenerator", "has_unknown_forms"]

CHECKS = "x-checks"
ALIASES = "x-aliases"

# The keys of a core schema under which there are values of the user's, and neither schemas nor serializers.
_VALUES = frozenset({"metadata", "config", "cls", "default", "expected", "members", "ref"})

_FUNCTIONS = frozenset({"function-before", "function-after", "function-wrap", "function-plain"})
_OWN_PACKAGES = frozenset({"flaskJSONRPCServer", "pydantic", "pydantic_core"})

_BOUNDS = ("gt", "ge", "lt", "le")
_URL = ("allowed_schemes", "host_required")

# Constraints of core schemas that are left out of JSON Schemas, by the type of the core schema.
_LEFT_OUT = {
    "bytes": ("min_length", "max_length"),
    "date": ("now_op", *_BOUNDS),
    "datetime": ("now_op", "tz_constraint", *_BOUNDS),
    "decimal": ("max_digits", "decimal_places"),
    "multi-host-url": _URL,
    "time": ("tz_constraint", *_BOUNDS),
    "timedelta": _BOUNDS,
    "url": _URL,
}

_ANYTHING: Mapping[str, Any] = {"type": "any"}

# The core schemas of types whose values have equal forms only if they are equal.
_DISTINCT = frozenset({"str", "int", "bool", "uuid"})


class ExtendedGenerator(GenerateJsonSchema):
    """Generates JSON Schemas; those of parameters have the members of this module."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._core_definitions: dict[str, Any] = {}

    def definitions_schema(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of a core schema with definitions, which keys of objects may be."""
        self._core_definitions.update((definition["ref"], definition) for definition in schema["definitions"])
        return super().definitions_schema(schema)

    def enum_schema(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of an enum; a flag that is returned may be a combination of its members."""
        written = super().enum_schema(schema)
        if self.mode == "serialization" and issubclass(schema["cls"], enum.Flag):
            return {**{key: value for key, value in written.items() if key != "enum"}, "type": "integer"}
        return written

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of a core schema, with its further checks."""
        written = super().generate_inner(schema)
        return written if self.mode == "serialization" else with_checks(written, checks_of(schema))

    def dict_schema(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of an object, with the check of names that are read as other values than strings."""
        written = super().dict_schema(schema)
        if "$ref" in written.get("propertyNames", ()):
            self._mend_names(written, self.written_core(schema["keys_schema"]))
        elif self.mode == "validation" and "keys_schema" in schema:
            names = self.generate_inner(schema["keys_schema"])
            if is_left_out(names, written):
                written["propertyNames"] = {CHECKS: [text_of(names)]}
        return written

    def written_core(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the core schema by which a value is written, behind references and validators of the user's.

        It is that of any value if the user has a serializer for it.
        """
        while True:
            if self.mode == "serialization" and "serialization" in schema:
                return _ANYTHING
            if schema["type"] == "definition-ref":
                schema = self._core_definitions.get(schema["schema_ref"], _ANYTHING)
            elif schema["type"] in _FUNCTIONS and "schema" in schema:
                schema = schema["schema"]
            else:
                return schema

    def has_distinct_forms(self, schema: Mapping[str, Any]) -> bool:
        """Return whether different values of a core schema are surely written differently."""
        core = self.written_core(schema)
        if core["type"] == "enum":
            forms = [json.dumps(form) for form in self._forms(core)]
            return len(set(forms)) == len(forms)
        return core["type"] in _DISTINCT

    def _forms(self, schema: Any) -> list[Any]:
        """Return the JSON forms of the members of an enum."""
        return [*super().enum_schema(schema)["enum"]]

    def _mend_names(self, written: JsonSchemaValue, key: Mapping[str, Any]) -> None:
        """Replace the reference to the schema of an object's names if that may be none of strings.

        A number is a name as its text.
        """
        if key["type"] == "enum":
            forms = self._forms(key)
            if all(isinstance(form, str) for form in forms):
                return
            is_flag = self.mode == "serialization" and issubclass(key["cls"], enum.Flag)
            if not is_flag and all(isinstance(form, (str, int)) for form in forms):
                written["propertyNames"] = {"enum": [name_of(form) for form in forms]}
                return
            if self.mode == "validation":
                written["propertyNames"] = {CHECKS: [json.dumps({"enum": forms})]}
                return
        if self.mode == "serialization" and key["type"] != "str":
            del written["propertyNames"]

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of a model."""
        return self._with_aliases(super().model_schema(schema), schema)

    def dataclass_schema(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of a dataclass."""
        return self._with_aliases(super().dataclass_schema(schema), schema)

    def typed_dict_schema(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of a TypedDict."""
        return self._with_aliases(super().typed_dict_schema(schema), schema)

    def _with_aliases(self, written: JsonSchemaValue, schema: Mapping[str, Any]) -> JsonSchemaValue:
        members = dict(written.get("properties", {}))
        for names in () if self.mode == "serialization" else accepted_names(schema):
            listed = next((name for name in names if name in members), None)
            if listed is not None and len(names) > 1:
                members[listed] = {**members[listed], ALIASES: [name for name in names if name != listed]}
        return {**written, "properties": members} if members else written


def name_of(form: str | int) -> str:
    """Return a JSON value as the name of a member of an object."""
    return form if isinstance(form, str) else json.dumps(form)


def with_checks(written: JsonSchemaValue, names: Iterable[str]) -> JsonSchemaValue:
    names = dict.fromkeys([*written.get(CHECKS, ()), *names])
    return {**written, CHECKS: [*names]} if names else written


def checks_of(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the checks of a core schema that are not in its JSON Schema."""
    kind = schema["type"]
    if kind in _FUNCTIONS:
        yield from names_of_function(schema["function"]["function"])
        inner = schema.get("schema", {})
        yield from checks_of(inner) if inner.get("type") in ("url", "multi-host-url") else ()  # pydantic hides these
    elif kind == "model" and schema.get("post_init"):
        yield from names_of_function(schema["cls"].model_post_init)
    elif kind in ("is-instance", "is-subclass"):
        yield f"{kind} {getattr(schema['cls'], '__qualname__', schema.get('cls_repr', 'class'))}"
    elif kind == "callable":
        yield kind
    elif kind == "dataclass" and schema.get("post_init"):
        yield "__post_init__"
    for constraint in _LEFT_OUT.get(kind, ()):
        if schema.get(constraint) is not None:
            yield f"{constraint}={json.dumps(schema[constraint], default=str)}"


def names_of_function(function: Any) -> Iterator[str]:
    """Yield the name of a validator of the user's; nothing for those by which pydantic reads its own types.

    The module is left out: a reload loads it again under another name.
    """
    while isinstance(function, functools.partial):
        function = function.func
    package = (getattr(function, "__module__", None) or "").partition(".")[0]
    if package not in _OWN_PACKAGES:
        yield getattr(function, "__qualname__", type(function).__qualname__)


def is_left_out(names: Mapping[str, Any], written: Mapping[str, Any]) -> bool:
    """Return whether the schema of an object's names is left out, since it is not that of strings.

    The names of integers have a pattern.
    """
    is_known = not names or names in ({"type": "string"}, {"type": "integer"})
    return not is_known and not {"propertyNames", "patternProperties"} & written.keys()


def text_of(names: Mapping[str, Any]) -> str:
    return str(names["type"]) if names.keys() == {"type"} else json.dumps(names, sort_keys=True)


def accepted_names(schema: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield the names that are accepted for each field of a core schema; a path into other members has dots."""
    config = schema.get("config") or {}
    while "fields" not in schema or schema["type"] == "dataclass":
        if "schema" not in schema:
            return
        schema = schema["schema"]
    fields = schema["fields"]
    for name, field in fields.items() if isinstance(fields, dict) else ((field["name"], field) for field in fields):
        aliases = aliases_in(field.get("validation_alias", name)) if config.get("validate_by_alias", True) else []
        is_by_name = config.get("validate_by_name") or config.get("populate_by_name")
        yield [*dict.fromkeys([*aliases, *([name] if is_by_name else [])])]


def aliases_in(alias: Any) -> list[str]:
    if isinstance(alias, str):
        return [alias]
    paths = alias if isinstance(alias[0], list) else [alias]
    return [".".join(map(str, path)) for path in paths]


def has_unknown_forms(schema: Any) -> bool:
    """Return whether a core schema has a serializer of the user's that does not say what it returns.

    The JSON Schema then describes the value before it was written.
    """
    if isinstance(schema, (list, tuple)):
        return any(has_unknown_forms(item) for item in schema)
    if not isinstance(schema, Mapping):
        return False
    writer = schema.get("serialization") or {}
    if "function" in writer and "return_schema" not in writer and any(names_of_function(writer["function"])):
        return True
    return any(has_unknown_forms(inner) for key, inner in schema.items() if key not in _VALUES)
