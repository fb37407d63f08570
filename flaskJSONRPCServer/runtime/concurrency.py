"""Threads, greenlets, and primitives that both can wait on. The only module of this folder that imports gevent.

gevent patches a whole process: :mod:`threading` then makes greenlets, and its locks switch between them. A native
thread cannot wait on those primitives, nor on gevent's own, such as its Event. Native threads and greenlets meet in few
places: locks of dispatchers, calls of exec backends, statistics. There, :func:`make_lock`, :func:`make_condition` and
:func:`make_event` work for both: a native lock that is held for moments only, and a waiter for each kind.
"""

from __future__ import annotations

import functools
import importlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, cast

from ..errors import MissingExtraError
from ..extras import missing_extra

__all__ = [
    "Condition",
    "Event",
    "NativeThread",
    "can_import_gevent",
    "current_greenlet",
    "in_main_thread",
    "in_native_thread",
    "is_patched",
    "is_socket",
    "lines_of",
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
    "throw_into",
]

# The hub that started each running native thread, by the ident of the thread.
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
        MissingExtraError: gevent is not installed.
    """
    try:
        importlib.import_module("gevent.monkey")
    except ImportError as exc:
        raise missing_extra("gevent=True", "gevent", exc) from exc


def is_patched() -> bool:
    """Return whether gevent has patched this process, on request of the server or of the program."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("threading")


def patch_process() -> None:
    """Patch this process with gevent.

    Raises:
        MissingExtraError: gevent is not installed.
    """
    require_gevent()
    from gevent import monkey

    monkey.patch_all()


@functools.cache
def native(module: str, name: str) -> Any:
    """Return the unpatched object of a module of the standard library."""
    monkey = sys.modules.get("gevent.monkey")
    return getattr(importlib.import_module(module), name) if monkey is None else monkey.get_original(module, name)


class NativeThread:
    """A native thread in a patched process, where :class:`threading.Thread` makes greenlets. It starts at once.

    Args:
        target: The function to run.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        name: The name of the thread.
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
        self._hub = _hubs.get(native("_thread", "get_ident")()) or gevent.get_hub()
        self._ended = Event()
        native("_thread", "start_new_thread")(self._run, ())

    def is_alive(self) -> bool:
        """Return whether the thread is still running."""
        return not self._ended.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Wait up to ``timeout`` seconds for the thread to end; other greenlets keep running."""
        self._ended.wait(timeout)

    def _run(self) -> None:
        ident = native("_thread", "get_ident")()
        _hubs[ident] = self._hub
        try:
            self._call()
        finally:
            release_event_loop()
            del _hubs[ident]
            self._ended.set()


def release_event_loop() -> None:
    """Destroy the event loop of this native thread, if a patched function such as time.sleep has made one.

    Call it before the thread reports that it is done: the process may exit then, and destroying a loop at exit is
    unsafe.
    """
    if not in_native_thread():
        return
    from gevent._hub_local import get_hub_if_exists  # gevent has no public way to ask without making one

    if (hub := get_hub_if_exists()) is not None:
        hub.destroy(destroy_loop=True)


def start_native_thread(
    target: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, name: str = ""
) -> Any:
    """Start a native daemon thread, in a patched process too, and return it."""
    if is_patched():
        return NativeThread(target, args, kwargs, name)
    thread = threading.Thread(target=target, args=args, kwargs=kwargs, name=name or None, daemon=True)
    thread.start()
    return thread


def start_thread(
    target: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, name: str = ""
) -> Any:
    """Start a daemon thread, or in a patched process a greenlet, and return it.

    A native thread of a patched process starts another native thread: greenlets need a running event loop.
    """
    if not is_patched() or in_native_thread():
        return start_native_thread(target, args, kwargs, name)
    import gevent

    return gevent.spawn(target, *args, **(kwargs or {}))


def in_native_thread() -> bool:
    """Return whether this is a native thread of a patched process."""
    return bool(_hubs) and native("_thread", "get_ident")() in _hubs


def in_main_thread() -> bool:
    """Return whether this is the thread that runs Python's signal handlers, or one of its greenlets."""
    if not is_patched():
        return threading.current_thread() is threading.main_thread()
    if in_native_thread():
        return False
    import gevent

    return bool(gevent.get_hub().main_hub)


def runs_natively() -> bool:
    """Return whether the caller runs in a native thread, not in a greenlet."""
    if not is_patched():
        return True
    import gevent

    return not isinstance(gevent.getcurrent(), gevent.Greenlet)


def current_greenlet() -> Any:
    """Return the calling greenlet; None if the caller runs in a native thread."""
    if runs_natively():
        return None
    import gevent

    return gevent.getcurrent()


def throw_into(greenlet: Any, is_wanted: Callable[[], bool]) -> None:
    """Raise GreenletExit in a greenlet where it waits, unless it is no longer wanted by then. Any thread may do it.

    Unlike gevent's ``kill``, this cannot hit what the greenlet does next: nothing runs between the check and the
    exception.
    """
    import gevent

    def throw() -> None:
        if is_wanted():
            greenlet.throw(gevent.GreenletExit("the deadline of the call has passed"))

    greenlet.parent.loop.run_callback_threadsafe(throw)


def spawn_in_hub(target: Callable[[], object]) -> None:
    """Run a function in a new greenlet of the hub that started this native thread."""
    import gevent

    _hubs[native("_thread", "get_ident")()].loop.run_callback_threadsafe(gevent.spawn, target)


def sleep(seconds: float, *, force_native: bool = False) -> None:
    """Sleep; other greenlets keep running.

    Args:
        seconds: The duration, in seconds.
        force_native: Sleep without gevent, which blocks all greenlets.
    """
    if force_native or in_native_thread():
        native("time", "sleep")(seconds)
    else:
        time.sleep(seconds)


def lines_of(stream: BinaryIO) -> Iterable[bytes]:
    """Return the lines of a stream with a file descriptor, such as a pipe. Other greenlets run until one comes."""
    if not is_patched():
        return stream
    from gevent.fileobject import FileObjectThread

    lines: Any = FileObjectThread(stream.fileno(), "rb", closefd=False)
    return cast("Iterable[bytes]", lines)


def is_socket(value: object) -> bool:
    """Return whether a value is a socket, of the patched or of the unpatched class."""
    return isinstance(value, (importlib.import_module("socket").socket, native("socket", "socket")))


class ThreadWaiter:
    """Blocks a native thread until another thread wakes it."""

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
    """Blocks a greenlet. Its watcher keeps the event loop running, and any thread may signal it."""

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
    """A condition like :class:`threading.Condition`, for greenlets and native threads.

    Its lock is native. Its holder must not switch to another greenlet: no waiting, logging or I/O under it.

    Args:
        lock: A lock from :func:`make_lock`; None makes one.
    """

    def __init__(self, lock: Any = None) -> None:
        self._lock = lock or native("_thread", "allocate_lock")()
        self._waiters: deque[ThreadWaiter | GreenletWaiter] = deque()  # guarded by _lock; woken and closed under it

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait up to ``timeout`` seconds for the predicate to become true; return its last result."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (result := predicate()):
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
        return result

    def wait(self, timeout: float | None = None) -> None:
        """Wait up to ``timeout`` seconds to be woken."""
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
        """Wake the longest waiter."""
        if self._waiters:
            self._waiters.popleft().wake()

    def notify_all(self) -> None:
        """Wake all waiters."""
        while self._waiters:
            self.notify()


class Event:
    """An event like :class:`threading.Event`, for greenlets and native threads."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._is_set = False  # guarded by _changed

    def is_set(self) -> bool:
        """Return whether the event is set."""
        return self._is_set

    def set(self) -> None:
        """Set the event and wake all waiters."""
        with self._changed:
            self._is_set = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to ``timeout`` seconds for the event; return whether it is set."""
        with self._changed:
            return bool(self._changed.wait_for(self.is_set, timeout))


def make_waiter() -> ThreadWaiter | GreenletWaiter:
    """Return a waiter for the calling greenlet or native thread, which any other may wake."""
    return GreenletWaiter() if is_patched() and not in_native_thread() else ThreadWaiter()


def make_lock() -> Any:
    """Return a lock for greenlets and native threads. Its holder must not wait for anything."""
    return native("_thread", "allocate_lock")()


def make_reentrant_lock() -> Any:
    """Return a reentrant lock, like :func:`make_lock`. All greenlets of a thread count as one holder."""
    return native("_thread", "RLock")()


def make_condition(lock: Any = None) -> threading.Condition | Condition:
    """Return a condition for greenlets and native threads, on ``lock`` (from :func:`make_lock`) if one is passed."""
    return Condition(lock) if is_patched() else threading.Condition(lock)


def make_event() -> threading.Event | Event:
    """Return an event for greenlets and native threads."""
    return Event() if is_patched() else threading.Event()
