"""The result of a method, written by its hint."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from .method import Contract

__all__ = ["InvalidResultError", "result_writer", "with_written_result"]


class InvalidResultError(Exception):
    """A result that is not of the type of its hint. The client gets -32603, and the log has the message."""


def result_writer(contract: Contract) -> Callable[[Any], Any] | None:
    """Return a function that returns a result as its hint says; None if the result stays as it is.

    The function raises :class:`InvalidResultError` if results are checked.
    """
    hinted, is_checked, has_own_forms = contract.result, contract.options.validate_result, contract.has_own_forms
    if hinted is None or (hinted.is_native and not is_checked):  # JSON has all that the hint says
        return None
    from .types import TypeMismatch, Unwritable

    def write(result: Any) -> Any:
        try:
            if isinstance(result, Iterator):  # it can be read only once
                result = list(result)
            if is_checked:
                hinted.checked(result)
            return hinted.unpacked(result) if has_own_forms() else hinted.written(result)
        except TypeMismatch as exc:
            raise InvalidResultError(f"the result is not of its type {hinted.hint!r}: {exc}") from None
        except Unwritable:  # the writer of the answer says why
            return result

    return write


def with_written_result(function: Callable[..., Any], write: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return a function whose results are written."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return write(function(*args, **kwargs))

    return call
