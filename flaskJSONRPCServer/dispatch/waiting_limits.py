"""How many calls may wait for messages of their clients: each keeps a thread or a greenlet from other calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..http.request import Environ
from ..settings import Settings
from .exchange import Exchange

__all__ = ["WaitingLimit", "WaitingLimits"]


@dataclass(frozen=True, slots=True)
class WaitingLimit:
    """How many calls may wait.

    Attributes:
        most: The most calls.
        setting: The setting that it follows from, such as ``threads``.
        value: The value of that setting.
    """

    most: int
    setting: str
    value: int


class WaitingLimits:
    """The limits of one server.

    Args:
        settings: Its settings.
        kind_of: Returns the kind of the serving program of a request, by its head. Each kind has a limit of its own.
        most_streams: Returns how many streams may be open behind a kind.

    Attributes:
        by_kind: The limits of the kinds; for others it is as many calls as streams. They are set before the server
            serves.
    """

    def __init__(
        self, settings: Settings, kind_of: Callable[[Environ], str], most_streams: Callable[[str], int]
    ) -> None:
        self.by_kind: Mapping[str, WaitingLimit] = {}
        self._settings = settings
        self._kind_of = kind_of
        self._most_streams = most_streams

    def of(self, exchange: Exchange) -> WaitingLimit:
        """Return how many calls may wait behind the serving program of a request."""
        if exchange.is_local:
            threads = self._settings.threads
            return WaitingLimit(max(1, threads // 2), "threads", threads)
        kind = self._kind_of(exchange.head)
        known = self.by_kind.get(kind)
        if known is not None:
            return known
        most = self._most_streams(kind)
        return WaitingLimit(most, "max_streams", most)
