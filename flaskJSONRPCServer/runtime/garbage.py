"""Garbage collection by hand, while servers run that ask for it."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from typing import Any

from ..settings import Settings
from .concurrency import make_reentrant_lock

__all__ = ["GarbageControl"]


# What imports and the set-up leave behind is nearly all young. A full collection at the start would find a few dozen
# objects more in a hundred times the time; the next thorough one finds them too.
_YOUNG = 1


class ProcessCollection:
    """The collection of the process. While somebody holds it, nothing is collected automatically.

    What is alive when the first holder takes it is frozen: it is not looked at again, so that a collection takes no
    longer the more code and data the program has. A thorough collection thaws it, and freezes what is left, so that
    what has become garbage among it waits for that one only.
    """

    def __init__(self) -> None:
        # Reentrant: a collection runs finalisers, which may stop a server.
        self._lock = make_reentrant_lock()
        self._holders: set[object] = set()  # guarded by _lock, as all below
        self._was_enabled = False
        self._is_frozen = False

    def hold(self, holder: object) -> None:
        """Take the collection over."""
        with self._lock:
            if not self._holders:
                self._was_enabled = gc.isenabled()
            self._holders.add(holder)
            gc.disable()
            gc.collect(_YOUNG)
            self._freeze()

    def release(self, holder: object) -> None:
        """Give it back, if this was the last holder; one that holds nothing changes nothing."""
        with self._lock:
            if holder not in self._holders:
                return
            self._holders.remove(holder)
            if not self._holders:
                self.thaw()
                self._enable()

    def collect(self, *, thoroughly: bool) -> int:
        """Collect, ``thoroughly`` among what is frozen too, and return how many objects were garbage."""
        with self._lock:
            if thoroughly:
                self.thaw()
            found = gc.collect()
            self._freeze()
            return found

    def thaw(self) -> None:
        """Let the next collection look at everything."""
        with self._lock:
            if self._is_frozen:
                gc.unfreeze()
                self._is_frozen = False

    def give_back_in_child(self) -> None:
        """Give the collection back in a forked child, where nobody collects by hand."""
        self._lock = make_reentrant_lock()  # another thread of the parent may have held it
        if self._holders:
            self._holders.clear()
            self._enable()  # what is frozen stays so: the memory that the child shares is not written to

    def _freeze(self) -> None:
        if self._holders and not self._is_frozen:
            gc.freeze()
            self._is_frozen = True

    def _enable(self) -> None:
        if self._was_enabled:
            gc.enable()


_process = ProcessCollection()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.give_back_in_child)


class GarbageControl:
    """Collects when enough time, requests, calls or objects have come since the last collection.

    Args:
        served: Gives the number of requests and of calls until now.
        settings: The ``controlGC_...`` are read at each look.
    """

    def __init__(self, served: Callable[[], tuple[int, int]], settings: Settings) -> None:
        self._served = served
        self._settings = settings
        self._lock = make_reentrant_lock()  # reentrant: a collection runs finalisers, which may ask for one
        self._collected_at, self._collected = time.monotonic(), served()  # guarded by _lock, as all below
        self._count = self._garbage = 0
        self._total_s = self._longest_s = self._last_s = 0.0

    def start(self) -> None:
        """Take the process's collection over."""
        with self._lock:
            _process.hold(self)
            self._collected, self._collected_at = self._served(), time.monotonic()

    def stop(self) -> None:
        """Give the process its automatic collection back, if this was the last one to hold it."""
        _process.release(self)

    def thaw(self) -> None:
        """Let the next collection look at what was there at the start too; to be called where that is replaced."""
        _process.thaw()

    def collect(self, *, force: bool = False) -> bool:
        """Collect if it is due, or by force; tells whether it collected.

        By force, and when it is due by time, everything is collected; when it is due by requests or calls, what has
        come since the last such time.
        """
        with self._lock:
            served = self._served()
            is_thorough = force or time.monotonic() - self._collected_at >= self._settings.controlGC_everySeconds
            if not (is_thorough or self._is_due(*served)):
                return False
            self._pause(thoroughly=is_thorough)
            self._collected, self._collected_at = served, time.monotonic()
            return True

    def report(self, *, in_ms: bool) -> dict[str, Any]:
        """Return what ``stats()`` shows under ``gc``."""
        factor = 1000.0 if in_ms else 1.0
        with self._lock:
            return {
                "count": self._count,
                "collected": self._garbage,
                "total": self._total_s * factor,
                "mean": self._total_s / self._count * factor if self._count else 0.0,
                "max": self._longest_s * factor,
                "last": self._last_s * factor,
            }

    def _pause(self, *, thoroughly: bool) -> None:
        began_s = time.perf_counter()
        self._garbage += _process.collect(thoroughly=thoroughly)
        self._last_s = time.perf_counter() - began_s
        self._longest_s = max(self._longest_s, self._last_s)
        self._total_s += self._last_s
        self._count += 1

    def _is_due(self, requests: int, calls: int) -> bool:
        requests_before, calls_before = self._collected
        return (
            requests - requests_before >= self._settings.controlGC_everyRequestCount
            or calls - calls_before >= self._settings.controlGC_everyDispatcherCount
            # Requests that are not RPC are not counted, and some leave cycles: a page that is not there leaves Flask's
            # exception with its frames. The interpreter counts objects even while its own collection is off.
            or gc.get_count()[0] >= self._settings.gc_every_objects
        )
