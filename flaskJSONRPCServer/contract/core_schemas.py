"""The rewriting of pydantic's core schemas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import core_schema

__all__ = ["Adapt", "Node", "before", "failing_fast", "rewritten", "written_by"]

Node = dict[str, Any]

Adapt = Callable[[Node], Any]
"""Returns the node to put in the place of a copy of one; None for the copy itself."""

# The keys of a core schema under which there are values of the user's, and no schemas.
_NOT_SCHEMAS = frozenset({"metadata", "serialization", "config", "cls", "default", "expected", "members", "ref"})


def rewritten(schema: Any, adapters: Mapping[str, Adapt]) -> Any:
    """Return a core schema with the nodes of some types replaced, from the innermost outwards.

    Args:
        schema: The schema, which is not changed.
        adapters: Functions by the type of node.
    """
    if isinstance(schema, dict):
        changed = {key: v if key in _NOT_SCHEMAS else rewritten(v, adapters) for key, v in schema.items()}
        adapt = adapters.get(str(schema.get("type")))
        adapted = None if adapt is None else adapt(changed)
        return changed if adapted is None else adapted
    if isinstance(schema, (list, tuple)):
        return type(schema)([rewritten(item, adapters) for item in schema])
    return schema


def failing_fast(schema: Any) -> Any:
    """Return a core schema that stops at the first wrong item of an array."""
    return rewritten(
        schema, dict.fromkeys(("list", "set", "frozenset", "tuple"), lambda node: {**node, "fail_fast": True})
    )


def before(node: Node, check: Callable[[Any], Any]) -> Any:
    """Return a node that calls a function with each value first. The function returns the value for the node."""
    reference = node.pop("ref", None)
    return core_schema.no_info_before_validator_function(check, node, ref=reference)


def written_by(function: Callable[[Any], Any]) -> Any:
    """Return the serialization of a node that a function writes as JSON."""
    return core_schema.plain_serializer_function_ser_schema(function, when_used="json")
