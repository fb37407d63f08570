"""Locks that hold calls, on the whole server or on one dispatcher, and the deep lock, which holds requests.

They cost nothing while nothing is locked: a call reads one attribute, a request another. Only when that attribute is
set do they look closer, under the condition that :meth:`Locks.unlock` notifies.
"""

from __future__ import annotations

import functools
import math
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from ..http.refusals import ServiceUnavailable
from ..runtime.concurrency import make_condition
from ..sansio_jsonrpc import JsonRpcError, JsonRpcException
from .deadlines import deadline_exception, has_passed

__all__ = ["CALL_NOT_RUN", "HeldLock", "HeldLocks", "Locks", "ReplacedKeys", "lock_key", "optional_lock_key"]

CALL_NOT_RUN = -32003
"""Error code of a call that was accepted, but not run because the server or the backend stopped first."""


def lock_key(function: Callable[..., Any]) -> Hashable:
    """Return the key of a dispatcher in the locks: a function has one key under all its names and paths.

    Two bound methods are the same dispatcher if they are the same method of the same object.
    """
    owner = getattr(function, "__self__", None)
    if owner is not None and isinstance(function, functools.partial):  # a partialmethod makes one at each access
        keywords = tuple((name, id(value)) for name, value in function.keywords.items())
        return lock_key(function.func), tuple(map(id, function.args)), keywords
    method = getattr(function, "__func__", getattr(function, "__name__", None))
    return id(function) if owner is None or method is None else (id(owner), method)


def optional_lock_key(function: Callable[..., Any] | None) -> Hashable | None:
    """Return the key of a dispatcher, or None, which means the whole server.

    Raises:
        TypeError: The argument is neither a function nor None.
    """
    if function is not None and not callable(function):
        raise TypeError(f"{function!r} is not a dispatcher; pass the function itself, or None for the server")
    return None if function is None else lock_key(function)


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that has not been released yet.

    Attributes:
        since_s: When it was taken, in seconds since 1970.
        by: The dispatcher, the thread or the client that took it.
    """

    since_s: float
    by: str


@dataclass(frozen=True, slots=True)
class HeldLocks:
    """The locks of a server at one moment.

    Attributes:
        server: The lock on the server; None without one.
        deep: The deep lock; None without one.
        dispatchers: The locks on dispatchers, by the keys that were asked for.
        dispatcher_count: How many dispatchers are locked one by one.
        waiting: The number of calls and requests that wait: for a lock, an idempotency key, or an answer of a client.
    """

    server: HeldLock | None
    deep: HeldLock | None
    dispatchers: dict[Hashable, HeldLock]
    dispatcher_count: int
    waiting: int


class ServingPeriod:
    """The time from a start of the server to its stop. Held requests belong to one period, and end with it.

    Attributes:
        ends_at: The time when held requests of this period are released, on the clock of :func:`time.monotonic`.
    """

    def __init__(self) -> None:
        self.ends_at = math.inf  # guarded by Locks._changed

    def seconds_left(self) -> float:
        """Return how long a request may still be held, in seconds."""
        return max(0.0, self.ends_at - time.monotonic())


class Locks:
    """The locks of one server.

    A lock is a switch, not a count: one ``unlock()`` undoes two ``lock()``. Callers read :attr:`engaged` before a call,
    and :attr:`closed` before a request, and use the other methods only if it is set.

    Attributes:
        engaged: Whether any dispatcher, or the server, is locked.
        closed: Whether new requests are held.
    """

    def __init__(self) -> None:
        self.engaged = False  # written under _changed, read without it
        self._changed = make_condition()
        self._server_lock: HeldLock | None = None  # guarded by _changed
        self._locked_keys: dict[Hashable, HeldLock] = {}  # guarded by _changed
        self._exclusive_keys: set[Hashable] = set()  # guarded by _changed
        self.closed = False  # written under _changed, read without it
        self._deep_lock: HeldLock | None = None  # guarded by _changed
        self._waiting = 0  # guarded by _changed
        self._request_holds = 0  # guarded by _changed
        self._period = ServingPeriod()  # guarded by _changed
        self._replaced = ReplacedKeys()  # written under _changed

    def key_of(self, function: Callable[..., Any] | None) -> Hashable | None:
        """Return the key of a dispatcher; see :func:`optional_lock_key`."""
        return optional_lock_key(function)

    def lock(self, key: Hashable | None = None, *, by: str = "") -> None:
        """Hold a dispatcher, or every dispatcher. A lock on the server ends all exclusive permissions.

        Args:
            key: The dispatcher; None for the server.
            by: Who takes the lock, for :meth:`held`; empty for the name of the thread.
        """
        with self._changed:
            if key is None:
                self._server_lock = self._server_lock or new_lock(by)
                self._exclusive_keys.clear()
            else:
                key = self._replaced.current(key)
                self._locked_keys.setdefault(key, new_lock(by))
                self._exclusive_keys.discard(key)
            self._update()

    def unlock(self, key: Hashable | None = None, *, exclusive: bool = False) -> None:
        """Release a dispatcher, or end the lock on the server.

        Args:
            key: The dispatcher; None for the server.
            exclusive: Release the dispatcher even while the server is locked.
        """
        with self._changed:
            if key is None:
                self._server_lock = None
                self._exclusive_keys.clear()
            else:
                key = self._replaced.current(key)
                self._locked_keys.pop(key, None)
                self._exclusive_keys |= {key} if exclusive and self._server_lock else set()
            self._update()

    def deep_lock(self) -> None:
        """Hold every new request. Requests that are being processed continue."""
        with self._changed:
            self._deep_lock = self._deep_lock or new_lock("")
            self._update()

    def deep_unlock(self) -> None:
        """End the deep lock."""
        with self._changed:
            self._deep_lock = None
            self._update()

    def hold_requests(self) -> None:
        """Hold requests for a moment, on behalf of the server itself. These holds are counted."""
        with self._changed:
            self._request_holds += 1
            self._update()

    def release_requests(self) -> None:
        """Undo one :meth:`hold_requests`."""
        with self._changed:
            self._request_holds -= 1
            self._update()

    def wait_until_open(self) -> None:
        """Block while requests are held. Read :attr:`closed` first.

        Raises:
            ServiceUnavailable: The server has stopped meanwhile.
        """
        if not self._block_while(lambda: self.closed):
            raise ServiceUnavailable("the server has stopped")

    def held(self, keys: Iterable[Hashable] = ()) -> HeldLocks:
        """Return the locks that are held: on the server, and on the dispatchers with these keys."""
        with self._changed:
            current = {key: self._replaced.current(key) for key in keys} if self._locked_keys else {}
            dispatchers = {key: self._locked_keys[now] for key, now in current.items() if now in self._locked_keys}
            return HeldLocks(self._server_lock, self._deep_lock, dispatchers, len(self._locked_keys), self._waiting)

    def is_locked(self, key: Hashable | None = None) -> bool:
        """Return whether a dispatcher, or the server, is locked."""
        with self._changed:
            return self._is_locked(key)

    def wait(
        self, key: Hashable | None = None, sleep: Callable[[float], object] | None = None, sleep_s: float = 0.1
    ) -> None:
        """Block until a dispatcher may run.

        Args:
            key: The dispatcher; None for the server.
            sleep: Called with ``sleep_s`` between two looks, instead of waiting for a notification.
            sleep_s: The argument of ``sleep``, in seconds.
        """
        if sleep is None:
            with self._changed:
                self._changed.wait_for(lambda: not self._is_locked(key))
            return
        while self.is_locked(key):
            sleep(sleep_s)

    def hold_call(
        self,
        key: Hashable | None,
        deadline: float | None = None,
        is_abandoned: Callable[[], bool] = lambda: False,
    ) -> None:
        """Block the call of a request until its dispatcher may run.

        Args:
            key: The dispatcher.
            deadline: The deadline of the call, on the monotonic clock; None for none.
            is_abandoned: As with :meth:`wait_in_period`.

        Raises:
            JsonRpcException: -32003: the server has stopped meanwhile; -32006: the deadline has passed meanwhile.
        """
        until = math.inf if deadline is None else deadline
        if not self._block_while(lambda: self._is_locked(key) and not is_abandoned(), until):
            if has_passed(deadline):
                raise deadline_exception("not started")
            raise JsonRpcException.exc_from_error(JsonRpcError(CALL_NOT_RUN, "Not run: the server has stopped"))

    def wait_in_period(self, key: Hashable | None, is_abandoned: Callable[[], bool] = lambda: False) -> bool:
        """Block until a dispatcher may run, and return True; return False if the server stops first.

        Args:
            key: The dispatcher; None for the server.
            is_abandoned: Returns whether the wait is no longer needed; called again after :meth:`wake_waiting`.
        """
        return self._block_while(lambda: self._is_locked(key) and not is_abandoned())

    def wait_while(self, is_held: Callable[[], bool], deadline: float) -> bool:
        """Block while ``is_held()``, and return True; return False if the server stops or the deadline passes first.

        Args:
            is_held: Called again after :meth:`wake_waiting`.
            deadline: The end of the wait, on the monotonic clock.
        """
        return self._block_while(is_held, deadline)

    def period_has_ended(self) -> bool:
        """Return whether the server has stopped, so that calls which are still held fail."""
        with self._changed:
            return not self._period.seconds_left()

    def wake_waiting(self) -> None:
        """Let all waiting threads check their locks again."""
        with self._changed:
            self._changed.notify_all()

    def begin_period(self) -> None:
        """Begin a new period, if the last one has ended."""
        with self._changed:
            if self._period.ends_at < math.inf:
                self._period = ServingPeriod()

    def end_period(self, in_s: float) -> None:
        """Release callers still blocked after ``in_s`` seconds; their requests fail. The locks stay."""
        with self._changed:
            self._period.ends_at = time.monotonic() + in_s
            self._changed.notify_all()

    def _block_while(self, is_held: Callable[[], bool], deadline: float = math.inf) -> bool:
        """Block while ``is_held()``, and return True; return False if the period ends or the deadline passes first."""
        with self._changed:
            period = self._period
            self._waiting += 1
            try:
                while is_held():
                    seconds_left = min(period.seconds_left(), deadline - time.monotonic())
                    if seconds_left <= 0:
                        return False
                    self._changed.wait(None if seconds_left == math.inf else seconds_left)
                return True
            finally:
                self._waiting -= 1

    def replace_key(self, old: Callable[..., Any], new: Callable[..., Any]) -> None:
        """Replace a dispatcher by another. A lock on either holds both from now on, and so does an existing lock."""
        if lock_key(old) == lock_key(new):
            return
        with self._changed:
            old_key = self._replaced.current(lock_key(old))
            self._replaced.add((old, lock_key(old)), (new, lock_key(new)))
            new_key = self._replaced.current(old_key)
            if (held := self._locked_keys.pop(old_key, None)) is not None:
                self._locked_keys.setdefault(new_key, held)
            if old_key in self._exclusive_keys:
                self._exclusive_keys.remove(old_key)
                self._exclusive_keys.add(new_key)
            self._update()

    def _is_locked(self, key: Hashable | None) -> bool:
        """Return whether a dispatcher, or the server, is locked; the caller holds ``_changed``."""
        key = self._replaced.current(key)
        return key in self._locked_keys or (self._server_lock is not None and key not in self._exclusive_keys)

    def _update(self) -> None:
        """Set the public attributes after a change, and wake all waiting threads; the caller holds ``_changed``."""
        self.engaged = self._server_lock is not None or bool(self._locked_keys)
        self.closed = self._deep_lock is not None or self._request_holds > 0
        self._changed.notify_all()


def new_lock(by: str) -> HeldLock:
    """Return a lock that is taken now, by the calling thread unless someone else is named."""
    return HeldLock(time.time(), by or threading.current_thread().name)


class ReplacedKeys:
    """Maps the key of a replaced dispatcher to the key of its current replacement.

    The map keeps no dispatcher alive. It forgets a dispatcher when its object is collected: the key holds the ``id`` of
    the object, which another object may get afterwards.
    """

    def __init__(self) -> None:
        # Keys and values are plain ids. One reload at a time writes here, under Locks._changed, and finalisers write
        # without a lock, in any thread: so each access is a single atomic operation of the dict.
        self._current: dict[Hashable, Hashable] = {}

    def current(self, key: Hashable) -> Hashable:
        """Return the key of the current replacement of a dispatcher; its own key if it was not replaced."""
        plain = by_ids(key)
        return self._current.get(plain, plain)

    def add(self, old: tuple[Callable[..., Any], Hashable], new: tuple[Callable[..., Any], Hashable]) -> None:
        """Record that a function has replaced another; both come with their keys."""
        old_key, new_key = by_ids(old[1]), by_ids(new[1])
        for key in list(self._current):
            if self._current.get(key) == old_key:
                self._current[key] = new_key
        self._current[old_key] = new_key
        self._current.pop(new_key, None)
        for function, key in ((old[0], old_key), (new[0], new_key)):
            weakref.finalize(key_owner(function), self._forget, key).atexit = False

    def _forget(self, ended_key: Hashable) -> None:
        self._current.pop(ended_key, None)
        for key in list(self._current):
            if self._current.get(key) == ended_key:
                self._current.pop(key, None)


def by_ids(key: Hashable) -> Hashable:
    """Return a key without references to objects: their ids take their places."""
    if isinstance(key, tuple):
        return tuple(map(by_ids, key))
    return key if key is None or isinstance(key, (int, str)) else id(key)


def key_owner(function: Callable[..., Any]) -> Any:
    """Return the object whose end makes the key of a function invalid: the owner of a method, else the function."""
    owner = getattr(function, "__self__", None)
    for part in (owner, getattr(function, "__func__", None), function):
        if part is not None and type(part).__weakrefoffset__:
            return part
    return type(function)
