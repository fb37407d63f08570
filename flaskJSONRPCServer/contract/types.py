"""Type hints as pydantic checks and writes them. This module is loaded with the first hint, and pydantic with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import (
    PydanticSerializationError,
    SchemaSerializer,
    SchemaValidator,
    ValidationError,
    core_schema,
)

from ..errors import RegistrationError
from .core_schemas import failing_fast
from .integers import with_all_integers, with_integer_at
from .mismatches import json_path
from .reading import for_reading
from .structs import StructAdapter, adapter_with_structs
from .writing import for_writing

__all__ = ["HintedType", "TypeMismatch", "Unwritable"]

Unwritable = PydanticSerializationError
"""The exception for a value that cannot be written as JSON."""

# The most items of a value of which all errors are listed; guessed.
_MOST_ITEMS = 1000

_NATIVE_TYPES = frozenset(
    {"any", "none", "bool", "int", "float", "str", "list", "dict", "nullable", "union", "literal"}
)

# The types whose check returns each of their values as it is, by pydantic's names. That of float refuses infinity.
_PLAIN_TYPES: dict[str, type] = {"bool": bool, "int": int, "str": str}

_ANY_TEXT = {"type": "str"}
_INNER_SCHEMAS = ("schema", "items_schema", "keys_schema", "values_schema")


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
        is_checked: Whether values are checked against it. If not, it only describes and writes them.

    Attributes:
        adapter: pydantic's view of the hint.
        check: Returns a value of the type from a JSON value, in the quickest way. It may refuse a float that is an
            integer; after an exception, :meth:`checked` decides. Without ``is_checked`` there are neither.
        hint: The hint.
        is_native: Whether it has only types that JSON has too.
        plain_type: The type whose values all pass the check as they are; None if there is none.

    Raises:
        RegistrationError: pydantic cannot use the hint, or no JSON value is of it.
    """

    __slots__ = ("_serializer", "_validate", "adapter", "check", "hint", "is_native", "plain_type")

    check: Callable[[Any], Any]

    def __init__(self, hint: Any, what: str, *, is_checked: bool = True) -> None:
        self.hint = hint
        self.adapter = adapter_of(hint, what)
        schema = self.adapter.core_schema
        self.is_native = is_native(schema)
        self.plain_type: type | None = None
        # Not prebuilt: pydantic would take what the models have already, without our changes.
        if is_checked:
            reading = for_reading(schema)
            self.plain_type = plain_type(reading)
            self._validate = SchemaValidator(reading, _use_prebuilt=False).validate_python
            self.check = SchemaValidator(failing_fast(reading), _use_prebuilt=False).validate_python
        config = core_schema.CoreConfig(ser_json_inf_nan="constants")
        self._serializer = SchemaSerializer(for_writing(schema), config, _use_prebuilt=False)

    def checked(self, value: Any) -> Any:
        """Return a value of the type from a JSON value, or from a result.

        Raises:
            TypeMismatch: It is none.
            BaseException: An exception of a validator of the user's.
        """
        # All errors of a large value would take as much memory and time as a client likes.
        validate = self._validate if is_small(value) else self.check
        try:
            return validate(value)
        except ValidationError as exc:
            mismatch = mismatch_of(exc)
        changed = with_integers(value, mismatch.errors)
        if changed is value:
            raise mismatch
        try:
            return validate(changed)
        except ValidationError as exc:
            raise mismatch_of(exc) from None

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


def adapter_of(hint: Any, what: str) -> TypeAdapter[Any] | StructAdapter:
    """Return pydantic's view of a hint.

    Raises:
        RegistrationError: pydantic cannot use it, or no JSON value is of it; the message names ``what``.
    """
    try:
        adapter = adapter_with_structs(hint)
        schema = adapter.core_schema
    except Exception as exc:  # pydantic's own errors, and those of classes that describe themselves to it
        raise unusable(hint, what, first_line(exc)) from exc
    if is_unreadable(schema):
        raise unusable(hint, what, "no JSON value is a function or a class")
    return adapter


def is_unreadable(schema: Any) -> bool:
    """Return whether a core schema takes functions or classes alone, which no JSON value is."""
    while "schema" in schema and schema["type"] != "nullable":
        schema = schema["schema"]
    if schema["type"] == "union":
        return all(is_unreadable(choice[0] if isinstance(choice, tuple) else choice) for choice in schema["choices"])
    return schema["type"] in ("callable", "is-subclass")


def unusable(hint: Any, what: str, reason: str) -> RegistrationError:
    return RegistrationError(
        f"the hint of {what} cannot be used: {hint!r}: {reason}; use a type that pydantic can read from JSON, or "
        "register with validate=False"
    )


def first_line(exc: BaseException) -> str:
    return (str(exc).strip() or type(exc).__name__).splitlines()[0].rstrip(".")


def mismatch_of(exc: ValidationError) -> TypeMismatch:
    if exc.error_count() > _MOST_ITEMS:  # of an object; a dict for each error would take seconds
        return TypeMismatch([{"loc": (), "msg": f"Input has {exc.error_count()} errors", "type": "too_many_errors"}])
    errors = exc.errors(include_url=False, include_input=False, include_context=False)
    return TypeMismatch([dict(error) for error in errors])


def is_small(value: Any) -> bool:
    """Return whether a JSON value has so few items that all their errors may be listed."""
    left, queue = _MOST_ITEMS, [value]
    while queue and left >= 0:
        item = queue.pop()
        if isinstance(item, (list, dict)):
            left -= len(item)
            if left >= 0:
                queue.extend(item.values() if isinstance(item, dict) else item)
    return left >= 0


def with_integers(value: Any, errors: Sequence[dict[str, Any]]) -> Any:
    """Return a JSON value with integers in the place of floats without a fraction, where an integer is missing.

    Args:
        value: The value, which is not changed.
        errors: What pydantic says about it.

    Returns:
        The value itself if that changes nothing. Of a large value, of which not all errors are known, all floats
        without a fraction are changed.
    """
    paths = [json_path(value, error["loc"]) for error in errors if error["type"] == "int_type"]
    if not paths:
        return value
    if not is_small(value):
        return with_all_integers(value)
    for path in paths:
        value = with_integer_at(value, path)
    return value


def plain_type(schema: Any) -> type | None:
    """Return the type whose values a core schema all takes as they are; None if there is none."""
    return _PLAIN_TYPES.get(schema["type"]) if schema.keys() <= {"type", "strict"} else None


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
