"""Objects with a JSON form of their own, which results may have wherever hints name their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

__all__ = ["WrittenAsJson"]


class WrittenAsJson:
    """Something that the JSON of a result has as one object."""

    __slots__ = ()

    def members(self) -> dict[str, Any]:
        """Return it as JSON values."""
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        """Return how pydantic checks and writes it: an object of this class, as :meth:`members`."""
        from pydantic_core import PydanticSerializationUnexpectedValue, core_schema

        def write(value: Any) -> dict[str, Any]:
            if not isinstance(value, cls):  # so that pydantic tries the next type of a union
                raise PydanticSerializationUnexpectedValue(f"{type(value).__name__} is no {cls.__name__}")
            return value.members()

        writer = core_schema.plain_serializer_function_ser_schema(write)
        return core_schema.is_instance_schema(cls, serialization=writer)
