"""A context of context variables for each call, so that nothing crosses from one client's call to another's."""

from __future__ import annotations

import contextvars
import decimal

__all__ = ["own_context", "own_decimal_context"]


def own_context() -> contextvars.Context:
    """Return a context for one call: a copy of this thread's, so that what Flask has put there stays visible.

    A thread serves one client after the other. A context variable that a call sets ends with its context.
    """
    context = contextvars.copy_context()
    if context:
        own_decimal_context(context)
    return context


def own_decimal_context(context: contextvars.Context) -> None:
    """Give a copied context a decimal context of its own; nothing to do for an empty one, as a serving thread's is.

    The copy is shallow, and the context of `decimal` is an object that is changed in place: `getcontext().prec = 3`.
    """
    if decimal.Context in map(type, context.values()):
        context.run(copy_decimal_context)


def copy_decimal_context() -> None:
    decimal.setcontext(decimal.getcontext().copy())
