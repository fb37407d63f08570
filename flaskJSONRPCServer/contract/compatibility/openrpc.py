"""OpenRPC documents, as far as a caller depends on them.

Source: the OpenRPC specification, versions 1.2.6 to 1.4.1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import ContractError
from .json_values import canonical, shown
from .schema_documents import Schema, SchemaDocument, checked_schema

__all__ = ["Method", "OpenRpcDocument", "ParamStructure", "Parameter", "read_document"]

_VERSION = re.compile(r"1\.[2-4]\.\d+")
_MOST_LEVELS = 200

_STRUCTURES = ("either", "by-name", "by-position")
_READ_OF_METHOD = {"name", "params", "paramStructure", "result", "errors", "x-aliases", "x-timeout"}
_READ_OF_PARAMETER = {"name", "required", "schema"}
_READ_OF_DOCUMENT = {"openrpc", "methods", "components"}

Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ParamStructure:
    """How the parameters of a method may be passed."""

    name: str

    @property
    def takes_names(self) -> bool:
        """Whether a call may pass them by name."""
        return self.name != "by-position"

    @property
    def takes_positions(self) -> bool:
        """Whether a call may pass them by position."""
        return self.name != "by-name"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter or the result of a method: a Content Descriptor.

    Attributes:
        others: All other members; they are documentation.
    """

    name: str
    schema: Schema
    is_required: bool
    others: Members


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a document.

    Attributes:
        aliases: Other names under which it can be called.
        parameters: The parameters in their order.
        result: Its result; None if it takes notifications only.
        errors: The declared errors by their code; a code may have several.
        timeout_s: The deadline of its calls; infinite without one.
        others: All other members; they are documentation.
    """

    name: str
    aliases: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    structure: ParamStructure
    result: Parameter | None
    errors: Mapping[int, tuple[str, ...]]
    timeout_s: float
    others: Members


@dataclass(frozen=True, slots=True)
class OpenRpcDocument:
    """An OpenRPC document.

    Attributes:
        schemas: The tree that the schemas of its methods refer to.
        methods: The methods by name, in their order.
        by_name: The methods by name and alias.
        others: All members but the methods and the components; they are documentation.
    """

    schemas: SchemaDocument
    methods: Mapping[str, Method]
    others: Members
    by_name: Mapping[str, Method] = field(init=False)

    def __post_init__(self) -> None:
        by_name = {}
        for name, method in self.methods.items():
            by_name[name] = method
            by_name.update((alias, method) for alias in method.aliases if alias not in self.methods)
        object.__setattr__(self, "by_name", by_name)


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
        raise ContractError(f"openrpc is {shown(version)}; known are the versions 1.2.0 to 1.4.x")
    schemas = SchemaDocument(tree)
    methods: dict[str, Method] = {}
    for index, value in enumerate(expect(list, tree.get("methods"), "methods", "a list")):
        method = read_method(schemas, value, f"methods[{index}]")
        if method.name in methods:
            raise ContractError(f"methods[{index}]: there are two methods {method.name!r}")
        methods[method.name] = method
    return OpenRpcDocument(schemas, methods, without(tree, _READ_OF_DOCUMENT))


def read_method(schemas: SchemaDocument, value: Any, place: str) -> Method:
    """Read a Method Object, or the one that a reference leads to.

    Raises:
        ContractError: It is malformed.
    """
    members = read_object(schemas, value, place)
    name = expect(str, members.get("name"), f"{place}.name", "a string")
    place = f"{place} ({name})"
    result = members.get("result")
    return Method(
        name,
        tuple(
            expect(str, alias, f"{place}.x-aliases", "a list of strings")
            for alias in expect(list, members.get("x-aliases", []), f"{place}.x-aliases", "a list of strings")
        ),
        read_parameters(schemas, members.get("params"), f"{place}.params"),
        read_structure(members.get("paramStructure", "either"), f"{place}.paramStructure"),
        None if result is None else read_parameter(schemas, result, f"{place}.result"),
        read_errors(schemas, members.get("errors", []), f"{place}.errors"),
        read_timeout(members.get("x-timeout"), f"{place}.x-timeout"),
        without(members, _READ_OF_METHOD),
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
