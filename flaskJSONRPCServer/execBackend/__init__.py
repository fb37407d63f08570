"""Exec backends: where a call runs.

Attributes:
    execBackendMap: The backends of the package, by the names that ``dispatcherBackend`` and ``notifBackend`` accept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dispatch.exec_backend import ExecBackend
from ..errors import SettingsError, unknown_name
from ..extras import missing_extra
from .parallel import ParallelBackend
from .registry import BackendObject, BackendOption, ExecBackends, check_complete, merge
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


def make_celery_backend(**options: Any) -> ExecBackend:
    """Return a :class:`~flaskJSONRPCServer.execBackend.celery.CeleryBackend`.

    Raises:
        MissingExtraError: Celery is not installed.
        UnsupportedError: This version of Celery cannot be used.
    """
    try:
        from .celery import CeleryBackend
    except ImportError as exc:
        raise missing_extra("exec backend 'celery'", "celery", exc) from exc
    return CeleryBackend(**options)


_FORMER_PREFIX = "execBackend_"  # of the names that the classes had in the original server

execBackendMap: dict[str, Callable[..., Any]] = {
    "simple": SimpleBackend,
    "threaded": ThreadedBackend,
    "threadedNative": ThreadedNativeBackend,
    "parallel": ParallelBackend,
    "celery": make_celery_backend,
    # The names of the original server.
    "threadPool": ThreadedBackend,
    "threadPoolNative": ThreadedNativeBackend,
    "parallelWithSocket": ParallelBackend,
}


def __getattr__(name: str) -> Any:
    """Return the factory of a backend, by the name of its class in the original server: ``execBackend_threaded``."""
    if name.startswith(_FORMER_PREFIX):
        backend = name.removeprefix(_FORMER_PREFIX)
        if backend in execBackendMap:
            return execBackendMap[backend]
        raise AttributeError(f"{name}: {unknown_name('exec backend', backend, execBackendMap)}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def find_exec_backend(option: BackendOption, *, notif: bool) -> BackendObject | None:
    """Return the backend that an option names, or is.

    Args:
        option: The value of the option.
        notif: Whether the option is ``notifBackend``.

    Returns:
        The object or dict; None for ``simple``, which runs calls in the serving thread.

    Raises:
        SettingsError: The package has no backend of this name, or the object lacks ``_id``, ``add`` or ``check``.
    """
    if isinstance(option, str):
        if option not in execBackendMap:
            name = "notifBackend" if notif else "dispatcherBackend"
            raise SettingsError(unknown_name(f"exec backend for {name}", option, execBackendMap))
        backend: BackendObject | SimpleBackend = execBackendMap[option]()
    else:
        backend = option
    if isinstance(backend, SimpleBackend):
        return None
    check_complete(backend, notif=notif)
    return backend
