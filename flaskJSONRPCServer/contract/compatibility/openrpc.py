"""The reading of OpenRPC documents.

Source: the OpenRPC specification, versions 1.2.6 to 1.4.1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...errors import ContractError
from .json_values import canonical, shown
from .methods import Members, Method, OpenRpcDocument, Parameter, ParamStructure, Urls
from .schema_documents import SchemaDocument, checked_schema

__all__ = ["read_document"]

_VERSION = re.compile(r"1\.[2-4]\.\d+")
_MOST_LEVELS = 200

_STRUCTURES = ("either", "by-name", "by-position")
_OTHER_WAYS = {"by-name": "x-by-position", "by-position": "x-by-name"}
_READ_OF_METHOD = {
    *("name", "params", "paramStructure", "result", "errors", "servers", "x-aliases", "x-timeout", "x-method"),
    *("x-validate", *_OTHER_WAYS.values()),
}
_READ_OF_PARAMETER = {"name", "required", "schema", "x-variadic"}
_READ_OF_DOCUMENT = {"openrpc", "methods", "components"}


def read_document(tree: Any) -> OpenRpcDocument:
    """Read an OpenRPC document.

    Args:
        tree: The document as a JSON value.

    Raises:
        ContractError: It is malformed, or of a version that is not known. The message says where.
    """
    refuse_extremes(tree)
    version = expect(dict, tree, "the document", "an object").get("openrpc")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise ContractError(f"openrpc is {shown(version)}; known are the versions 1.2.6 to 1.4.1")
    schemas = SchemaDocument(tree)
    servers = [*read_urls(schemas, tree.get("servers", []), "servers")] or [""]
    methods: dict[str, Method] = {}
    for index, value in enumerate(expect(list, tree.get("methods"), "methods", "a list")):
        method = read_method(schemas, value, f"methods[{index}]", servers)
        if method.name in methods:
            raise ContractError(f"methods[{index}]: there are two methods {method.name!r}")
        methods[method.name] = method
    return OpenRpcDocument(schemas, methods, without(tree, _READ_OF_DOCUMENT))


def read_method(schemas: SchemaDocument, value: Any, place: str, servers: Sequence[str]) -> Method:
    """Read a Method Object, or the one that a reference leads to.

    Args:
        schemas: The document.
        value: The Method Object.
        place: Where it is, for the message of an error.
        servers: The URLs of the whole document.

    Raises:
        ContractError: It is malformed.
    """
    members = read_object(schemas, value, place)
    name = expect(str, members.get("name"), f"{place}.name", "a string")
    place = f"{place} ({name})"
    result = members.get("result")
    structure = read_structure(members.get("paramStructure", "either"), f"{place}.paramStructure")
    has_other_way = _OTHER_WAYS.get(structure.name) in members
    return Method(
        name,
        expect(str, members.get("x-method", name), f"{place}.x-method", "a string"),
        tuple(
            expect(str, alias, f"{place}.x-aliases", "a list of strings")
            for alias in expect(list, members.get("x-aliases", []), f"{place}.x-aliases", "a list of strings")
        ),
        read_method_urls(schemas, members.get("servers", []), f"{place}.servers", servers),
        read_both_ways(schemas, members, structure, place),
        structure,
        ParamStructure("either") if has_other_way else structure,
        expect(bool, members.get("x-validate", True), f"{place}.x-validate", "true or false"),
        None if result is None else read_parameter(schemas, result, f"{place}.result"),
        read_errors(schemas, members.get("errors", []), f"{place}.errors"),
        read_timeout(members.get("x-timeout"), f"{place}.x-timeout"),
        without(members, _READ_OF_METHOD),
    )


def read_urls(schemas: SchemaDocument, value: Any, place: str) -> Iterator[str]:
    """Yield the URLs of Server Objects, without a final slash.

    Raises:
        ContractError: They are malformed.
    """
    for index, item in enumerate(expect(list, value, place, "a list")):
        url = read_object(schemas, item, f"{place}[{index}]").get("url", "")
        yield expect(str, url, f"{place}[{index}].url", "a string").rstrip("/")


def read_method_urls(schemas: SchemaDocument, value: Any, place: str, servers: Sequence[str]) -> Urls:
    """Read the URLs of a method; without any, it is called at those of the whole document.

    Raises:
        ContractError: They are malformed.
    """
    urls = [*read_urls(schemas, value, place)] or servers
    return Urls({url: relative_url(url, servers) for url in urls}, canonical(value))


def relative_url(url: str, servers: Sequence[str]) -> str:
    """Return the part of a URL that follows the longest one of the servers; the URL itself if it follows none."""
    bases = [base for base in servers if url == base or url.startswith(f"{base}/")]
    return url[max(map(len, bases), default=0) :]


def read_both_ways(
    schemas: SchemaDocument, members: Members, structure: ParamStructure, place: str
) -> tuple[Parameter, ...]:
    """Read the parameters of a method, with the ways in which they may be passed.

    Raises:
        ContractError: They are malformed.
    """
    params = read_parameters(schemas, members.get("params"), f"{place}.params")
    other = _OTHER_WAYS.get(structure.name, "")
    others = read_parameters(schemas, members.get(other, []), f"{place}.{other}") if other else ()
    by_position = params if structure.takes_positions else others
    nameable = {parameter.name for parameter in (params if structure.takes_names else others)}
    positions = {parameter.name: index for index, parameter in enumerate(by_position)}
    listed = {parameter.name: parameter for parameter in (*params, *others)} | {p.name: p for p in params}
    return tuple(
        replace(parameter, position=positions.get(name), is_nameable=name in nameable)
        for name, parameter in listed.items()
    )


def read_parameters(schemas: SchemaDocument, value: Any, place: str) -> tuple[Parameter, ...]:
    """Read the parameters of a method.

    Raises:
        ContractError: They are malformed, or two have one name.
    """
    values = expect(list, value, place, "a list")
    parameters = tuple(read_parameter(schemas, item, f"{place}[{index}]") for index, item in enumerate(values))
    names = [parameter.name for parameter in parameters]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ContractError(f"{place}: there are two parameters {twice!r}")
    return parameters


def read_parameter(schemas: SchemaDocument, value: Any, place: str) -> Parameter:
    """Read a Content Descriptor Object, or the one that a reference leads to.

    Raises:
        ContractError: It is malformed.
    """
    members = read_object(schemas, value, place)
    if "schema" not in members:
        raise ContractError(f"{place}.schema is missing")
    with_place = f"{place}.schema"
    try:
        schema = checked_schema(members["schema"])
    except ContractError as exc:
        raise ContractError(f"{with_place}: {exc}") from exc
    return Parameter(
        expect(str, members.get("name"), f"{place}.name", "a string"),
        schema,
        expect(bool, members.get("required", False), f"{place}.required", "true or false"),
        without(members, _READ_OF_PARAMETER),
        expect(bool, members.get("x-variadic", False), f"{place}.x-variadic", "true or false"),
    )


def read_structure(value: Any, place: str) -> ParamStructure:
    if value not in _STRUCTURES:
        raise ContractError(f"{place} is {shown(value)}; it takes {', '.join(_STRUCTURES)}")
    return ParamStructure(value)


def read_errors(schemas: SchemaDocument, value: Any, place: str) -> Mapping[int, tuple[str, ...]]:
    """Read the declared errors; each is kept as the canonical text of all its members.

    Raises:
        ContractError: They are malformed.
    """
    errors: dict[int, tuple[str, ...]] = {}
    for index, item in enumerate(expect(list, value, place, "a list")):
        members = read_object(schemas, item, f"{place}[{index}]")
        code = members.get("code")
        if type(code) is not int:
            raise ContractError(f"{place}[{index}].code is {shown(code)}; it takes an integer")
        errors[code] = tuple(sorted({*errors.get(code, ()), canonical(members)}))
    return errors


def read_timeout(value: Any, place: str) -> float:
    if value is None:
        return math.inf
    if type(value) not in (int, float) or value <= 0:
        raise ContractError(f"{place} is {shown(value)}; it takes seconds, or null")
    return float(value)


def read_object(schemas: SchemaDocument, value: Any, place: str) -> Members:
    """Return an object, or the one that a reference leads to.

    Raises:
        ContractError: It is no object, or the reference leads to none in the document.
    """
    try:
        members = schemas.follow(value)
    except ContractError as exc:
        raise ContractError(f"{place}: {exc}") from exc
    if not isinstance(members, dict) or "$ref" in members:
        raise ContractError(f"{place} is {shown(members)}; it takes an object, or a reference to one in the document")
    return members


def expect(kind: type, value: Any, place: str, accepted: str) -> Any:
    """Return a value of a type.

    Raises:
        ContractError: It is of another type, or missing.
    """
    if not isinstance(value, kind):
        raise ContractError(f"{place} is {shown(value)}; it takes {accepted}")
    return value


def without(members: Members, names: set[str]) -> Members:
    return {name: value for name, value in members.items() if name not in names}


def refuse_extremes(tree: Any) -> None:
    """Check that a JSON value is finite.

    Raises:
        ContractError: It nests too deeply, which would exhaust the stack, has a number that is none, or is no JSON.
    """
    level: list[Any] = [tree]
    for _ in range(_MOST_LEVELS):
        level = [child for value in level for child in children_of(value)]
        if not level:
            return
    raise ContractError(f"the document nests deeper than {_MOST_LEVELS} levels")


def children_of(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise ContractError("an object of the document has a name that is no string")
        return value.values()
    if isinstance(value, list):
        return value
    if value is not None and not isinstance(value, (str, int, float)):
        raise ContractError(f"{value!r} in the document is no JSON value")
    if isinstance(value, float) and not math.isfinite(value):
        raise ContractError(f"the number {value} is not finite")
    return ()
