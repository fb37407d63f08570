"""The URL of an endpoint that its tokens must be issued for: their audience.

A token for another server must not be taken here. So a client cannot choose the URL by its header field ``Host``.

Source: RFC 8707, section 2; revision 2026-07-28, "Authorization", section "Token Audience Binding and Validation".
"""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

from ..dispatch.exchange import Exchange
from ..errors import RegistrationError
from ..http.guard import host_name
from ..http.refusals import Misdirected
from ..servBackend.addresses import is_behind_loopback
from ..servBackend.serving import served_by
from ..settings import Settings

__all__ = ["Audience"]

_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


class Audience:
    """The URL of one endpoint.

    Args:
        resource: The URL that the user has given; None for that of the request, where it is certain.
        path: The path of the endpoint, such as ``/mcp``.
        settings: The settings.

    Raises:
        RegistrationError: The URL does not end with the path; or there is none, and that of a request is not certain.
    """

    def __init__(self, resource: str | None, path: str, settings: Settings) -> None:
        self._resource = resource
        self._path = path
        allowed = settings.allowed_hosts
        self._hosts = None if allowed is None else frozenset(map(str.lower, allowed))
        if resource is not None and not resource.rstrip("/").endswith(path):  # clients find the metadata beside it
            raise RegistrationError(f"resource={resource!r} is refused: it does not end with the path {path}")
        if resource is None and self._hosts is None and not is_behind_loopback(settings):
            raise RegistrationError(
                "authorization without resource is refused: clients could choose the audience of their tokens by Host; "
                "give Authorization(resource='https://api.example.com/mcp'), or the server allowed_hosts"
            )

    def of(self, exchange: Exchange) -> str:
        """Return the URL that was given; or that of a request, in its normal form (RFC 9110, section 4.2.3).

        Raises:
            Misdirected: The request says another host or port than the server's.
        """
        if self._resource is not None:
            return self._resource
        base = exchange.base_url
        url = urlsplit(base)
        if not self._is_own(url, exchange):
            raise Misdirected(f"the endpoint is not known to be at {base}; give Authorization(resource=...)")
        host = url.netloc.lower().removesuffix(f":{_DEFAULT_PORTS.get(url.scheme)}")
        return f"{url.scheme}://{host}{url.path.rstrip('/')}{self._path}"

    def _is_own(self, url: SplitResult, exchange: Exchange) -> bool:
        if self._hosts is not None:
            return host_name(url.netloc) in self._hosts
        port = url.netloc.removeprefix(f"[{url.hostname}]").partition(":")[2] or _DEFAULT_PORTS.get(url.scheme)
        return port == str(served_by(exchange.head)[2])
