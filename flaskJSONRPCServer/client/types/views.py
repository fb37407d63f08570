"""Typed views: a Protocol, a class or a function says which methods a server has, and what they take and return."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from ..errors import ClientError
from ..options import CallOptions
from ..parameters import Signature
from .readers import result_reader
from .scalars import Reader

__all__ = ["TypedMethod", "TypedView", "idempotent", "typed_view"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

_IDEMPOTENT: Final = "__rpc_idempotent__"
# The attributes that our server's decorators leave on a function.
_ERRORS: Final = "__rpc_errors__"
_OPTIONS: Final = "_rpc_options"
# The server fills in this parameter.
_MAGIC: Final = "_connection"
_AWAITABLES: Final = (collections.abc.Awaitable, collections.abc.Coroutine)
_BASES: Final = (object, Protocol, typing.Generic)


def idempotent(function: _Function) -> _Function:
    """Declare that a method of an interface may be run twice with the same effect as once: a decorator.

    Clients repeat its calls if an answer is lost.
    """
    setattr(function, _IDEMPOTENT, True)
    return function


class Invoke(Protocol):
    """Calls a method of a server."""

    def __call__(
        self,
        options: CallOptions,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        signature: Signature | None = None,
    ) -> Any:
        """Call it."""


class TypedMethod:
    """A method with the signature of a function: its arguments are checked, and its results converted.

    Args:
        invoke: Calls the method.
        options: The options of the calls.
        function: The function.
        name: The name of the method.
        is_bound: Whether the first parameter of the function is the instance.
        scope: The names of a class that the hint of the result may use.
    """

    def __init__(
        self,
        invoke: Invoke,
        options: CallOptions,
        function: Callable[..., Any],
        name: str,
        *,
        is_bound: bool,
        scope: Mapping[str, Any],
    ) -> None:
        self._invoke = invoke
        self._name = name
        self._checked = call_signature(function, is_bound=is_bound)
        self._names = names_by_position(self._checked)
        self._options = with_declarations(options, function, lazy_reader(function, scope))
        functools.update_wrapper(self, function)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the method.

        Raises:
            TypeError: The arguments do not fit the signature.
        """
        try:
            self._checked.bind(*args, **kwargs)
        except TypeError as exc:
            raise TypeError(f"{self._name}(): {exc}") from None
        return self._invoke(self._options, self._name, args, kwargs, self._names)

    def __repr__(self) -> str:
        return f"<TypedMethod {self._name}{self._checked}>"


class TypedView:
    """The methods of an interface. A member that is annotated with another interface is a prefix of its methods.

    Args:
        invoke: Calls methods.
        options: The options of the calls.
        interface: The class.
        prefix: What the names of the methods begin with.
    """

    def __init__(self, invoke: Invoke, options: CallOptions, interface: type, prefix: str) -> None:
        self._interface = interface
        for name, function, is_bound in functions_of(interface):
            options_given = getattr(function, _OPTIONS, None)
            method = prefix + (getattr(options_given, "name", None) or name)
            setattr(
                self,
                name,
                TypedMethod(invoke, options, function, method, is_bound=is_bound, scope=vars(interface)),
            )
        for name, hint in nested_interfaces(interface):
            setattr(self, name, TypedView(invoke, options, hint, f"{prefix}{name}."))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self._interface.__qualname__} declares no method {name!r}")

    def __repr__(self) -> str:
        return f"<TypedView of {self._interface.__qualname__}>"


def typed_view(invoke: Invoke, options: CallOptions, interface: Any, prefix: str = "") -> Any:
    """Return the typed view of a class, or the typed method of a function.

    Raises:
        TypeError: The interface is neither.
    """
    if isinstance(interface, type):
        return TypedView(invoke, options, interface, prefix)
    if inspect.isroutine(interface):
        name = getattr(getattr(interface, _OPTIONS, None), "name", None) or interface.__name__
        return TypedMethod(invoke, options, interface, prefix + name, is_bound=False, scope={})
    raise TypeError(f"{interface!r} is no interface; pass a Protocol, a class or a function")


def functions_of(interface: type) -> list[tuple[str, Callable[..., Any], bool]]:
    """Return the public methods of a class and of its bases, each with whether an instance is its first parameter."""
    found: dict[str, tuple[str, Callable[..., Any], bool]] = {}
    for cls in reversed(interface.__mro__):
        if cls in _BASES:
            continue
        for name, member in vars(cls).items():
            function = member.__func__ if isinstance(member, (staticmethod, classmethod)) else member
            if not name.startswith("_") and inspect.isfunction(function):
                found[name] = (name, function, not isinstance(member, staticmethod))
    return list(found.values())


def nested_interfaces(interface: type) -> list[tuple[str, type]]:
    """Return the public members of a class that are annotated with a class which has methods."""
    if not any(inspect.get_annotations(cls) for cls in interface.__mro__ if cls not in _BASES):
        return []
    hints = typing.get_type_hints(interface)
    return [
        (name, hint)
        for name, hint in hints.items()
        if not name.startswith("_") and isinstance(hint, type) and hint.__module__ != "builtins" and functions_of(hint)
    ]


def call_signature(function: Callable[..., Any], *, is_bound: bool) -> inspect.Signature:
    """Return the signature that callers see: without the instance, and without the magic variable of the server."""
    parameters = list(inspect.signature(function).parameters.values())[1 if is_bound else 0 :]
    return inspect.Signature(
        [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters if parameter.name != _MAGIC]
    )


def names_by_position(signature: inspect.Signature) -> Signature:
    """Return the names of the parameters that can be passed by position."""
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(name for name, parameter in signature.parameters.items() if parameter.kind in by_position)


def with_declarations(options: CallOptions, function: Callable[..., Any], read_result: Reader | None) -> CallOptions:
    """Return options with what a function declares: its result, its errors, and whether it is idempotent."""
    declared = {error.ERROR_CODE: error for error in getattr(function, _ERRORS, ())}
    is_idempotent = getattr(function, _IDEMPOTENT, False) or getattr(
        getattr(function, _OPTIONS, None), "idempotent", False
    )
    return replace(
        options,
        errors={**declared, **options.errors},
        # What the user says comes first.
        is_idempotent=True if is_idempotent and options.is_idempotent is None else options.is_idempotent,
        read_result=options.read_result if read_result is None else read_result,
    )


def lazy_reader(function: Callable[..., Any], scope: Mapping[str, Any]) -> Reader | None:
    """Return the function that converts the results of a function; None if it has no hint of one.

    The hint is read with the first result: a class may have methods that are never called.
    """
    if "return" not in getattr(function, "__annotations__", {}):
        return None
    made: list[Reader] = []

    def read(value: Any) -> Any:
        if not made:
            made.append(result_reader(return_hint(function, scope)))
        return made[0](value)

    return read


def return_hint(function: Callable[..., Any], scope: Mapping[str, Any]) -> Any:
    """Return the hint of a result, without its forward references; of an awaitable, the hint of what it returns.

    Raises:
        ClientError: A name in the hint is not known.
    """

    def holder() -> None: ...

    holder.__annotations__ = {"return": function.__annotations__["return"]}
    try:
        hint = typing.get_type_hints(
            holder, getattr(inspect.unwrap(function), "__globals__", {}), dict(scope), include_extras=True
        )["return"]
    except NameError as exc:
        raise ClientError(f"the hint of the result of {function.__qualname__} cannot be read: {exc}") from exc
    if typing.get_origin(hint) in _AWAITABLES:
        return typing.get_args(hint)[-1]
    return hint
