"""Collect garbage by hand while servers with ``controlGC=True`` run.

The thread that ticks once a second collects, so no request pays for it. Objects of the start of the program are frozen
until a collection is due by time. Automatic collection is on again when the last server has stopped, or when its
ticking thread has died.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from typing import Any

from ..settings import Settings
from .concurrency import make_reentrant_lock
from .freed_memory import return_freed_memory

__all__ = ["GarbageControl"]


# Garbage of imports and of the set-up is nearly all young. A full collection at the start would find a few dozen more
# objects in a hundred times the time. The next thorough collection finds them too.
_YOUNG = 1


class ProcessCollection:
    """The garbage collector of the process. Automatic collection is off while it has a holder.

    Objects that are alive when the first holder takes it are frozen: collections skip them, so that the time of a
    collection does not grow with the code and data of the program. A thorough collection thaws them first and freezes
    the survivors afterwards.
    """

    def __init__(self) -> None:
        # Reentrant: a collection runs finalizers, which may stop a server.
        self._lock = make_reentrant_lock()
        self._holders: set[object] = set()  # guarded by _lock, as all below
        self._was_enabled = False
        self._is_frozen = False

    def hold(self, holder: object, *, again: bool) -> None:
        """Turn automatic collection off for a holder, again if it has released it before."""
        with self._lock:
            if not self._holders:
                self._was_enabled = gc.isenabled()
            self._holders.add(holder)
            gc.disable()
            if again:  # a restart: the parts of before have grown old, and would be frozen as garbage
                gc.collect()
            else:
                gc.collect(_YOUNG)
            self._freeze()

    def release(self, holder: object) -> None:
        """Turn automatic collection on again after the last holder; others than holders are ignored."""
        with self._lock:
            if holder not in self._holders:
                return
            self._holders.remove(holder)
            if not self._holders:
                self.unfreeze()
                self._enable()

    def collect(self, *, thoroughly: bool) -> int:
        """Collect, including frozen objects if ``thoroughly``, and return how many objects were garbage."""
        with self._lock:
            if thoroughly:
                self.unfreeze()
            count = gc.collect()
            self._freeze()
            return count

    def unfreeze(self) -> None:
        """Include frozen objects in the next collection."""
        with self._lock:
            if self._is_frozen:
                gc.unfreeze()
                self._is_frozen = False

    def restore_in_child(self) -> None:
        """Turn automatic collection on in a forked child, where no thread collects by hand."""
        self._lock = make_reentrant_lock()  # another thread of the parent may have held it
        if self._holders:
            self._holders.clear()
            self._enable()  # frozen objects stay frozen, so that memory shared with the parent is not written to

    def _freeze(self) -> None:
        if self._holders and not self._is_frozen:
            gc.freeze()
            self._is_frozen = True

    def _enable(self) -> None:
        if self._was_enabled:
            gc.enable()


_process = ProcessCollection()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.restore_in_child)


class GarbageControl:
    """Collects when enough time, requests, calls or objects have come since the last collection.

    Args:
        served: Returns the number of requests and of calls so far.
        settings: The ``controlGC_...`` settings are read at each check.
    """

    def __init__(self, served: Callable[[], tuple[int, int]], settings: Settings) -> None:
        self._served = served
        self._settings = settings
        self._lock = make_reentrant_lock()  # reentrant: a collection runs finalizers, which may request one
        self._collected_at, self._collected = time.monotonic(), served()  # guarded by _lock, as all below
        self._returned_at = self._collected_at  # when freed memory was returned
        self._has_run = False
        self._count = self._garbage = 0
        self._total_s = self._longest_s = self._last_s = 0.0

    def start(self) -> None:
        """Turn the automatic collection of the process off."""
        with self._lock:
            _process.hold(self, again=self._has_run)
            self._has_run = True
            self._collected, self._collected_at = self._served(), time.monotonic()

    def stop(self) -> None:
        """Turn the automatic collection of the process on, if this was the last holder."""
        _process.release(self)

    def unfreeze(self) -> None:
        """Include the objects of the start in the next collection. Call it when these are replaced."""
        _process.unfreeze()

    def collect(self, *, force: bool = False) -> bool:
        """Collect if due or forced; return whether it collected.

        A collection that is forced, or due by time, is thorough. One that is due by requests or calls skips the objects
        that were frozen at the last thorough collection.

        Afterwards freed memory is returned to the system: by a thorough collection, and by any other one if that is
        due by time. A busy server has no collection that is due by time.
        """
        with self._lock:
            served, now = self._served(), time.monotonic()
            is_thorough = force or self._is_over(self._collected_at, now)
            if not (is_thorough or self._is_due(*served)):
                return False
            self._pause(thoroughly=is_thorough)
            self._collected, self._collected_at = served, time.monotonic()
            returns_memory = is_thorough or self._is_over(self._returned_at, now)
            if returns_memory:
                self._returned_at = self._collected_at
        if returns_memory:
            return_freed_memory()  # outside of the lock: other threads run meanwhile, and one of them may fork
        return True

    def report(self, *, in_ms: bool) -> dict[str, Any]:
        """Return the ``gc`` part of ``stats()``."""
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

    def _is_over(self, since: float, now: float) -> bool:
        return now - since >= self._settings.controlGC_everySeconds

    def _is_due(self, requests: int, calls: int) -> bool:
        requests_before, calls_before = self._collected
        return (
            requests - requests_before >= self._settings.controlGC_everyRequestCount
            or calls - calls_before >= self._settings.controlGC_everyDispatcherCount
            # Requests outside RPC are not counted, but some leave cycles: a missing page leaves Flask's exception with
            # its frames. The interpreter counts objects even while automatic collection is off.
            or gc.get_count()[0] >= self._settings.gc_every_objects
        )
