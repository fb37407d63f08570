"""The binding of a call's parameters to the signature of a function, planned once at registration.

A call is bound by comparing names and counts with the plan, so a wrong call is found before the function runs: a
TypeError from inside the function is never mistaken for one. ``inspect`` is not used again after the registration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from inspect import Parameter
from operator import itemgetter
from typing import Any

from ..errors import RegistrationError
from ..sansio_jsonrpc import JsonRpcInvalidParamsError

__all__ = [
    "NO_NAMES",
    "MisfitError",
    "SignaturePlan",
    "is_nameable",
    "is_positional",
    "is_required",
    "is_variadic",
    "quoted",
]

Arguments = tuple[Sequence[Any], Mapping[str, Any]]

NO_NAMES: dict[str, Any] = {}
"""The named arguments of a call without any."""

_UNBOUNDED = 2**63

# The most names in an error message, and the longest; guessed.
_MOST_NAMES = 20
_MOST_CHARACTERS = 200


class MisfitError(JsonRpcInvalidParamsError):
    """Parameters that do not fit the signature.

    Attributes:
        problems: What is wrong with each named parameter, such as ``("a", "missing")``; empty if only their number is.
    """

    def __init__(self, message: str, problems: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class SignaturePlan:
    """Binds the parameters of calls of one function.

    Args:
        parameters: The parameters of the function.
        magic_name: The name of the magic parameter, which the server passes if the function has it.
        bound_names: The parameters that are bound already, such as ``self`` of a bound method: ``**kwargs`` cannot take
            these names.
        is_exact: Whether these are exactly the parameters of the function's code. Then a named value may as well be
            passed by position. A decorator, or a ``__signature__``, may declare other parameters.

    Attributes:
        names_in_order: The parameters, if all of them may be passed by position; else empty.
        takes_magic: Whether the function has the magic parameter.
        values_in_order: Returns the values of a dict with all positional parameters in their order. It raises KeyError
            for any other dict.

    Raises:
        RegistrationError: The magic parameter is positional-only, or no call can pass all required parameters.

    Source: JSON-RPC 2.0, section 4.2.
    """

    __slots__ = (
        "_magic_name",
        "_magic_place",
        "_max_positional",
        "_min_positional",
        "_names",
        "_not_by_name",
        "_ordered_count",
        "_positional",
        "_required_by_position",
        "_required_keywords",
        "_required_names",
        "_takes_any_name",
        "names_in_order",
        "takes_magic",
        "values_in_order",
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
        # Only the server passes the magic parameter: a client must not pass one through **kwargs.
        self._not_by_name = bound_names | {magic_name}
        # The index of the magic parameter in a list of parameters; a keyword-only one comes after any list.
        self._magic_place = parameters.index(magic) if magic and is_positional(magic) else _UNBOUNDED
        self._plan([p for p in parameters if p is not magic])
        is_ordered = is_exact and all(p.kind is Parameter.POSITIONAL_OR_KEYWORD for p in parameters)
        self.names_in_order: Sequence[str] = self._positional if is_ordered and magic is None else ()
        # -1, which is the length of no dict, turns passing named values by position off.
        self._ordered_count = len(self.names_in_order) or -1
        self.values_in_order = values_getter(self._positional)

    def _plan(self, parameters: list[Parameter]) -> None:
        positional = [p for p in parameters if is_positional(p)]
        required = [p for p in parameters if is_required(p)]
        kinds = {p.kind for p in parameters}
        self._positional = [p.name for p in positional]
        self._min_positional = sum(map(is_required, positional))
        self._max_positional = _UNBOUNDED if Parameter.VAR_POSITIONAL in kinds else len(positional)
        self._names = frozenset(p.name for p in parameters if is_nameable(p))
        self._required_names = frozenset(p.name for p in required)
        self._required_keywords = [p.name for p in required if p.kind is Parameter.KEYWORD_ONLY]
        self._required_by_position = [p.name for p in required if p.kind is Parameter.POSITIONAL_ONLY]
        self._takes_any_name = Parameter.VAR_KEYWORD in kinds
        if self._required_by_position and self._required_keywords:
            only_first, only_last = quoted(self._required_by_position), quoted(self._required_keywords)
            raise RegistrationError(
                f"{only_first} is taken by position only, and {only_last} by name only: a call of JSON-RPC passes all "
                "its parameters in one way; give them defaults, or drop / or *"
            )

    def bind(self, params: list[Any] | dict[str, Any] | None, magic: Any = None) -> Arguments:
        """Return ``(args, kwargs)`` for the call.

        Args:
            params: The parameters of the call; None if it has no parameters.
            magic: The value of the magic parameter, if the function has it.

        Raises:
            JsonRpcInvalidParamsError: They do not fit; the message names the missing or unexpected ones.
        """
        if type(params) is dict and len(params) == self._ordered_count:
            values_in_order = self.values_in_order
            try:  # Python passes values by position in half the time of passing them by name
                return values_in_order(params), NO_NAMES
            except KeyError:  # _bind_names() raises the error for the client
                pass
        if isinstance(params, dict):
            return self._bind_names(params, magic)
        values = params or []
        if self._required_keywords or not self._min_positional <= len(values) <= self._max_positional:
            raise self._misfit(len(values))
        if not self.takes_magic:
            return values, NO_NAMES
        if len(values) <= self._magic_place:
            return values, {self._magic_name: magic}
        return [*values[: self._magic_place], magic, *values[self._magic_place :]], NO_NAMES

    def by_name(self, params: list[Any] | dict[str, Any] | None) -> dict[str, Any]:
        """Return the parameters of a call by name; those of ``*args`` have no name, and are left out."""
        return params if isinstance(params, dict) else dict(zip(self._positional, params or [], strict=False))

    def takes(self, name: str) -> bool:
        """Return whether the function takes a parameter of this name."""
        return name in self._names or (self._takes_any_name and name not in self._not_by_name)

    def misfit(self, exc: BaseException) -> str | None:
        """Return None: parameters that could be bound fit, so no exception of the call is about them."""
        return None

    def _bind_names(self, params: dict[str, Any], magic: Any) -> Arguments:
        names = params.keys()
        if self._required_by_position:
            raise misfit("only by position", self._required_by_position)
        if names != self._names:  # equal if every parameter is passed
            self._check_names(names)
        return (), {**params, self._magic_name: magic} if self.takes_magic else params

    def _check_names(self, names: Set[str]) -> None:
        lacking = sorted(self._required_names - names)
        if not names <= self._names and (unexpected := self._unexpected(names)):
            problems = [*((name, "unexpected") for name in unexpected), *((name, "missing") for name in lacking)]
            raise MisfitError(f"Invalid params: unexpected {quoted(unexpected)}", problems)
        if lacking:
            raise missing(lacking)

    def _unexpected(self, names: Iterable[str]) -> list[str]:
        if self._takes_any_name:
            return [name for name in names if name in self._not_by_name]
        return [name for name in names if name not in self._names]

    def _misfit(self, count: int) -> MisfitError:
        if self._required_keywords:
            return misfit("only by name", self._required_keywords)
        if count < self._min_positional:
            return missing(self._positional[count : self._min_positional])
        return MisfitError(f"Invalid params: {count} given, at most {self._max_positional} taken")


def missing(names: Sequence[str]) -> MisfitError:
    return MisfitError(f"Invalid params: missing {quoted(names)}", [(name, "missing") for name in names])


def misfit(problem: str, names: Sequence[str]) -> MisfitError:
    return MisfitError(f"Invalid params: {quoted(names)} {problem}", [(name, problem) for name in names])


def values_getter(names: Sequence[str]) -> Callable[[dict[str, Any]], Sequence[Any]]:
    """Return a function that takes the values of these names from a dict, in this order."""
    if len(names) < 2:  # for a single name, itemgetter would return no tuple
        return lambda params: [params[name] for name in names]
    return itemgetter(*names)


def is_positional(parameter: Parameter) -> bool:
    """Return whether a parameter may be passed by position."""
    return parameter.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def is_nameable(parameter: Parameter) -> bool:
    """Return whether a parameter may be passed by name."""
    return parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def is_required(parameter: Parameter) -> bool:
    """Return whether a parameter must be passed."""
    return parameter.default is Parameter.empty and not is_variadic(parameter)


def is_variadic(parameter: Parameter) -> bool:
    """Return whether a parameter is ``*args`` or ``**kwargs``."""
    return parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def quoted(names: Iterable[str]) -> str:
    """Return names as an error message shows them: not all of many, nor all of a long one."""
    listed = list(names)
    shown = ", ".join(repr(name[:_MOST_CHARACTERS]) for name in listed[:_MOST_NAMES])
    more = len(listed) - _MOST_NAMES
    return shown if more <= 0 else f"{shown} and {more} more"
