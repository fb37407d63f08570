"""Who speaks HTTP.

Attributes:
    servBackendMap: The prepared backends by the names that ``servBackend`` takes.
"""

from __future__ import annotations

from typing import Any

from ..errors import SettingsError, unknown_name
from .base import CustomBackend, ServBackend
from .werkzeug import WerkzeugBackend

__all__ = ["ServBackend", "WerkzeugBackend", "find_serv_backend", "servBackendMap"]

servBackendMap = {WerkzeugBackend._id: WerkzeugBackend}

_AUTO = "auto"


def find_serv_backend(wanted: Any) -> ServBackend:
    """Return the backend that ``servBackend`` asks for: a name, ``auto``, an object or a dict.

    Raises:
        SettingsError: There is none of this name, or it lacks ``_id`` or ``start``.
    """
    if wanted == _AUTO:
        return WerkzeugBackend()
    if not isinstance(wanted, str):
        return CustomBackend(wanted)
    if wanted not in servBackendMap:
        raise SettingsError(unknown_name("serving backend", wanted, [_AUTO, *servBackendMap]))
    return servBackendMap[wanted]()
