"""Types as TypeScript has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from .texts import block_comment, script_literal
from .types import (
    AliasType,
    Declaration,
    Field,
    ListType,
    LiteralType,
    MapType,
    NamedType,
    Primitive,
    TupleType,
    Type,
    UnionType,
)

__all__ = ["property_name", "type_declarations", "type_text"]

_PRIMITIVES = {
    "any": "unknown",
    "null": "null",
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
}
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def type_text(kind: Type) -> str:
    """Return a type."""
    if isinstance(kind, (Primitive, NamedType)):
        return _PRIMITIVES[kind.name] if isinstance(kind, Primitive) else kind.name
    match kind:
        case LiteralType(values):
            return " | ".join(map(literal_value, values))
        case ListType(item):
            return f"Array<{type_text(item)}>"
        case TupleType():
            return tuple_text(kind)
        case MapType(value):
            return f"{{ [name: string]: {type_text(value)} }}"
        case UnionType(choices):
            return " | ".join(dict.fromkeys(map(type_text, choices)))


def tuple_text(kind: TupleType) -> str:
    """Return the type of an array whose places have types; the places after the required ones may be missing."""
    texts = [type_text(item) for item in kind.items]
    places = [text if place < kind.required else f"({text})?" for place, text in enumerate(texts)]
    rest = [] if kind.rest is None else [f"...Array<{type_text(kind.rest)}>"]
    return f"[{', '.join([*places, *rest])}]"


def type_declarations(declared: Sequence[Declaration]) -> Iterator[str]:
    """Yield the declarations of types, each with a line end."""
    for each in declared:
        comment = block_comment(each.text, "") if each.text else ""
        if isinstance(each, AliasType):
            yield f"{comment}export type {each.name} = {type_text(each.type)};\n"
        else:
            yield f"{comment}export interface {each.name} {{\n{''.join(map(member_text, each.fields))}}}\n"


def member_text(field: Field) -> str:
    comment = block_comment(field.text, "  ") if field.text else ""
    optional = "" if field.is_required else "?"
    return f"{comment}  {property_name(field.name)}{optional}: {type_text(field.type)};\n"


def property_name(name: str) -> str:
    """Return the name of a member, as the literal of an object has it too: quoted, or computed for a prototype."""
    return name if _PLAIN_NAME.fullmatch(name) else script_literal(name)


def literal_value(text: str) -> str:
    """Return the value of a JSON text as TypeScript has it."""
    return script_literal(json.loads(text)) if text.startswith('"') else text
