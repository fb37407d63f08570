"""OpenRPC 1.4.1 documents of methods, made from their contracts.

Source: https://spec.open-rpc.org, version 1.4.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter
from typing import TYPE_CHECKING, Any

from .defaults import default_of
from .docstrings import Documentation, documentation_of
from .errors import DeclaredError, declared_errors
from .method import Contract
from .options import Example

if TYPE_CHECKING:
    from .schemas import Dialect, Schemas
    from .types import HintedType

__all__ = ["OPENRPC_VERSION", "MethodFacts", "document_of"]

OPENRPC_VERSION = "1.4.1"


@dataclass(frozen=True, slots=True)
class MethodFacts:
    """One method, as a document describes it.

    Attributes:
        name: Its name in the document.
        contract: What its author wrote.
        errors: The errors that exceptions are mapped to, besides those that the contract declares.
        extensions: Further members, whose names begin with ``x-``.
        servers: The URLs of the method, if they are not those of the document.
    """

    name: str
    contract: Contract
    errors: Sequence[DeclaredError] = ()
    extensions: Mapping[str, Any] = field(default_factory=dict)
    servers: Sequence[Mapping[str, Any]] = ()


def document_of(
    methods: Sequence[MethodFacts],
    info: Mapping[str, Any],
    servers: Sequence[Mapping[str, Any]],
    dialect: Dialect = "draft-07",
) -> dict[str, Any]:
    """Return an OpenRPC document.

    Args:
        methods: The methods. They are listed by name.
        info: ``title``, ``version`` and further members of the Info Object.
        servers: The Server Objects.
        dialect: The dialect of the schemas; OpenRPC means draft-07.
    """
    methods = sorted(methods, key=lambda method: method.name)
    schemas = schemas_for([method.contract for method in methods], dialect)
    return {
        "openrpc": OPENRPC_VERSION,
        "info": dict(info),
        "servers": [dict(server) for server in servers],
        "methods": [MethodObject(method, schemas).members() for method in methods],
        "components": {"schemas": {} if schemas is None else schemas.components},
    }


def schemas_for(contracts: Sequence[Contract], dialect: Dialect) -> Schemas | None:
    """Return the schemas of all hints; None if there are none, so that pydantic is not loaded."""
    parameters = [hinted for contract in contracts for hinted in contract.types.values()]
    results = [contract.result for contract in contracts if contract.result is not None]
    if not parameters and not results:
        return None
    from .schemas import schemas_of

    reads = [(hinted, "validation") for hinted in parameters]
    return schemas_of([*reads, *((hinted, "serialization") for hinted in results)], dialect)  # type: ignore[list-item]


class MethodObject:
    """The Method Object of one method.

    Args:
        method: The method.
        schemas: The schemas of all hints; None if no method has hints.
    """

    def __init__(self, method: MethodFacts, schemas: Schemas | None) -> None:
        self._method = method
        self._schemas = schemas
        self._contract = method.contract
        self._documentation = documentation_of(method.contract.function)

    def members(self) -> dict[str, Any]:
        """Return its members; optional ones that say nothing are left out."""
        options, documentation = self._contract.options, self._documentation
        structure = structure_of(self._contract.parameters)
        params = [self._param(parameter) for parameter in listed(self._contract.parameters, structure)]
        errors = self._errors()
        members = {
            "name": self._method.name,
            "summary": options.title or documentation.summary,
            "description": full_text(options.title, documentation),
            "tags": [{"name": tag} for tag in options.tags or ()],
            "paramStructure": structure,
            "params": params,
            "result": None if options.notification else self._result(),
            "deprecated": documentation.is_deprecated if options.deprecated is None else options.deprecated,
            "servers": list(self._method.servers),
            "errors": [{"code": error.code, "message": error.message} for error in errors],
            "examples": [self._example(example) for example in options.examples or ()],
            "x-error-descriptions": {str(error.code): error.description for error in errors if error.description},
            "x-idempotent": bool(options.idempotent),
            **self._other_params(structure),
            **self._method.extensions,
        }
        members = {name: value for name, value in members.items() if value or name in ("params", "name")}
        return members if self._is_checked() else {**members, "x-validate": False}

    def _other_params(self, structure: str) -> dict[str, Any]:
        """Return the parameters of calls that pass them in the other way, if such calls work too."""
        name, parameters = other_way(self._contract.parameters, structure)
        return {name: [self._param(parameter) for parameter in parameters]} if parameters else {}

    def _is_checked(self) -> bool:
        return self._contract.checks is not None or not self._contract.types

    def _param(self, parameter: Parameter) -> dict[str, Any]:
        schema = self._schema(self._contract.types.get(parameter.name), "validation")
        text = self._documentation.parameters.get(parameter.name, "")
        members = {
            "name": parameter.name,
            **described(text),
            "schema": with_default(schema, default_of(self._contract, parameter)),
        }
        if parameter.kind in _VARIADIC:
            return {**members, "x-variadic": True}
        return {**members, "required": True} if parameter.default is parameter.empty else members

    def _result(self) -> dict[str, Any]:
        schema = self._schema(self._contract.result, "serialization")
        return {"name": "result", **described(self._documentation.returns), "schema": schema}

    def _schema(self, hinted: HintedType | None, mode: Any) -> Any:
        return {} if self._schemas is None else self._schemas.schema(hinted, mode)

    def _errors(self) -> list[DeclaredError]:
        documented = {raised.type_name: raised.description for raised in self._documentation.raises}
        declared = declared_errors(self._contract.function, documented)
        return list(dict.fromkeys([*declared, *self._method.errors]))

    def _example(self, example: Example) -> dict[str, Any]:
        members = {
            "name": example.name,
            **described(example.summary, "summary"),
            **described(example.description),
            "params": [{"name": name, "value": value} for name, value in self._named(example.params)],
        }
        if self._contract.options.notification:
            return members
        return {**members, "result": {"name": "result", "value": example.result}}

    def _named(self, params: list[Any] | dict[str, Any]) -> list[tuple[str, Any]]:
        """Return the parameters of an example with their names; those of ``*args`` are numbered."""
        if isinstance(params, dict):
            return list(params.items())
        names = [p.name for p in self._contract.parameters if is_positional(p)]
        rest = next((p.name for p in self._contract.parameters if p.kind is p.VAR_POSITIONAL), "param")
        names += [f"{rest}{number}" for number in range(len(params) - len(names))]
        return list(zip(names, params, strict=False))


_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def structure_of(parameters: Sequence[Parameter]) -> str:
    """Return how parameters may be passed: ``by-position``, ``by-name``, or ``either``."""
    kinds = {p.kind for p in parameters}
    if any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters):
        return "by-name"
    if kinds & {Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL}:
        return "by-position"
    return "by-name" if kinds & {Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD} else "either"


def listed(parameters: Sequence[Parameter], structure: str) -> list[Parameter]:
    """Return the parameters that can be passed in this way, the required ones first, as OpenRPC wants it."""
    if structure == "by-position":
        return [p for p in parameters if is_positional(p) or p.kind is p.VAR_POSITIONAL]
    nameable = [p for p in parameters if is_nameable(p) or is_required_by_position(p)]
    return sorted(nameable, key=lambda p: p.default is not p.empty or p.kind is p.VAR_KEYWORD)


def other_way(parameters: Sequence[Parameter], structure: str) -> tuple[str, list[Parameter]]:
    """Return the way of passing parameters that the structure leaves out, and the parameters that can be passed so.

    OpenRPC has one list of parameters for both ways. ``f(a, *, b=1)`` takes ``b`` only by name, and ``a`` by position.
    """
    if structure == "by-position":
        is_possible = not any(is_required_by_position(p) for p in parameters)
        return "x-by-name", [p for p in parameters if is_nameable(p)] if is_possible else []
    if structure == "by-name":
        is_possible = not any(p.kind is p.KEYWORD_ONLY and p.default is p.empty for p in parameters)
        return "x-by-position", listed(parameters, "by-position") if is_possible else []
    return "", []


def is_positional(parameter: Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)


def is_nameable(parameter: Parameter) -> bool:
    return parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD)


def is_required_by_position(parameter: Parameter) -> bool:
    return parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is parameter.empty


def full_text(title: str | None, documentation: Documentation) -> str:
    """Return the description; with a title, the summary of the docstring is part of it."""
    parts = [documentation.summary if title else "", documentation.description]
    return "\n\n".join(filter(None, parts))


def described(text: str, name: str = "description") -> dict[str, str]:
    return {name: text} if text else {}


def with_default(schema: Any, default: list[Any]) -> Any:
    """Return a schema with a default, if there is one."""
    if not default or not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"allOf": [schema], "default": default[0]}
    return {**schema, "default": default[0]}
