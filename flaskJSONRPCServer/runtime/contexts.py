"""Give each call its own context variables, so that nothing leaks from one client's call into another's.

Threads serve one client after the other. Values that a call sets in `contextvars` end with its context.
"""

from __future__ import annotations

import contextvars
import decimal
from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar

__all__ = ["CurrentContext", "own_context", "own_decimal_context"]

_P = ParamSpec("_P")
_Result = TypeVar("_Result")


class CurrentContext:
    """Runs functions in the current context, in the place of a copy. It has no variables of its own, so it is false."""

    __slots__ = ()

    def __bool__(self) -> Literal[False]:
        return False

    def run(self, function: Callable[_P, _Result], *args: _P.args, **kwargs: _P.kwargs) -> _Result:
        """Call a function, as ``contextvars.Context.run`` does."""
        return function(*args, **kwargs)


def own_context() -> contextvars.Context:
    """Return a context for one call: a copy of this thread's, so that Flask's context variables stay visible."""
    context = contextvars.copy_context()
    if context:
        own_decimal_context(context)
    return context


def own_decimal_context(context: contextvars.Context) -> None:
    """Replace the decimal context in a copied context by a copy.

    Copying a context is shallow, and a decimal context is changed in place: `getcontext().prec = 3`. The context of a
    serving thread is usually empty, and needs nothing.
    """
    if decimal.Context in map(type, context.values()):
        context.run(copy_decimal_context)


def copy_decimal_context() -> None:
    decimal.setcontext(decimal.getcontext().copy())
