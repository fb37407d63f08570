"""The credentials in a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .request import Environ

__all__ = ["credentials_of"]

# The variables of an environ by which callers usually log in.
_CREDENTIALS: Final = (
    *("HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_X_API_KEY"),
    *("REMOTE_USER", "SSL_CLIENT_CERT", "SSL_CLIENT_S_DN"),
)


def credentials_of(environ: Environ) -> Iterator[tuple[str, str]]:
    """Yield the credentials in a request that are not empty, by their variables."""
    for name in _CREDENTIALS:
        if value := environ.get(name):
            yield name, str(value)
