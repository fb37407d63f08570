"""Threads, greenlets, and what both can wait on. The only module of this folder that knows gevent.

gevent patches a whole process: its :mod:`threading` makes greenlets from then on, and its locks switch between them.
Those primitives cannot be waited on in a native thread. Where native threads and greenlets meet, :func:`make_lock`,
:func:`make_condition` and :func:`make_event` give what works for both.
"""

from __future__ import annotations

import functools
import importlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import MissingExtraError
from ..extras import missing_extra

__all__ = [
    "Condition",
    "Event",
    "NativeThread",
    "can_import_gevent",
    "in_main_thread",
    "in_native_thread",
    "is_patched",
    "is_socket",
    "make_condition",
    "make_event",
    "make_lock",
    "make_reentrant_lock",
    "make_waiter",
    "native",
    "patch_process",
    "release_event_loop",
    "require_gevent",
    "runs_natively",
    "sleep",
    "spawn_in_hub",
    "start_native_thread",
    "start_thread",
]

# The hub that each native thread was started from, by the ident of the thread, while it runs.
_hubs: dict[int, Any] = {}


def can_import_gevent() -> bool:
    """Return whether gevent can be imported."""
    try:
        require_gevent()
    except MissingExtraError:
        return False
    return True


def require_gevent() -> None:
    """Check that gevent can be imported.

    Raises:
        MissingExtraError: It cannot.
    """
    try:
        importlib.import_module("gevent.monkey")
    except ImportError as exc:
        raise missing_extra("gevent=True", "gevent", exc) from exc


def is_patched() -> bool:
    """Tell whether gevent has patched this process, whoever asked for that."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("threading")


def patch_process() -> None:
    """Let gevent patch this process.

    Raises:
        MissingExtraError: gevent is not installed.
    """
    require_gevent()
    from gevent import monkey

    monkey.patch_all()


@functools.cache
def native(module: str, name: str) -> Any:
    """Return an object of the standard library as it is without the patch."""
    monkey = sys.modules.get("gevent.monkey")
    return getattr(importlib.import_module(module), name) if monkey is None else monkey.get_original(module, name)


class NativeThread:
    """A native thread in a patched process, where :class:`threading.Thread` makes greenlets. It starts at once.

    Args:
        target: What it runs.
        args: By position.
        kwargs: By name.
        name: Its name.
    """

    daemon = True

    def __init__(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        name: str = "",
    ) -> None:
        import gevent

        self.name = name
        self._call = functools.partial(target, *args, **(kwargs or {}))
        self._home = _hubs.get(native("_thread", "get_ident")()) or gevent.get_hub()
        self._ended = Event()
        native("_thread", "start_new_thread")(self._run, ())

    def is_alive(self) -> bool:
        """Tell whether it still runs."""
        return not self._ended.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, at most so many seconds; in a greenlet, others run meanwhile."""
        self._ended.wait(timeout)

    def _run(self) -> None:
        ident = native("_thread", "get_ident")()
        _hubs[ident] = self._home
        try:
            self._call()
        finally:
            release_event_loop()
            del _hubs[ident]
            self._ended.set()


def release_event_loop() -> None:
    """Release the event loop that this native thread may have by now: a patched function such as time.sleep makes one.

    To be done before anybody is told that the thread is done: the process may end then, which is no time for it.
    """
    if not in_native_thread():
        return
    from gevent._hub_local import get_hub_if_exists  # gevent has no public way to ask without making one

    if (hub := get_hub_if_exists()) is not None:
        hub.destroy(destroy_loop=True)


def start_native_thread(
    target: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, name: str = ""
) -> Any:
    """Start a native daemon thread, whether the process is patched or not, and return it."""
    if is_patched():
        return NativeThread(target, args, kwargs, name)
    thread = threading.Thread(target=target, args=args, kwargs=kwargs, name=name or None, daemon=True)
    thread.start()
    return thread


def start_thread(
    target: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, name: str = ""
) -> Any:
    """Start a daemon thread, or in a patched process a greenlet, and return it.

    In a native thread of a patched process it is another native one: greenlets need an event loop that runs.
    """
    if not is_patched() or in_native_thread():
        return start_native_thread(target, args, kwargs, name)
    import gevent

    return gevent.spawn(target, *args, **(kwargs or {}))


def in_native_thread() -> bool:
    """Tell whether this thread was started natively in a patched process."""
    return bool(_hubs) and native("_thread", "get_ident")() in _hubs


def in_main_thread() -> bool:
    """Return whether this is the thread in which Python runs signal handlers, also in one of its greenlets."""
    if not is_patched():
        return threading.current_thread() is threading.main_thread()
    if in_native_thread():
        return False
    import gevent

    return bool(gevent.get_hub().main_hub)


def runs_natively() -> bool:
    """Tell whether a native thread runs this, rather than a greenlet."""
    if not is_patched():
        return True
    import gevent

    return not isinstance(gevent.getcurrent(), gevent.Greenlet)


def spawn_in_hub(target: Callable[[], object]) -> None:
    """Run a function in a greenlet beside the one that started this native thread."""
    import gevent

    _hubs[native("_thread", "get_ident")()].loop.run_callback_threadsafe(gevent.spawn, target)


def sleep(seconds: float, *, force_native: bool = False) -> None:
    """Sleep; in a greenlet, others run meanwhile.

    Args:
        seconds: How long.
        force_native: Sleep as without gevent, which holds up all greenlets.
    """
    if force_native or in_native_thread():
        native("time", "sleep")(seconds)
    else:
        time.sleep(seconds)


def is_socket(value: object) -> bool:
    """Tell whether it is a socket, made before the patch or after it."""
    return isinstance(value, (importlib.import_module("socket").socket, native("socket", "socket")))


class ThreadWaiter:
    """A native thread that waits."""

    def __init__(self) -> None:
        self._woken = native("_thread", "allocate_lock")()
        self._woken.acquire()

    def wait(self, timeout_s: float | None) -> None:
        self._woken.acquire(True, -1 if timeout_s is None else min(timeout_s, threading.TIMEOUT_MAX))

    def wake(self) -> None:
        self._woken.release()

    def close(self) -> None:
        return None


class GreenletWaiter:
    """A greenlet that waits. Its watcher keeps the event loop running, and may be told from any thread."""

    def __init__(self) -> None:
        import gevent
        from gevent.event import Event as GreenletEvent

        self._woken = GreenletEvent()
        self._watcher = gevent.get_hub().loop.async_()
        self._watcher.start(self._woken.set)

    def wait(self, timeout_s: float | None) -> None:
        self._woken.wait(timeout_s)
        self._woken.clear()

    def wake(self) -> None:
        self._watcher.send()

    def close(self) -> None:
        self._watcher.close()


class Condition:
    """A condition, as :class:`threading.Condition`, whose waiters may be greenlets and native threads.

    Its lock is a native one. Whoever holds it must not switch to another greenlet, hence not wait, log or do I/O.

    Args:
        lock: A lock of :func:`make_lock`; None makes one.
    """

    def __init__(self, lock: Any = None) -> None:
        self._lock = lock or native("_thread", "allocate_lock")()
        self._waiters: deque[ThreadWaiter | GreenletWaiter] = deque()  # guarded by _lock; woken and closed under it

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until the predicate is true, at most so many seconds; return what it says at the end."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (said := predicate()):
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
        return said

    def wait(self, timeout: float | None = None) -> None:
        """Wait until woken, at most so many seconds."""
        waiter = make_waiter()
        self._waiters.append(waiter)
        self._lock.release()
        try:
            waiter.wait(timeout)
        finally:
            self._lock.acquire()
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            waiter.close()

    def notify(self) -> None:
        """Wake the one that has waited longest."""
        if self._waiters:
            self._waiters.popleft().wake()

    def notify_all(self) -> None:
        """Wake all that wait."""
        while self._waiters:
            self.notify()


class Event:
    """An event, as :class:`threading.Event`, for greenlets and native threads."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._is_set = False  # guarded by _changed

    def is_set(self) -> bool:
        """Tell whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it, and wake all that wait."""
        with self._changed:
            self._is_set = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, at most so many seconds; tell whether it is."""
        with self._changed:
            return bool(self._changed.wait_for(self.is_set, timeout))


def make_waiter() -> ThreadWaiter | GreenletWaiter:
    """Return what the calling greenlet or native thread can wait on, and be woken by any other."""
    return GreenletWaiter() if is_patched() and not in_native_thread() else ThreadWaiter()


def make_lock() -> Any:
    """Return a lock for greenlets and native threads, to be held without waiting for anything."""
    return native("_thread", "allocate_lock")()


def make_reentrant_lock() -> Any:
    """Return a lock as :func:`make_lock` does, which its thread may take again; all greenlets of a thread are one."""
    return native("_thread", "RLock")()


def make_condition(lock: Any = None) -> threading.Condition | Condition:
    """Return a condition for greenlets and native threads, of a lock of :func:`make_lock` if one is given."""
    return Condition(lock) if is_patched() else threading.Condition(lock)


def make_event() -> threading.Event | Event:
    """Return an event for greenlets and native threads."""
    return Event() if is_patched() else threading.Event()
