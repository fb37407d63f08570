"""The comparison of two OpenRPC documents, by the rules of a caller.

A call that the old document allows must be allowed by the new one, and a result that the new one allows must be allowed
by the old one. See ``docs/openrpc-diff.md`` for all rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ContractError
from .compatibility.files import read_json
from .compatibility.findings import Comparison, Finding, Kind, Verdict
from .compatibility.json_values import canonical
from .compatibility.methods import OpenRpcDocument
from .compatibility.openrpc import read_document
from .compatibility.rules import document_findings

__all__ = ["Comparison", "Finding", "Kind", "Verdict", "compare", "compare_files"]


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Comparison:
    """Compare two OpenRPC documents.

    Args:
        old: The document that callers were written for, as a JSON value.
        new: The document that is to replace it.

    Returns:
        The findings and the verdict: equal, compatible or breaking. Schemas that cannot be shown to be compatible are
        breaking, and their finding says so.

    Raises:
        ContractError: A document is malformed. The message says which one, and where.
    """
    old_document, new_document = read_named("old", old), read_named("new", new)
    # Usual for a reload, and quicker than the comparison of each method.
    if canonical(old_document.schemas.tree) == canonical(new_document.schemas.tree):
        return Comparison(())
    return Comparison(tuple(document_findings(old_document, new_document)))


def compare_files(old: str, new: str) -> Comparison:
    """Compare the OpenRPC documents of two files.

    Args:
        old: The path of the old document; ``-`` is standard input.
        new: The path of the new one.

    Raises:
        ContractError: A file cannot be read, is no JSON, or its document is malformed.
    """
    if old == new == "-":
        raise ContractError("only one of the two documents can be standard input")
    return compare(read_json(old), read_json(new))


def read_named(name: str, tree: Any) -> OpenRpcDocument:
    try:
        return read_document(dict(tree) if isinstance(tree, Mapping) else tree)
    except ContractError as exc:
        raise ContractError(f"{name} document: {exc}") from exc
