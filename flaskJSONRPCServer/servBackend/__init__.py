"""Who speaks HTTP.

Attributes:
    servBackendMap: The prepared backends by the names that ``servBackend`` takes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from .. import former
from ..errors import MissingExtraError, SettingsError, UnsupportedError, unknown_name
from ..extras import install_command, missing_extra
from ..runtime.concurrency import require_gevent
from ..runtime.resources import descriptor_limit_kept
from .base import CustomBackend, ServBackend
from .tls import refuse_without_tls

__all__ = ["ServBackend", "backend_to_check", "can_import_granian", "find_serv_backend", "servBackendMap"]


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


def can_import_granian() -> bool:
    """Return whether granian is installed, in whatever version."""
    return importlib.util.find_spec("granian") is not None


def load_werkzeug() -> ServBackend:
    """Return the backend that serves with Werkzeug."""
    from .werkzeug import WerkzeugBackend

    return WerkzeugBackend()


servBackendMap: dict[str, Callable[[], ServBackend]] = {
    "granian": load_granian,
    "werkzeug": load_werkzeug,
    "pywsgi": load_pywsgi,
}

_AUTO = "auto"

# Of the classes of the old server.
_FORMER_PREFIX = "servBackend_"

# What ``auto`` tries without gevent, in this order: the first that is installed and can do what is asked for serves.
# Where there is none, Werkzeug serves, which is always there and can do all.
_CANDIDATES = ("granian",)


def find_serv_backend(
    wanted: Any, *, gevent: bool = False, ssl: Any = False, told: Callable[[str], object] | None = None
) -> ServBackend:
    """Return the backend that ``servBackend`` asks for: a name, ``auto``, an object or a dict.

    Args:
        wanted: What was given for it.
        gevent: Whether the server runs under gevent, which decides for ``auto``.
        ssl: What is asked of the TLS, which decides for ``auto`` too.
        told: Is told why ``auto`` passes over what is installed.

    Raises:
        SettingsError: There is none of this name, or it lacks ``_id`` or ``start``.
        MissingExtraError: It is not installed.
        UnsupportedError: It is, in a version that cannot be used.
    """
    if wanted == _AUTO:
        return load_pywsgi() if gevent else first_able(ssl, told)
    if not isinstance(wanted, str):
        return CustomBackend(wanted)
    if wanted in former.SERV_BACKENDS:
        raise SettingsError(f"unknown serving backend {wanted!r}: {former.SERV_BACKENDS[wanted]}")
    if wanted not in servBackendMap:
        raise SettingsError(unknown_name("serving backend", wanted, [_AUTO, *servBackendMap]))
    return servBackendMap[wanted]()


def backend_to_check(wanted: Any, *, gevent: bool) -> ServBackend:
    """Return the backend by which a server is checked when it is made.

    For ``auto`` that is the one that serves where no other can. To import the others would be too early: the process
    may still be patched with gevent before the start.

    Args:
        wanted: As for :func:`find_serv_backend`.
        gevent: As for :func:`find_serv_backend`.

    Raises:
        SettingsError, MissingExtraError, UnsupportedError: As :func:`find_serv_backend`.
    """
    return load_werkzeug() if wanted == _AUTO and not gevent else find_serv_backend(wanted, gevent=gevent)


def __getattr__(name: str) -> Any:
    if name.startswith(_FORMER_PREFIX):
        raise AttributeError(f"{name}: a serving backend is named in servBackend, one of {', '.join(servBackendMap)}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def first_able(ssl: Any, told: Callable[[str], object] | None) -> ServBackend:
    found = (able(name, ssl, told) for name in _CANDIDATES)
    return next(filter(None, found), None) or load_werkzeug()


def able(name: str, ssl: Any, told: Callable[[str], object] | None) -> ServBackend | None:
    try:
        backend = servBackendMap[name]()
        refuse_without_tls(backend, ssl)
    except MissingExtraError:
        return None
    except UnsupportedError as exc:
        if told is not None:
            told(f"servBackend 'auto' passes over {name!r}: {exc}")
        return None
    return backend
