"""Type hints as pydantic checks and writes them. This module is loaded with the first hint, and pydantic with it.

A value has come from JSON, so only JSON's types count: a string is no number, true is no integer, and 3.0 is the
integer 3. pydantic's strict mode for JSON means nearly that. It reads text, so a value is written as JSON again for it.
Hints of JSON's own types (:func:`is_native`) need not: for them, strict Python values are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import (
    PydanticSerializationError,
    SchemaSerializer,
    SchemaValidator,
    ValidationError,
    core_schema,
    to_json,
)

from ..errors import RegistrationError
from .json_forms import with_json_forms
from .structs import StructAdapter, adapter_with_structs

__all__ = ["HintedType", "TypeMismatch", "Unwritable"]

Unwritable = PydanticSerializationError
"""The exception for a value that cannot be written as JSON."""

# A number that may be an integer in another spelling: 3.0, 1e3.
_MAY_BE_INTEGRAL = re.compile(rb"\d(?:\.0|[eE])")

_NATIVE_TYPES = frozenset(
    {"any", "none", "bool", "int", "float", "str", "list", "dict", "nullable", "union", "literal"}
)

_ANY_TEXT = {"type": "str"}
_INNER_SCHEMAS = ("schema", "items_schema", "keys_schema", "values_schema")

_NOT_UNICODE = {"loc": (), "msg": "Input should be valid Unicode text", "type": "string_unicode"}


class TypeMismatch(ValueError):
    """A value that is not of its type.

    Attributes:
        errors: pydantic's errors: each a dict of ``loc``, ``msg`` and ``type``.
    """

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__("; ".join(error["msg"] for error in errors))
        self.errors = errors


class HintedType:
    """A type hint that values are checked against, and results are written by.

    Args:
        hint: The hint, without text.
        what: The parameter or result, for the message of an error.

    Attributes:
        adapter: pydantic's view of the hint.
        check: Returns a value of the type from a JSON value, in the quickest way. It may refuse a float that is an
            integer; after an exception, :meth:`checked` decides.
        hint: The hint.
        is_native: Whether it has only types that JSON has too.

    Raises:
        RegistrationError: pydantic cannot use the hint.
    """

    __slots__ = ("_serializer", "_validator", "adapter", "check", "hint", "is_native")

    check: Callable[[Any], Any]

    def __init__(self, hint: Any, what: str) -> None:
        self.hint = hint
        self.adapter = adapter_of(hint, what)
        schema = self.adapter.core_schema
        self.is_native = is_native(schema)
        self._validator: Any
        self._serializer: Any = self.adapter.serializer
        if self.is_native:
            self._validator = SchemaValidator(schema, core_schema.CoreConfig(strict=True))
            self.check = self._validator.validate_python
            return
        changed = with_json_forms(schema)
        if changed is schema:
            self._validator, self._serializer = self.adapter.validator, self.adapter.serializer
        else:  # not prebuilt: pydantic would take what the models have already, and ignore the change
            self._validator = SchemaValidator(changed, _use_prebuilt=False)
            self._serializer = SchemaSerializer(changed, _use_prebuilt=False)
        self.check = self._check_json

    def checked(self, value: Any) -> Any:
        """Return a value of the type from a JSON value.

        Raises:
            TypeMismatch: It is none.
            BaseException: An exception of a validator of the user's.
        """
        try:
            return self.check(value)
        except ValidationError as exc:
            # Not before: a float that is an integer is rare, and looking for one would cost every call.
            changed = with_integers(value) if self.is_native else value
            if changed is value:
                raise mismatch_of(exc) from None
        except (UnicodeEncodeError, PydanticSerializationError):  # a lone surrogate: JSON has them, Unicode has not
            raise TypeMismatch([_NOT_UNICODE]) from None
        return self.checked(changed)

    def accepts(self, value: Any) -> bool:
        """Return whether a JSON value is of the type."""
        try:
            self.checked(value)
        except TypeMismatch:
            return False
        return True

    def written(self, value: Any) -> Any:
        """Return the JSON form of a result; a value of another type is written as its own type is.

        Raises:
            PydanticSerializationError: It cannot be written.
        """
        return self._serializer.to_python(value, mode="json", by_alias=True, warnings=False)

    def unpacked(self, value: Any) -> Any:
        """Return a result as Python values without models; the writer of the answer gives them their JSON forms."""
        return self._serializer.to_python(value, mode="python", by_alias=True, warnings=False)

    def default_written(self, value: Any) -> list[Any]:
        """Return the JSON form of a default in a list; an empty list if it has none."""
        try:
            return [self._serializer.to_python(value, mode="json", by_alias=True, warnings="error")]
        except Exception:  # noqa: BLE001  a default need not be of the type, and may be any object
            return [None] if value is None else []

    def check_result(self, value: Any) -> None:
        """Check that the JSON form of a result is of the type.

        Raises:
            TypeMismatch: It is not.
        """
        self.checked(value if self.is_native else self.written(value))

    def _check_json(self, value: Any) -> Any:
        text = to_json(value)
        if _MAY_BE_INTEGRAL.search(text):
            text = to_json(with_integers(value))
        return self._validator.validate_json(text, strict=True)


def adapter_of(hint: Any, what: str) -> TypeAdapter[Any] | StructAdapter:
    """Return pydantic's view of a hint.

    Raises:
        RegistrationError: pydantic cannot use it; the message names ``what``.
    """
    try:
        return adapter_with_structs(hint)
    except Exception as exc:  # pydantic's own errors, and those of classes that describe themselves to it
        raise RegistrationError(
            f"the hint of {what} cannot be used: {hint!r}: {first_line(exc)}; use a type that pydantic can read from "
            "JSON, or register with validate=False"
        ) from exc


def first_line(exc: BaseException) -> str:
    return (str(exc).strip() or type(exc).__name__).splitlines()[0].rstrip(".")


def mismatch_of(exc: ValidationError) -> TypeMismatch:
    errors = exc.errors(include_url=False, include_input=False, include_context=False)
    return TypeMismatch([dict(error) for error in errors])


def with_integers(value: Any) -> Any:
    """Return a JSON value with integers in the place of floats without a fraction; the value itself if it has none."""
    if type(value) is float:
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        changed = {key: with_integers(item) for key, item in value.items()}
        return changed if any(changed[key] is not item for key, item in value.items()) else value
    if isinstance(value, list):
        items = [with_integers(item) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def is_native(schema: Any) -> bool:
    """Return whether a core schema has only types that JSON has too."""
    if schema["type"] not in _NATIVE_TYPES or "serialization" in schema:
        return False
    if schema["type"] == "literal":
        return all(isinstance(choice, str) for choice in schema["expected"])
    if schema["type"] == "union":
        return all(is_native(choice[0] if isinstance(choice, tuple) else choice) for choice in schema["choices"])
    if schema["type"] == "dict" and schema.get("keys_schema", _ANY_TEXT)["type"] not in ("any", "str"):
        return False  # JSON has only texts as keys
    return all(is_native(schema[key]) for key in _INNER_SCHEMAS if key in schema)
