"""Core schemas of structs of msgspec: an object, or an array if the struct is ``array_like``.

The fields are checked and written by pydantic, so that errors, JSON forms and the emitted schema are those of any other
type; msgspec makes the struct of the checked values.
"""

from __future__ import annotations

import decimal
import enum
import inspect
import types
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic_core import PydanticSerializationUnexpectedValue, core_schema

from .struct_fields import StructField, fields_of

__all__ = ["reference_of", "struct_schema"]

# Defaults that an emitted schema shows: their JSON forms are the documented ones.
_SHOWN_DEFAULTS = (str, int, float, bool, decimal.Decimal, uuid.UUID, enum.Enum, type(None))


def reference_of(struct: Any) -> str:
    """Return the name of a struct's schema: like those of pydantic, which makes the names of components of them."""
    klass = get_origin(struct) or struct
    if not isinstance(klass, type):
        return repr(struct)
    arguments = ",".join(map(reference_of, get_args(struct)))
    return f"{klass.__module__}.{klass.__qualname__}:{id(klass)}{f'[{arguments}]' if arguments else ''}"


def struct_schema(struct: Any, reference: str, schemas_of: Callable[[Sequence[Any]], list[Any]]) -> Any:
    """Return the core schema of a struct.

    Args:
        struct: The class, with parameters if it is generic.
        reference: The name of the schema.
        schemas_of: Returns the core schemas of hints.

    Raises:
        Exception: A hint of a field cannot be used.
    """
    klass = get_origin(struct) or struct
    fields = fields_of(struct)
    schemas = schemas_of([field.hint for field in fields])
    form = ArrayForm if klass.__struct_config__.array_like else ObjectForm
    made = form(klass, fields, schemas)
    read, write = made.schemas()
    names = [field.name for field in fields]
    # A value is checked by the first step, and a result is written by the last; that takes the struct as it is.
    written = core_schema.dataclass_schema(klass, write, names, revalidate_instances="never")
    of_result = core_schema.chain_schema(
        [
            core_schema.is_instance_schema(klass),
            core_schema.no_info_before_validator_function(made.members_of, read),
        ]
    )
    taken = core_schema.json_or_python_schema(read, of_result)
    return core_schema.chain_schema(
        [taken, written], ref=reference, serialization=core_schema.wrap_serializer_function_ser_schema(writer(klass))
    )


def with_default(field: StructField, schema: Any) -> Any:
    """Return the schema of a field, with its default."""
    if field.default is None:
        return schema
    default = None if field.default.is_made else field.default.make()
    if not field.default.is_made and isinstance(default, _SHOWN_DEFAULTS):
        return core_schema.with_default_schema(schema, default=default)
    return core_schema.with_default_schema(schema, default_factory=field.default.make)


def writer(klass: Any) -> Callable[[Any, Callable[[Any], Any]], Any]:
    """Return a function that writes a struct as pydantic writes dataclasses."""
    from msgspec.structs import asdict

    def write(value: Any, write_fields: Callable[[Any], Any]) -> Any:
        if not isinstance(value, klass):
            raise PydanticSerializationUnexpectedValue(f"Expected `{klass.__name__}`")
        try:
            return write_fields(AsDataclass(**asdict(value)))
        except PydanticSerializationUnexpectedValue:
            # In a union, pydantic looks at the class: first for the very one, then for one that it derives from.
            return write_fields(value)

    return write


class AsDataclass(types.SimpleNamespace):
    """The fields of a struct, which pydantic takes for a dataclass: outside unions it looks at this attribute alone."""

    __dataclass_fields__: Mapping[str, Any] = {}


class StructForm:
    """The JSON form of a struct.

    Args:
        klass: The class of the struct.
        fields: Its fields.
        schemas: Their core schemas.
    """

    def __init__(self, klass: Any, fields: Sequence[StructField], schemas: Sequence[Any]) -> None:
        config = klass.__struct_config__
        self._class = klass
        self._fields = fields
        self._schemas = schemas
        self._tag_name = config.tag_field
        self._tag = config.tag
        self._omits_defaults = config.omit_defaults
        self._forbids_others = config.forbid_unknown_fields

    def _made(self, values: Mapping[str, Any]) -> Any:
        """Return a struct of checked values.

        Raises:
            ValueError: Its ``__post_init__`` refuses them.
        """
        try:
            return self._class(**values)
        except TypeError as exc:
            raise ValueError(str(exc)) from exc


class ObjectForm(StructForm):
    """An object of the fields, and of the tag."""

    def members_of(self, struct: Any) -> dict[str, Any]:
        """Return the members of a struct, with Python's values; for the check of a result."""
        values = {f.encoded_name: getattr(struct, f.name) for f in self._fields}
        tag = {} if self._tag is None else {self._tag_name: self._tag}
        return {**tag, **{name: value for name, value in values.items() if not is_unset(value)}}

    def schemas(self) -> tuple[Any, Any]:
        """Return the schema that reads the form, and the one that writes the values of the fields by name."""
        make, write = core_schema.no_info_after_validator_function, core_schema.wrap_serializer_function_ser_schema
        read = make(self._read, self._members(is_read=True))
        members = self._members(is_read=False)
        return read, members if self._is_plain() else {**members, "serialization": write(self._write)}

    def _is_plain(self) -> bool:
        """Return whether the members of the object are always just the fields, and need not be arranged."""
        is_arranged = self._tag is not None or self._omits_defaults
        return not is_arranged and all(f.name == f.encoded_name and not f.may_be_unset for f in self._fields)

    def _members(self, *, is_read: bool) -> Any:
        members: dict[str, core_schema.TypedDictField] = {}
        if self._tag is not None:
            members[self._tag_name] = core_schema.typed_dict_field(core_schema.literal_schema([self._tag]))
        for field, schema in zip(self._fields, map(with_default, self._fields, self._schemas), strict=True):
            required = field.default is None and (is_read or not field.may_be_unset)
            members[field.encoded_name] = core_schema.typed_dict_field(schema, required=required)
        extra: Any = "forbid" if self._forbids_others else "ignore"
        return core_schema.typed_dict_schema(members, cls=self._class, extra_behavior=extra)

    def _read(self, values: Mapping[str, Any]) -> Any:
        fields = self._fields
        return self._made({field.name: values[field.encoded_name] for field in fields if field.encoded_name in values})

    def _write(self, values: Mapping[str, Any], write: Callable[[Any], Any]) -> Any:
        members = {} if self._tag is None else {self._tag_name: self._tag}
        members.update({f.encoded_name: values[f.name] for f in self._fields if not self._is_omitted(f, values)})
        return write(members)

    def _is_omitted(self, field: StructField, values: Mapping[str, Any]) -> bool:
        value = values[field.name]
        is_default = self._omits_defaults and field.default is not None and field.default.is_equal(value)
        return is_default or is_unset(value)


class ArrayForm(StructForm):
    """An array of the tag and of the fields."""

    def members_of(self, struct: Any) -> list[Any]:
        """Return the items of a struct, with Python's values; for the check of a result."""
        return self._items_of([getattr(struct, field.name) for field in self._fields])

    def schemas(self) -> tuple[Any, Any]:
        """Return the schema that reads the form, and the one that writes the values of the fields by name."""
        items: list[Any] = [] if self._tag is None else [core_schema.literal_schema([self._tag])]
        items.extend(self._items())
        others = None if self._forbids_others else core_schema.any_schema()
        array = core_schema.arguments_schema(
            [core_schema.arguments_parameter(f"item{i}", item, mode="positional_only") for i, item in enumerate(items)],
            var_args_schema=others,
            metadata=shown_as(self._description()),
        )
        read = core_schema.no_info_after_validator_function(self._read, arrays_only(array))
        write = core_schema.wrap_serializer_function_ser_schema(self._write)
        return read, core_schema.tuple_schema(
            items, serialization=write, metadata=shown_as({"minItems": self._least()})
        )

    def _items_of(self, values: list[Any]) -> list[Any]:
        """Return the tag and the values, without unset ones at the end."""
        items = [*([] if self._tag is None else [self._tag]), *values]
        while items and is_unset(items[-1]):
            items.pop()
        return items

    def _items(self) -> Iterator[Any]:
        """Yield the schemas of the fields; a default before a required field is never used in an array."""
        last_required = max((i for i, field in enumerate(self._fields) if field.default is None), default=-1)
        for i, (field, schema) in enumerate(zip(self._fields, self._schemas, strict=True)):
            yield schema if i < last_required else with_default(field, schema)

    def _least(self) -> int:
        """Return the least number of items that are written: unset ones at the end are left out."""
        last_set = max((i for i, field in enumerate(self._fields) if not field.may_be_unset), default=-1)
        return last_set + (1 if self._tag is None else 2)

    def _description(self) -> dict[str, str]:
        text = inspect.cleandoc(self._class.__doc__ or "")
        return {"title": self._class.__name__, **({"description": text} if text else {})}

    def _read(self, arguments: tuple[Sequence[Any], Any]) -> Any:
        values = arguments[0][0 if self._tag is None else 1 :]
        return self._made({field.name: value for field, value in zip(self._fields, values, strict=False)})

    def _write(self, values: Mapping[str, Any], write: Callable[[Any], Any]) -> Any:
        return write(tuple(self._items_of([values[field.name] for field in self._fields])))


def arrays_only(array: Any) -> Any:
    """Return a schema of arguments that takes no object, as an empty one would be taken without required items.

    Values are checked in strict mode; the emitted schema is made of the lax one, which is simpler.
    """
    strict = core_schema.tagged_union_schema(
        {"array": array},
        lambda value: "array" if isinstance(value, list) else None,
        custom_error_type="list_type",
    )
    return core_schema.lax_or_strict_schema(array, strict)


def shown_as(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata of a core schema that sets keywords of the emitted schema."""
    return {"pydantic_js_updates": dict(keywords)}


def is_unset(value: Any) -> bool:
    import msgspec

    return value is msgspec.UNSET
