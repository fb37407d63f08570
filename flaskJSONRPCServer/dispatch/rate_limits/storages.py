"""Storages that several processes share: Redis and Valkey, with the client libraries that ``limits`` supports."""

from __future__ import annotations

import importlib.util
from typing import Final

from limits.errors import ConfigurationError
from limits.storage import Storage, storage_from_string

from ...errors import MissingExtraError, SettingsError
from .plan import scheme_of

__all__ = ["STORAGE_TIMEOUT_S", "shared_storage"]

STORAGE_TIMEOUT_S: Final = 1.0
"""The timeout of a shared storage, to connect and to answer. A guess: it is in the same network, and calls wait."""


def shared_storage(uri: str) -> Storage:
    """Return the storage of a URI with one of the ``SHARED`` schemes. It connects at the first call.

    Raises:
        SettingsError: The URI cannot be parsed. No message shows it, since it may contain a password.
        MissingExtraError: The client library is not installed.
    """
    scheme = scheme_of(uri)
    client = "valkey" if scheme.startswith("valkey") else "redis"
    if importlib.util.find_spec(client) is None:
        what = f"rateLimit['storage'] with the scheme {scheme!r} needs {client}"
        raise MissingExtraError(f"{what}; install it: pip install 'limits[{client}]'")
    try:
        storage = storage_from_string(
            uri,
            wrap_exceptions=True,
            # Neither client has a timeout by default. One in the URI, such as ?socket_timeout=0.2, takes precedence.
            socket_timeout=STORAGE_TIMEOUT_S,
            socket_connect_timeout=STORAGE_TIMEOUT_S,
        )
    except (ConfigurationError, ValueError) as exc:
        what = f"rateLimit['storage'] with the scheme {scheme!r} is refused ({type(exc).__name__})"
        remedy = f"it takes a URI such as '{client}://127.0.0.1:6379/0', and {client} in a version that limits knows"
        raise SettingsError(f"{what}: {remedy}") from None
    if not isinstance(storage, Storage):
        raise TypeError(f"{storage!r} is no storage for threads")
    return storage
