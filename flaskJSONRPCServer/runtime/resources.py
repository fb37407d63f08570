"""The limits that the operating system sets this process."""

from __future__ import annotations

from ..errors import SettingsError

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

__all__ = ["checked_limits", "raise_descriptor_limit"]


def checked_limits(limits: object) -> tuple[int, int] | None:
    """Return ``(soft, hard)`` of the ``tweakDescriptors`` option; None where it is off.

    Raises:
        SettingsError: It is not a pair of positive numbers.
    """
    if not limits:
        return None
    match limits:
        case [int(soft), int(hard)] if 0 < soft <= hard:
            return soft, hard
    raise SettingsError(f"tweakDescriptors={limits!r} is refused: it takes [soft limit, hard limit], or False")


def raise_descriptor_limit(soft: int, hard: int) -> tuple[int, int]:
    """Raise the process's limit of open files towards ``(soft, hard)``; a higher one is left as it is.

    Without the privilege to raise the hard limit, the soft one is raised as far as it goes.

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


def larger(one: int, other: int) -> int:
    infinity = resource.RLIM_INFINITY
    return infinity if infinity in (one, other) else max(one, other)


def smaller(one: int, other: int) -> int:
    infinity = resource.RLIM_INFINITY
    return min((limit for limit in (one, other) if limit != infinity), default=infinity)
