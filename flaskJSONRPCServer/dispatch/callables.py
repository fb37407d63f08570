"""The call plans of callables: functions, bound methods, partials, callable objects, decorated functions."""

from __future__ import annotations

import functools
import re
import traceback
from collections.abc import Callable
from inspect import Parameter
from types import CodeType, FunctionType, MethodType
from typing import Any

from ..contract.layers import choices_of, layers_of
from ..errors import RegistrationError
from ..inspection import read_annotations, read_signature
from ..sansio_jsonrpc import JsonRpcInvalidParamsError
from .signatures import Arguments, SignaturePlan, is_nameable, is_positional, is_required, is_variadic, quoted

__all__ = ["BindingPlan", "DecoratedPlan", "parameters_of", "plan_of"]

Function = Callable[..., Any]

# The messages of CPython, up to 3.14 at least. A message that matches none of them is passed on unchanged.
_REWORDINGS: list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]] = [
    (
        re.compile(r"missing \d+ required (?:positional|keyword-only) arguments?: (.*)"),
        lambda match: f"missing {quoted(names_in(match[1]))}",
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
        lambda match: f"{quoted(names_in(match[1]))} only by position",
    ),
]
_MISSES_FIRST = re.compile(r".* requires at least 1 positional argument")
"""The message of functools.singledispatch."""


class DecoratedPlan:
    """Binds the parameters of calls that go through a decorator with ``*args`` or ``**kwargs``.

    The parameters that a decorator adds or removes are unknown: passing the current user as the first argument looks
    the same as passing everything on. So the call is bound to the parameters of the decorator, and the call inside the
    decorator shows whether they fit the function. If they do not, Python raises a TypeError before the function runs,
    and :meth:`misfit` recognises it.

    Args:
        outer: The parameters of the decorator's inner function, which is called.
        inner: The parameters of the decorated function.
        functions: The decorated function, and the functions between it and the outermost decorator.
        magic_name: The name of the magic parameter.
        bound_names: As with :class:`SignaturePlan`.

    Attributes:
        takes_magic: Whether the decorator or the function has the magic parameter.

    Raises:
        RegistrationError: The magic parameter is positional-only.
    """

    __slots__ = ("_functions", "_inner", "_outer", "_passes_all", "takes_magic")

    def __init__(
        self,
        outer: list[Parameter],
        inner: list[Parameter],
        functions: list[Function],
        magic_name: str,
        bound_names: frozenset[str],
    ) -> None:
        self._outer = SignaturePlan(add_magic(outer, inner, magic_name), magic_name, bound_names)
        self._inner = SignaturePlan(inner, magic_name, bound_names)
        self._functions = [(f"{function.__qualname__}() ", code_of(function)) for function in functions]
        self._passes_all = len(outer) == 2 and all(map(is_variadic, outer))
        self.takes_magic = self._outer.takes_magic

    def bind(self, params: list[Any] | dict[str, Any] | None, magic: Any = None) -> Arguments:
        """Return ``(args, kwargs)`` for the call, as :meth:`SignaturePlan.bind`."""
        if self._passes_all:
            try:  # if the parameters fit the function, the index of the magic parameter is known
                return self._inner.bind(params, magic)
            except JsonRpcInvalidParamsError:
                return self._outer.bind(params, magic)
        return self._outer.bind(params, magic)

    def fits(self, params: list[Any] | dict[str, Any]) -> bool:
        """Return whether parameters fit the function as they are, without the ones that a decorator may add."""
        try:
            self._inner.bind(params)
        except JsonRpcInvalidParamsError:
            return False
        return True

    def by_name(self, params: list[Any] | dict[str, Any] | None) -> dict[str, Any]:
        """Return the parameters of a call by their names in the function."""
        return self._inner.by_name(params)

    def takes(self, name: str) -> bool:
        """Return whether the function takes a parameter of this name."""
        return self._inner.takes(name)

    def misfit(self, exc: BaseException) -> str | None:
        """Return why the parameters do not fit the function, if an exception of the call means that; else None.

        It means that if it is a TypeError with a message of Python's (``greet() missing 1 required ...``) about a
        function that has not started: the function has no frame in the traceback.
        """
        if type(exc) is not TypeError:
            return None
        text = str(exc)
        started = {frame.f_code for frame, _ in traceback.walk_tb(exc.__traceback__)}
        if _MISSES_FIRST.fullmatch(text) and started.isdisjoint(code for _, code in self._functions):
            return "Invalid params: at least 1 by position"
        for prefix, code in self._functions:
            if text.startswith(prefix) and code not in started:
                return f"Invalid params: {reword(text.removeprefix(prefix))}"
        return None


def reword(text: str) -> str:
    """Return Python's message about wrong arguments, reworded like the messages of :class:`SignaturePlan`."""
    return next((rewrite(match) for pattern, rewrite in _REWORDINGS if (match := pattern.fullmatch(text))), text)


def names_in(text: str) -> list[str]:
    return [name for name in re.findall(r"\w+", text) if name != "and"]


BindingPlan = SignaturePlan | DecoratedPlan
"""A plan that binds the parameters of calls."""


def plan_of(function: Function, magic_name: str, parameters: list[Parameter] | None = None) -> BindingPlan:
    """Return the call plan of a function, made from the signature of the outermost callable.

    Args:
        function: Any callable. A built-in without a signature takes any parameters.
        magic_name: The name of the magic parameter, which the server passes if the function has it.
        parameters: Its :func:`parameters_of`, if they have been read already.

    Raises:
        RegistrationError: No call could ever succeed; the message says why.
    """
    inner = parameters_of(function) if parameters is None else parameters
    outer = parameters_of(function, follow_wrapped=False)
    bound_names = names_bound_in(function)
    functions = decorated_functions(function)
    if not functions:
        return SignaturePlan(inner, magic_name, bound_names, is_exact=is_plain(function))
    if called_function(function)[0] is None:  # a built-in decorator, such as functools.cache, passes everything on
        return plan_of(unwrap_once(function), magic_name)
    refuse_lost_magic(function, outer, inner, magic_name)
    if not any(map(is_variadic, outer)):
        return SignaturePlan(outer, magic_name, bound_names)
    return DecoratedPlan(outer, inner, functions, magic_name, bound_names)


def is_plain(function: Function) -> bool:
    """Return whether a callable is a function or a method, with exactly the parameters of its code."""
    code_holder = function.__func__ if isinstance(function, MethodType) else function
    return isinstance(code_holder, FunctionType) and not hasattr(code_holder, "__signature__")


def parameters_of(function: Function, *, follow_wrapped: bool = True) -> list[Parameter]:
    """Return the parameters of a function.

    Args:
        function: Any callable.
        follow_wrapped: Whether to return the parameters of the decorated function, rather than its decorator's.

    Raises:
        RegistrationError: More arguments are bound already than the function takes, as in a method without ``self``;
            or its hints cannot be read.
    """
    try:
        return list(read_signature(function, follow_wrapped=follow_wrapped).parameters.values())
    except Exception as exc:
        called = called_function(function)[0]
        if called is None and isinstance(exc, (TypeError, ValueError)):
            return [Parameter("args", Parameter.VAR_POSITIONAL), Parameter("kwargs", Parameter.VAR_KEYWORD)]
        if called is None or not has_readable_hints(called):
            raise RegistrationError(
                f"the hints of {function!r} cannot be read: {type(exc).__name__}: {exc}; the traceback shows the hint"
            ) from exc
        raise RegistrationError(
            f"{function!r} cannot be called: {exc}; a method takes self or is a @staticmethod, and a partial binds "
            "what its function takes"
        ) from exc


def has_readable_hints(function: FunctionType) -> bool:
    try:
        read_annotations(function)
    except Exception:  # noqa: BLE001  evaluating a hint runs the user's code
        return False
    return True


def called_function(function: Any) -> tuple[FunctionType | None, int]:
    """Return the Python function below a callable, and the number of arguments that are bound before those of a call.

    The function is None if it is not written in Python.
    """
    layers = list(layers_of(function, follow_wrapped=False))
    called = layers[-1]
    return called if isinstance(called, FunctionType) else None, sum(map(bound_by, layers))


def bound_by(layer: Any) -> int:
    """Return the number of arguments that a partial or a method passes before those of a call."""
    return len(layer.args) if isinstance(layer, functools.partial) else isinstance(layer, MethodType)


def names_bound_in(function: Function) -> frozenset[str]:
    """Return the names of the parameters that are bound before the call: ``self``, and those of a partial."""
    called, bound = called_function(function)
    if called is None:
        return frozenset()
    positional = [p for p in read_signature(called, follow_wrapped=False).parameters.values() if is_positional(p)]
    return frozenset(p.name for p in positional[:bound] if is_nameable(p))


def decorated_functions(function: Function) -> list[Function]:
    """Return the functions below a decorated one, by ``functools.wraps``; none if it is not decorated.

    The functions that ``functools.singledispatch`` chooses from are among them.
    """
    functions: list[Function] = []
    while (wrapped := wrapped_by(function)) is not None:
        functions += choices_of(function)
        function = wrapped
        functions.append(called_function(wrapped)[0] or wrapped)
    return [candidate for candidate in functions if hasattr(candidate, "__qualname__")]


def wrapped_by(function: Function) -> Function | None:
    """Return the function that a decorator wraps; None without a decorator, or if ``__signature__`` is set."""
    for candidate in (function, called_function(function)[0]):
        if hasattr(candidate, "__signature__"):
            return None
        wrapped: Function | None = getattr(candidate, "__wrapped__", None)
        if wrapped is not None:
            return wrapped
    return None


def unwrap_once(function: Any) -> Function:
    """Return the function that a decorator wraps, bound to the same object."""
    if isinstance(function, MethodType):
        return MethodType(unwrap_once(function.__func__), function.__self__)
    wrapped: Function = function.__wrapped__
    return wrapped


def add_magic(outer: list[Parameter], inner: list[Parameter], magic_name: str) -> list[Parameter]:
    """Return a decorator's parameters, with the magic parameter if ``**kwargs`` passes it on to the function."""
    *others, last = outer
    is_named = any(p.name == magic_name for p in outer)
    if is_named or last.kind is not Parameter.VAR_KEYWORD or not any(p.name == magic_name for p in inner):
        return outer
    return [*others, Parameter(magic_name, Parameter.KEYWORD_ONLY), last]


def refuse_lost_magic(function: Function, outer: list[Parameter], inner: list[Parameter], magic_name: str) -> None:
    """Check that a decorator can take the magic parameter, if the function needs it.

    Raises:
        RegistrationError: It cannot.
    """
    needed = any(p.name == magic_name and is_required(p) for p in inner)
    if needed and not any(p.name == magic_name or p.kind is Parameter.VAR_KEYWORD for p in outer):
        raise RegistrationError(
            f"{function!r} needs {magic_name!r}, and its decorator cannot take it; add **kwargs to the decorator's "
            "inner function, and pass them on"
        )


def code_of(function: Any) -> CodeType | None:
    code: CodeType | None = getattr(function, "__code__", None)
    return code
