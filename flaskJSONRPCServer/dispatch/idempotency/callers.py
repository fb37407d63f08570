"""The callers that keys belong to: a key of one caller never leads to the answer of another."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from ...errors import SettingsError, unknown_name
from ...http.credentials import credentials_of
from ...http.refusals import BadRequest, Refusal, ServiceUnavailable
from ...http.request import Request
from ...inspection import read_signature
from ...runtime.contexts import own_context
from ...runtime.interrupts import is_interrupt
from ...runtime.log_limits import LimitedTracebacks
from ...runtime.logs import ServerLog
from ...settings import Settings
from .keys import HEADER_NAME

__all__ = ["Callers", "CookieUse", "Identity", "identity_of"]

Identity = Callable[[Any], object]
"""Returns the name of the caller of a request, which is copied as for ``auth``; None if it has none."""

CookieUse = Literal["counts", "alone", "never"]

_KEYS: Final = ("identity", "store")


class Callers:
    """Identifies the callers of requests.

    A caller is what the identity function returns; else the credentials in the request; else its address. An ``auth``
    that reads anything else knows callers that the address does not tell apart, so keys are refused then.

    Args:
        identity: The identity function; None without one.
        copy_request: Copies a request for it.
        log: Gets its failures.
        has_auth: Whether the server has an ``auth``.
        cookies: Whether a cookie tells callers apart: ``counts``; ``alone``, only without other credentials; or
            ``never``. A server or a proxy may set one in any answer, which is no other caller then.
    """

    def __init__(
        self,
        identity: Identity | None,
        copy_request: Callable[[Request], Any],
        log: ServerLog,
        *,
        has_auth: bool,
        cookies: CookieUse = "counts",
    ) -> None:
        self._identity = identity
        self._copy_request = copy_request
        self._failures = LimitedTracebacks(log)
        self._has_auth = has_auth
        self._cookies = cookies

    def caller_of(self, request: Request) -> bytes:
        """Return the caller of a request, as a hash.

        Raises:
            ServiceUnavailable: The identity function failed.
            BadRequest: Nothing tells the callers of this server apart.
        """
        name = self._name_of(request)
        if name is not None:
            return digest("named", name)
        if credentials := self._credentials(request):
            return digest("credentials", *(part for pair in credentials.items() for part in pair))
        if self._has_auth and self._identity is None:
            raise BadRequest(
                f"{HEADER_NAME} is refused: the request has no credentials by which this server tells callers apart; "
                "its setting idempotency takes an 'identity'"
            )
        return digest("address", request.remote_addr or "")

    def _credentials(self, request: Request) -> dict[str, str]:
        credentials = dict(credentials_of(request.environ))
        if self._cookies == "never" or (self._cookies == "alone" and len(credentials) > 1):
            credentials.pop("HTTP_COOKIE", None)
        return credentials

    def _name_of(self, request: Request) -> str | None:
        if self._identity is None:
            return None
        try:
            name = own_context().run(self._identity, self._copy_request(request))
            if name is None or isinstance(name, str):
                return name or None
            raise TypeError(f"it returned a {type(name).__name__}; return a string, or None")
        except Refusal:  # it has read the body, which is refused
            raise
        except BaseException as exc:
            if is_interrupt(exc):
                raise
            self._failures.write("the identity function of idempotency failed", exc)
            raise ServiceUnavailable("the caller cannot be identified; the log of the server says why") from exc


def digest(*parts: str | bytes) -> bytes:
    """Return the hash of a list of texts, so that stored keys have one length and show no secret."""
    hashed = hashlib.blake2b(digest_size=24)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        hashed.update(len(data).to_bytes(8, "big"))
        hashed.update(data)
    return hashed.digest()


def identity_of(settings: Settings) -> Identity | None:
    """Return the identity function of ``idempotency``, or else of ``rateLimit``; None without one.

    Raises:
        SettingsError: The value of ``idempotency`` is invalid; the message names it.
    """
    option = settings.idempotency
    if isinstance(option, Mapping):
        for key in option:
            if key not in _KEYS:
                raise SettingsError(unknown_name("key of idempotency", key, _KEYS))
        if option.get("identity") is not None:
            return checked_identity(option["identity"])
    limits = settings.rateLimit
    identity: Identity | None = limits.get("identity") if isinstance(limits, Mapping) else None
    return identity


def checked_identity(identity: Any) -> Identity:
    """Return an identity function.

    Raises:
        SettingsError: It cannot be called with one positional argument.
    """
    accepts = "it takes a plain function of one parameter, the request, that returns a string or None"
    refused = SettingsError(f"idempotency['identity']={identity!r} is refused: {accepts}")
    if not callable(identity) or inspect.iscoroutinefunction(identity):
        raise refused
    try:
        read_signature(identity).bind(None)
    except TypeError as exc:
        raise refused from exc
    except ValueError:  # a built-in that has no signature
        pass
    checked: Identity = identity
    return checked
