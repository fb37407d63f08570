"""Watch files for changes of their content."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ..extras import missing_extra
from .concurrency import make_event, start_native_thread

__all__ = ["FileWatch"]

# The system reports changes at once. Polling finds those between a check and the start of the reports.
_CHECK_EVERY_MS = 1000

# How long a program may pause between truncating a file and writing it; guessed.
_SETTLES_IN_S = 0.05


class FileWatch:
    """Calls a function, in a thread of its own, when the content of a file has changed.

    Args:
        files: Returns the absolute paths of the files; called at each check.
        on_change: Called with the path of a changed file. It must not raise.

    Raises:
        MissingExtraError: watchfiles is not installed.
    """

    def __init__(self, files: Callable[[], Iterable[Path]], on_change: Callable[[Path], object]) -> None:
        self._watch = import_watch()
        self._files = files
        self._on_change = on_change
        self._digests: dict[Path, bytes] = {}
        self._checked_at = 0.0
        self._stopped = make_event()
        self._thread: Any = None

    def start(self) -> None:
        """Start watching. Every later change is noticed, even before the thread runs."""
        self._check()
        self._thread = start_native_thread(self._run, name="reload on change")

    def stop(self, timeout_s: float = 20) -> None:
        """Stop watching. Wait up to ``timeout_s`` seconds for a running callback."""
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopped.is_set():
            watched = self._check()
            for _ in self._changes(watched):
                if self._check() != watched:
                    break

    def _changes(self, watched: set[Path]) -> Iterator[Any]:
        """Yield at each change that the system reports, and at least once per interval."""
        # Watch folders: an editor may save by a rename, which gives the file's name to another file.
        folders = {folder for file in watched if (folder := file.parent).is_dir()}
        if not folders:
            self._stopped.wait(_CHECK_EVERY_MS / 1000)
            return iter(())
        paths = set(map(str, watched))
        return self._watch(
            *folders,
            # Accept changes of other files too if a check is due: while they change, there is no timeout.
            watch_filter=lambda change, path: path in paths or self._is_check_due(),
            stop_event=self._stopped,
            rust_timeout=_CHECK_EVERY_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            recursive=False,
        )

    def _is_check_due(self) -> bool:
        return time.monotonic() - self._checked_at >= _CHECK_EVERY_MS / 1000

    def _check(self) -> set[Path]:
        """Call back for each file that has changed since the last check; return all files."""
        self._checked_at = time.monotonic()
        watched = set(self._files())
        for file in sorted(watched):
            current = digest(file)
            before = self._digests.get(file, current)
            if current != before:
                current = self._settled(file, current)
            if current is None:
                continue
            self._digests[file] = current
            if current != before and not self._stopped.is_set():
                self._on_change(file)
        return watched

    def _settled(self, file: Path, now: bytes | None) -> bytes | None:
        """Return the digest once it is stable: the file may be half written."""
        before = None
        while now != before and not self._stopped.wait(_SETTLES_IN_S):
            before, now = now, digest(file)
        return now


def digest(file: Path) -> bytes | None:
    """Return a digest of the content; None if there is no such file, as in the middle of a rename."""
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return None


def import_watch() -> Callable[..., Iterator[Any]]:
    try:
        import watchfiles
    except ImportError as exc:
        raise missing_extra("reloadOnChange", "reload", exc) from exc
    return watchfiles.watch
