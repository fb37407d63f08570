"""Distinguish an exception of a dispatcher from one that a signal raises in the middle of it.

A call fails alone: the invoker catches BaseException, so that no exception of a dispatcher ends its thread or the other
calls of a batch. Only an exception that a signal raises belongs to the program.
"""

from __future__ import annotations

import dis
import functools
import inspect
import signal
import traceback
from collections.abc import Iterator
from types import CodeType, TracebackType
from typing import Any

from .concurrency import in_main_thread

__all__ = ["is_interrupt", "is_raised_by_handler"]


def is_interrupt(exc: BaseException) -> bool:
    """Return whether a signal has raised the exception being handled.

    Python runs signal handlers in the main thread, between any two instructions. Ctrl-C may therefore be raised in the
    middle of a dispatcher. It is meant for the program, and is not a failure of the call. If a dispatcher itself raises
    KeyboardInterrupt or SystemExit, its call fails as with any other exception.
    """
    # Not isinstance(), which runs code of the exception where its class has an own __class__.
    if not issubclass(type(exc), (KeyboardInterrupt, SystemExit)) or not in_main_thread():
        return False
    if exc.__traceback__ is None:
        return False
    if is_raised_by_handler(exc):
        return True
    return isinstance(exc, KeyboardInterrupt) and has_own_handler() and not is_raised_by_statement(exc.__traceback__)


def is_raised_by_handler(exc: BaseException) -> bool:
    """Return whether a signal handler that is written in Python has raised an exception, of any kind."""
    handlers = set(handler_codes())
    return any(frame.f_code in handlers for frame, _ in traceback.walk_tb(exc.__traceback__))


def has_own_handler() -> bool:
    """Return whether Python's own handler for Ctrl-C is installed: `serveForever` installs another one."""
    return any(signal.getsignal(number) is signal.default_int_handler for number in signal.valid_signals())


def handler_codes() -> Iterator[CodeType]:
    """Yield the code of each signal handler that is written in Python."""
    for number in signal.valid_signals():
        code = code_of(signal.getsignal(number))
        if code is not None:
            yield code


def code_of(handler: Any) -> CodeType | None:
    while isinstance(handler, functools.partial):
        handler = handler.func
    if callable(handler) and not inspect.isroutine(handler):
        handler = type(handler).__call__
    code: CodeType | None = getattr(handler, "__code__", None)
    return code


def is_raised_by_statement(tb: TracebackType | None) -> bool:
    """Return whether a ``raise`` statement has raised the exception.

    Python's own handler for Ctrl-C is written in C and has no frame: the innermost frame is the interrupted one, at an
    instruction other than ``raise``.
    """
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb is not None and dis.opname[tb.tb_frame.f_code.co_code[tb.tb_lasti]] == "RAISE_VARARGS"
