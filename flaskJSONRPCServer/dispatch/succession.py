"""Which function has taken the place of which, for as long as both live."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any

__all__ = ["Succession"]


class Succession:
    """Leads from the key of a replaced dispatcher to that of the one in its place now.

    It keeps no dispatcher alive: what is known of one is forgotten when its object ends, since the key holds the
    object's ``id``, which another may get then.
    """

    def __init__(self) -> None:
        # Both sides are plain ids. Written by one reload at a time, and by finalisers, which may run anywhere: each
        # access is one step of a dict.
        self._current: dict[Hashable, Hashable] = {}

    def current(self, key: Hashable) -> Hashable:
        """Return the key of what stands in the place of a dispatcher: its own where it was not replaced."""
        plain = by_ids(key)
        return self._current.get(plain, plain)

    def add(self, old: tuple[Callable[..., Any], Hashable], new: tuple[Callable[..., Any], Hashable]) -> None:
        """Note that a function has taken the place of another; each comes with its key."""
        old_key, new_key = by_ids(old[1]), by_ids(new[1])
        for key in list(self._current):
            if self._current.get(key) == old_key:
                self._current[key] = new_key
        self._current[old_key] = new_key
        self._current.pop(new_key, None)
        for function, key in ((old[0], old_key), (new[0], new_key)):
            weakref.finalize(living_part(function), self._forget, key).atexit = False

    def _forget(self, ended: Hashable) -> None:
        self._current.pop(ended, None)
        for key in list(self._current):
            if self._current.get(key) == ended:
                self._current.pop(key, None)


def by_ids(key: Hashable) -> Hashable:
    """Return a key that holds no object: those inside it are replaced by their ids."""
    if isinstance(key, tuple):
        return tuple(map(by_ids, key))
    return key if key is None or isinstance(key, (int, str)) else id(key)


def living_part(function: Callable[..., Any]) -> Any:
    """Return the object whose end makes a key of the function void: the owner of a method, else the function."""
    owner = getattr(function, "__self__", None)
    for part in (owner, getattr(function, "__func__", None), function):
        if part is not None and type(part).__weakrefoffset__:
            return part
    return type(function)
