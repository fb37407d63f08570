"""Structs of msgspec in hints, as pydantic checks and writes them.

pydantic does not know them. Their fields are checked by pydantic, so that all errors have the same form and the schema
shows them; msgspec makes the struct of the checked values.
"""

from __future__ import annotations

import sys
import types
import typing
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import core_schema

__all__ = ["with_structs"]

# The constraints that msgspec and pydantic both have, by their names in msgspec.
_CONSTRAINTS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "title", "description")


def with_structs(hint: Any) -> Any:
    """Return a hint in which each struct of msgspec has its own validator; the hint itself if it has none."""
    if "msgspec" not in sys.modules or get_origin(hint) is Literal:
        return hint
    if is_struct(hint):
        return Annotated[hint, StructSchema()]
    if get_origin(hint) is Annotated:
        inner, *metadata = get_args(hint)
        return Annotated.__class_getitem__((with_structs(inner), *map(as_field, metadata)))
    arguments = get_args(hint)
    changed = tuple(with_structs(argument) for argument in arguments)
    if all(new is old for new, old in zip(changed, arguments, strict=True)):
        return hint
    if get_origin(hint) in (Union, types.UnionType):
        return Union[changed]  # noqa: UP007  made at run time
    return hint.copy_with(changed) if hasattr(hint, "copy_with") else get_origin(hint)[changed]


def is_struct(hint: Any) -> bool:
    """Return whether a hint is a class of structs."""
    import msgspec

    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def as_field(metadata: Any) -> Any:
    """Return msgspec's constraints as pydantic's; any other metadata stays as it is."""
    import msgspec

    if not isinstance(metadata, msgspec.Meta):
        return metadata
    values = {name: getattr(metadata, name) for name in _CONSTRAINTS}
    return Field(**{name: value for name, value in values.items() if value is not None})


class StructSchema:
    """Metadata of a hint: the schema of a struct, for pydantic."""

    def __get_pydantic_core_schema__(self, struct: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        import msgspec

        fields: dict[str, core_schema.TypedDictField] = {}
        hints = typing.get_type_hints(struct, include_extras=True)
        for field in msgspec.structs.fields(struct):
            schema = handler.generate_schema(with_structs(hints[field.name]))
            fields[field.encode_name] = core_schema.typed_dict_field(schema, required=field.required)
        config = struct.__struct_config__
        if config.tag is not None:
            tag = core_schema.literal_schema([config.tag])
            fields[config.tag_field] = core_schema.typed_dict_field(tag, required=True)
        extra: Any = "forbid" if config.forbid_unknown_fields else "ignore"
        members = core_schema.typed_dict_schema(fields, extra_behavior=extra, cls_name=struct.__name__)
        return core_schema.no_info_after_validator_function(
            lambda values: made(struct, values),
            members,
            serialization=core_schema.plain_serializer_function_ser_schema(msgspec.to_builtins),
        )


def made(struct: Any, values: dict[str, Any]) -> Any:
    """Return a struct of checked values.

    Raises:
        ValueError: Its ``__post_init__`` refuses them.
    """
    import msgspec

    names = {field.encode_name: field.name for field in msgspec.structs.fields(struct)}
    return struct(**{names[name]: value for name, value in values.items() if name in names})
