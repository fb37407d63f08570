"""Limits and usage of a process: open files and memory."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SettingsError

if TYPE_CHECKING:
    import psutil

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

__all__ = [
    "ProcessUsage",
    "checked_limits",
    "count_descriptors",
    "count_memory",
    "descriptor_limit_kept",
    "free_descriptors",
    "is_near_descriptor_limit",
    "measure_usage",
    "raise_descriptor_limit",
]

_NEAR = 0.9  # of the limit; a guess. At the limit itself nothing can be opened, not even the files that a restart needs


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """The resources that this process uses at one moment.

    Attributes:
        cpu_s: The processor time so far, in seconds.
        memory_kb: The resident set, in kilobytes of 1024 bytes.
        descriptors: The number of open descriptors; on Windows, of handles.
        threads: The number of native threads.
    """

    cpu_s: float
    memory_kb: int
    descriptors: int
    threads: int


def measure_usage() -> ProcessUsage:
    """Return what this process uses now."""
    descriptors = count_descriptors(None)
    with process_of(None) as process:
        times = process.cpu_times()
        memory_kb = process.memory_info().rss // 1024
        return ProcessUsage(times.user + times.system, memory_kb, descriptors, process.num_threads())


def checked_limits(limits: object) -> tuple[int, int] | None:
    """Return ``(soft, hard)`` from the ``tweakDescriptors`` option; None if it is off.

    Raises:
        SettingsError: The value is not a pair of positive numbers.
    """
    if not limits:
        return None
    match limits:
        case [int(soft), int(hard)] if 0 < soft <= hard:
            return soft, hard
    raise SettingsError(f"tweakDescriptors={limits!r} is refused: it takes [soft limit, hard limit], or False")


def raise_descriptor_limit(soft: int, hard: int) -> tuple[int, int]:
    """Raise the process's limit of open files towards ``(soft, hard)``; never lower it.

    Without the privilege to raise the hard limit, the soft limit is raised up to the hard one.

    Returns:
        The limits in force afterwards.
    """
    if resource is None:
        return soft, hard
    now_soft, now_hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted_hard in (larger(hard, now_hard), now_hard):
        wanted = (smaller(larger(soft, now_soft), wanted_hard), wanted_hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, wanted)
        except (ValueError, OSError):  # a limit over the kernel's, or no privilege for the hard one
            continue
        return wanted
    return now_soft, now_hard


@contextmanager
def descriptor_limit_kept() -> Iterator[None]:
    """Restore the process's limit of open files after the block."""
    if resource is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def count_descriptors(pid: int | str | None) -> int:
    """Return the number of open descriptors of a process; on Windows, of handles.

    Args:
        pid: The process; None for this one.

    Raises:
        ProcessLookupError: There is no such process.
        PermissionError: The process belongs to another user.
    """
    try:
        with process_of(pid) as process:
            count: int = process.num_handles() if os.name == "nt" else process.num_fds()  # type: ignore[attr-defined,unused-ignore]
            return count
    except OSError as exc:
        # Counting needs a descriptor itself. If none is left, this process is at its limit.
        if exc.errno != errno.EMFILE or (limit := soft_descriptor_limit()) is None:
            raise
        return limit


def is_near_descriptor_limit(count: int, factor: float) -> bool:
    """Return whether ``count`` times ``factor`` is at least 90 % of this process's soft limit of open files."""
    limit = soft_descriptor_limit()
    return limit is not None and count * factor >= limit * _NEAR


def soft_descriptor_limit() -> int | None:
    """Return this process's soft limit of open files; None if there is no limit."""
    if resource is None:
        return None
    soft: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def free_descriptors() -> int | None:
    """Return the number of descriptors that this process may still open; None if there is no limit."""
    limit = soft_descriptor_limit()
    return None if limit is None else max(0, limit - count_descriptors(None))


def count_memory(pid: int | str | None) -> dict[str, int]:
    """Return the resident set of a process, in kilobytes of 1024 bytes.

    Args:
        pid: The process; None for this one.

    Returns:
        ``now``, and ``peak``, the largest resident set so far. If the system does not report the peak of another
        process (macOS), ``peak`` equals ``now``.

    Raises:
        ProcessLookupError: There is no such process.
        PermissionError: The process belongs to another user.
    """
    with process_of(pid) as process:
        memory = process.memory_info()
        now = memory.rss // 1024
        # If the process grows between the two readings, the peak must not be the smaller one.
        return {"peak": max(now, peak_memory_kb(process.pid, getattr(memory, "peak_wset", 0))), "now": now}


def peak_memory_kb(pid: int, peak_wset_bytes: int) -> int:
    """Return the largest resident set in kilobytes; 0 if this system does not report it."""
    if peak_wset_bytes:  # Windows
        return peak_wset_bytes // 1024
    if sys.platform == "linux":
        # Not getrusage(): its maximum is inherited from the parent process.
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
    if resource is None or pid != os.getpid():
        return 0
    peak: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak  # bytes there, kilobytes elsewhere


@contextmanager
def process_of(pid: int | str | None) -> Iterator[psutil.Process]:
    """Yield a process, and convert exceptions of psutil to those of the standard library."""
    import psutil  # imported late: it would add a fifth to the import time of the package

    try:
        yield psutil.Process(None if pid is None else int(pid))
    except (psutil.NoSuchProcess, FileNotFoundError) as exc:  # the latter if it ends during the reading
        raise ProcessLookupError(errno.ESRCH, f"there is no process {pid}") from exc
    except psutil.AccessDenied as exc:
        raise PermissionError(errno.EPERM, f"process {pid} belongs to another user") from exc


def larger(one: int, other: int) -> int:
    infinity = resource.RLIM_INFINITY
    return infinity if infinity in (one, other) else max(one, other)


def smaller(one: int, other: int) -> int:
    infinity = resource.RLIM_INFINITY
    return min((limit for limit in (one, other) if limit != infinity), default=infinity)
