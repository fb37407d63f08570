"""The tools of an endpoint, as it lists them.

Source: revision 2026-07-28, "Tools", section "Data Types".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter
from typing import Any, Final

from ...contract.docstrings import documentation_of
from ...contract.hints import names_class
from ...contract.method import Contract
from ...contract.tool_options import Tool
from ...contract.tool_params import is_callable_by_name
from ...contract.tool_schemas import input_schema, output_schema
from ...dispatch.routes import Route, RouteTable, wsgi_encoded
from ...errors import RegistrationError
from ...runtime.interrupts import is_interrupt
from ...runtime.log_limits import WarnOnce
from ...runtime.logs import ServerLog
from ...sansio_jsonrpc import Codec
from ..content import ToolResult, names_content
from ..protocol.headers import HeaderParameter, header_parameters
from .exposure import Exposure
from .result_schemas import ResultSchema, result_schema_of
from .views import names_response

__all__ = ["Catalog", "Catalogs", "ToolEntry"]

_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_NAME: Final = 128
_NAMED: Final = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True, eq=False)
class ToolEntry:
    """One tool.

    Attributes:
        name: Its name.
        route: The method that it calls.
        contract: The contract of the method.
        options: What its author has said about it as a tool.
        definition: What clients see.
        header_parameters: The parameters that clients repeat in header fields.
        returns_content: Whether its result may have parts for a model, rather than be a value.
        returns_result: Whether its result may be a ``ToolResult``.
        takes_names: Whether all its parameters can be passed by name.
        result_schema: Checks its results; None if they have no schema.
        wsgi_path: The path of the method, as WSGI encodes it.
    """

    name: str
    route: Route
    contract: Contract
    options: Tool
    definition: Mapping[str, Any]
    header_parameters: tuple[HeaderParameter, ...]
    returns_content: bool
    returns_result: bool
    takes_names: bool
    result_schema: ResultSchema | None
    wsgi_path: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "wsgi_path", wsgi_encoded(self.route.path))

    def definition_in_session(self) -> Mapping[str, Any]:
        """Return what clients of a revision with sessions see: there, a result with a schema is an object."""
        schema = self.definition.get("outputSchema")
        if schema is None or schema.get("type") == "object":
            return self.definition
        return {name: value for name, value in self.definition.items() if name != "outputSchema"}


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tools of an endpoint at one moment.

    Attributes:
        tools: The tools by name, in the order of the names.
        names: The names in order.
    """

    tools: Mapping[str, ToolEntry] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def definitions(self) -> list[Mapping[str, Any]]:
        """Return what clients see of all tools."""
        return [tool.definition for tool in self.tools.values()]


class Catalogs:
    """Makes the catalog of an endpoint, anew for each table of routes. It keeps the tools of methods that stay.

    Args:
        exposure: Chooses the methods.
        codec: Returns the codec, which has to be able to write what clients see.
        log: Gets warnings of methods that cannot be tools.
    """

    def __init__(self, exposure: Exposure, codec: Callable[[], Codec], log: ServerLog) -> None:
        self._exposure = exposure
        self._codec = codec
        self._log = log
        self._warnings: dict[str, WarnOnce] = {}  # by their texts; each step on it is atomic
        # With what it was made of. Replaced in one step; two threads may make it at once.
        self._latest: tuple[RouteTable, Catalog, Codec] | None = None

    def of(self, table: RouteTable) -> Catalog:
        """Return the tools of a table."""
        latest = self._latest
        if latest is None or latest[0] is not table:
            codec = self._codec()
            kept = latest[1].tools if latest is not None and latest[2] is codec else {}
            latest = self._latest = table, self._catalog(table, codec, kept), codec
        return latest[1]

    def _catalog(self, table: RouteTable, codec: Codec, kept: Mapping[str, ToolEntry]) -> Catalog:
        self._warn_of_unmatched(table)
        entries: dict[str, ToolEntry] = {}
        for name, route in named(self._exposure.routes(table)):
            if name in entries:
                self._warn_of_namesake(name, route, entries[name].route)
                continue
            known = kept.get(name)  # schemas take milliseconds each
            entry = known if known is not None and known.route is route else self._entry(name, route, codec)
            if entry is not None:
                entries[name] = entry
        names = tuple(sorted(entries))
        return Catalog({name: entries[name] for name in names}, names)

    def _warn_of_unmatched(self, table: RouteTable) -> None:
        """Warn of each choice without a method, once."""
        for item in self._exposure.unmatched(table):
            why = "nothing is registered there" if isinstance(item, str) else "the function is not registered"
            self._warn_once(f"expose={item!r} chooses no method: {why}")

    def _warn_of_namesake(self, name: str, route: Route, other: Route) -> None:
        """Warn of a method whose name as a tool is taken, once."""
        why = f"{name!r} is the name of {other.url}; choose another with mcp=Tool(name=...)"
        self._warn_once(f"{route.url} is no tool: {why}")

    def _entry(self, name: str, route: Route, codec: Codec) -> ToolEntry | None:
        try:
            entry = entry_of(name, route)
            codec.dumps(entry.definition)
        except BaseException as exc:  # also of pydantic, and of types of the user: they must not break other tools
            if is_interrupt(exc):
                raise
            why = str(exc) if isinstance(exc, RegistrationError) else f"its schema cannot be written: {exc}"
            self._warn_once(f"{route.url} is no tool: {why}")
            return None
        if entry.contract.result is None:
            self._warn_of_view(route)
        return entry

    def _warn_of_view(self, route: Route) -> None:
        """Warn of a tool that returns responses of Flask, once."""
        if names_response(route.function):
            why = "it returns a response of Flask, by its hint; return a value, such as a dict"
            self._warn_once(f"{route.url} is a tool whose calls will fail: {why}")

    def _warn_once(self, text: str) -> None:
        """Write a warning, unless it has been written: a method keeps its fault in each new list."""
        self._warnings.setdefault(text, WarnOnce(self._log)).write(text)


def entry_of(name: str, route: Route) -> ToolEntry:
    """Return the tool of a method.

    Raises:
        RegistrationError: No client could call it; the message says why.
    """
    contract = route.contract
    assert contract is not None  # noqa: S101  exposed routes have one
    if not is_callable_by_name(contract):
        raise RegistrationError("it needs a parameter by position only, and another by name only")
    options = contract.options.tool
    schema = options.input_schema or input_schema(contract)  # as clients see it: by it they send header fields
    try:
        headers = header_parameters(schema)
    except ValueError as exc:
        raise RegistrationError(str(exc)) from exc
    hint = None if contract.result is None else contract.result.hint
    returns_content, returns_result = names_content(hint), names_class(hint, ToolResult)
    output = options.output_schema or (None if returns_content else output_schema(contract))
    results = result_schema_of(contract, output)
    definition = definition_of(name, contract, options, schema, output)
    takes_names = all(parameter.kind in _NAMED for parameter in contract.parameters)
    return ToolEntry(
        name, route, contract, options, definition, headers, returns_content, returns_result, takes_names, results
    )


def definition_of(
    name: str, contract: Contract, options: Tool, schema: Mapping[str, Any], output: Mapping[str, Any] | None
) -> dict[str, Any]:
    documentation = documentation_of(contract.function)
    title = options.title or contract.options.title
    description = options.description or "\n\n".join(filter(None, (documentation.summary, documentation.description)))
    members = {
        "title": title,
        "description": description,
        "inputSchema": schema,
        "outputSchema": output,
        "annotations": annotations_of(options),
        "icons": [dict(icon) for icon in options.icons],
        "_meta": options.meta,
    }
    return {"name": name, **{key: value for key, value in members.items() if value}}


def annotations_of(options: Tool) -> dict[str, bool]:
    """Return what the tool does to the world, as far as its author has said."""
    hints = {
        "readOnlyHint": options.read_only,
        "destructiveHint": options.destructive,
        "idempotentHint": options.idempotent,
        "openWorldHint": options.open_world,
    }
    return {name: value for name, value in hints.items() if value is not None}


def named(routes: Iterable[Route]) -> list[tuple[str, Route]]:
    """Return the methods with their names, those of equal names with their paths, as ``api.add``.

    They are in an order that does not depend on that of the registrations: names that were chosen come first, so that
    one of them wins over a name that is made.
    """
    ordered = sorted(routes, key=lambda route: (chosen_name(route) is None, route.url))
    plain = [(chosen_name(route) or tool_name(route.name), route) for route in ordered]
    counts = Counter(name for name, _ in plain)
    return [(name if counts[name] == 1 else name_with_path(name, route), route) for name, route in plain]


def chosen_name(route: Route) -> str | None:
    mcp = None if route.contract is None else route.contract.options.mcp
    return mcp.name if isinstance(mcp, Tool) else None  # `options.tool` checks all options anew


def name_with_path(name: str, route: Route) -> str:
    return tool_name(f"{route.path.strip('/').replace('/', '.')}.{name}".lstrip("."))


def tool_name(name: str) -> str:
    """Return a name with the characters that all clients accept."""
    return _FORBIDDEN.sub("_", name)[:_LONGEST_NAME]
