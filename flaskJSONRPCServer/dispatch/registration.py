"""The registration of functions and instances: checks, and the resulting routes.

Only registered functions are callable: the names of a request are looked up among the routes, never with ``getattr``.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..contract.method import contract_of
from ..contract.options import MethodOptions, declared_options
from ..errors import RegistrationError, SettingsError
from ..http import jsonp
from ..runtime.function_sources import without_partials
from ..settings import Settings
from .callables import parameters_of, plan_of
from .checked_plan import CheckedPlan
from .coroutines import is_asynchronous
from .locks import lock_key
from .rate_limits.plan import limits_of, registered_rule
from .routes import Route, format_path

__all__ = ["Registrar", "aliases_of", "checked_name", "methods_of", "names_of", "public_methods"]

Function = Callable[..., Any]

_RESERVED_PREFIX = "rpc."
_NO_OPTIONS = MethodOptions()

_CACHED = type(functools.cache(len))
"""The class of a function with ``functools.cache`` or ``lru_cache``."""


class Registrar:
    """Makes the routes of functions and instances.

    Args:
        settings: The settings of the server: the name of the magic variable, and the default of ``fallback``.
        format_path: Adds a slash at both ends of a path.
        has_own_forms: Returns whether the user's ``_fixJSON`` gives values their JSON forms.
        caller_of: Returns the callable to call for a function; by default the function itself, which does not run
            coroutines.
    """

    def __init__(
        self,
        settings: Settings,
        format_path: Callable[[str], str] = format_path,
        has_own_forms: Callable[[], bool] = lambda: False,
        caller_of: Callable[[Function], Function] = lambda function: function,
    ) -> None:
        self._settings = settings
        self._has_own_forms = has_own_forms
        self._format_path = format_path
        self._caller_of = caller_of

    def function_routes(
        self,
        function: Any,
        *,
        path: str = "",
        fallback: bool | str | None = None,
        name: str | None = None,
        rate_limit: str | Sequence[str] | None = None,
        options: MethodOptions = _NO_OPTIONS,
    ) -> list[Route]:
        """Return the routes of a function: one for its name, and one for each alias.

        Args:
            function: Any callable, except a class or a generator function.
            path: The path prefix of its URL.
            fallback: Whether it answers GET; a string is the JSONP output format; None for the server's default.
            name: Its name in requests; None for the name of the function.
            rate_limit: The rate limit of each client, for all its names together; None for the server's limits only.
            options: The options of this registration; they take precedence over those of the function's decorator.

        Raises:
            MissingExtraError: The function has a rate limit, and ``limits`` is not installed.
            RegistrationError: The function cannot be registered; the message says why.
        """
        names, formatted = names_of(function, name), self.formatted(path)
        registered, options = options, options.over(declared_options(function)).over(self._defaults())
        limits = None if rate_limit is None else registered_rule(formatted, names[0], checked_limits(rate_limit))
        parameters, magic_name = parameters_of(function), self._settings.magicVarForDispatcher
        plan = plan_of(function, magic_name, parameters)
        from_client = [parameter for parameter in parameters if parameter.name != magic_name]
        contract = contract_of(function, from_client, options, registered, self._has_own_forms)
        caller = self._caller_of(function)
        return [
            Route(
                name=route_name,
                path=formatted,
                function=function,
                plan=plan if contract.checks is None else CheckedPlan(plan, contract.checks),
                lock_key=lock_key(function),
                output_format=self._output_format(fallback),
                allows_cross_site_get=bool(fallback),
                names=names,
                rate_limit=limits,
                contract=contract,
                caller=caller,
            )
            for route_name in names
        ]

    def formatted(self, path: Any) -> str:
        """Return a path prefix with a slash at both ends.

        Raises:
            RegistrationError: No URL can have it; the message says why.
        """
        return self._format_path(checked_path(path))

    def _defaults(self) -> MethodOptions:
        return MethodOptions(validate=self._settings.validate, validate_result=self._settings.validateResult)

    def instance_routes(
        self,
        instance: Any,
        *,
        path: str = "",
        fallback: bool | str | None = None,
        rate_limit: str | Sequence[str] | None = None,
        options: MethodOptions = _NO_OPTIONS,
    ) -> list[Route]:
        """Return the routes of an instance's public methods.

        Args:
            instance: An object; its methods without a leading underscore are registered, inherited ones too.
            path: The path prefix of their URLs.
            fallback: As for a function.
            rate_limit: As for a function; each method is limited separately.
            options: As for a function; they are those of each method.

        Raises:
            RegistrationError: A class, a module, a function, or an object without public methods; or the options have a
                name for a tool.
        """
        tool = options.tool
        if tool is not None and tool.name is not None:
            raise RegistrationError(
                f"mcp={options.mcp!r} is refused: one name cannot be that of each method of {instance!r}; name single "
                "tools with @rpc(mcp=Tool(name=...))"
            )
        routes = [
            self.function_routes(
                method, path=path, fallback=fallback, name=name, rate_limit=rate_limit, options=options
            )
            for name, method in methods_of(instance)
        ]
        return [route for method_routes in routes for route in method_routes]

    def _output_format(self, fallback: bool | str | None) -> str | None:
        if isinstance(fallback, str):
            return checked_output_format(fallback)
        allowed = self._settings.fallback if fallback is None else fallback
        return jsonp.DEFAULT_FORMAT if allowed else None


def names_of(function: Any, name: str | None = None) -> tuple[str, ...]:
    """Return the names of a function in requests: its name, then its aliases.

    Args:
        function: Any callable, except a class or a generator function.
        name: Its name; None for the one that its decorator declares, or else its own.

    Raises:
        RegistrationError: It cannot be registered, or not by these names; the message says why.
    """
    refuse_uncallable(function)
    declared = declared_options(function)
    chosen = declared.name if name is None else name
    main_name = own_name(function) if chosen is None else chosen
    aliases = [*aliases_of(function), *listed_aliases("alias", declared.alias, function)]
    return tuple(map(checked_name, dict.fromkeys([main_name, *aliases])))


def methods_of(instance: Any) -> list[tuple[str, Function]]:
    """Return the methods of an instance to register, with their names.

    Raises:
        RegistrationError: A class, a module, a function, or an object without public methods.
    """
    if inspect.isroutine(instance) or isinstance(instance, functools.partial):
        raise RegistrationError(f"{instance!r} is a function; register it with registerFunction")
    if isinstance(instance, (type, types.ModuleType)):
        raise RegistrationError(f"{instance!r} is not an instance; create one and register that")
    methods = [(name, method, declared_options(method)) for name, method in public_methods(instance)]
    chosen = [(declared.name or name, method) for name, method, declared in methods if not declared.hidden]
    if not chosen:
        raise RegistrationError(f"{instance!r} has no public method to register")
    return chosen


def refuse_uncallable(function: Any) -> None:
    if isinstance(function, type):
        raise RegistrationError(f"{function!r} is a class; register a function, or an instance with registerInstance")
    if not callable(function):
        raise RegistrationError(f"{function!r} cannot be called; register a function")
    cached = function.__wrapped__ if hasattr(function, "cache_info") and hasattr(function, "__wrapped__") else None
    for target in (function, type(function).__call__, cached):
        if inspect.isasyncgenfunction(target):
            raise RegistrationError(
                f"{function!r} is an asynchronous generator function; register an async function that returns a list"
            )
        if inspect.isgeneratorfunction(target):
            raise RegistrationError(f"{function!r} is a generator function; register a function that returns a list")
    if isinstance(function, _CACHED) and is_asynchronous(function):
        raise RegistrationError(
            f"{function!r} caches coroutines, and each can be awaited only once; cache the results instead"
        )


def own_name(function: Function) -> str:
    name: str = getattr(without_partials(function), "__name__", "")
    if not name.isidentifier():
        raise RegistrationError(f"{function!r} has no name of its own; give name=...")
    return name


def aliases_of(function: Function) -> list[str]:
    """Return the aliases that a function declares in ``_alias``.

    Raises:
        RegistrationError: ``_alias`` is neither a string nor a list.
    """
    return listed_aliases("_alias", getattr(function, "_alias", None), function)


def listed_aliases(what: str, aliases: Any, function: Function) -> list[str]:
    if aliases is None or isinstance(aliases, str):
        return [] if aliases is None else [aliases]
    if not isinstance(aliases, (list, tuple)):
        raise RegistrationError(f"{what} of {function!r} is {aliases!r}; it takes a string or a list of strings")
    return list(aliases)


def checked_name(name: Any) -> str:
    """Return a method name that a request can have.

    Raises:
        RegistrationError: The name is not a printable, non-empty string, or it is reserved.

    Source: JSON-RPC 2.0, section 4: names that begin with ``rpc.`` are reserved.
    """
    if not isinstance(name, str) or not name or not name.isprintable():
        raise RegistrationError(f"{name!r} cannot be a method's name: it takes a printable, non-empty string")
    if name.startswith(_RESERVED_PREFIX):
        raise RegistrationError(f"{name!r} cannot be a method's name: JSON-RPC reserves 'rpc.'")
    return name


def checked_path(path: Any) -> str:
    """Return a path prefix that a URL can have.

    Raises:
        RegistrationError: It is no string, or has segments that no client sends as they are.
    """
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
    """Yield the public methods of an object with their names: only attributes that its class defines as methods."""
    for name in public_names(type(instance)):
        static = inspect.getattr_static(type(instance), name)
        if is_method(static):
            yield name, getattr(instance, name)


def public_names(owner: type) -> Iterable[str]:
    return (name for name in dir(owner) if not name.startswith("_") and not hasattr(object, name))


def is_method(static: Any) -> bool:
    # A property has __get__ too, but is not callable. A class, or a plain callable object, has no __get__. A partial
    # has it only from Python 3.13 on, so partials are left out on every version.
    if isinstance(static, (staticmethod, classmethod, functools.partialmethod)):
        return True
    if isinstance(static, functools.partial):
        return False
    return callable(static) and hasattr(type(static), "__get__") and not isinstance(static, type)
