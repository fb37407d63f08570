"""The difference between an exception that a dispatcher raises and one that a signal raises in its middle."""

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

__all__ = ["is_interrupt"]


def is_interrupt(exc: BaseException) -> bool:
    """Return whether a signal has raised this exception, which is being handled.

    Python runs signal handlers in the main thread, between two instructions of whatever runs there. Ctrl-C may so be
    raised in the middle of a dispatcher; it is meant for the program, and no failure of the call. A dispatcher that
    raises KeyboardInterrupt or SystemExit by itself fails as with any other exception.
    """
    if not isinstance(exc, (KeyboardInterrupt, SystemExit)) or not in_main_thread():
        return False
    frames = list(traceback.walk_tb(exc.__traceback__))
    if not frames:
        return False
    handlers = set(handler_codes())
    if any(frame.f_code in handlers for frame, _ in frames):
        return True
    return isinstance(exc, KeyboardInterrupt) and has_own_handler() and not is_raised_by_statement(exc.__traceback__)


def has_own_handler() -> bool:
    """Return whether the handler that Python itself installs for Ctrl-C is there: `serveForever` has another one."""
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

    The handler that Python itself installs for Ctrl-C is written in C and has no frame: the innermost frame is the
    interrupted one, at an instruction that is no ``raise``.
    """
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb is not None and dis.opname[tb.tb_frame.f_code.co_code[tb.tb_lasti]] == "RAISE_VARARGS"
