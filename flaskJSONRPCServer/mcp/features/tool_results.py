"""The results of tools, as models get them.

Source: revision 2026-07-28, "Tools", section "Tool Result".
"""

from __future__ import annotations

from types import NoneType
from typing import Any, Final

from ...contract.json_objects import WrittenAsJson
from ...sansio_jsonrpc import ABSENT, Codec, JsonRpcException, JsonRpcInternalError, JsonRpcSerializationError
from ..content import ToolResult
from ..unwritable import unwritable_error
from ..written_content import content_in, is_written_result
from .catalog import ToolEntry
from .result_types import ResultTypeError, refuse_other_type

__all__ = ["SCALARS", "failure_of", "result_of"]

SCALARS: Final = frozenset({str, int, float, bool, NoneType})
"""The types of values that have no parts, neither for a model nor for a function to change."""


def result_of(tool: ToolEntry, value: Any, codec: Codec, *, is_in_session: bool) -> dict[str, Any]:
    """Return the result of a tool for a value that its function has returned.

    Args:
        tool: The tool.
        value: The value; its hint has been written already.
        codec: Writes the value as a text.
        is_in_session: Whether the revision has sessions: there, only an object is structured.

    Raises:
        JsonRpcSerializationError: The value has no JSON form.
        ResultTypeError: It has another type than the schema of the tool says.
    """
    if type(value) not in SCALARS or tool.returns_content:
        result = result_with_parts(tool, value, codec)
        if result is not None:
            return fitting(result, is_in_session=is_in_session)
    text = text_of(value, codec)
    if tool.has_output_schema:
        refuse_other_type(tool.result_types, value, text)
    members: dict[str, Any] = {"content": [text_block(text)]}
    if (tool.has_output_schema and not is_in_session) or isinstance(value, dict):
        members["structuredContent"] = value
    return members


def result_with_parts(tool: ToolEntry, value: Any, codec: Codec) -> dict[str, Any] | None:
    """Return the result of a tool for a value that is a result or has parts for a model; None for any other value.

    Raises:
        ResultTypeError: The tool may not return parts.
    """
    if tool.has_output_schema:
        refuse_unnamed(value)
    if isinstance(value, ToolResult):
        return value.members()
    if tool.returns_result and is_written_result(value):
        written: dict[str, Any] = value
        return written
    if tool.returns_content or has_content(value):
        content = content_in(value, lambda part: text_of(part, codec))
        return None if content is None else {"content": content}
    return None


def refuse_unnamed(value: Any) -> None:
    """Check that a tool whose schema describes its results returns no part, which that does not describe.

    Raises:
        ResultTypeError: It does; clients would refuse the result.
    """
    if not has_content(value) or (isinstance(value, ToolResult) and (value.structured is not ABSENT or value.is_error)):
        return
    parts = value if isinstance(value, (list, tuple)) else [value]
    names = " | ".join(sorted({type(part).__name__ for part in parts}))
    hint = f"list[{names}]" if parts is value else names
    raise ResultTypeError(f"the tool returned parts, and its hint names none: write -> {hint}")


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
    return value if isinstance(value, str) else codec.dumps(value).decode()


def text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def failure_of(exc: JsonRpcException, codec: Codec) -> dict[str, Any]:
    """Return the result for the model of a call that has failed."""
    return {"content": [text_block(failure_text(exc, codec))], "isError": True}


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
