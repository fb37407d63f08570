"""Tables of the resources and prompts of an endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Generic, TypeVar

from ...errors import RegistrationError
from ...runtime.concurrency import make_lock

__all__ = ["Entries"]

E = TypeVar("E")


class Entries(Generic[E]):
    """Entries by key. Requests read them while others are added.

    Args:
        what: The kind of the entries, in words.
        on_change: Called after each addition.
    """

    def __init__(self, what: str, on_change: Callable[[], object] = lambda: None) -> None:
        self._what = what
        self._on_change = on_change
        self._adding = make_lock()
        self._by_key: Mapping[str, E] = MappingProxyType({})  # replaced under _adding, read without it

    def add(self, key: str, entry: E) -> None:
        """Add an entry.

        Raises:
            RegistrationError: There is one with this key.
        """
        with self._adding:
            if key in self._by_key:
                raise RegistrationError(f"{key!r} is refused: the endpoint has {self._what} already")
            self._by_key = MappingProxyType({**self._by_key, key: entry})
        self._on_change()

    def all(self) -> Mapping[str, E]:
        """Return all entries by their keys, in the order of their additions. The mapping does not change."""
        return self._by_key

    def keys(self) -> Sequence[str]:
        """Return all keys, sorted."""
        return sorted(self._by_key)
