"""How each kind of callable is called: functions, bound methods, partials, callable objects, decorated functions."""

from __future__ import annotations

import functools
import inspect
import re
import traceback
from collections.abc import Callable
from inspect import Parameter
from types import CodeType, FunctionType, MappingProxyType, MethodType
from typing import Any

from ..errors import RegistrationError
from ..sansio_jsonrpc import JsonRpcInvalidParamsError
from .signatures import Arguments, SignaturePlan, is_nameable, is_positional, is_required, is_variadic, listed

__all__ = ["DecoratedPlan", "Plan", "parameters_of", "plan_of"]

Function = Callable[..., Any]

# How CPython words it, up to 3.14 at least. Whatever it words otherwise is passed on as it is.
_WORDS: list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]] = [
    (
        re.compile(r"missing \d+ required (?:positional|keyword-only) arguments?: (.*)"),
        lambda match: f"missing {listed(names_in(match[1]))}",
    ),
    (
        re.compile(r"got an unexpected keyword argument '(.*?)'(?:\. Did you mean '.*'\?)?", re.DOTALL),
        lambda match: f"unexpected {match[1]!r}",
    ),
    (re.compile(r"got multiple values for argument '(.*)'"), lambda match: f"unexpected {match[1]!r}"),
    (
        re.compile(r"takes (?:from \d+ to )?(\d+) positional arguments? but (\d+) .*given"),
        lambda match: f"{match[2]} given, at most {match[1]} taken",
    ),
    (
        re.compile(r"got some positional-only arguments passed as keyword arguments: (.*)"),
        lambda match: f"{listed(names_in(match[1]))} only by position",
    ),
]
_MISSES_FIRST = re.compile(r".* requires at least 1 positional argument")
"""How functools.singledispatch words it."""


class DecoratedPlan:
    """How to call a function through a decorator that takes ``*args`` or ``**kwargs``.

    Nothing says which parameters such a decorator adds or takes away: one that passes the current user as the first
    argument looks like one that passes on what it gets. So the call is bound to what the decorator takes, and the
    decorator's own call shows whether the parameters fit the function. Where they do not, Python raises a TypeError
    before the function runs, which :meth:`misfit` recognises.

    Args:
        taken: What the decorator takes.
        declared: What the decorated function takes.
        functions: The decorated function, and those between it and the outermost decorator.
        magic_name: The parameter that the server fills.
        bound_names: As with :class:`SignaturePlan`.

    Attributes:
        takes_magic: Whether the decorator or the function names the magic parameter.

    Raises:
        RegistrationError: The function needs the magic parameter, and the decorator cannot take it.
    """

    __slots__ = ("_declared", "_functions", "_passes_all", "_taken", "takes_magic")

    def __init__(
        self,
        taken: list[Parameter],
        declared: list[Parameter],
        functions: list[Function],
        magic_name: str,
        bound_names: frozenset[str],
    ) -> None:
        self._taken = SignaturePlan(add_magic(taken, declared, magic_name), magic_name, bound_names)
        self._declared = SignaturePlan(declared, magic_name, bound_names)
        self._functions = [(f"{function.__qualname__}() ", code_of(function)) for function in functions]
        self._passes_all = len(taken) == 2 and all(map(is_variadic, taken))
        self.takes_magic = self._taken.takes_magic

    def bind(self, params: list[Any] | dict[str, Any] | None, magic: Any = None) -> Arguments:
        """Return ``(args, kwargs)`` for the call, as :meth:`SignaturePlan.bind`."""
        if self._passes_all:
            try:  # the place of the magic parameter is known where the parameters fit the function as they are
                return self._declared.bind(params, magic)
            except JsonRpcInvalidParamsError:
                return self._taken.bind(params, magic)
        return self._taken.bind(params, magic)

    def by_name(self, params: list[Any] | dict[str, Any] | None) -> dict[str, Any]:
        """Return the parameters of a call by the names that they have in the function."""
        return self._declared.by_name(params)

    def takes(self, name: str) -> bool:
        """Return whether the function takes a parameter of this name."""
        return self._declared.takes(name)

    def misfit(self, exc: BaseException) -> str | None:
        """Return how the parameters do not fit the function, if that is what an exception of the call says.

        It is a TypeError in Python's words (``greet() missing 1 required ...``) about a function that has not begun:
        none of the exception's frames is its own.
        """
        if type(exc) is not TypeError:
            return None
        text = str(exc)
        begun = {frame.f_code for frame, _ in traceback.walk_tb(exc.__traceback__)}
        if _MISSES_FIRST.fullmatch(text) and begun.isdisjoint(code for _, code in self._functions):
            return "Invalid params: at least 1 by position"
        for prefix, code in self._functions:
            if text.startswith(prefix) and code not in begun:
                return f"Invalid params: {reworded(text.removeprefix(prefix))}"
        return None


def reworded(text: str) -> str:
    """Return Python's words about arguments that do not fit in those of :class:`SignaturePlan`."""
    return next((words(match) for pattern, words in _WORDS if (match := pattern.fullmatch(text))), text)


def names_in(text: str) -> list[str]:
    return [name for name in re.findall(r"\w+", text) if name != "and"]


Plan = SignaturePlan | DecoratedPlan
"""How the parameters of a call are bound."""


def plan_of(function: Function, magic_name: str) -> Plan:
    """Return how to call a function, by the signature of what is really called.

    Args:
        function: Any callable. A built-in without a signature takes any parameters.
        magic_name: The parameter that the server fills, if the function names it.

    Raises:
        RegistrationError: No call could ever work; the message says why.
    """
    declared, taken = parameters_of(function), parameters_of(function, follow_wrapped=False)
    bound_names = names_bound_in(function)
    functions = decorated_functions(function)
    if not functions:
        return SignaturePlan(declared, magic_name, bound_names, is_exact=is_plain(function))
    if called_function(function)[0] is None:  # a built-in decorator such as functools.cache passes on what it gets
        return plan_of(behind_decorator(function), magic_name)
    refuse_lost_magic(function, taken, declared, magic_name)
    if not any(map(is_variadic, taken)):
        return SignaturePlan(taken, magic_name, bound_names)
    return DecoratedPlan(taken, declared, functions, magic_name, bound_names)


def is_plain(function: Function) -> bool:
    """Return whether a callable is a function, or a method, with the parameters that its code has."""
    code_holder = function.__func__ if isinstance(function, MethodType) else function
    return isinstance(code_holder, FunctionType) and not hasattr(code_holder, "__signature__")


def parameters_of(function: Function, *, follow_wrapped: bool = True) -> list[Parameter]:
    """Return what a function takes.

    Args:
        function: Any callable.
        follow_wrapped: Whether the parameters of a decorated function are meant, rather than its decorator's.

    Raises:
        RegistrationError: It takes less than it has been given already, as a method without ``self``.
    """
    try:
        return list(inspect.signature(function, follow_wrapped=follow_wrapped).parameters.values())
    except (TypeError, ValueError) as exc:
        if called_function(function)[0] is not None:
            raise RegistrationError(
                f"{function!r} cannot be called: {exc}; a method takes self or is a @staticmethod, and a partial binds "
                "what its function takes"
            ) from exc
        return [Parameter("args", Parameter.VAR_POSITIONAL), Parameter("kwargs", Parameter.VAR_KEYWORD)]


def called_function(function: Any) -> tuple[FunctionType | None, int]:
    """Return the Python function that a callable leads to, and how many arguments it passes before those of a call.

    The function is None where it is not written in Python.
    """
    bound = 0
    while not isinstance(function, FunctionType):
        if isinstance(function, functools.partial):
            bound += len(function.args)
            function = function.func
        elif isinstance(function, MethodType):
            bound += 1
            function = function.__func__
        elif isinstance(getattr(function, "__call__", None), (FunctionType, MethodType)):  # noqa: B004  its value is used
            function = function.__call__
        else:
            return None, bound
    return function, bound


def names_bound_in(function: Function) -> frozenset[str]:
    """Return the names of the parameters that have their value before the call: ``self``, those of a partial."""
    called, bound = called_function(function)
    if called is None:
        return frozenset()
    positional = [p for p in inspect.signature(called, follow_wrapped=False).parameters.values() if is_positional(p)]
    return frozenset(p.name for p in positional[:bound] if is_nameable(p))


def decorated_functions(function: Function) -> list[Function]:
    """Return the functions that a decorated one leads to by ``functools.wraps``; none where it is not decorated.

    With those that ``functools.singledispatch`` chooses from.
    """
    found: list[Function] = []
    while (wrapped := wrapped_by(function)) is not None:
        if isinstance(choice := getattr(function, "registry", None), MappingProxyType):
            found += choice.values()
        function = wrapped
        found.append(called_function(wrapped)[0] or wrapped)
    return [each for each in found if hasattr(each, "__qualname__")]


def wrapped_by(function: Function) -> Function | None:
    """Return what a decorator wraps; None where there is none, or where ``__signature__`` says what it takes."""
    for each in (function, called_function(function)[0]):
        if hasattr(each, "__signature__"):
            return None
        wrapped: Function | None = getattr(each, "__wrapped__", None)
        if wrapped is not None:
            return wrapped
    return None


def behind_decorator(function: Any) -> Function:
    """Return what a decorator wraps, bound to the same object."""
    if isinstance(function, MethodType):
        return MethodType(behind_decorator(function.__func__), function.__self__)
    wrapped: Function = function.__wrapped__
    return wrapped


def add_magic(taken: list[Parameter], declared: list[Parameter], magic_name: str) -> list[Parameter]:
    """Return what a decorator takes, with the magic parameter where ``**kwargs`` passes that on to the function."""
    *others, last = taken
    is_named = any(p.name == magic_name for p in taken)
    if is_named or last.kind is not Parameter.VAR_KEYWORD or not any(p.name == magic_name for p in declared):
        return taken
    return [*others, Parameter(magic_name, Parameter.KEYWORD_ONLY), last]


def refuse_lost_magic(function: Function, taken: list[Parameter], declared: list[Parameter], magic_name: str) -> None:
    needed = any(p.name == magic_name and is_required(p) for p in declared)
    if needed and not any(p.name == magic_name or p.kind is Parameter.VAR_KEYWORD for p in taken):
        raise RegistrationError(
            f"{function!r} needs {magic_name!r}, and its decorator cannot take it; add **kwargs to the decorator's "
            "inner function, and pass them on"
        )


def code_of(function: Any) -> CodeType | None:
    code: CodeType | None = getattr(function, "__code__", None)
    return code
