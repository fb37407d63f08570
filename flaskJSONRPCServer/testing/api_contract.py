"""The contract that a mock is held to: the methods of an OpenRPC document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..contract.compatibility.json_values import shown
from ..errors import ContractError, unknown_name
from ..extras import missing_extra
from ..sansio_jsonrpc import JsonRpcError, Params

if TYPE_CHECKING:
    from ..server import flaskJSONRPCServer
    from .json_schema import SchemaChecker

__all__ = ["ApiContract", "ContractSource", "MethodContract", "document_from"]

ContractSource: TypeAlias = Any
"""An OpenRPC document as a dict or a JSON file, a server, or an interface: an object, a class or a function."""

_RESERVED_CODES = range(-32768, -31999)


class ApiContract:
    """The methods of one API.

    Args:
        document: Its OpenRPC document.

    Raises:
        ContractError: The document has no list of methods.
        MissingExtraError: The extra ``testing`` is not installed.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        listed = document.get("methods")
        if not isinstance(listed, list) or not all(isinstance(one, dict) and "name" in one for one in listed):
            raise ContractError("the document has no list of methods; it takes an OpenRPC document")
        self.document = document
        checker = checker_of(document)
        methods = [MethodContract(description, checker) for description in listed]
        self._methods = {name: method for method in methods for name in method.names}

    def has_method(self, name: str) -> bool:
        """Return whether there is a method of this name."""
        return name in self._methods

    def method(self, name: str) -> MethodContract:
        """Return a method by its name or by one of its aliases.

        Raises:
            ContractError: There is no such method.
        """
        try:
            return self._methods[name]
        except KeyError:
            raise ContractError(unknown_name("method", name, self._methods)) from None


def checker_of(document: Mapping[str, Any]) -> SchemaChecker:
    """Return the checker of values against the schemas of a document.

    Raises:
        MissingExtraError: The extra ``testing`` is not installed.
    """
    try:
        from .json_schema import SchemaChecker
    except ImportError as exc:
        raise missing_extra("the contract of a mock server", "testing", exc) from exc
    return SchemaChecker(document)


class MethodContract:
    """The parameters, the result and the errors of a method.

    Args:
        description: Its Method Object.
        checker: Checks values against the schemas of the document.
    """

    def __init__(self, description: Mapping[str, Any], checker: SchemaChecker) -> None:
        self._description = description
        self._checker = checker
        self._structure = description.get("paramStructure", "either")
        self._checks_values = description.get("x-validate", True)

    @property
    def names(self) -> list[str]:
        """Its name and its aliases."""
        name = self._description.get("x-method", self._description["name"])
        return [name, *self._description.get("x-aliases", ())]

    def merged(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Params:
        """Return arguments as parameters: with both, those by position get their names.

        Raises:
            ContractError: There are too many by position, or one is passed twice.
        """
        if not args or not kwargs:
            return [*args] if args else {**kwargs}
        named = {name: value for name, value, _ in by_positions(self._descriptions("by-name"), args)}
        doubled = named.keys() & kwargs.keys()
        if doubled:
            raise ContractError(f"{', '.join(sorted(doubled))} passed twice")
        return {**named, **kwargs}

    def bind(self, params: Params | Sequence[Any]) -> dict[str, Any]:
        """Return parameters by name, after a check of their number, their names and their values.

        The parameters of ``*args`` are numbered: ``args[0]``, ``args[1]``.

        Raises:
            ContractError: The method does not take these parameters.
        """
        if isinstance(params, dict):
            descriptions = self._descriptions("by-name")
            pairs = by_names(descriptions, params)
        else:
            descriptions = self._descriptions("by-position")
            pairs = by_positions(descriptions, params or [])
        bound = {name: value for name, value, _ in pairs}
        for description in descriptions:
            if description.get("required") and description["name"] not in bound:
                raise ContractError(f"missing {description['name']!r}")
        for name, value, description in pairs:
            self._check(value, description.get("schema", True), name)
        return bound

    def check_result(self, result: Any) -> None:
        """Check a result.

        Raises:
            ContractError: The method does not return it.
        """
        described = self._description.get("result")
        if isinstance(described, Mapping):
            self._check(result, described.get("schema", True), "result")

    def check_error(self, error: JsonRpcError) -> None:
        """Check an error. A method that declares none may raise any; the codes of the specification are always right.

        Raises:
            ContractError: The method declares errors, and this is none of them.
        """
        codes = [one.get("code") for one in self._description.get("errors", ()) if isinstance(one, Mapping)]
        if codes and error.code not in codes and error.code not in _RESERVED_CODES:
            known = ", ".join(map(str, codes))
            raise ContractError(f"the method does not declare the error {error.code}; declared: {known}")

    def _descriptions(self, way: str) -> list[Mapping[str, Any]]:
        """Return the parameters of calls that pass them in this way.

        Raises:
            ContractError: There are no such calls.
        """
        description = self._description
        if self._structure in ("either", way):
            return list(description.get("params", ()))
        if f"x-{way}" not in description and description.get("params"):
            raise ContractError(f"takes its parameters {self._structure.replace('-', ' ')} only")
        return list(description.get(f"x-{way}", ()))

    def _check(self, value: Any, schema: Any, place: str) -> None:
        mismatch = self._checker.mismatch(value, schema, place) if self._checks_values else None
        if mismatch is not None:
            raise ContractError(mismatch)


_Pairs: TypeAlias = list[tuple[str, Any, Mapping[str, Any]]]


def by_positions(descriptions: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> _Pairs:
    """Return the name, the value and the description of each parameter.

    Raises:
        ContractError: There are too many.
    """
    single = [one for one in descriptions if not one.get("x-variadic")]
    rest = next((one for one in descriptions if one.get("x-variadic")), None)
    if len(values) > len(single) and rest is None:
        raise ContractError(f"takes at most {len(single)} parameters, not {len(values)}")
    pairs = [(one["name"], value, one) for one, value in zip(single, values, strict=False)]
    more = enumerate(values[len(single) :])
    return pairs if rest is None else [*pairs, *((f"{rest['name']}[{index}]", value, rest) for index, value in more)]


def by_names(descriptions: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> _Pairs:
    """Return the name, the value and the description of each parameter.

    Raises:
        ContractError: There is none of this name.
    """
    single = {one["name"]: one for one in descriptions if not one.get("x-variadic")}
    rest = next((one for one in descriptions if one.get("x-variadic")), None)
    unknown = [name for name in values if name not in single]
    if unknown and rest is None:
        raise ContractError(unknown_name("parameter", unknown[0], single))
    return [(name, value, single.get(name, rest or {})) for name, value in values.items()]


def document_from(source: ContractSource, path: str | None = None) -> Mapping[str, Any]:
    """Return the OpenRPC document of a contract.

    Args:
        source: A document, the file of one, a server, or an interface.
        path: For a server with several paths: the one whose methods are meant.

    Raises:
        ContractError: The file cannot be read, or there is no document in it.
    """
    if isinstance(source, Mapping):
        return source
    if isinstance(source, (str, Path)):
        return read_document(Path(source))
    from ..server import flaskJSONRPCServer  # loads Flask, which a test with a document does not need

    if isinstance(source, flaskJSONRPCServer):
        return source.openrpc(path)
    return document_of_interface(source, flaskJSONRPCServer(None, log=0, discover=False))


def read_document(file: Path) -> Mapping[str, Any]:
    """Read an OpenRPC document from a file.

    Raises:
        ContractError: It cannot be read, or is none.
    """
    try:
        document = json.loads(file.read_bytes())
    except OSError as exc:
        raise ContractError(f"{file}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ContractError(f"{file} is no JSON: {exc}") from exc
    if not isinstance(document, dict):
        raise ContractError(f"{file} has {shown(document)}; it takes an OpenRPC document")
    return document


def document_of_interface(interface: Any, server: flaskJSONRPCServer) -> Mapping[str, Any]:
    """Register the methods of an interface on a new server, and return its document."""
    if isinstance(interface, type):
        server.registerInstance(instance_of(interface), path="/")
    elif callable(interface) and hasattr(interface, "__name__"):
        server.registerFunction(interface, path="/")
    else:
        server.registerInstance(interface, path="/")
    return server.openrpc()


def instance_of(interface: type) -> Any:
    """Return an object of a class without a call of its constructor: only its methods' signatures are read."""
    stub: Any = type(interface.__name__, (interface,), {})
    stub.__abstractmethods__ = frozenset()  # an abstract class has no objects otherwise
    return object.__new__(stub)
