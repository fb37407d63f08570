"""Locks that hold calls back, on the whole server or on one dispatcher, and the deep lock, which holds requests."""

from __future__ import annotations

import functools
import math
import time
import weakref
from collections.abc import Callable, Hashable
from typing import Any

from ..http.refusals import ServiceUnavailable
from ..runtime.concurrency import make_condition
from ..sansio_jsonrpc import JsonRpcError, JsonRpcException

__all__ = ["CALL_NOT_RUN", "Locks", "ReplacedKeys", "lock_key", "optional_lock_key"]

CALL_NOT_RUN = -32003
"""Code of the error where a call was taken, and what should have run it has stopped before."""


def lock_key(function: Callable[..., Any]) -> Hashable:
    """Return what a dispatcher is known by to the locks: one key for a function under all its names and paths.

    Two bound methods are the same dispatcher when they are the same method of the same object.
    """
    owner = getattr(function, "__self__", None)
    if owner is not None and isinstance(function, functools.partial):  # as a partialmethod gives a new one each time
        keywords = tuple((name, id(value)) for name, value in function.keywords.items())
        return lock_key(function.func), tuple(map(id, function.args)), keywords
    method = getattr(function, "__func__", getattr(function, "__name__", None))
    return id(function) if owner is None or method is None else (id(owner), method)


def optional_lock_key(function: Callable[..., Any] | None) -> Hashable | None:
    """Return the dispatcher's key, or None, which stands for the whole server.

    Raises:
        TypeError: It is neither a function nor None.
    """
    if function is not None and not callable(function):
        raise TypeError(f"{function!r} is not a dispatcher; pass the function itself, or None for the server")
    return None if function is None else lock_key(function)


class ServingPeriod:
    """One run of a server, from a start to the stop.

    Attributes:
        ends_at: Until when requests that came in this run may be held, as :func:`time.monotonic` counts.
    """

    def __init__(self) -> None:
        self.ends_at = math.inf  # guarded by Locks._changed

    def seconds_left(self) -> float:
        """Return how long a request may still be held."""
        return max(0.0, self.ends_at - time.monotonic())


class Locks:
    """The locks of one server.

    A lock is a switch, not a count: two ``lock()`` are undone by one ``unlock()``. While nothing is locked, calls pay
    nothing: the caller reads :attr:`engaged` first, and for a request :attr:`closed`.

    Attributes:
        engaged: Whether anything is locked that a call would have to wait for.
        closed: Whether requests are held before anything is done about them.
    """

    def __init__(self) -> None:
        self.engaged = False  # written under _changed, read without it
        self._changed = make_condition()
        self._server = False  # guarded by _changed
        self._locked: set[Hashable] = set()  # guarded by _changed
        self._exclusive: set[Hashable] = set()  # guarded by _changed
        self.closed = False  # written under _changed, read without it
        self._deep = False  # guarded by _changed
        self._holds = 0  # guarded by _changed
        self._period = ServingPeriod()  # guarded by _changed
        self._replaced = ReplacedKeys()  # written under _changed

    def key_of(self, function: Callable[..., Any] | None) -> Hashable | None:
        """Return what a dispatcher is known by here: :func:`optional_lock_key`."""
        return optional_lock_key(function)

    def lock(self, key: Hashable | None = None) -> None:
        """Hold the dispatcher, or every dispatcher. A lock on the server ends all exclusive permissions."""
        with self._changed:
            if key is None:
                self._server = True
                self._exclusive.clear()
            else:
                key = self._replaced.current(key)
                self._locked.add(key)
                self._exclusive.discard(key)
            self._update()

    def unlock(self, key: Hashable | None = None, *, exclusive: bool = False) -> None:
        """Let the dispatcher run, or end the lock on the server.

        Args:
            key: The dispatcher; None for the server.
            exclusive: Let the dispatcher run even while the server is locked.
        """
        with self._changed:
            if key is None:
                self._server = False
                self._exclusive.clear()
            else:
                key = self._replaced.current(key)
                self._locked.discard(key)
                self._exclusive |= {key} if exclusive and self._server else set()
            self._update()

    def deep_lock(self) -> None:
        """Hold every request that comes from now on. Those that are being processed go on."""
        with self._changed:
            self._deep = True
            self._update()

    def deep_unlock(self) -> None:
        """End the deep lock."""
        with self._changed:
            self._deep = False
            self._update()

    def hold_requests(self) -> None:
        """Hold requests as the deep lock does, for a moment inside the server. It is counted."""
        with self._changed:
            self._holds += 1
            self._update()

    def release_requests(self) -> None:
        """Undo one :meth:`hold_requests`."""
        with self._changed:
            self._holds -= 1
            self._update()

    def wait_until_open(self) -> None:
        """Block while requests are held. Whoever has a request to answer reads :attr:`closed` first.

        Raises:
            ServiceUnavailable: The server has stopped meanwhile.
        """
        if not self._hold(lambda: self.closed):
            raise ServiceUnavailable("the server has stopped")

    def is_locked(self, key: Hashable | None = None) -> bool:
        """Tell whether the dispatcher, or the server, is held."""
        with self._changed:
            return self._is_locked(key)

    def wait(
        self, key: Hashable | None = None, sleep: Callable[[float], object] | None = None, sleep_s: float = 0.1
    ) -> None:
        """Block until the dispatcher may run.

        Args:
            key: The dispatcher; None for the server.
            sleep: Called with ``sleep_s``, again and again, instead of waiting for the change.
            sleep_s: How long it is asked to sleep, in seconds.
        """
        if sleep is None:
            with self._changed:
                self._changed.wait_for(lambda: not self._is_locked(key))
            return
        while self.is_locked(key):
            sleep(sleep_s)

    def hold_call(self, key: Hashable | None) -> None:
        """Block until the dispatcher may run, on behalf of a request.

        Raises:
            JsonRpcException: -32003: the server has stopped meanwhile.
        """
        if not self.wait_in_period(key):
            raise JsonRpcException.exc_from_error(JsonRpcError(CALL_NOT_RUN, "Not run: the server has stopped"))

    def wait_in_period(self, key: Hashable | None, is_abandoned: Callable[[], bool] = lambda: False) -> bool:
        """Block until the dispatcher may run, or the server stops. Return False in the second case.

        Args:
            key: The dispatcher; None for the server.
            is_abandoned: Whether nobody waits for it any more; :meth:`wake_waiting` lets it be asked again.
        """
        return self._hold(lambda: self._is_locked(key) and not is_abandoned())

    def wake_waiting(self) -> None:
        """Let those look again that wait for a lock to open."""
        with self._changed:
            self._changed.notify_all()

    def begin_period(self) -> None:
        """Begin another run, if the last one has ended."""
        with self._changed:
            if self._period.ends_at < math.inf:
                self._period = ServingPeriod()

    def end_period(self, in_s: float) -> None:
        """Let go whoever is still held in so many seconds on behalf of a request of this run. The locks stay."""
        with self._changed:
            self._period.ends_at = time.monotonic() + in_s
            self._changed.notify_all()

    def _hold(self, is_held: Callable[[], bool]) -> bool:
        """Block while this is so, or to the end of the run; tell whether it is over."""
        with self._changed:
            period = self._period
            while is_held():
                seconds_left = period.seconds_left()
                if not seconds_left:
                    return False
                self._changed.wait(None if seconds_left == math.inf else seconds_left)
            return True

    def replace_key(self, old: Callable[..., Any], new: Callable[..., Any]) -> None:
        """Let a function take the place of another: a lock on either holds both, and so does one that is on now."""
        if lock_key(old) == lock_key(new):
            return
        with self._changed:
            held = self._replaced.current(lock_key(old))
            self._replaced.add((old, lock_key(old)), (new, lock_key(new)))
            for keys in (self._locked, self._exclusive):
                if held in keys:
                    keys.remove(held)
                    keys.add(self._replaced.current(held))
            self._update()

    def _is_locked(self, key: Hashable | None) -> bool:
        key = self._replaced.current(key)
        return key in self._locked or (self._server and key not in self._exclusive)

    def _update(self) -> None:
        self.engaged = self._server or bool(self._locked)
        self.closed = self._deep or self._holds > 0
        self._changed.notify_all()


class ReplacedKeys:
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
