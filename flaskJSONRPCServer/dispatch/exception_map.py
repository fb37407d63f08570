"""The errors that exceptions of dispatchers become: the documented ``mapException``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..contract.errors import DeclaredError
from ..errors import RegistrationError
from ..sansio_jsonrpc import JsonRpcApplicationError, JsonRpcException
from .http_errors import http_exception_class
from .routes import Route

__all__ = ["ExceptionMap", "ExceptionMapping", "MappedError", "checked_error", "checked_exception"]

Message = str | Callable[[Any], str]
"""The message of a mapped error, or a function that returns it for the exception."""

_UNKNOWN_MESSAGE: Final = "Application error"

# JSON-RPC 2.0, section 5.1.
_RESERVED_CODES: Final = range(-32768, -31999)


@dataclass(frozen=True, slots=True)
class MappedError:
    """The error that the exceptions of one class become.

    Attributes:
        code: The code.
        message: The message, or a function that returns it for the exception.
        data: A JSON value, or a function that returns one for the exception; None for no such member.
    """

    code: int
    message: Message
    data: Any = None

    def error_of(self, exc: BaseException) -> JsonRpcException:
        """Return the error for an exception.

        Raises:
            BaseException: A function of the user's failed.
            TypeError: The message is not a string.
        """
        message = self.message(exc) if callable(self.message) else self.message
        if not isinstance(message, str):
            raise TypeError(f"the message of mapException is {message!r}; its function returns a string")
        data = self.data(exc) if callable(self.data) else self.data
        return JsonRpcApplicationError(message, data=data, code=self.code)

    @property
    def declared(self) -> DeclaredError:
        """The error as a description of the method shows it, which knows no exception."""
        return DeclaredError(self.code, _UNKNOWN_MESSAGE if callable(self.message) else self.message)


ErrorsByClass = Mapping[type[BaseException], MappedError]


class ExceptionMapping:
    """Returns the error for an exception in a call of one method.

    The first scope that has the class of the exception, or a base of it, decides; in there the nearest class does. An
    HTTP exception keeps its meaning, unless its own class, or a base that is an HTTP exception too, is mapped.

    Args:
        scopes: The errors that are mapped for the method, for its path, and for the server.
    """

    __slots__ = ("_scopes",)

    def __init__(self, scopes: Sequence[ErrorsByClass]) -> None:
        self._scopes = tuple(scopes)

    def __call__(self, exc: BaseException) -> JsonRpcException | None:
        """Return the error for an exception; None if it is not mapped.

        Raises:
            BaseException: As :meth:`MappedError.error_of`.
        """
        classes = mappable_classes(type(exc))
        mapped = (scope[cls] for scope in self._scopes for cls in classes if cls in scope)
        error = next(mapped, None)
        return None if error is None else error.error_of(exc)

    def declared(self) -> tuple[DeclaredError, ...]:
        """Return the errors, each once, except those that a narrower scope always takes the place of."""
        errors: list[DeclaredError] = []
        narrower: set[type[BaseException]] = set()
        for scope in self._scopes:
            errors += [error.declared for cls, error in scope.items() if narrower.isdisjoint(mappable_classes(cls))]
            narrower.update(scope)
        return tuple(dict.fromkeys(errors))


def mappable_classes(exception: type[BaseException]) -> tuple[type, ...]:
    """Return a class and its bases, the nearest first; for an HTTP exception no base beyond HTTPException itself."""
    classes = exception.__mro__
    http_exception = http_exception_class()
    if http_exception in classes:
        return classes[: classes.index(http_exception) + 1]
    return classes


class Mappings:
    """The mapped errors of a server at one moment.

    Args:
        by_place: The errors by the path and the name that they are mapped for: both None for the server, and a name of
            None for a path.
    """

    __slots__ = ("_by_method", "by_place")

    def __init__(self, by_place: Mapping[tuple[str | None, str | None], ErrorsByClass]) -> None:
        self.by_place = by_place
        self._by_method: dict[tuple[str, tuple[str, ...]], ExceptionMapping] = {}  # each change is one step

    def with_error(
        self, path: str | None, name: str | None, exception: type[BaseException], error: MappedError
    ) -> Mappings:
        """Return the mappings with one more; it replaces an earlier one of the same class and place."""
        errors = {**self.by_place.get((path, name), {}), exception: error}
        return Mappings({**self.by_place, (path, name): errors})

    def of_method(self, path: str, names: tuple[str, ...]) -> ExceptionMapping | None:
        """Return the mapping of a method, the same object each time; None if nothing is mapped for it."""
        if not self.by_place:
            return None
        key = path, names
        mapping = self._by_method.get(key)
        if mapping is None:
            places = [*((path, name) for name in names), (path, None), (None, None)]
            scopes = [errors for place in places if (errors := self.by_place.get(place))]
            mapping = self._by_method.setdefault(key, ExceptionMapping(scopes))
        return mapping


class ExceptionMap:
    """Holds the mapped errors of a server. They may change while it serves."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._mappings = Mappings({})  # replaced under _changing, read without it

    def add(self, exception: type[BaseException], error: MappedError, path: str | None, name: str | None) -> None:
        """Map the exceptions of a class to an error, from the next exception on.

        Args:
            exception: The class.
            error: The error.
            path: The formatted path that it is mapped for; None for all.
            name: The name of the method; None for all methods of the path.
        """
        with self._changing:
            self._mappings = self._mappings.with_error(path, name, exception, error)

    def of_route(self, route: Route) -> ExceptionMapping | None:
        """Return the mapping of a route, the same object until another error is added; None if nothing is mapped."""
        return self._mappings.of_method(route.path, route.names or (route.name,))

    def declared(self, path: str, names: tuple[str, ...]) -> tuple[DeclaredError, ...]:
        """Return the mapped errors of a method.

        Args:
            path: Its formatted path.
            names: All its names.
        """
        mapping = self._mappings.of_method(path, names)
        return () if mapping is None else mapping.declared()

    def unmatched(self, routes: Collection[Route]) -> list[str]:
        """Describe the mappings that apply to none of these routes."""
        paths = {route.path for route in routes}
        methods = {(route.path, name) for route in routes for name in route.names}
        return [
            f"mapException maps nothing on {path}{name or ''}"
            for path, name in self._mappings.by_place
            if path is not None and (path not in paths if name is None else (path, name) not in methods)
        ]

    def error_of(self, route: Route, exc: BaseException) -> JsonRpcException | None:
        """Return the error for an exception in a call of a route; None if it is not mapped.

        Raises:
            BaseException: A function of the user's failed, or returned anything else than a message.
        """
        mapping = self.of_route(route)
        return None if mapping is None else mapping(exc)


def checked_exception(exception: Any) -> type[BaseException]:
    """Return a class whose exceptions can be mapped.

    Raises:
        RegistrationError: It is no class of exceptions, or one of JSON-RPC errors.
    """
    if not isinstance(exception, type) or not issubclass(exception, BaseException):
        raise RegistrationError(f"{exception!r} cannot be mapped: mapException takes one class of exceptions")
    if issubclass(exception, JsonRpcException):
        raise RegistrationError(f"{exception!r} cannot be mapped: it is a JSON-RPC error already, and passes as it is")
    return exception


def checked_error(code: Any, message: Any, data: Any) -> MappedError:
    """Return the error of these parts.

    Raises:
        RegistrationError: The code or the message has an invalid value.
    """
    if not isinstance(message, str) and not callable(message):
        raise RegistrationError(
            f"message={message!r} is refused: it takes a string, or a function that returns one for the exception"
        )
    if not isinstance(code, int) or isinstance(code, bool) or code in _RESERVED_CODES:
        raise RegistrationError(
            f"code={code!r} is refused: it takes an integer outside -32768 to -32000, the range that JSON-RPC keeps"
        )
    return MappedError(int(code), message, data)
