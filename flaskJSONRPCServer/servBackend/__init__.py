"""The serving backends, which speak HTTP.

All of them run inside the process. Locks, statistics, reloads and the gate of a restart are there too, so their meaning
does not depend on the backend.

Attributes:
    servBackendMap: Loads each built-in backend, by the name that ``servBackend`` takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import removed_names
from ..errors import SettingsError, UnsupportedError, unknown_name
from ..extras import install_command, missing_extra
from ..runtime.concurrency import require_gevent
from ..runtime.resources import descriptor_limit_kept
from .base import CustomBackend, ServBackend

__all__ = ["ServBackend", "find_serv_backend", "servBackendMap"]


def load_native() -> ServBackend:
    """Load the server's own HTTP front."""
    from .native.backend import NativeBackend

    return NativeBackend()


def load_pywsgi() -> ServBackend:
    """Load the backend that serves with gevent.

    Raises:
        MissingExtraError: gevent is not installed.
    """
    require_gevent()
    from .pywsgi import PywsgiBackend

    return PywsgiBackend()


def load_granian() -> ServBackend:
    """Load the backend that serves with granian.

    Raises:
        MissingExtraError: granian is not installed.
        UnsupportedError: The installed version cannot be used.
    """
    try:
        with descriptor_limit_kept():  # importing granian raises the limit, regardless of `tweakDescriptors`
            from .granian import GranianBackend
    except ModuleNotFoundError as exc:
        raise missing_extra("servBackend 'granian'", "fast", exc) from exc
    except ImportError as exc:
        remedy = install_command("fast", "granian")
        raise UnsupportedError(f"granian cannot be used here: {exc}; install another version: {remedy}") from exc
    return GranianBackend()


def load_werkzeug() -> ServBackend:
    """Load the backend that serves with Werkzeug."""
    from .werkzeug import WerkzeugBackend

    return WerkzeugBackend()


servBackendMap: dict[str, Callable[[], ServBackend]] = {
    "native": load_native,
    "pywsgi": load_pywsgi,
    "werkzeug": load_werkzeug,
    "granian": load_granian,
}

_AUTO = "auto"

# The class names of the first server began with this.
_FORMER_PREFIX = "servBackend_"


def find_serv_backend(option: Any, *, gevent: bool = False) -> ServBackend:
    """Return the backend for the option ``servBackend``.

    Args:
        option: A name, ``auto``, or a backend of the user as an object or a dict.
        gevent: Whether the server runs under gevent, which decides for ``auto``.

    Raises:
        SettingsError: No backend has this name, or the backend lacks ``_id`` or ``start``.
        MissingExtraError: The backend is not installed.
        UnsupportedError: The installed version cannot be used.
    """
    # `auto` does not look at the installed packages: it must mean the same backend on every machine.
    if option == _AUTO:
        return load_pywsgi() if gevent else load_native()
    if not isinstance(option, str):
        return CustomBackend(option)
    if option in removed_names.SERV_BACKENDS:
        raise SettingsError(f"unknown serving backend {option!r}: {removed_names.SERV_BACKENDS[option]}")
    if option not in servBackendMap:
        raise SettingsError(unknown_name("serving backend", option, [_AUTO, *servBackendMap]))
    return servBackendMap[option]()


def __getattr__(name: str) -> Any:
    if name.startswith(_FORMER_PREFIX):
        raise AttributeError(f"{name}: a serving backend is named in servBackend, one of {', '.join(servBackendMap)}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
