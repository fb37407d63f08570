"""Types as Python has them: `TypedDict` for objects, `Literal` for enums, and aliases. All are types of JSON values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from .python_names import BUILTINS, is_plain_name
from .texts import docstring, python_literal
from .types import (
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

__all__ = ["PythonTypes"]

_PRIMITIVES = {
    "any": "Any",
    "null": "None",
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
}
_INTEGER, _NUMBER = Primitive("integer"), Primitive("number")
_LONGEST_LINE = 100


class PythonTypes:
    """Writes types.

    Args:
        hidden: The names of methods. In their classes, they hide built-in types of the same names.

    Attributes:
        used: The names from `typing` in all types that were written.
    """

    def __init__(self, hidden: Iterable[str] = ()) -> None:
        self._prefix = "" if BUILTINS.isdisjoint(hidden) else "builtins."
        self.used: set[str] = set()

    def text(self, kind: Type) -> str:
        """Return a type as an annotation."""
        return self._text(kind, self._prefix)

    def _text(self, kind: Type, prefix: str = "") -> str:
        if isinstance(kind, (Primitive, NamedType)):
            return self._primitive(_PRIMITIVES[kind.name], prefix) if isinstance(kind, Primitive) else kind.name
        match kind:
            case LiteralType(values):
                self.used.add("Literal")
                return f"Literal[{', '.join(map(literal_value, values))}]"
            case ListType(item):
                return f"{prefix}list[{self._text(item, prefix)}]"
            case TupleType(items, _, rest):  # JSON is read as lists
                every = [*items, *([] if rest is None else [rest])]
                return f"{prefix}list[{self._text(union_of(every), prefix)}]"
            case MapType(value):
                return f"{prefix}dict[{prefix}str, {self._text(value, prefix)}]"
            case UnionType(choices):
                # An integer is a float to type checkers, and linters want it said once.
                fewer = [choice for choice in choices if choice != _INTEGER or _NUMBER not in choices]
                return " | ".join(self._text(choice, prefix) for choice in fewer)

    def _primitive(self, written: str, prefix: str) -> str:
        if written == "Any":
            self.used.add(written)
        return f"{prefix}{written}" if written in BUILTINS else written

    def declarations(self, declared: Sequence[Declaration]) -> Iterator[str]:
        """Yield the declarations of types, each with a line end."""
        names = {each.name for each in declared}
        for each in declared:
            if isinstance(each, AliasType):
                yield self._alias(each)
            elif all(is_plain_name(field.name) and field.name not in names for field in each.fields):
                yield from self._classes(each)
            else:
                yield from self._calls(each)

    def _alias(self, alias: AliasType) -> str:
        self.used.add("TypeAlias")
        written = self._text(alias.type)
        documented = docstring(alias.text, "") if alias.text else ""
        if isinstance(alias.type, LiteralType) and len(written) > _LONGEST_LINE:
            values = "".join(f"    {literal_value(value)},\n" for value in alias.type.values)
            return f"{alias.name}: TypeAlias = Literal[\n{values}]\n{documented}"
        return f"{alias.name}: TypeAlias = {python_literal(written)}\n{documented}"

    def _classes(self, declared: ObjectType) -> Iterator[str]:
        """Yield the classes of an object. Two, if some members are optional: Python 3.10 has no `NotRequired`."""
        self.used.add("TypedDict")
        required, optional = parted(declared.fields)
        base, own = "TypedDict", declared.fields
        if required and optional:
            base, own = f"{declared.name}Required", optional
            text = docstring(f"The members of {declared.name} that are always there.", "    ")
            yield f"class {base}(TypedDict):\n{text}\n{self._fields(required)}"
        total = ", total=False" if optional else ""
        text = docstring(text_of(declared), "    ")
        yield f"class {declared.name}({base}{total}):\n{text}\n{self._fields(own)}"

    def _calls(self, declared: ObjectType) -> Iterator[str]:
        """Yield the calls that make the type of an object with names that Python cannot have in a class."""
        self.used.add("TypedDict")
        required, optional = parted(declared.fields)
        name, text = declared.name, text_of(declared)
        if required and optional:
            yield self._call(f"{name}Required", required)
            yield self._call(f"{name}Optional", optional)
            yield f"class {name}({name}Required, {name}Optional):\n{docstring(text, '    ')}"
        else:
            yield self._call(name, declared.fields) + docstring(text, "")

    def _call(self, name: str, fields: Sequence[Field]) -> str:
        members = "".join(
            f"        {python_literal(field.name)}: {python_literal(self._text(field.type))},\n" for field in fields
        )
        total = "" if fields[0].is_required else "    total=False,\n"
        return f'{name} = TypedDict(\n    "{name}",\n    {{\n{members}    }},\n{total})\n'

    def _fields(self, fields: Sequence[Field]) -> str:
        return "".join(f"    {field.name}: {self._text(field.type)}\n" for field in fields)


def parted(fields: Sequence[Field]) -> tuple[list[Field], list[Field]]:
    """Return the members that are always there, and the others."""
    return [field for field in fields if field.is_required], [field for field in fields if not field.is_required]


def text_of(declared: ObjectType) -> str:
    """Return the documentation of an object."""
    return "\n\n".join(filter(None, [declared.text or f"{declared.name} as JSON.", keys_text(declared.fields)]))


def keys_text(fields: Sequence[Field]) -> str:
    lines = [f"    {field.name}: {field.text}" for field in fields if field.text]
    return "\n".join(["Keys:", *lines]) if lines else ""


def literal_value(text: str) -> str:
    """Return the value of a JSON text as Python has it."""
    value = json.loads(text)
    return python_literal(value) if isinstance(value, str) else repr(value)
