"""The table of checks. A check is a function that takes a :data:`~scorecard.subject.Start` and returns a result."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .results import Result
from .subject import Start

__all__ = ["Check", "Scope", "all_checks", "check"]

_THEMES = (
    "http_syntax",
    "http_limits",
    "slow_clients",
    "json_rpc",
    "browsers",
    "trust",
    "faults",
    "shutdown",
    "processes",
    "execution",
    "refusals",
    "overload",
    "streams",
    "linear",
    "fuzz",
)

Function = Callable[..., Result]


class Scope(Enum):
    """How often a check runs."""

    EACH = "once for each serving backend"
    ONCE = "once, on one serving backend"
    ALONE = "once, without a server of the scorecard"


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the scorecard.

    Attributes:
        number: Its number.
        title: The subject of the check, in a few words.
        function: Runs the check. It takes a function that starts servers, and the result of ``beforehand`` if there is
            one.
        scope: How often it runs.
        quick: Whether it takes no more than a second or two.
        beforehand: A long measurement that uses hardly any CPU, so that it may run in parallel with other checks.
    """

    number: int
    title: str
    function: Function
    scope: Scope = Scope.EACH
    quick: bool = False
    beforehand: Callable[[Start], Any] | None = None


_checks: dict[int, Check] = {}


def check(number: int, title: str, **options: Any) -> Callable[[Function], Function]:
    """Add a function to the table."""

    def add(function: Function) -> Function:
        if number in _checks:
            raise ValueError(f"check {number} is defined twice")
        _checks[number] = Check(number, title, function, **options)
        return function

    return add


def all_checks() -> list[Check]:
    """Return the checks in the order of their numbers."""
    for theme in _THEMES:
        importlib.import_module(f"scorecard.{theme}")
    return [_checks[number] for number in sorted(_checks)]
