"""An endpoint as a resource server of OAuth 2.1: it takes access tokens, and says where clients get them.

It issues no tokens: that is for an authorization server. A function of the user's checks each token.

Source: revision 2026-07-28, "Authorization"; RFC 6750, section 3; RFC 9728.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from ..contract.urls import is_web_url
from ..dispatch.exchange import Exchange
from ..errors import RegistrationError
from ..http.refusals import BadRequest, Forbidden, Refusal, ServiceUnavailable, Unauthorized
from ..runtime.contexts import own_context
from ..runtime.interrupts import is_interrupt
from ..runtime.log_limits import LimitedTracebacks
from ..runtime.logs import ERROR, ServerLog
from ..settings import Settings
from .audience import Audience

__all__ = ["METADATA_SEGMENT", "Authorization", "Grant", "TokenGuard"]

METADATA_SEGMENT: Final = ".well-known"
"""The first segment of the URL of the metadata."""

_METADATA: Final = "oauth-protected-resource"

_SCHEME: Final = re.compile(r"bearer( |$)", re.IGNORECASE)

# b64token of RFC 6750, section 2.1, after the scheme.
_TOKEN: Final = re.compile(r" *([A-Za-z0-9._~+/-]+=*) *")

# scope-token of RFC 6749, section 3.3.
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


@dataclass(frozen=True, slots=True)
class Grant:
    """The subject and scopes of an access token.

    Attributes:
        subject: The user or client that it was issued for. Tasks, sessions and states of questions are bound to it.
        scopes: The scopes, with those that they imply: the names that tools ask for are looked up in it as they are.
        claims: Further claims of the token.

    Raises:
        TypeError: The subject is not a string, or the scopes are not a list of names.
    """

    subject: str
    scopes: Sequence[str] = ()
    claims: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.subject, str):
            raise TypeError(f"Grant: subject={self.subject!r} is refused: it takes a string")
        if isinstance(self.scopes, str) or not all(isinstance(scope, str) for scope in self.scopes):
            raise TypeError(f"Grant: scopes={self.scopes!r} is refused: it takes a list, such as ['orders:read']")


Verify = Callable[[str, str], Grant | None]
"""Checks a token for a resource, whose URL must be the token's audience; returns None for a token that is not valid."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """Who issues tokens for an endpoint, and how they are checked.

    Attributes:
        servers: The URLs of the authorization servers.
        verify: Checks a token: it is called with the token and with the URL of the endpoint. It returns a
            :class:`Grant`; or None if the token is not valid, has expired, or is for another resource.
        scopes: What each token must allow.
        resource: The URL of the endpoint, as clients know it: the audience of its tokens. None for that of the
            request, which needs ``allowed_hosts``, or a server on loopback addresses only.
        documentation: The URL of a page for people.

    Raises:
        RegistrationError: A value is not accepted; the message names it.
    """

    servers: Sequence[str]
    verify: Verify
    scopes: Sequence[str] = ()
    resource: str | None = None
    documentation: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.servers, str) or not self.servers:
            raise RegistrationError(f"servers={self.servers!r} is refused: it takes a list of URLs")
        for url in [*self.servers, *filter(None, [self.resource, self.documentation])]:
            refuse_unless_url(url)
        if not callable(self.verify) or inspect.iscoroutinefunction(self.verify):
            raise RegistrationError(f"verify={self.verify!r} is refused: it takes a plain function (token, resource)")
        if isinstance(self.scopes, str) or not all(is_scope(scope) for scope in self.scopes):
            raise RegistrationError(f"scopes={self.scopes!r} is refused: it takes a list of names without spaces")


def refuse_unless_url(url: Any) -> None:
    if not is_web_url(url) or urlsplit(url).fragment:
        raise RegistrationError(f"{url!r} is refused: it takes a URL such as 'https://auth.example.com'")


def is_scope(scope: Any) -> bool:
    return isinstance(scope, str) and _SCOPE.fullmatch(scope) is not None


class TokenGuard:
    """Checks the tokens of the requests for one endpoint.

    Args:
        authorization: Who issues them, and how they are checked.
        path: The path of the endpoint, such as ``/mcp``.
        settings: The settings.
        log: Gets the failures of ``verify``.

    Raises:
        RegistrationError: It is not certain what the audience of tokens is.
    """

    def __init__(self, authorization: Authorization, path: str, settings: Settings, log: ServerLog) -> None:
        self._authorization = authorization
        self._path = path
        self._audience = Audience(authorization.resource, path, settings)
        self._log = log
        self._failures = LimitedTracebacks(log)

    def check(self, exchange: Exchange) -> Grant:
        """Return what the token of a request allows.

        Raises:
            Unauthorized: It has none, or it is not valid.
            BadRequest: The header field has the scheme of tokens, and no token.
            Forbidden: It does not allow what the endpoint needs.
            ServiceUnavailable: It cannot be checked.
            Misdirected: The request says another host or port than the server's.
        """
        header = exchange.head.get("HTTP_AUTHORIZATION", "")
        scheme, scopes = _SCHEME.match(header), self._authorization.scopes
        if scheme is None:  # RFC 6750, section 3.1: no error for a client that may not know tokens
            raise self._refusal(Unauthorized("a token is needed"), exchange, scopes)
        match = _TOKEN.fullmatch(header, scheme.end())
        if match is None:
            raise self._refusal(
                BadRequest("Authorization is not Bearer and a token"), exchange, scopes, "invalid_request"
            )
        grant = self._verified(match[1], exchange)
        if grant is None:
            raise self._refusal(Unauthorized("the token is not valid"), exchange, scopes, "invalid_token")
        self.require(grant, (), exchange)
        return grant

    def require(self, grant: Grant, scopes: Sequence[str], exchange: Exchange) -> None:
        """Check that a token allows something.

        Raises:
            Forbidden: It does not; the client may ask for a token that does.
        """
        needed = [*dict.fromkeys([*self._authorization.scopes, *scopes])]
        if set(needed) - set(grant.scopes):
            refused = Forbidden(f"the token lacks a scope; needed: {' '.join(needed)}")
            raise self._refusal(refused, exchange, needed, "insufficient_scope")

    def is_metadata(self, rest: str) -> bool:
        """Return whether the rest of a URL is that of the metadata: for this endpoint, or for the whole host."""
        return rest.rstrip("/") in (f"/{_METADATA}{self._path}", f"/{_METADATA}")

    def metadata(self, exchange: Exchange, scopes: Sequence[str]) -> dict[str, Any]:
        """Return the metadata of the endpoint (RFC 9728, section 2).

        Args:
            exchange: The request.
            scopes: What tools need beyond the scopes of the endpoint.
        """
        supported = [*dict.fromkeys([*self._authorization.scopes, *scopes])]
        optional = {
            "scopes_supported": supported,
            "resource_documentation": self._authorization.documentation,
        }
        return {
            "resource": self._resource(exchange),
            "authorization_servers": list(self._authorization.servers),
            "bearer_methods_supported": ["header"],
            **{name: value for name, value in optional.items() if value},
        }

    def _verified(self, token: str, exchange: Exchange) -> Grant | None:
        resource = self._resource(exchange)
        try:
            grant = own_context().run(self._authorization.verify, token, resource)
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            self._failures.write(f"verify of {self._path} raised", exc)
            raise ServiceUnavailable("the token cannot be checked; the log of the server says why") from exc
        if grant is not None and not isinstance(grant, Grant):
            self._log.write(ERROR, f"verify of {self._path} returned {type(grant).__name__}; return a Grant, or None")
            return None
        return grant

    def _refusal(self, refusal: Refusal, exchange: Exchange, scopes: Sequence[str], error: str = "") -> Refusal:
        """Return a refusal with a challenge (RFC 6750, section 3; RFC 9728, section 5.1)."""
        parts = {"error": error, "scope": " ".join(scopes), "resource_metadata": self._metadata_url(exchange)}
        refusal.challenge = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parts.items() if value)
        return refusal

    def _resource(self, exchange: Exchange) -> str:
        return self._audience.of(exchange)

    def _metadata_url(self, exchange: Exchange) -> str:
        base = self._resource(exchange).rstrip("/").removesuffix(self._path)
        return f"{base}/{METADATA_SEGMENT}/{_METADATA}{self._path}"
