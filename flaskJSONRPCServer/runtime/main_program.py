"""Access to the module of the main program for dispatchers: read its globals, evaluate and execute code in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, Protocol

__all__ = ["MainModule", "MainProgram"]


class MainProgram(Protocol):
    """The main program of the server, in this process or in its parent."""

    def copy_global(self, names: str | Iterable[str]) -> Any:
        """Return a global, or a dict of several globals."""

    def evaluate(self, expression: str) -> Any:
        """Evaluate an expression and return its value."""

    def execute(self, statements: str) -> None:
        """Execute statements."""


class MainModule:
    """The main program, accessed in its own process.

    Args:
        module: Returns its module.
    """

    def __init__(self, module: Callable[[], ModuleType]) -> None:
        self._module = module

    def copy_global(self, names: str | Iterable[str]) -> Any:
        """Return a global, or a dict of several globals.

        Raises:
            NameError: A name is not defined.
        """
        scope = vars(self._module())
        requested = [names] if isinstance(names, str) else list(names)
        for name in requested:
            if name not in scope:
                raise NameError(f"the main program has no global {name!r}")
        return scope[names] if isinstance(names, str) else {name: scope[name] for name in requested}

    def evaluate(self, expression: str) -> Any:
        """Evaluate an expression with the globals of the main program and return its value."""
        return eval(expression, vars(self._module()))  # noqa: S307  dispatchers can run any code anyway  # nosec B307

    def execute(self, statements: str) -> None:
        """Execute statements with the globals of the main program."""
        exec(statements, vars(self._module()))  # noqa: S102  as above  # nosec
