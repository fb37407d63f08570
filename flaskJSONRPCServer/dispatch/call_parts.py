"""The classes of the parts that run calls; others take their places in a server that traces calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .answers import Answerer
from .invoker import Invoker
from .submission import BackendCalls

__all__ = ["CallParts"]


@dataclass(frozen=True, slots=True)
class CallParts:
    """The classes of the parts that run calls.

    Attributes:
        invoker: Makes the part that calls dispatchers.
        backend_calls: Makes the part that submits calls to exec backends.
        answerer: Makes the part that answers messages.
    """

    invoker: type[Invoker] = Invoker
    backend_calls: type[BackendCalls] = BackendCalls
    answerer: Callable[..., Answerer] = Answerer
