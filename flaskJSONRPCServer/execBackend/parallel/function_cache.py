"""The functions and globals that a child process of the backend ``parallel`` was sent.

The other half of :mod:`.pickling`, in a module of its own because a child need not import cloudpickle.
"""

from __future__ import annotations

import functools
import pickle
import sys
import threading
from collections.abc import Callable, Mapping
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

__all__ = [
    "FunctionCache",
    "Warn",
    "fill_function",
    "load_module",
    "load_server",
    "make_cached",
    "make_code",
    "make_function",
]

Warn = Callable[[str], object]
"""Takes a message about a global that is left out."""


class FunctionCache:
    """The functions that one child was sent, by number.

    Args:
        server: The server's stand-in, for functions that refer to the server.
        warn: Called for each global that cannot be loaded.
    """

    def __init__(self, server: object, warn: Warn) -> None:
        self._functions: dict[int, Any] = {}
        self._warn = warn
        _Loaded.server = server

    def add_globals(self, body: bytes | bytearray) -> None:
        """Load globals of a module."""
        module, bodies = pickle.loads(body)  # noqa: S301  the parent sends it  # nosec B301
        scope = vars(load_module(*module))
        for name, pickled in bodies.items():
            self._load_global(scope, name, pickled)

    def _load_global(self, scope: dict[str, Any], name: str, body: bytes) -> None:
        try:
            scope[name] = pickle.loads(body)  # noqa: S301  the parent sends it  # nosec B301
        except Exception as exc:  # noqa: BLE001  the user's own code runs in it
            self._warn(f"global {name!r} of {scope['__name__']!r} cannot be loaded in a child process: {exc!r}")

    def add_function(self, body: bytes | bytearray) -> None:
        """Keep a pickled function, and search for modules where the parent does.

        A function that cannot be loaded raises when it is called: its call has an answer to report that with.
        """
        number, pickled, path = pickle.loads(body)  # noqa: S301  the parent sends it  # nosec B301
        sys.path += [folder for folder in path if folder not in sys.path]
        self._functions[number] = pickled

    def function(self, number: int) -> Callable[..., Any]:
        """Return a function, loaded when it is used first.

        Raises:
            Exception: It cannot be loaded here.
        """
        function = self._functions[number]
        if isinstance(function, bytes):
            function = self._functions[number] = pickle.loads(function)  # noqa: S301  as above  # nosec B301
        loaded: Callable[..., Any] = function
        return loaded


class _Loaded:
    """The objects that pickles refer to. They are global because a pickle can reach nothing else."""

    server: object = None
    modules: dict[int, ModuleType] = {}  # noqa: RUF012  one for the process; guarded by lock
    lock = threading.Lock()


def load_server() -> object:
    """Return the server's stand-in."""
    return _Loaded.server


def load_module(number: int, name: str, attributes: Mapping[str, Any]) -> ModuleType:
    """Return the module with a number. The first call makes it, and registers it in :data:`sys.modules`."""
    with _Loaded.lock:
        if number not in _Loaded.modules:
            is_main = name in ("__main__", "__mp_main__")
            module = sys.modules["__main__"] if is_main else ModuleType(name)
            vars(module).update(attributes)
            _Loaded.modules[number] = sys.modules[name] = module
        return _Loaded.modules[number]


def make_function(
    number: int, name: str, attributes: Mapping[str, Any], code: CodeType, cell_count: int
) -> FunctionType:
    """Return a function with the globals of a module, its code and empty cells; :func:`fill_function` adds the rest."""
    scope = vars(load_module(number, name, attributes))
    return FunctionType(code, scope, closure=tuple(CellType() for _ in range(cell_count)) or None)


def make_code(arguments: tuple[Any, ...], filename: str) -> CodeType:
    """Return code with the name of its file, so that tracebacks show the file and its lines."""
    return CodeType(*arguments).replace(co_filename=filename)


def make_cached(function: Callable[..., Any], parameters: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a function with an ``lru_cache`` of its own."""
    cached: Callable[..., Any] = functools.lru_cache(**parameters)(function)
    return cached


def fill_function(function: FunctionType, state: tuple[dict[str, Any], dict[str, Any], list[list[Any]]]) -> None:
    """Set the special attributes of a function, its other attributes, and the contents of its cells."""
    special, attributes, contents = state
    for name, value in special.items():
        setattr(function, name, value)
    vars(function).update(attributes)
    for cell, content in zip(function.__closure__ or (), contents, strict=True):
        if content:
            cell.cell_contents = content[0]
