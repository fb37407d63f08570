"""Structs of msgspec in hints, as pydantic checks and writes them.

pydantic does not know structs. It is asked to leave a mark at each class that it does not know, and the schemas of the
structs take the place of the marks. That finds structs inside dataclasses, typed dicts, named tuples and models too,
and changes neither these classes nor the structs.
"""

from __future__ import annotations

import functools
import sys
import types
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter
from pydantic.warnings import ArbitraryTypeWarning
from pydantic_core import SchemaSerializer, SchemaValidator, core_schema

from .struct_fields import constrained, is_struct
from .struct_marks import marks_in, parametrised, replace_marks
from .struct_schemas import reference_of, struct_schema

__all__ = ["StructAdapter", "adapter_with_structs"]

_MARKED = ConfigDict(arbitrary_types_allowed=True)


@dataclass(frozen=True, slots=True)
class StructAdapter:
    """pydantic's view of a hint that has structs, in place of a ``TypeAdapter``."""

    core_schema: Any
    validator: SchemaValidator
    serializer: SchemaSerializer


def adapter_with_structs(hint: Any) -> TypeAdapter[Any] | StructAdapter:
    """Return pydantic's view of a hint.

    Raises:
        Exception: pydantic or msgspec cannot use the hint.
    """
    if "msgspec" not in sys.modules:
        return completed(TypeAdapter(hint))
    hint = with_parameters(hint)
    try:
        adapter = completed(TypeAdapter(hint))
        if not any(map(is_struct, marks_in(adapter.core_schema))):
            return adapter
    except PydanticSchemaGenerationError:
        pass
    schema = StructSchemas().schema(hint)
    # Not prebuilt: pydantic would take what models have already, with the marks.
    validator = SchemaValidator(schema, _use_prebuilt=False)
    return StructAdapter(schema, validator, SchemaSerializer(schema, _use_prebuilt=False))


def completed(adapter: TypeAdapter[Any]) -> TypeAdapter[Any]:
    if not adapter.pydantic_complete:  # a name inside a model, a dataclass or an alias was missing when it was defined
        adapter.rebuild(raise_errors=True)
    return adapter


class StandIn:
    """A class in the place of a generic struct, whose parameters a mark would lose.

    Attributes:
        struct: The struct with its parameters.
    """

    struct: Any


def with_parameters(hint: Any) -> Any:
    """Return a hint with stand-ins for generic structs, and pydantic's constraints for those of msgspec."""
    if get_origin(hint) is Literal:
        return hint
    if is_generic_struct(hint):
        return type(hint.__name__, (StandIn,), {"struct": hint})
    if get_origin(hint) is Annotated:
        inner, *metadata = get_args(hint)
        return functools.reduce(constrained, metadata, with_parameters(inner))
    arguments = get_args(hint)
    changed = tuple(with_parameters(argument) for argument in arguments)
    if all(new is old for new, old in zip(changed, arguments, strict=True)):
        return hint
    if get_origin(hint) in (Union, types.UnionType):
        return Union[changed]  # noqa: UP007  made at run time
    return hint.copy_with(changed) if hasattr(hint, "copy_with") else get_origin(hint)[changed]


def is_generic_struct(hint: Any) -> bool:
    """Return whether a hint is a generic struct, with parameters or without."""
    struct = get_origin(hint) or hint
    return is_struct(struct) and bool(getattr(struct, "__parameters__", ()))


class StructSchemas:
    """Makes the core schema of one hint with those of its structs."""

    def __init__(self) -> None:
        self._definitions: dict[str, Any] = {}
        self._pending: dict[str, Any] = {}

    def schema(self, hint: Any) -> Any:
        """Return the core schema of a hint; each struct is a definition, so that structs may be recursive.

        Raises:
            PydanticSchemaGenerationError: It has a class that neither pydantic nor msgspec knows.
            TypeError: It has a struct that cannot be used.
        """
        [schema] = self._schemas([hint])
        while self._pending:
            reference, struct = self._pending.popitem()
            self._definitions[reference] = {}  # so that it is not pending again
            self._definitions[reference] = struct_schema(struct, reference, self._schemas)
        return core_schema.definitions_schema(schema, [*self._definitions.values()])

    def _schemas(self, hints: Sequence[Any]) -> list[Any]:
        """Return the core schemas of hints, with references to structs."""
        form: Any = tuple
        prepared = form[tuple(map(with_parameters, hints))]
        with warnings.catch_warnings():
            warnings.simplefilter("error", ArbitraryTypeWarning)  # what is no class at all gets no mark, but a warning
            schema: Any = completed(TypeAdapter(prepared, config=_MARKED)).core_schema
        schema = replace_marks(schema, self._of_mark)
        if schema["type"] == "definitions":
            self._definitions.update({inner["ref"]: inner for inner in schema["definitions"]})
            schema = schema["schema"]
        return list(schema["items_schema"])

    def _of_mark(self, mark: dict[str, Any], hint: Any) -> Any:
        """Return the schema for a class that pydantic does not know, or has an own use of the mark for."""
        known = mark["cls"]
        if isinstance(known, type) and issubclass(known, StandIn):
            return self._reference(known.struct)
        if not is_struct(known):
            completed(TypeAdapter(known))  # it raises if pydantic does not know the class
            return mark
        struct = parametrised(known, hint) if is_generic_struct(known) else known
        if struct is None:
            raise TypeError(
                f"pydantic does not pass on the parameters of the generic struct {known.__qualname__} here; derive a "
                f"struct from {known.__qualname__}[...] and use that"
            )
        return self._reference(struct)

    def _reference(self, struct: Any) -> Any:
        reference = reference_of(struct)
        if reference not in self._definitions:
            self._pending[reference] = struct
        return core_schema.definition_reference_schema(reference)
