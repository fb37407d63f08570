"""The names of the methods of a document in requests: their own, and the aliases that the server has for them."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from .api import Language
from .documents import Document, text_in
from .names import identifier

__all__ = ["aliases_in", "called", "member_names", "wire_name"]


def wire_name(method: dict[str, Any]) -> str:
    """Return the name of a method in requests: that in a document of several paths may be another one."""
    return text_in(method, "x-method") or text_in(method, "name")


def aliases_in(method: dict[str, Any]) -> list[str]:
    """Return the other names of a method in requests."""
    aliases = method.get("x-aliases")
    return [name for name in aliases if isinstance(name, str) and name] if isinstance(aliases, list) else []


def called(methods: Iterable[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Return the methods of a URL with their names in requests, sorted; then their aliases that name nothing else."""
    methods = sorted(methods, key=wire_name)
    known = {wire_name(method) for method in methods}
    aliases: dict[str, dict[str, Any]] = {}
    for method in methods:
        for name in aliases_in(method):
            if name not in known:
                aliases.setdefault(name, method)
    return [*((wire_name(method), method) for method in methods), *sorted(aliases.items(), key=itemgetter(0))]


def member_names(document: Document, language: Language) -> set[str]:
    """Return the names in code of all methods and scopes, without the numbers of names that are there twice."""
    methods = document.members(document.tree, "methods")
    names = {name for method in methods for name in (wire_name(method), *aliases_in(method))}
    parts = {part for name in names for part in name.split(".")}
    return {identifier(part, "method", language.members) for part in parts}
