"""The results of tools, as models get them.

Source: revision 2026-07-28, "Tools", section "Tool Result".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any, Final

from ...contract.json_objects import WrittenAsJson
from ...sansio_jsonrpc import Codec, JsonRpcException, JsonRpcInternalError, JsonRpcSerializationError
from ..content import ToolResult
from ..unwritable import unwritable_error
from ..written_content import content_in, is_written_result, without_nulls
from .catalog import ToolEntry
from .result_schemas import ResultSchema, ResultSchemaError

__all__ = ["SCALARS", "failure_of", "result_of"]

_STRUCTURED: Final = "return ToolResult(parts, structured=value)"

SCALARS: Final = frozenset({str, int, float, bool, NoneType})
"""The types of values that have no parts, neither for a model nor for a function to change."""


def result_of(tool: ToolEntry, value: Any, codec: Codec, is_in_session: bool) -> dict[str, Any]:
    """Return the result of a tool for a value that its function has returned.

    Args:
        tool: The tool.
        value: The value; its hint has been written already.
        codec: Writes the value as a text.
        is_in_session: Whether the revision has sessions: there, only an object is structured.

    Raises:
        JsonRpcSerializationError: The value has no JSON form.
        ResultSchemaError: The schema of the tool says another value.
    """
    schema = tool.result_schema
    if type(value) not in SCALARS or tool.returns_content:
        result = result_with_parts(tool, value, codec)
        if result is not None:
            if schema is not None:
                refuse_unstructured(schema, value, result, codec)
            return fitting(result, is_in_session=is_in_session)
    text = text_of(value, codec)
    if schema is not None:
        schema.refuse_other(value, text)
    members: dict[str, Any] = {"content": [{"type": "text", "text": text}]}
    if (schema is not None and not is_in_session) or isinstance(value, dict):
        members["structuredContent"] = value
    return members


def result_with_parts(tool: ToolEntry, value: Any, codec: Codec) -> dict[str, Any] | None:
    """Return the result of a tool for a value that is a result or has parts for a model; None for any other value."""
    if isinstance(value, ToolResult):
        return value.members()
    if tool.returns_result and is_written_result(value):
        return {**value, "content": [without_nulls(part) for part in value["content"]]}
    if tool.returns_content or has_content(value):
        content = content_in(value, lambda part: text_of(part, codec))
        return None if content is None else {"content": content}
    return None


def refuse_unstructured(schema: ResultSchema, value: Any, result: Mapping[str, Any], codec: Codec) -> None:
    """Check that a result with parts has the structured value that a schema says, unless the tool has failed.

    Raises:
        ResultSchemaError: It has none, or another one; clients would refuse the result.
    """
    if result.get("isError"):
        return
    if "structuredContent" in result:
        structured = result["structuredContent"]
        schema.refuse_other(structured, text_of(structured, codec))
    elif has_content(value):
        raise ResultSchemaError(
            f"the tool returned parts alone, which its schema does not describe: {remedy_for(value)}"
        )
    else:
        raise ResultSchemaError(f"the tool returned parts alone, and it has an output schema: {_STRUCTURED}")


def remedy_for(value: Any) -> str:
    """Return what the author of a tool does about parts that the hint does not name."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    names = " | ".join(sorted({type(part).__name__ for part in parts}))
    return f"write -> {f'list[{names}]' if parts is value else names} without an output schema, or {_STRUCTURED}"


def fitting(result: dict[str, Any], *, is_in_session: bool) -> dict[str, Any]:
    """Return a result as the revision has it: with sessions, one that is structured is an object, or is left out."""
    if is_in_session and not isinstance(result.get("structuredContent", {}), dict):
        return {name: value for name, value in result.items() if name != "structuredContent"}
    return result


def has_content(value: Any) -> bool:
    """Return whether a value without a hint is a part for a model, or a list with some."""
    if isinstance(value, (list, tuple)):
        return any(isinstance(part, WrittenAsJson) for part in value)
    return isinstance(value, WrittenAsJson)


def text_of(value: Any, codec: Codec) -> str:
    """Return a value as a text: a string as it is, anything else as JSON."""
    if type(value) is int and codec.writes_standard_form:
        try:
            return str(value)
        except ValueError:  # too many digits; the codec raises the error
            pass
    return value if isinstance(value, str) else codec.dumps(value).decode()


def failure_of(exc: JsonRpcException, codec: Codec) -> dict[str, Any]:
    """Return the result for the model of a call that has failed."""
    return {"content": [{"type": "text", "text": failure_text(exc, codec)}], "isError": True}


def failure_text(exc: JsonRpcException, codec: Codec) -> str:
    """Return the text for the model about a failed call: of an unexpected exception, only the correlation id."""
    data = exc.data
    if isinstance(exc, JsonRpcInternalError):
        correlation = data.get("correlationId") if isinstance(data, dict) else None
        return exc.message if correlation is None else f"{exc.message} (correlation id {correlation})"
    return exc.message if data is None else f"{exc.message}: {data_text(data, codec)}"


def data_text(data: Any, codec: Codec) -> str:
    """Return the data of an error as a text.

    Raises:
        UnwritableError: It has no JSON form.
    """
    try:
        return text_of(data, codec)
    except JsonRpcSerializationError as exc:
        failure = exc
    raise unwritable_error(codec, {"data": data}, failure)
