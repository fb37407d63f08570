"""The states that clients have brought back already: each may be used once."""

from __future__ import annotations

import os
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from ...runtime.concurrency import make_lock
from ...runtime.log_limits import WarnOnce
from ...runtime.logs import ServerLog
from ...runtime.private_folders import make_private_folder
from ...settings import Settings
from .sealing import Sealer

__all__ = ["AnyUsedStates", "SharedUsedStates", "UsedStates", "used_states_of"]

# How many used states are remembered at least. Beyond, the oldest one is forgotten.
_MOST_KEPT: Final = 100_000

# How often a process removes the files of states that have expired, and how long after their end, in seconds; guessed.
_SWEEP_S: Final = 60.0

_ALONE: Final = (
    "a state that another process has taken already, or this one before its start, is not recognised: {reason}. "
    "Remove what is in the way, or set TMPDIR"
)


class AnyUsedStates(Protocol):
    """Notes the ids of used states until they expire."""

    def use(self, state_id: str, ttl_s: float) -> bool:
        """Note that a state is used; return False if it has been used before.

        Args:
            state_id: The id of the state.
            ttl_s: How long it is valid at most, in seconds.
        """


class UsedStates:
    """Notes the ids of used states in memory: those that one process has taken.

    Args:
        clock: Returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changing = make_lock()
        self._until: OrderedDict[str, float] = OrderedDict()  # the oldest first; guarded by _changing

    def use(self, state_id: str, ttl_s: float) -> bool:
        """See :class:`AnyUsedStates`."""
        now = self._clock()
        with self._changing:
            while self._until and (len(self._until) >= _MOST_KEPT or next(iter(self._until.values())) <= now):
                self._until.popitem(last=False)
            if state_id in self._until:
                return False
            self._until[state_id] = now + ttl_s
            return True


class SharedUsedStates:
    """Notes the ids of used states for all processes that have one folder, also for those that start later.

    Each is an empty file with its id as the name, and its end as the time of the last change.

    Args:
        folder: The folder. Only its user may enter it.
        log: Gets a warning if it cannot be used. Then this process notes what itself has taken.
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(self, folder: Path, log: ServerLog, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._warning = WarnOnce(log)
        self._own = UsedStates()
        self._swept_at = clock()

    def use(self, state_id: str, ttl_s: float) -> bool:
        """See :class:`AnyUsedStates`."""
        if not self._own.use(state_id, ttl_s):
            return False
        try:
            return self._note(state_id, self._clock() + ttl_s)
        except OSError as exc:
            self._warning.write(_ALONE.format(reason=exc))
            return True

    def _note(self, state_id: str, until: float) -> bool:
        make_private_folder(self._folder)
        path = self._folder / state_id
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        os.utime(path, (until, until))
        self._sweep()
        return True

    def _sweep(self) -> None:
        """Remove the files of expired states, and the oldest of too many."""
        now = self._clock()
        if abs(now - self._swept_at) < _SWEEP_S:
            return
        self._swept_at = now
        files = files_in(self._folder)
        surplus = len(files) - _MOST_KEPT
        for position, (end, path) in enumerate(files):
            # A new file has the present time for a moment.
            if position < surplus or end < now - _SWEEP_S:
                path.unlink(missing_ok=True)


def files_in(folder: Path) -> list[tuple[float, Path]]:
    """Return the files of used states with their ends, the first that ends first."""
    files = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another process has removed it
            files.append((path.lstat().st_mtime, path))
    return sorted(files)


def used_states_of(settings: Settings, sealer: Sealer, log: ServerLog) -> AnyUsedStates:
    """Return the notes of a server: with a ``secret``, they are those of all processes on this machine that have it."""
    if settings.secret is None or not hasattr(os, "geteuid"):
        return UsedStates()
    name = sealer.shared_name(f"used states {settings.name or ''}")
    return SharedUsedStates(Path(tempfile.gettempdir()) / f"flaskJSONRPCServer-{name}", log)
