"""Recognises views of Flask among the functions of tools: no model can get the responses that they return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.sansio.response import Response

from ...contract.hints import HintReader, names_class

__all__ = ["names_response"]


def names_response(function: Callable[..., Any]) -> bool:
    """Return whether the hint of a function's result names a response, alone, in a tuple or in a union."""
    return names_class(HintReader(function).of_result(strict=False), Response)
