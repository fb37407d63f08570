"""The errors that a method declares: by :func:`raises`, or in the Raises section of its docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any, Final, TypeVar

from ..errors import RegistrationError
from ..sansio_jsonrpc import JsonRpcApplicationError
from .hints import scope_of
from .layers import layers_of

__all__ = ["DECLARED", "DeclaredError", "declared_errors", "raises"]

DECLARED: Final = "__rpc_errors__"
"""The attribute of a function that has its declared errors. A decorator with ``functools.wraps`` copies it."""

_DOTTED_NAME: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")

_NONE_DOCUMENTED: Final[Mapping[str, str]] = {}

_Declarer = TypeVar("_Declarer")


@dataclass(frozen=True, slots=True)
class DeclaredError:
    """An error that a method may answer with, as a description of the method shows it.

    Attributes:
        code: The code.
        message: The usual message; a call may send another one.
        description: The cause, as far as the author has written it down; else empty.
    """

    code: int
    message: str
    description: str = ""


def raises(*errors: type[JsonRpcApplicationError]) -> Callable[[_Declarer], _Declarer]:
    """Declare the errors that a method raises on purpose; a decorator.

    It changes only the description of the method. Several of these decorators add up.

    Args:
        errors: Subclasses of JsonRpcApplicationError, each with an ``ERROR_CODE``. The ``ERROR_MESSAGE`` and the first
            paragraph of the docstring describe the error.

    Returns:
        The decorator. It returns the function itself.

    Raises:
        RegistrationError: One of them is anything else, or the decorated object takes no attributes.
    """
    checked = tuple(checked_error(error) for error in errors)

    def declare(function: _Declarer) -> _Declarer:
        holder: Any = getattr(function, "__func__", function)  # of a staticmethod, a classmethod, or a bound method
        try:
            setattr(holder, DECLARED, merged(checked, getattr(holder, DECLARED, ())))
        except AttributeError as exc:
            raise RegistrationError(f"{function!r} cannot declare errors; wrap it in a function of your own") from exc
        return function

    return declare


def declared_errors(
    function: Callable[..., Any], documented: Mapping[str, str] = _NONE_DOCUMENTED
) -> tuple[DeclaredError, ...]:
    """Return the errors that a function declares, each once: those of :func:`raises`, then those of its docstring.

    Args:
        function: Any callable: also a partial, a method, a decorated function.
        documented: The descriptions in the Raises section of its docstring, by name, such as ``NotFoundError`` or
            ``errors.NotFoundError``. A name that means no subclass of JsonRpcApplicationError with a code is ignored. A
            description that is not empty takes precedence over the docstring of the class.
    """
    layers = list(layers_of(function))
    by_decorator = [error for layer in layers for error in getattr(layer, DECLARED, ())]
    functions = [layer for layer in layers if isinstance(layer, FunctionType)]
    scopes = [{**globals_, **local} for globals_, local in map(scope_of, functions)]
    by_docstring = [
        error
        for text in documented
        for name in _DOTTED_NAME.findall(text)
        if (error := error_named(name, scopes)) is not None
    ]
    texts = {error_named(name, scopes): text for name, text in documented.items() if text}
    return tuple(description_of(error, texts.get(error, "")) for error in merged(by_decorator, by_docstring))


def checked_error(error: Any) -> type[JsonRpcApplicationError]:
    if not is_declarable(error):
        raise RegistrationError(
            f"{error!r} cannot be declared: raises takes subclasses of JsonRpcApplicationError with an ERROR_CODE; for "
            "any other exception, use mapException"
        )
    declarable: type[JsonRpcApplicationError] = error
    return declarable


def is_declarable(value: Any) -> bool:
    """Return whether a value is an error of the application with a code of its own."""
    return isinstance(value, type) and issubclass(value, JsonRpcApplicationError) and value.ERROR_CODE is not None


def merged(
    first: Iterable[type[JsonRpcApplicationError]], second: Iterable[type[JsonRpcApplicationError]]
) -> tuple[type[JsonRpcApplicationError], ...]:
    """Return the errors in order, each once."""
    return tuple(dict.fromkeys([*first, *second]))


def error_named(name: str, scopes: Iterable[Mapping[str, Any]]) -> type[JsonRpcApplicationError] | None:
    """Return the error that a dotted name means in one of the scopes; None if it means none."""
    return next((value for scope in scopes if is_declarable(value := looked_up(name, scope))), None)


def looked_up(name: str, scope: Mapping[str, Any]) -> Any:
    first, *others = name.split(".")
    value = scope.get(first)
    for attribute in others:
        if not isinstance(value, (ModuleType, type)):  # the attributes of other objects may run code
            return None
        value = getattr(value, attribute, None)
    return value


def description_of(error: type[JsonRpcApplicationError], text: str) -> DeclaredError:
    assert error.ERROR_CODE is not None  # noqa: S101  is_declarable() says so
    message = error.__name__ if error.ERROR_MESSAGE is None else error.ERROR_MESSAGE
    own_doc = vars(error).get("__doc__") or ""  # the docstring of its base describes the base
    return DeclaredError(int(error.ERROR_CODE), message, text or inspect.cleandoc(own_doc).partition("\n\n")[0])
