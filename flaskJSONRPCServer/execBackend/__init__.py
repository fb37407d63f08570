"""Where a call runs.

Attributes:
    execBackendMap: The prepared backends by the names that ``dispatcherBackend`` and ``notifBackend`` take.
"""

from __future__ import annotations

from typing import Any

from ..dispatch.backends import ExecBackend
from ..errors import SettingsError, unknown_name
from ..extras import missing_extra
from .parallel import ParallelBackend
from .registry import ExecBackends, merge, refuse_incomplete
from .simple import SimpleBackend
from .threaded import ThreadedBackend, ThreadedNativeBackend

__all__ = [
    "ExecBackend",
    "ExecBackends",
    "ParallelBackend",
    "SimpleBackend",
    "ThreadedBackend",
    "ThreadedNativeBackend",
    "execBackendMap",
    "find_exec_backend",
    "merge",
]


def make_celery_backend(**options: Any) -> Any:
    """Return a :class:`~flaskJSONRPCServer.execBackend.celery.CeleryBackend`.

    Raises:
        MissingExtraError: Celery is not installed.
    """
    try:
        from .celery import CeleryBackend
    except ImportError as exc:
        raise missing_extra("exec backend 'celery'", "celery", exc) from exc
    return CeleryBackend(**options)


_FORMER_PREFIX = "execBackend_"

execBackendMap: dict[str, Any] = {
    "simple": SimpleBackend,
    "threaded": ThreadedBackend,
    "threadedNative": ThreadedNativeBackend,
    "parallel": ParallelBackend,
    "celery": make_celery_backend,
    # The names that users of the old server know.
    "threadPool": ThreadedBackend,
    "threadPoolNative": ThreadedNativeBackend,
    "parallelWithSocket": ParallelBackend,
}


def __getattr__(name: str) -> Any:
    """Return what makes a backend, by the name that its class had in the old server, such as execBackend_threaded."""
    if name.startswith(_FORMER_PREFIX):
        known = name.removeprefix(_FORMER_PREFIX)
        if known in execBackendMap:
            return execBackendMap[known]
        raise AttributeError(f"{name}: {unknown_name('exec backend', known, execBackendMap)}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def find_exec_backend(wanted: Any, *, notif: bool) -> Any:
    """Return the backend that an option asks for: a name, an object or a dict.

    Args:
        wanted: What was given for it.
        notif: Whether the option is ``notifBackend``.

    Returns:
        The object or dict; None for ``simple``, which runs calls in the serving thread.

    Raises:
        SettingsError: No prepared one has this name, or it lacks ``_id``, ``add`` or ``check``.
    """
    if isinstance(wanted, str):
        if wanted not in execBackendMap:
            option = "notifBackend" if notif else "dispatcherBackend"
            raise SettingsError(unknown_name(f"exec backend for {option}", wanted, execBackendMap))
        wanted = execBackendMap[wanted]()
    if isinstance(wanted, SimpleBackend):
        return None
    refuse_incomplete(wanted, notif=notif)
    return wanted
