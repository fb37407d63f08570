"""Where a call runs.

Attributes:
    execBackendMap: The prepared backends by the names that ``dispatcherBackend`` and ``notifBackend`` take.
"""

from __future__ import annotations

from typing import Any

from ..errors import SettingsError, UnsupportedError, unknown_name
from .simple import SimpleBackend

__all__ = ["SimpleBackend", "execBackendMap", "find_exec_backend"]

execBackendMap = {SimpleBackend._id: SimpleBackend}


def find_exec_backend(option: Any, wanted: Any) -> SimpleBackend:
    """Return the backend that an option asks for.

    Args:
        option: The option's name, for the message.
        wanted: What was given for it.

    Raises:
        SettingsError: No backend has this name.
        UnsupportedError: It is not a name.
    """
    if not isinstance(wanted, str):
        raise UnsupportedError(f"{option}={wanted!r} is not supported; the prepared ones: {', '.join(execBackendMap)}")
    if wanted not in execBackendMap:
        raise SettingsError(unknown_name(f"exec backend for {option}", wanted, execBackendMap))
    return execBackendMap[wanted]()
