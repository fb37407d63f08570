"""Check JSON values against JSON Schemas, by validators of pydantic that are made of the schemas.

The validator of a hint cannot check what was written by the hint: it reads other forms and names than those that are
written, takes objects of its classes as they are, and runs the validators of the user. The schema describes exactly
what is written, and clients check by it. A check is never stricter than its schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import CoreSchema, SchemaError, SchemaValidator, ValidationError

from .mismatches import json_path, shown_path
from .root_types import RootTypes
from .schema_compiler import Compiler
from .tool_schemas import types_in

__all__ = ["SchemaCheck", "check_of"]

_DIALECT: Final = "2020-12"

_SCALARS: Final = frozenset({int, float, bool, type(None)})

# pydantic cannot say whether these values fit: their JSON is too deep, or has what it does not read.
_UNDECIDED: Final = frozenset({"json_invalid", "recursion_loop", "string_unicode"})

# The most errors that a text has, and the most characters of one; guessed.
_MOST_ERRORS: Final = 3
_MOST_CHARACTERS: Final = 200


class SchemaCheck:
    """Checks JSON values against one schema.

    Args:
        schema: What pydantic checks them by.
        types: The types at the root, which are checked where pydantic cannot tell.
    """

    __slots__ = ("_types", "_validator")

    def __init__(self, schema: CoreSchema, types: RootTypes) -> None:
        self._validator = SchemaValidator(schema)
        self._types = types

    def mismatch(self, value: Any, text: str) -> str | None:
        """Return why a value does not fit the schema; None if it fits, or if that is not known.

        Args:
            value: The value.
            text: Its JSON; anything if it is a string.
        """
        try:
            if isinstance(value, str):
                self._validator.validate_python(str.__str__(value))  # pydantic refuses members of enums
            elif type(value) in _SCALARS:
                self._validator.validate_python(value)
            else:
                self._validator.validate_json(text)
        except ValidationError as exc:
            errors = exc.errors(include_url=False, include_input=False, include_context=False)
        except RecursionError:
            return self._other_type(value, text)
        else:
            return None
        if any(error["type"] in _UNDECIDED for error in errors):
            return self._other_type(value, text)
        return text_of(value if isinstance(value, str) else json.loads(text), errors)

    def _other_type(self, value: Any, text: str) -> str | None:
        other = self._types.other_type(value, text)
        return None if other is None else "it is a JSON {}, and its schema says {}".format(*other)


def check_of(schema: Mapping[str, Any]) -> SchemaCheck | None:
    """Return the check of a schema.

    There is none either of a schema that is nested too deep or has too long numbers for Python or pydantic.

    Args:
        schema: A JSON Schema, valid or not.

    Returns:
        The check; None if the schema says no more than :func:`~.tool_schemas.types_in`, if its ``$schema`` is another
        one than 2020-12, or if pydantic refuses what is made of it.
    """
    if _DIALECT not in str(schema.get("$schema", _DIALECT)):
        return None
    try:
        made = Compiler(schema).schema()
        types = types_in(schema)
        says_no_more = made == Compiler({} if types is None else {"type": types}).schema()
        return None if says_no_more else SchemaCheck(made, RootTypes(schema))
    except (SchemaError, RecursionError, ValueError):
        return None


def text_of(value: Any, errors: Sequence[Any]) -> str:
    """Return pydantic's errors as a text, each with the place of the value."""
    texts = []
    for error in errors:
        path = json_path(value, error["loc"], is_missing=error["type"] == "missing")
        texts.append(f"{shown_path(path)}{error['msg'][:_MOST_CHARACTERS]}")
    distinct = list(dict.fromkeys(texts))
    more = len(distinct) - _MOST_ERRORS
    return "; ".join(distinct[:_MOST_ERRORS]) + (f"; and {more} more" if more > 0 else "")
