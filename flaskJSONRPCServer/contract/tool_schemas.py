"""JSON Schemas of all parameters of a method as one object, and of its result.

Source: JSON Schema 2020-12.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from .defaults import default_of
from .docstrings import documentation_of
from .method import Contract
from .tool_params import passable

if TYPE_CHECKING:
    from .schemas import Mode, Schemas
    from .types import HintedType

__all__ = ["has_known_forms", "input_schema", "output_schema", "types_in"]

_SHARED_AT = "#/$defs/"

_NAMED = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def input_schema(contract: Contract) -> dict[str, Any]:
    """Return the schema of the arguments of a call, which have the names of the parameters.

    The values of ``*args`` are an array under its name. Parameters that no call can pass are left out:
    :func:`~flaskJSONRPCServer.contract.tool_params.passable`. An optional positional-only parameter and an optional
    keyword-only one cannot be passed together, which the schema does not say.

    Returns:
        A schema that needs no other document: the shared types are in its ``$defs``.
    """
    parameters = passable(contract.parameters)
    schemas = schemas_of_types(list(contract.types.values()), "validation")
    texts = documentation_of(contract.function).parameters
    properties: dict[str, Any] = {}
    others: Any = False
    for parameter in parameters:
        hinted = contract.types.get(parameter.name)
        schema = {} if schemas is None else schemas.schema(hinted, "validation")
        if parameter.kind is parameter.VAR_KEYWORD:
            others = schema or True
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            schema = {"type": "array", "items": schema} if schema else {"type": "array"}
        properties[parameter.name] = annotated(schema, texts.get(parameter.name, ""), default_of(contract, parameter))
    required = [p.name for p in parameters if p.kind in _NAMED and p.default is p.empty]
    written = {
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": others,
    }
    return with_shared(written, {} if schemas is None else schemas.components)


def output_schema(contract: Contract) -> dict[str, Any] | None:
    """Return the schema of the result; None if it has no hint.

    Returns:
        A schema that needs no other document. Its root is never a reference, so that its ``type`` is there.
    """
    if contract.result is None:
        return None
    schemas = schemas_of_types([contract.result], "serialization")
    if schemas is None:
        return None
    schema = annotated(
        schemas.schema(contract.result, "serialization"), documentation_of(contract.function).returns, []
    )
    return with_shared(without_root_reference(schema, schemas.components), schemas.components)


def has_known_forms(contract: Contract) -> bool:
    """Return whether :func:`output_schema` describes how each result is written, but for ``_fixJSON`` of the user."""
    if contract.result is None:
        return False
    from .schema_extensions import has_unknown_forms

    return not has_unknown_forms(contract.result.adapter.core_schema)


def types_in(schema: Mapping[str, Any]) -> Sequence[Any] | None:
    """Return the types that a schema allows, as it names them; None if it does not say."""
    named = schema.get("type")
    if named is None:
        choices = schema.get("anyOf")
        choices = choices if isinstance(choices, list) else []
        types = [choice.get("type") for choice in choices if isinstance(choice, Mapping)]
        return types if types and len(types) == len(choices) and all(isinstance(one, str) for one in types) else None
    return named if isinstance(named, list) else [named]


def schemas_of_types(types: list[HintedType], mode: Mode) -> Schemas | None:
    """Return the schemas of types; None if there are none, so that pydantic is not loaded."""
    if not types:
        return None
    from .schemas import schemas_of

    return schemas_of([(hinted, mode) for hinted in types], "2020-12", _SHARED_AT)


def annotated(schema: Mapping[str, Any], text: str, default: list[Any]) -> dict[str, Any]:
    """Return a schema with a description and a default; keywords beside a ``$ref`` count in 2020-12.

    Args:
        schema: The schema, which may have a description of its type.
        text: The description in the docstring, which is about this parameter or result; empty for none.
        default: The default in a list; an empty list for none.
    """
    return {**schema, **({"description": text} if text else {}), **({"default": default[0]} if default else {})}


def without_root_reference(schema: dict[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with the shared schema in the place of a reference at its root."""
    while "$ref" in schema:
        target = shared[schema["$ref"].removeprefix(_SHARED_AT)]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def with_shared(schema: dict[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with the shared schemas that it needs."""
    needed: set[str] = set()
    queue: list[Any] = [schema]
    while queue:
        for name in references_in(queue.pop()):
            if name in shared and name not in needed:
                needed.add(name)
                queue.append(shared[name])
    return {**schema, "$defs": {name: shared[name] for name in shared if name in needed}} if needed else schema


def references_in(value: Any) -> Iterator[str]:
    """Yield the names of the shared schemas that a schema refers to."""
    queue = [value]
    while queue:
        item = queue.pop()
        if isinstance(item, dict):
            queue.extend(item.values())
            reference = item.get("$ref")
            if isinstance(reference, str):
                yield reference.removeprefix(_SHARED_AT)
            discriminator = item.get("discriminator")
            if isinstance(discriminator, dict):
                yield from (str(name).removeprefix(_SHARED_AT) for name in discriminator.get("mapping", {}).values())
        elif isinstance(item, list):
            queue.extend(item)
