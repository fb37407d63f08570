"""Read JSON objects as classes with fields: dataclasses, TypedDicts, and structs of msgspec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .class_fields import Field, fields_of
from .scalars import Mismatch, Reader, checked_array, checked_object
from .structs import struct_fields, tag_of

__all__ = ["FieldsReader", "StructReader"]


class FieldsReader:
    """Reads objects as a dataclass or a TypedDict.

    The readers of its fields are made when the first object is read, since they may lead back to the class.

    Args:
        cls: The class.
        reader_for: Returns the reader for the hint of a field.
    """

    def __init__(self, cls: Any, reader_for: Callable[[Any], Reader]) -> None:
        self._cls = cls
        self._reader_for = reader_for
        self._readers: list[tuple[Field, Reader]] | None = None

    def __call__(self, value: Any) -> Any:
        """Read an object. Members that the class does not have are ignored."""
        return self._cls(**self._values(checked_object(value)))

    def _fields(self) -> list[Field]:
        return list(fields_of(self._cls))

    def _values(self, members: Mapping[Any, Any]) -> dict[str, Any]:
        """Return the values of the fields by their names, from the members by their keys."""
        if self._readers is None:
            self._readers = [(field, self._reader_for(field.hint)) for field in self._fields()]
        values = {}
        for field, read in self._readers:
            if field.key in members:
                values[field.name] = read_member(members, field.key, read)
            elif field.is_required:
                raise Mismatch(f"there is no {field.key!r}")
        return values


class StructReader(FieldsReader):
    """Reads objects, or arrays, as a struct of msgspec with its options."""

    def __call__(self, value: Any) -> Any:
        """Read a struct."""
        config = self._cls.__struct_config__
        members: Mapping[Any, Any] = (
            dict(enumerate(checked_array(value))) if config.array_like else checked_object(value)
        )
        expected = tag_of(self._cls)
        if expected is not None:
            key, tag = expected
            if key not in members:
                raise Mismatch(f"there is no {key!r}")
            read_member(members, key, lambda found: checked_tag(found, tag))
            members = {name: member for name, member in members.items() if name != key}
        values = self._values(members)
        if config.forbid_unknown_fields:
            known = {field.key for field in self._fields()}
            for key in members:
                if key not in known:
                    raise Mismatch(f"{self._cls.__name__} has no {key!r}")
        try:
            return self._cls(**values)
        except (TypeError, ValueError) as exc:  # of its __post_init__
            raise Mismatch(str(exc)) from exc

    def _fields(self) -> list[Field]:
        return list(struct_fields(self._cls))


def checked_tag(found: Any, tag: Any) -> Any:
    if type(found) is not type(tag) or found != tag:
        raise Mismatch(f"expected the tag {tag!r}, not {found!r:.80}")
    return found


def read_member(members: Mapping[Any, Any], key: str | int, read: Reader) -> Any:
    try:
        return read(members[key])
    except Mismatch as exc:
        exc.path.append(key)
        raise
