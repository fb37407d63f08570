"""What older revisions have in the place of younger content.

Members that a revision does not know do no harm there: its objects may have further ones. Parts of a kind that it does
not know, and rules of forms, have to be written in another way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .protocol.revisions import BATCH_REVISION

__all__ = ["older_form", "older_result"]

_WITHOUT_LINKS: Final = BATCH_REVISION


def older_result(result: Mapping[str, Any], revision: str) -> dict[str, Any]:
    """Return the result of a tool or a prompt as a revision has it: links are texts where it has none.

    Source: revision 2025-06-18, "Key Changes": resource links.
    """
    if revision != _WITHOUT_LINKS:
        return dict(result)
    content, messages = result.get("content"), result.get("messages")
    if isinstance(content, list):
        return {**result, "content": [without_link(part) for part in content]}
    if isinstance(messages, list):
        return {**result, "messages": [{**one, "content": without_link(one["content"])} for one in messages]}
    return dict(result)


def without_link(part: Mapping[str, Any]) -> Mapping[str, Any]:
    if part.get("type") != "resource_link":
        return part
    words = (part.get("title") or part.get("name"), part.get("description"), part["uri"])
    kept = {name: part[name] for name in ("annotations", "_meta") if name in part}
    return {"type": "text", "text": ": ".join(filter(None, words)), **kept}


def older_form(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a form as revision 2025-06-18 has it: titles of choices are ``enumNames``.

    It has no choice of several values, which stays as it is.
    """
    fields = schema.get("properties")
    if not isinstance(fields, Mapping):
        return dict(schema)
    return {**schema, "properties": {name: older_field(rules) for name, rules in fields.items()}}


def older_field(rules: Any) -> Any:
    titled = rules.get("oneOf") if isinstance(rules, Mapping) else None
    if not isinstance(titled, (list, tuple)) or not all(isinstance(one, Mapping) and "const" in one for one in titled):
        return rules
    others = {name: value for name, value in rules.items() if name != "oneOf"}
    names = [str(one.get("title", one["const"])) for one in titled]
    return {**others, "enum": [one["const"] for one in titled], "enumNames": names}
