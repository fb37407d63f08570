"""Authorization of requests: Basic, Bearer, or a function of the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .transports.base import ClientRequest
from .transports.headers import checked_headers, is_value
from .transports.proxies import basic

__all__ = ["Authorize", "BasicAuth", "BearerAuth", "make_authorize"]

Authorize = Callable[[ClientRequest], Mapping[str, str]]
"""Returns the header fields that authorize a request."""


class BasicAuth:
    """A name and a password (RFC 7617).

    Raises:
        ValueError: The name has a colon.
    """

    def __init__(self, user: str, password: str) -> None:
        if ":" in user:
            raise ValueError("a name with a colon cannot be sent by Basic authorization")
        self._fields = {"Authorization": basic(user, password)}

    def __call__(self, request: ClientRequest) -> Mapping[str, str]:
        """Return the header fields of a request."""
        return self._fields


class BearerAuth:
    """A token (RFC 6750).

    Args:
        token: The token, or a function that returns it: it is called for each request.

    Raises:
        ValueError: The token cannot be in a header. The message does not have it.
    """

    def __init__(self, token: str | Callable[[], str]) -> None:
        if isinstance(token, str) and not is_value(token):
            raise ValueError("the token has characters that a header field cannot have, such as the end of a line")
        self._token = token

    def __call__(self, request: ClientRequest) -> Mapping[str, str]:
        """Return the header fields of a request."""
        token = self._token if isinstance(self._token, str) else self._token()
        return {"Authorization": f"Bearer {token}"}


def make_authorize(auth: Any, user: tuple[str, str] | None) -> Authorize | None:
    """Return the function that authorizes requests; None for none.

    Args:
        auth: A pair of a name and a password, a token, a function of a request that returns header fields, or None.
        user: The name and the password in the URL. `auth` takes precedence.

    Raises:
        TypeError: `auth` is none of these.
    """
    if auth is None:
        return None if user is None else BasicAuth(*user)
    if isinstance(auth, str):
        return checked(BearerAuth(auth))
    if isinstance(auth, tuple) and len(auth) == 2:
        return BasicAuth(*auth)
    if callable(auth):
        return checked(auth)
    raise TypeError("auth= takes (user, password), a token, or a function of a request that returns header fields")


def checked(authorize: Authorize) -> Authorize:
    return lambda request: checked_headers(authorize(request))
