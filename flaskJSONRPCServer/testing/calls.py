"""The calls that a mock or a cassette has received, and their text in messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ..contract.compatibility.json_values import canonical, shown
from ..sansio_jsonrpc import JsonRpcRequest, Params

__all__ = ["MockCall", "call_text", "declaration_of"]


class MockCall(NamedTuple):
    """One call that has arrived.

    Attributes:
        method: The name of the method.
        params: The parameters: a dict, a list, or None.
        is_notification: Whether it asked for no answer.
    """

    method: str
    params: Params
    is_notification: bool = False

    @classmethod
    def of(cls, request: JsonRpcRequest) -> MockCall:
        """Return the call of a message."""
        return cls(request.method, request.params, request.is_notification)

    @property
    def args(self) -> list[Any]:
        """The parameters by position; empty if they were passed by name."""
        return self.params if isinstance(self.params, list) else []

    @property
    def kwargs(self) -> dict[str, Any]:
        """The parameters by name; empty if they were passed by position."""
        return self.params if isinstance(self.params, dict) else {}

    @property
    def key(self) -> str:
        """A text that two equal calls share: no parameters are equal to an empty list or object of them."""
        return f"{self.method} {canonical(self.params or [])} {'notify' if self.is_notification else ''}"

    def __str__(self) -> str:
        text = call_text(self.method, self.args, self.kwargs.items())
        return f"the notification {text}" if self.is_notification else text


def call_text(method: str, args: Iterable[Any], kwargs: Iterable[tuple[str, Any]]) -> str:
    """Return a call as in Python, with values as in JSON."""
    return f"{method}({', '.join([*map(shown, args), *(f'{name}={shown(value)}' for name, value in kwargs)])})"


def declaration_of(call: MockCall) -> str:
    """Return the statement that declares a call on a mock."""
    parts = [repr(call.method), *map(repr, call.args), *(f"{name}={value!r}" for name, value in call.kwargs.items())]
    text = f"mock.on({', '.join(parts)})"
    short = text if len(text) <= 120 else f"mock.on({call.method!r})"
    return short if call.is_notification else f"{short}.returns(...)"
