"""Read an OpenRPC document as the methods of a client, whatever the language."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from .api import Api, ErrorClass, Group, Language, Method, Parameter, Scope
from .documents import Document, dicts_in, text_in
from .method_names import aliases_in, called, member_names, wire_name
from .names import Names, class_name, identifier
from .schemas import SchemaReader
from .texts import one_line

__all__ = ["DocumentError", "read_api"]

_N = TypeVar("_N")

_PREDEFINED_CODES = frozenset({-32700, -32600, -32601, -32602, -32603})
_RESERVED_CODES = range(-32768, -31999)
_LARGEST_CODE = 2**53 - 1

_NO_DEFAULT = ""

_LONGEST_NAME = 80
_MOST_DOTS = 8


class DocumentError(Exception):
    """A text is not an OpenRPC document, or the document has no method that is asked for."""


def read_api(tree: Any, language: Language, path: str | None = None) -> Api:
    """Read a document.

    Args:
        tree: The document as JSON values.
        language: The language of the client.
        path: Only the methods of this path, such as ``/api``.

    Raises:
        DocumentError: It is no OpenRPC document, or has no methods, or none on this path, or nests too deeply.
    """
    if not isinstance(tree, dict) or not isinstance(tree.get("openrpc"), str) or not dicts_in(tree, "methods"):
        raise DocumentError("this is no OpenRPC document with methods")
    try:
        return ApiReader(tree, language).api(path)
    except RecursionError as exc:
        raise DocumentError("the document nests too deeply") from exc


class ApiReader:
    """Reads one document.

    Args:
        tree: The document as JSON values.
        language: The language of the client.
    """

    def __init__(self, tree: dict[str, Any], language: Language) -> None:
        self._document = Document(tree)
        self._language = language
        members = member_names(self._document, language)
        # In a class, a method would hide a type of the same name.
        self._names = Names([*language.types, *members])
        self._schemas = SchemaReader(self._document, self._names)
        self._errors: dict[int, ErrorClass] = {}

    def api(self, path: str | None) -> Api:
        """Return the methods of a path; None for all.

        Raises:
            DocumentError: The path has none.
        """
        by_url = self._by_url(path)
        groups = self._groups(by_url)
        info = self._document.followed(self._document.tree.get("info"))
        return Api(
            one_line(f"{text_in(info, 'title')} {text_in(info, 'version')}") or "a JSON-RPC API",
            text_in(info, "description"),
            digest_of(self._document.tree),
            base_of([group.url for group in groups]),
            groups,
            [self._errors[code] for code in sorted(self._errors)],
            self._schemas.declarations(),
        )

    def _by_url(self, path: str | None) -> dict[str, list[dict[str, Any]]]:
        by_url: dict[str, list[dict[str, Any]]] = {}
        default = url_in(self._document.tree)
        known: dict[str, None] = {}
        for method in self._document.members(self._document.tree, "methods"):
            url = url_in(method) or default
            known[path_of(url)] = None
            if text_in(method, "name") and (path is None or path_of(url) == path_of(path)):
                by_url.setdefault(url, []).append(method)
        if not by_url:
            raise DocumentError(f"there are no methods on the path {path!r}; known: {', '.join(sorted(known))}")
        return by_url

    def _groups(self, by_url: dict[str, list[dict[str, Any]]]) -> list[Group]:
        """Return the groups. All names of their classes are taken before those of types."""
        named = []
        names = Names(self._language.members)
        for url in sorted(by_url):
            words = path_of(url) if len(by_url) > 1 else "api"
            name = identifier(words.strip("/"), "root", self._language.members)
            named.append((url, names.add(name), self._scope(words, "")))
        return [Group(name, url, self._filled(scope, by_url[url])) for url, name, scope in named]

    def _scope(self, words: str, prefix: str) -> Scope:
        return Scope(self._names.add(class_name(words, "Root"), *self._language.variants), prefix)

    def _filled(self, top: Scope, methods: list[dict[str, Any]]) -> Scope:
        """Return a scope with its methods. Scopes are put in before methods have names, which give way to them.

        The names of methods are taken before those of aliases.
        """
        scopes = {"": top}
        owners = [(name, method, self._owner(top, scopes, name.split(".")[:-1])) for name, method in called(methods)]
        taken = {id(scope): Names([*self._language.members, *scope.scopes]) for scope in scopes.values()}
        read: dict[int, Method] = {}
        for name, method, owner in owners:
            wanted = identifier(name.split(".")[-1], "method", self._language.members)
            chosen = taken[id(owner)].add(wanted)
            if name == wire_name(method):
                read[id(method)] = self._method(method, chosen, owner)
                owner.methods.append(read[id(method)])
            else:
                owner.methods.append(alias_of(read[id(method)], name, chosen))
        return top

    def _owner(self, top: Scope, scopes: dict[str, Scope], parts: list[str]) -> Scope:
        owner, prefix = top, ""
        for part in parts[:_MOST_DOTS]:
            prefix = f"{prefix}{part}."
            if prefix not in scopes:
                names = Names([*self._language.members, *owner.scopes])
                scope = self._scope(f"{owner.class_name} {part}"[:_LONGEST_NAME], prefix)
                owner.scopes[names.add(identifier(part, "scope", self._language.members))] = scopes[prefix] = scope
            owner = scopes[prefix]
        return owner

    def _method(self, method: dict[str, Any], name: str, owner: Scope) -> Method:
        hint = class_name(f"{owner.prefix} {name}", "Method")
        positional, named = self._parameters(method, hint)
        result = self._document.followed(method.get("result")) if "result" in method else None
        return Method(
            wire_name(method),
            name,
            positional,
            named,
            None if result is None else self._schemas.read(result.get("schema"), f"{hint}Result"),
            text_in(method, "summary") or f"Call {wire_name(method)}.",
            tuple(notes_of(method)),
            "" if result is None else text_in(result, "description"),
            self._errors_of(method),
            method.get("deprecated") is True,
            method.get("x-idempotent") is True,
        )

    def _parameters(self, method: dict[str, Any], hint: str) -> tuple[tuple[Parameter, ...], tuple[Parameter, ...]]:
        """Return the parameters by position and by name. Parameters of one name are one."""
        structure = text_in(method, "paramStructure") or "either"
        listed = self._document.members(method, "params")
        positional = listed if structure != "by-name" else self._document.members(method, "x-by-position")
        named = listed if structure != "by-position" else self._document.members(method, "x-by-name")
        names = Names()
        read: dict[str, Parameter] = {}
        for member in [*positional, *named]:
            key = text_in(member, "name")
            if key not in read:
                wanted = identifier(key, "param", self._language.parameters)
                read[key] = self._parameter(member, names.add(wanted), f"{hint}{class_name(key, 'Param')}")
        by_position = unique(read[text_in(member, "name")] for member in positional)
        by_name = unique(read[text_in(member, "name")] for member in named)
        # Any number of values is either an array or an object.
        return by_position, tuple(each for each in by_name if not each.is_variadic or each not in by_position)

    def _parameter(self, member: dict[str, Any], name: str, hint: str) -> Parameter:
        schema = member.get("schema")
        is_variadic = member.get("x-variadic") is True
        return Parameter(
            text_in(member, "name"),
            name,
            self._schemas.read(schema, hint),
            member.get("required") is True and not is_variadic,
            is_variadic,
            text_in(member, "description"),
            default_in(schema),
        )

    def _errors_of(self, method: dict[str, Any]) -> tuple[str, ...]:
        texts = self._document.followed(method.get("x-error-descriptions"))
        classes = [self._error(error, texts) for error in self._document.members(method, "errors")]
        return unique(known.name for known in classes if known is not None)

    def _error(self, error: dict[str, Any], texts: dict[str, Any]) -> ErrorClass | None:
        """Return the class of an error, one for each code; None for a code that the specification has given a class."""
        code, message = error.get("code"), text_in(error, "message")
        if not isinstance(code, int) or isinstance(code, bool) or abs(code) > _LARGEST_CODE:
            return None
        if code not in _PREDEFINED_CODES and code not in self._errors:
            name = self._names.add(class_name(message, f"Error{abs(code)}")[:_LONGEST_NAME])
            text = text_in(texts, str(code))
            self._errors[code] = ErrorClass(name, code, message or name, text, code in _RESERVED_CODES)
        return self._errors.get(code)


def unique(values: Iterable[_N]) -> tuple[_N, ...]:
    return tuple(dict.fromkeys(values))


def alias_of(method: Method, name: str, chosen: str) -> Method:
    """Return a method under another name.

    Args:
        method: The method.
        name: The other name in requests.
        chosen: The name in code.
    """
    return replace(method, name=name, identifier=chosen, notes=(f"It is another name of {method.name}.",))


def notes_of(method: dict[str, Any]) -> Iterable[str]:
    if text_in(method, "description"):
        yield text_in(method, "description")
    names = aliases_in(method)
    if names:
        yield f"The server has it under other names too: {', '.join(names)}."
    timeout = method.get("x-timeout")
    if isinstance(timeout, (int, float)) and not isinstance(timeout, bool):
        yield f"The server ends a call after {timeout} seconds."
    if method.get("x-validate") is False:
        yield "The server does not check the parameters against these types."


def default_in(schema: Any) -> str:
    if not isinstance(schema, dict) or "default" not in schema:
        return _NO_DEFAULT
    return json.dumps(schema["default"], ensure_ascii=False)


def url_in(owner: dict[str, Any]) -> str:
    """Return the URL of the first server of a document or a method; empty if there is none, or one with variables."""
    servers = dicts_in(owner, "servers")
    url = text_in(servers[0], "url") if servers else ""
    if "{" in url:  # OpenRPC 1.4.1, Server Variable Object
        return ""
    return url.rstrip("/") if path_of(url) != "/" else url


def path_of(url: str) -> str:
    """Return the path of a URL, without a slash at its end."""
    try:
        path = urlsplit(url).path
    except ValueError:  # as of http://[
        path = ""
    return unquote("/" + path.strip("/"))


def base_of(urls: list[str]) -> str:
    """Return what all URLs begin with: whole segments."""
    if len(urls) == 1:
        return urls[0]
    origins = {url[: len(url) - len(path)] if (path := raw_path(url)) else url for url in urls}
    return origins.pop().rstrip("/") if len(origins) == 1 else ""


def raw_path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def digest_of(tree: Any) -> str:
    """Return the SHA-256 of a document, whatever the order of its members."""
    text = json.dumps(tree, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
