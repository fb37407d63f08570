"""The serving of ``metrics_address``: one that needs none of the server's threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..dispatch.built_in import BuiltInSite, BuiltInUrl, BuiltInUrls
from ..dispatch.facade import ServerFacade
from ..errors import SettingsError, UnsupportedError
from ..http.guard import LOOPBACK_NAMES, Guard
from ..http.request import Environ
from ..http.response import Response, text_response
from ..servBackend import find_serv_backend
from ..servBackend.gate import Gate
from ..servBackend.serving import Serving
from ..servBackend.sockets import Address, is_loopback, parse_address
from ..settings import Settings

__all__ = ["MetricsAddress", "metrics_address_of", "metrics_site"]

# How long a stop waits for the scrapes under way, in seconds.
_STOP_WITHIN_S = 1.0


class MetricsAddress:
    """Serves the metrics on an address of their own, with threads of its own.

    Args:
        facade: The server that the user made.
        answer: Answers a request by the current engine; None if that does not have the URL.
    """

    def __init__(self, facade: ServerFacade, answer: Callable[[Environ], Response | None]) -> None:
        self._facade = facade
        self._answer = answer
        self._serving = Serving(facade)

    @property
    def address(self) -> Any:
        """The address with the real port; None while it is not served."""
        return next(iter(self._serving.addresses), None)

    def start(self, address: Address) -> None:
        """Serve on an address.

        Raises:
            BindError: The address cannot be listened on.
        """
        gate = Gate()
        gate.open(self)
        backend = find_serv_backend("auto", gevent=self._facade.settings.gevent)
        self._serving.start(backend, [address], [[address.host, address.port]], gate)

    def stop(self) -> None:
        """Stop serving."""
        self._serving.stop(_STOP_WITHIN_S)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        response = self._answer(environ) or text_response("404 Not Found", "only GET /metrics is answered here")
        start_response(response.status, response.headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]


def metrics_address_of(settings: Settings) -> Address | None:
    """Return the address of ``metrics_address``; None for that of the server.

    Raises:
        SettingsError: It is no address, or ``metrics`` is off.
    """
    if settings.metrics_address is None:
        return None
    if not settings.metrics:
        raise SettingsError("metrics_address is refused without metrics=True")
    refused = SettingsError(f"metrics_address={settings.metrics_address!r} is refused: it takes [ip, port]")
    try:
        address = parse_address(settings.metrics_address)
    except (SettingsError, UnsupportedError):  # of bindAdress, by their texts
        raise refused from None
    if not isinstance(address, Address):
        raise refused
    return address


def metrics_site(settings: Settings, address: Address, url: BuiltInUrl) -> BuiltInSite:
    """Return the site of an address: on loopback it answers for loopback names only, elsewhere for any."""
    is_local = is_loopback(address.host)
    hosts = [address.host, *LOOPBACK_NAMES, *(settings.allowed_hosts or ())] if is_local else None
    return BuiltInSite(BuiltInUrls(url), Guard(settings, hosts, is_local_only=is_local))
