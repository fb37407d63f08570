"""Who speaks HTTP.

Attributes:
    servBackendMap: The prepared backends by the names that ``servBackend`` takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import SettingsError, unknown_name
from ..runtime.concurrency import require_gevent
from .base import CustomBackend, ServBackend
from .werkzeug import WerkzeugBackend

__all__ = ["ServBackend", "WerkzeugBackend", "find_serv_backend", "servBackendMap"]


def load_pywsgi() -> ServBackend:
    """Return the backend that serves with gevent.

    Raises:
        MissingExtraError: gevent is not installed.
    """
    require_gevent()
    from .pywsgi import PywsgiBackend

    return PywsgiBackend()


servBackendMap: dict[str, Callable[[], ServBackend]] = {
    WerkzeugBackend._id: WerkzeugBackend,
    "pywsgi": load_pywsgi,
}

_AUTO = "auto"


def find_serv_backend(wanted: Any, *, gevent: bool = False) -> ServBackend:
    """Return the backend that ``servBackend`` asks for: a name, ``auto``, an object or a dict.

    Args:
        wanted: What was given for it.
        gevent: Whether the server runs under gevent, which decides for ``auto``.

    Raises:
        SettingsError: There is none of this name, or it lacks ``_id`` or ``start``.
    """
    if wanted == _AUTO:
        return load_pywsgi() if gevent else WerkzeugBackend()
    if not isinstance(wanted, str):
        return CustomBackend(wanted)
    if wanted not in servBackendMap:
        raise SettingsError(unknown_name("serving backend", wanted, [_AUTO, *servBackendMap]))
    return servBackendMap[wanted]()
