"""What may be registered, and the routes that come of it."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..errors import RegistrationError, SettingsError
from ..http import jsonp
from ..settings import Settings
from .callables import plan_of
from .locks import lock_key
from .rate_limits.plan import limits_of, registered_rule
from .routes import Route, format_path

__all__ = ["Registrar", "aliases_of", "public_methods"]

Function = Callable[..., Any]

_RESERVED_PREFIX = "rpc."


class Registrar:
    """Makes routes of functions and instances.

    Args:
        settings: Says which parameter the server fills, and whether dispatchers answer GET by default.
        format_path: Gives a path a slash at both ends.
    """

    def __init__(self, settings: Settings, format_path: Callable[[str], str] = format_path) -> None:
        self._settings = settings
        self._format_path = format_path

    def function_routes(
        self,
        function: Any,
        *,
        path: str = "",
        fallback: bool | str | None = None,
        name: str | None = None,
        rate_limit: str | Sequence[str] | None = None,
    ) -> list[Route]:
        """Return the routes of a function: one under its name, one under each alias.

        Args:
            function: Any callable but a class, a coroutine function or a generator function.
            path: The path prefix of its URL.
            fallback: Whether it answers GET; a string is the JSONP output format; None leaves it to the server.
            name: Its name in requests; None for the function's own.
            rate_limit: How often each client may call it, under all its names together; None: as the server says.

        Raises:
            MissingExtraError: It has a rate limit, and ``limits`` is not installed.
            RegistrationError: It cannot be registered; the message says why.
        """
        refuse_uncallable(function)
        main_name = own_name(function) if name is None else name
        names = tuple(checked_name(each) for each in dict.fromkeys([main_name, *aliases_of(function)]))
        formatted = self._format_path(checked_path(path))
        limits = None if rate_limit is None else registered_rule(formatted, main_name, checked_limits(rate_limit))
        plan = plan_of(function, self._settings.magicVarForDispatcher)
        return [
            Route(
                name=each,
                path=formatted,
                function=function,
                plan=plan,
                lock_key=lock_key(function),
                output_format=self._output_format(fallback),
                shares_secrets=bool(fallback),
                names=names,
                rate_limit=limits,
            )
            for each in names
        ]

    def instance_routes(
        self,
        instance: Any,
        *,
        path: str = "",
        fallback: bool | str | None = None,
        rate_limit: str | Sequence[str] | None = None,
    ) -> list[Route]:
        """Return the routes of an instance's public methods.

        Args:
            instance: An object; its methods without a leading underscore are meant, inherited ones too.
            path: The path prefix of their URLs.
            fallback: As for a function.
            rate_limit: As for a function; each method has a limit of its own.

        Raises:
            RegistrationError: A class, a module, a function, or an object without public methods.
        """
        if inspect.isroutine(instance) or isinstance(instance, functools.partial):
            raise RegistrationError(f"{instance!r} is a function; register it with registerFunction")
        if isinstance(instance, (type, types.ModuleType)):
            raise RegistrationError(f"{instance!r} is not an instance; create one and register that")
        methods = list(public_methods(instance))
        if not methods:
            raise RegistrationError(f"{instance!r} has no public method to register")
        routes = [
            self.function_routes(method, path=path, fallback=fallback, name=name, rate_limit=rate_limit)
            for name, method in methods
        ]
        return [route for of_method in routes for route in of_method]

    def _output_format(self, fallback: bool | str | None) -> str | None:
        if isinstance(fallback, str):
            return checked_output_format(fallback)
        allowed = self._settings.fallback if fallback is None else fallback
        return jsonp.DEFAULT_FORMAT if allowed else None


def refuse_uncallable(function: Any) -> None:
    if isinstance(function, type):
        raise RegistrationError(f"{function!r} is a class; register a function, or an instance with registerInstance")
    if not callable(function):
        raise RegistrationError(f"{function!r} cannot be called; register a function")
    cached = function.__wrapped__ if hasattr(function, "cache_info") and hasattr(function, "__wrapped__") else None
    for target in (function, type(function).__call__, cached):
        if inspect.iscoroutinefunction(target) or inspect.isasyncgenfunction(target):
            raise RegistrationError(f"{function!r} is asynchronous; register a plain function that runs it to its end")
        if inspect.isgeneratorfunction(target):
            raise RegistrationError(f"{function!r} is a generator function; register a function that returns a list")


def own_name(function: Function) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    name: str = getattr(function, "__name__", "")
    if not name.isidentifier():
        raise RegistrationError(f"{function!r} has no name of its own; give name=...")
    return name


def aliases_of(function: Function) -> list[str]:
    """Return the further names that a function gives itself.

    Raises:
        RegistrationError: Its ``_alias`` is neither a string nor a list.
    """
    aliases = getattr(function, "_alias", [])
    if isinstance(aliases, str):
        return [aliases]
    if not isinstance(aliases, (list, tuple)):
        raise RegistrationError(f"_alias of {function!r} is {aliases!r}; it takes a string or a list of strings")
    return list(aliases)


def checked_name(name: Any) -> str:
    """Return the name, if it can stand in a request.

    Source: JSON-RPC 2.0, section 4: names that begin with ``rpc.`` are reserved.
    """
    if not isinstance(name, str) or not name or not name.isprintable():
        raise RegistrationError(f"{name!r} cannot be a method's name: it takes a printable, non-empty string")
    if name.startswith(_RESERVED_PREFIX):
        raise RegistrationError(f"{name!r} cannot be a method's name: JSON-RPC reserves 'rpc.'")
    return name


def checked_path(path: Any) -> str:
    if not isinstance(path, str):
        raise RegistrationError(f"path={path!r} is refused: it takes a string such as '/api'")
    segments = path.strip("/").split("/")
    if any(char in path for char in "<>?#%\\") or not path.isprintable() or (len(segments) > 1 and "" in segments):
        raise RegistrationError(f"path={path!r} is refused: it takes segments without any of <>?#%\\")
    if {".", ".."} & set(segments):
        raise RegistrationError(f"path={path!r} is refused: clients resolve '.' and '..' before they send")
    return path


def checked_limits(limits: Any) -> tuple[Any, ...]:
    try:
        return limits_of("rateLimit", limits)
    except SettingsError as exc:
        raise RegistrationError(str(exc)) from exc


def checked_output_format(text: str) -> str:
    if not jsonp.is_output_format(text):
        raise RegistrationError(f"fallback={text!r} is refused: an output format says where the JSON goes, %(data)s")
    return text


def public_methods(instance: Any) -> Iterator[tuple[str, Function]]:
    """Yield the public methods of an object, each with its name: only what its class defines as a method."""
    for name in public_names(type(instance)):
        static = inspect.getattr_static(type(instance), name)
        if is_method(static):
            yield name, getattr(instance, name)


def public_names(owner: type) -> Iterable[str]:
    return (name for name in dir(owner) if not name.startswith("_") and not hasattr(object, name))


def is_method(static: Any) -> bool:
    # A property has __get__ too, but cannot be called; a class, or a plain callable object, has none. A partial has one
    # from Python 3.13 on: it is left out everywhere.
    if isinstance(static, (staticmethod, classmethod, functools.partialmethod)):
        return True
    if isinstance(static, functools.partial):
        return False
    return callable(static) and hasattr(type(static), "__get__") and not isinstance(static, type)
