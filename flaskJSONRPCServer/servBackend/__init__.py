"""Who speaks HTTP.

Attributes:
    servBackendMap: The prepared backends by the names that ``servBackend`` takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import former
from ..errors import SettingsError, UnsupportedError, unknown_name
from ..extras import install_command, missing_extra
from ..runtime.concurrency import require_gevent
from ..runtime.resources import descriptor_limit_kept
from .base import CustomBackend, ServBackend

__all__ = ["ServBackend", "find_serv_backend", "servBackendMap"]


def load_native() -> ServBackend:
    """Return the server's own backend."""
    from .native.backend import NativeBackend

    return NativeBackend()


def load_pywsgi() -> ServBackend:
    """Return the backend that serves with gevent.

    Raises:
        MissingExtraError: gevent is not installed.
    """
    require_gevent()
    from .pywsgi import PywsgiBackend

    return PywsgiBackend()


def load_granian() -> ServBackend:
    """Return the backend that serves with granian.

    Raises:
        MissingExtraError: granian is not installed.
        UnsupportedError: It is, in a version that cannot be used.
    """
    try:
        with descriptor_limit_kept():  # which granian raises when it is imported, whatever `tweakDescriptors` says
            from .granian import GranianBackend
    except ModuleNotFoundError as exc:
        raise missing_extra("servBackend 'granian'", "fast", exc) from exc
    except ImportError as exc:
        remedy = install_command("fast", "granian")
        raise UnsupportedError(f"granian cannot be used here: {exc}; install another version: {remedy}") from exc
    return GranianBackend()


def load_werkzeug() -> ServBackend:
    """Return the backend that serves with Werkzeug."""
    from .werkzeug import WerkzeugBackend

    return WerkzeugBackend()


servBackendMap: dict[str, Callable[[], ServBackend]] = {
    "native": load_native,
    "pywsgi": load_pywsgi,
    "werkzeug": load_werkzeug,
    "granian": load_granian,
}

_AUTO = "auto"

# Of the classes of the old server.
_FORMER_PREFIX = "servBackend_"


def find_serv_backend(wanted: Any, *, gevent: bool = False) -> ServBackend:
    """Return the backend that ``servBackend`` asks for: a name, ``auto``, an object or a dict.

    Args:
        wanted: What was given for it.
        gevent: Whether the server runs under gevent, which decides for ``auto``.

    Raises:
        SettingsError: There is none of this name, or it lacks ``_id`` or ``start``.
        MissingExtraError: It is not installed.
        UnsupportedError: It is, in a version that cannot be used.
    """
    if wanted == _AUTO:
        return load_pywsgi() if gevent else load_native()
    if not isinstance(wanted, str):
        return CustomBackend(wanted)
    if wanted in former.SERV_BACKENDS:
        raise SettingsError(f"unknown serving backend {wanted!r}: {former.SERV_BACKENDS[wanted]}")
    if wanted not in servBackendMap:
        raise SettingsError(unknown_name("serving backend", wanted, [_AUTO, *servBackendMap]))
    return servBackendMap[wanted]()


def __getattr__(name: str) -> Any:
    if name.startswith(_FORMER_PREFIX):
        raise AttributeError(f"{name}: a serving backend is named in servBackend, one of {', '.join(servBackendMap)}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
