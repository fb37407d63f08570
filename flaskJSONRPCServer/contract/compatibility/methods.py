"""OpenRPC documents, as far as a caller depends on them: methods, where they are called, and their parameters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from .schema_documents import Schema, SchemaDocument

__all__ = ["Members", "Method", "OpenRpcDocument", "ParamStructure", "Parameter", "Urls"]

Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ParamStructure:
    """The ways to pass the parameters of a method."""

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
        is_variadic: Whether it takes any number of values: those of all further positions, or names.
        position: Its position in a call that passes parameters by position; None if it cannot be passed so.
        is_nameable: Whether a call may pass it by name.
    """

    name: str
    schema: Schema
    is_required: bool
    others: Members
    is_variadic: bool = False
    position: int | None = None
    is_nameable: bool = False


@dataclass(frozen=True, slots=True)
class Urls:
    """The URLs at which a method is called.

    Attributes:
        relative: The absolute URLs, each with the part that follows the URL of the whole document.
        text: The Server Objects of the method as canonical text.
    """

    relative: Mapping[str, str]
    text: str = ""

    def places(self) -> Iterable[str]:
        """Return the absolute and the relative URLs: documents of one server may begin at several URLs."""
        return (*self.relative, *self.relative.values())

    def without(self, others: Urls) -> list[str]:
        """Return the URLs that are not among those of another method, neither absolute nor relative."""
        places = {*others.places()}
        return [url for url, relative in self.relative.items() if url not in places and relative not in places]


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a document.

    Attributes:
        called: Its name in requests.
        aliases: Other names under which it can be called.
        urls: Where it is called.
        parameters: The parameters in their order: those of ``params``, and those of calls in the other way.
        structure: How ``params`` are passed.
        ways: How calls may pass parameters.
        is_checked: Whether values of other types than those of the parameters are refused.
        result: Its result; None if it takes notifications only.
        errors: The declared errors by their code; a code may have several.
        timeout_s: The deadline of its calls; infinite without one.
        others: All other members; they are documentation.
    """

    name: str
    called: str
    aliases: tuple[str, ...]
    urls: Urls
    parameters: tuple[Parameter, ...]
    structure: ParamStructure
    ways: ParamStructure
    is_checked: bool
    result: Parameter | None
    errors: Mapping[int, tuple[str, ...]]
    timeout_s: float
    others: Members

    def by_position(self) -> list[Parameter]:
        """Return the parameters that can be passed by position, in this order, without a variadic one."""
        fixed = [(p.position, p) for p in self.parameters if p.position is not None and not p.is_variadic]
        return [parameter for _, parameter in sorted(fixed, key=itemgetter(0))]

    def rest_of(self, parameter: Parameter) -> Parameter | None:
        """Return the variadic parameter of the way in which a variadic one of another method is passed."""
        is_by_position = parameter.position is not None
        return self.rest_by_position() if is_by_position else self.rest_by_name()

    def rest_by_position(self) -> Parameter | None:
        """Return the variadic parameter of all further positions, if there is one."""
        return next((p for p in self.parameters if p.is_variadic and p.position is not None), None)

    def rest_by_name(self) -> Parameter | None:
        """Return the variadic parameter of all other names, if there is one."""
        return next((p for p in self.parameters if p.is_variadic and p.is_nameable), None)


@dataclass(frozen=True, slots=True)
class OpenRpcDocument:
    """An OpenRPC document.

    Attributes:
        schemas: The tree that the schemas of its methods refer to.
        methods: The methods by name, in their order.
        others: All members but the methods and the components; they are documentation.
    """

    schemas: SchemaDocument
    methods: Mapping[str, Method]
    others: Members
    _by_call: Mapping[tuple[str, str], Method] = field(init=False)

    def __post_init__(self) -> None:
        by_call: dict[tuple[str, str], Method] = {}
        for method in self.methods.values():
            by_call.update(((place, alias), method) for place in method.urls.places() for alias in method.aliases)
        for method in self.methods.values():
            by_call.update(((place, method.called), method) for place in method.urls.places())
        object.__setattr__(self, "_by_call", by_call)

    def calls(self) -> Iterator[tuple[str, Method]]:
        """Yield the names in requests with their methods; an alias that is the name of another method is left out."""
        for method in self.methods.values():
            for called in dict.fromkeys((method.called, *method.aliases)):
                if self.find(called, method.urls) is method:
                    yield called, method

    def find(self, called: str, urls: Urls) -> Method | None:
        """Return the method that answers a call of this name at one of the URLs."""
        return next((found for place in urls.places() if (found := self._by_call.get((place, called)))), None)
