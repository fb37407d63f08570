"""What a child process of the backend ``parallel`` has been sent: functions, and globals of modules.

The other half of :mod:`.functions`, apart from it because a child need not be able to pickle functions.
"""

from __future__ import annotations

import functools
import pickle
import sys
import threading
from collections.abc import Callable, Mapping
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

__all__ = ["FunctionCache", "Warn", "fill_function", "loaded_module", "loaded_server", "made_cached", "made_function"]

Warn = Callable[[str], object]
"""Takes what is left out, as a message."""


class FunctionCache:
    """What one child has been sent.

    Args:
        server: What stands there for the server.
        warn: Told what cannot be loaded.
    """

    def __init__(self, server: Any, warn: Warn) -> None:
        self._functions: dict[int, Any] = {}
        self._warn = warn
        _Loaded.server = server

    def take_globals(self, body: bytes | bytearray) -> None:
        """Make globals of a module of what the parent sends."""
        described, bodies = pickle.loads(body)  # noqa: S301  the parent sends it  # nosec B301
        scope = vars(loaded_module(*described))
        for name, each in bodies.items():
            self._load_global(scope, name, each)

    def _load_global(self, scope: dict[str, Any], name: str, body: bytes) -> None:
        try:
            scope[name] = pickle.loads(body)  # noqa: S301  the parent sends it  # nosec B301
        except Exception as exc:  # noqa: BLE001  the user's own code runs in it
            self._warn(f"global {name!r} of {scope['__name__']!r} cannot be loaded in a child process: {exc!r}")

    def take_function(self, body: bytes | bytearray) -> None:
        """Keep a function, and search where the parent does; what cannot be loaded is told when it is asked for."""
        number, pickled, path = pickle.loads(body)  # noqa: S301  the parent sends it  # nosec B301
        sys.path += [each for each in path if each not in sys.path]
        self._functions[number] = pickled

    def function(self, number: int) -> Callable[..., Any]:
        """Return a function that was sent.

        Raises:
            Exception: It cannot be loaded here.
        """
        found = self._functions[number]
        if isinstance(found, bytes):
            found = self._functions[number] = pickle.loads(found)  # noqa: S301  the parent sends it  # nosec B301
        function: Callable[..., Any] = found
        return function


class _Loaded:
    """What pickles refer to. A child has one of each, and a pickle can only reach a global."""

    server: Any = None
    modules: dict[int, ModuleType] = {}  # noqa: RUF012  one for the process
    lock = threading.Lock()


def loaded_server() -> Any:
    """Return what stands for the server here."""
    return _Loaded.server


def loaded_module(number: int, name: str, shown: Mapping[str, Any]) -> ModuleType:
    """Return the module of a number, made when it is asked for first. It stands in :data:`sys.modules`."""
    with _Loaded.lock:
        if number not in _Loaded.modules:
            is_main = name in ("__main__", "__mp_main__")
            module = sys.modules["__main__"] if is_main else ModuleType(name)
            vars(module).update(shown)
            _Loaded.modules[number] = sys.modules[name] = module
        return _Loaded.modules[number]


def made_function(number: int, name: str, shown: Mapping[str, Any], code: CodeType, cells: int) -> FunctionType:
    """Return a function of a module's globals, of which nothing but the code is there yet."""
    scope = vars(loaded_module(number, name, shown))
    return FunctionType(code, scope, closure=tuple(CellType() for _ in range(cells)) or None)


def made_code(made_of: tuple[Any, ...], filename: str) -> CodeType:
    """Return code that says which file it is from: tracebacks show the file and its lines."""
    return CodeType(*made_of).replace(co_filename=filename)


def made_cached(function: Callable[..., Any], parameters: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a function with a cache of its own."""
    cached: Callable[..., Any] = functools.lru_cache(**parameters)(function)
    return cached


def fill_function(function: FunctionType, filled_with: tuple[dict[str, Any], dict[str, Any], list[list[Any]]]) -> None:
    """Fill in the rest: what it says of itself, its own attributes, and what it has of the functions around it."""
    state, attributes, contents = filled_with
    for name, value in state.items():
        setattr(function, name, value)
    vars(function).update(attributes)
    for cell, held in zip(function.__closure__ or (), contents, strict=True):
        if held:
            cell.cell_contents = held[0]
