"""The type hints of a function's parameters and result, as types rather than as text.

Hints are read from the signature that calls are bound to. Text in a hint (``from __future__ import annotations``,
forward references) is evaluated where the function was defined.
"""

from __future__ import annotations

import contextlib
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter
from typing import Any

from ..errors import RegistrationError
from ..inspection import read_signature
from .layers import attribute_of, layers_of

__all__ = ["UNHINTED", "HintReader", "names_class", "scope_of"]

UNHINTED = Parameter.empty
"""The hint of a parameter or a result that has none."""


_FORWARD_REFERENCE = re.compile(r"ForwardRef\((['\"])(.*?)\1(?:, [^)]*)?\)")


class HintReader:
    """Reads the hints of one function.

    Args:
        function: The registered callable.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        below = function_below(function)
        self._scope = ({}, {}) if below is None else scope_of(below, classes_of(function))
        self._types_by_variable = types_of_instance(function)

    def of_parameters(self, parameters: Iterable[Parameter], *, strict: bool) -> dict[str, Any]:
        """Return the hints of parameters by name; parameters without a hint are left out.

        Args:
            parameters: Parameters of the function, with their annotations.
            strict: Whether a hint that cannot be evaluated is an error; it is left out otherwise.

        Raises:
            RegistrationError: A hint cannot be evaluated; the message names the parameter.
        """
        hints = {p.name: self._hint(p.annotation, f"parameter {p.name!r}", strict) for p in parameters}
        return {name: hint for name, hint in hints.items() if hint is not UNHINTED}

    def of_result(self, *, strict: bool) -> Any:
        """Return the hint of the function's result; :data:`UNHINTED` without one.

        Raises:
            RegistrationError: The hint cannot be evaluated, if ``strict``.
        """
        try:
            annotation = read_signature(self._function).return_annotation
        except (TypeError, ValueError):  # a built-in function
            return UNHINTED
        return self._hint(annotation, "the result", strict)

    def _hint(self, annotation: Any, what: str, strict: bool) -> Any:
        if annotation is UNHINTED:
            return UNHINTED
        hint = evaluated(annotation, self._scope, f"{what} of {self._function!r}", strict)
        return substituted(hint, self._types_by_variable)


def names_class(hint: Any, kind: type) -> bool:
    """Return whether a hint names a class or a subclass of it, alone or in a list or a union."""
    if isinstance(hint, type) and issubclass(hint, kind):
        return True
    return any(names_class(argument, kind) for argument in typing.get_args(hint))


def function_below(function: Any) -> types.FunctionType | None:
    """Return the Python function that holds the hints: below partials, methods, callable objects and decorators."""
    *_, below = layers_of(function)
    if isinstance(below, type):  # its parameters are those of its __init__
        below = attribute_of(below, "__init__")
    return below if isinstance(below, types.FunctionType) else None


def scope_of(function: types.FunctionType, classes: Iterable[type] = ()) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the globals of a function, and the names that its closure and type parameters add.

    Args:
        function: The function.
        classes: The classes that it may be a method of. A class ``Repo[T]`` gives its methods the name T, which their
            globals do not have.
    """
    local: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # the variable has no value yet
            local[name] = cell.cell_contents
    holders = [cls for cls in classes if function.__qualname__ == f"{cls.__qualname__}.{function.__name__}"]
    for holder in (*holders, function):
        local.update({parameter.__name__: parameter for parameter in getattr(holder, "__type_params__", ())})
    return function.__globals__, local


def types_of_instance(function: Any) -> dict[Any, Any]:
    """Return the types that the class of a bound method gives the type variables of its generic bases.

    In a class ``IntRepo(Repo[int])``, the variable of ``Repo`` is ``int``.
    """
    types_by_variable: dict[Any, Any] = {}
    for cls in classes_of(function):
        for base in getattr(cls, "__orig_bases__", ()):
            variables = getattr(typing.get_origin(base), "__parameters__", ())
            for variable, argument in zip(variables, typing.get_args(base), strict=False):
                types_by_variable.setdefault(variable, substituted(argument, types_by_variable))
    return types_by_variable


def classes_of(method: Any) -> tuple[type, ...]:
    """Return the class that a method is bound to, or whose object it is bound to, and the bases of that class."""
    owner = getattr(method, "__self__", None)
    return (owner if isinstance(owner, type) else type(owner)).__mro__


def substituted(hint: Any, types_by_variable: Mapping[Any, Any]) -> Any:
    """Return a hint with types in the place of type variables."""
    if isinstance(hint, typing.TypeVar):
        return types_by_variable.get(hint, hint)
    variables = getattr(hint, "__parameters__", ())
    is_class = issubclass(type(hint), type)  # list[T] is an instance of type in Python 3.10
    if is_class or not any(variable in types_by_variable for variable in variables):
        return hint
    return hint[tuple(types_by_variable.get(variable, variable) for variable in variables)]


def evaluated(annotation: Any, scope: tuple[Mapping[str, Any], Mapping[str, Any]], what: str, strict: bool) -> Any:
    if annotation is None:
        return type(None)
    globals_, local = scope
    holder = types.SimpleNamespace(__annotations__={"hint": annotation})
    try:
        return typing.get_type_hints(holder, dict(globals_), dict(local), include_extras=True)["hint"]
    except Exception as exc:  # evaluating a hint runs the user's code
        if not strict:
            return UNHINTED
        raise RegistrationError(
            f"the hint of {what} cannot be resolved: {describe(annotation)}: {type(exc).__name__}: {exc}; import the "
            "name where the function is defined, outside TYPE_CHECKING, or register with validate=False"
        ) from exc


def describe(annotation: Any) -> str:
    """Return a hint as its author wrote it, without the scopes of forward references that Python 3.14 adds."""
    return annotation if isinstance(annotation, str) else _FORWARD_REFERENCE.sub(r"\2", repr(annotation))
