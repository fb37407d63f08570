"""Binding a call's parameters to a function's signature, planned once at registration.

A wrong call is found here, before the function runs: a TypeError from inside the function is never mistaken for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from inspect import Parameter
from operator import itemgetter
from typing import Any

from ..errors import RegistrationError
from ..sansio_jsonrpc import JsonRpcInvalidParamsError

__all__ = ["SignaturePlan", "is_nameable", "is_positional", "is_required", "is_variadic", "listed"]

Arguments = tuple[Sequence[Any], Mapping[str, Any]]

_NO_NAMES: dict[str, Any] = {}
_UNBOUNDED = 2**63


class SignaturePlan:
    """How to call one function.

    Args:
        parameters: What the function takes.
        magic_name: The parameter that the server fills, if the function names it.
        bound_names: Parameters that have their value already, as ``self`` of a bound method has: ``**kwargs`` cannot
            take these names.
        is_exact: Whether the function takes exactly these parameters, so that it makes no difference to pass by
            position what came by name. A decorator, or a ``__signature__``, may declare others.

    Attributes:
        takes_magic: Whether the function names the magic parameter.

    Raises:
        RegistrationError: The function takes the magic parameter by position only.

    Source: JSON-RPC 2.0, section 4.2.
    """

    __slots__ = (
        "_least",
        "_magic_name",
        "_magic_place",
        "_most",
        "_names",
        "_not_by_name",
        "_ordered",
        "_positional",
        "_required_by_position",
        "_required_keywords",
        "_required_names",
        "_takes_any_name",
        "_values_in_order",
        "takes_magic",
    )

    def __init__(
        self,
        parameters: list[Parameter],
        magic_name: str,
        bound_names: frozenset[str] = frozenset(),
        *,
        is_exact: bool = False,
    ) -> None:
        magic = next((p for p in parameters if p.name == magic_name and is_nameable(p)), None)
        if any(p.name == magic_name and p.kind is Parameter.POSITIONAL_ONLY for p in parameters):
            raise RegistrationError(f"{magic_name!r} is passed by name: it cannot be a positional-only parameter")
        self.takes_magic = magic is not None
        self._magic_name = magic_name
        # The magic name is the server's: a client may not slip one in through **kwargs.
        self._not_by_name = bound_names | {magic_name}
        # Where the magic parameter stands in a list of parameters; a keyword-only one stands behind any list.
        self._magic_place = parameters.index(magic) if magic and is_positional(magic) else _UNBOUNDED
        self._plan([p for p in parameters if p is not magic])
        is_ordered = is_exact and all(p.kind is Parameter.POSITIONAL_OR_KEYWORD for p in parameters)
        # So many names stand for values by position; no dict has -1 of them.
        self._ordered = len(parameters) if is_ordered and parameters and magic is None else -1
        self._values_in_order = values_getter(self._positional)

    def _plan(self, parameters: list[Parameter]) -> None:
        positional = [p for p in parameters if is_positional(p)]
        required = [p for p in parameters if is_required(p)]
        kinds = {p.kind for p in parameters}
        self._positional = [p.name for p in positional]
        self._least = sum(map(is_required, positional))
        self._most = _UNBOUNDED if Parameter.VAR_POSITIONAL in kinds else len(positional)
        self._names = frozenset(p.name for p in parameters if is_nameable(p))
        self._required_names = frozenset(p.name for p in required)
        self._required_keywords = [p.name for p in required if p.kind is Parameter.KEYWORD_ONLY]
        self._required_by_position = [p.name for p in required if p.kind is Parameter.POSITIONAL_ONLY]
        self._takes_any_name = Parameter.VAR_KEYWORD in kinds

    def bind(self, params: list[Any] | dict[str, Any] | None, magic: Any = None) -> Arguments:
        """Return ``(args, kwargs)`` for the call.

        Args:
            params: The parameters of the call; None for none.
            magic: The value of the magic parameter, where the function takes it.

        Raises:
            JsonRpcInvalidParamsError: They do not fit; the message says what is missing or too much.
        """
        if type(params) is dict and len(params) == self._ordered:
            try:  # Python passes values by position in half the time that it takes by name
                return self._values_in_order(params), _NO_NAMES
            except KeyError:  # of which _bind_names() tells
                pass
        if isinstance(params, dict):
            return self._bind_names(params, magic)
        values = params or []
        if self._required_keywords or not self._least <= len(values) <= self._most:
            raise JsonRpcInvalidParamsError(self._misfit(len(values)))
        if not self.takes_magic:
            return values, _NO_NAMES
        if len(values) <= self._magic_place:
            return values, {self._magic_name: magic}
        return [*values[: self._magic_place], magic, *values[self._magic_place :]], _NO_NAMES

    def by_name(self, params: list[Any] | dict[str, Any] | None) -> dict[str, Any]:
        """Return the parameters of a call by the names that they have; those of ``*args`` have none."""
        return params if isinstance(params, dict) else dict(zip(self._positional, params or [], strict=False))

    def takes(self, name: str) -> bool:
        """Return whether a parameter of this name may be given."""
        return name in self._names or (self._takes_any_name and name not in self._not_by_name)

    def misfit(self, exc: BaseException) -> str | None:
        """Return None: parameters that were bound fit, so that no exception of the call is about them."""
        return None

    def _bind_names(self, params: dict[str, Any], magic: Any) -> Arguments:
        names = params.keys()
        if self._required_by_position:
            raise JsonRpcInvalidParamsError(f"Invalid params: {listed(self._required_by_position)} only by position")
        if names != self._names:  # they are the same where every parameter is given
            self._check_names(names)
        return (), {**params, self._magic_name: magic} if self.takes_magic else params

    def _check_names(self, names: Set[str]) -> None:
        if not names <= self._names and (unexpected := self._unexpected(names)):
            raise JsonRpcInvalidParamsError(f"Invalid params: unexpected {listed(unexpected)}")
        if not self._required_names <= names:
            raise JsonRpcInvalidParamsError(f"Invalid params: missing {listed(sorted(self._required_names - names))}")

    def _unexpected(self, names: Iterable[str]) -> list[str]:
        if self._takes_any_name:
            return [name for name in names if name in self._not_by_name]
        return [name for name in names if name not in self._names]

    def _misfit(self, given: int) -> str:
        if self._required_keywords:
            return f"Invalid params: {listed(self._required_keywords)} only by name"
        if given < self._least:
            return f"Invalid params: missing {listed(self._positional[given : self._least])}"
        return f"Invalid params: {given} given, at most {self._most} taken"


def values_getter(names: Sequence[str]) -> Callable[[dict[str, Any]], Sequence[Any]]:
    """Return what takes the values of these names out of a dict, in this order."""
    if len(names) < 2:  # of a single one itemgetter would give the value alone
        return lambda params: [params[name] for name in names]
    return itemgetter(*names)


def is_positional(parameter: Parameter) -> bool:
    """Return whether it may be given by position."""
    return parameter.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def is_nameable(parameter: Parameter) -> bool:
    """Return whether it may be given by name."""
    return parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def is_required(parameter: Parameter) -> bool:
    """Return whether it must be given."""
    return parameter.default is Parameter.empty and not is_variadic(parameter)


def is_variadic(parameter: Parameter) -> bool:
    """Return whether it is ``*args`` or ``**kwargs``."""
    return parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def listed(names: Iterable[str]) -> str:
    """Return names as a message shows them."""
    return ", ".join(map(repr, names))
