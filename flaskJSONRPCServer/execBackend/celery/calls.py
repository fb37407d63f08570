"""The parts of a call that travel between a server and its workers, as plain values. No Celery in here."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter
from typing import Any

from ...dispatch.callables import parameters_of
from ...dispatch.routes import Router, RouteTable

__all__ = ["DispatcherSignatures", "context_of", "request_of", "signature_of"]


class DispatcherSignatures:
    """The signatures of a server's dispatchers, so that a worker can compare the server's with its own.

    Args:
        router: The routes of the server.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        # The table that was read last, its signatures by URL, and their digest.
        self._last: tuple[RouteTable | None, dict[str, str], str] = (None, {}, "")

    def signature(self, url: str) -> str | None:
        """Return the parameters of a dispatcher; None if there is no dispatcher with this path and name."""
        return self._current()[1].get(url)

    @property
    def fingerprint(self) -> str:
        """A digest of all dispatchers with their parameters."""
        return self._current()[2]

    def _current(self) -> tuple[RouteTable | None, dict[str, str], str]:
        table = self._router.table
        if self._last[0] is not table:
            signatures = {route.url: signature_of(route.function) for route in table.routes()}
            lines = "\n".join(f"{url}{signature}" for url, signature in sorted(signatures.items()))
            self._last = table, signatures, hashlib.sha256(lines.encode()).hexdigest()[:12]
        return self._last


class AnyDefault:
    """Replaces a default in a signature. The text of a default may differ between two processes."""

    def __repr__(self) -> str:
        return "..."


def signature_of(function: Callable[..., Any]) -> str:
    """Return the parameters of a function as text, such as ``(a, b=...)``."""
    return str(inspect.Signature([comparable(parameter) for parameter in parameters_of(function)]))


def comparable(parameter: Parameter) -> Parameter:
    """Return a parameter without its annotation and without the value of its default."""
    default = Parameter.empty if parameter.default is Parameter.empty else AnyDefault()
    return parameter.replace(annotation=Parameter.empty, default=default)


def context_of(request: Mapping[str, Any], headers: Collection[str], cookies: Collection[str]) -> dict[str, Any]:
    """Return the parts of a request that travel to a worker.

    Args:
        request: The copy of the request.
        headers: The names of the header fields that may travel, in lower case.
        cookies: The names of the cookies that may travel, in lower case.
    """
    return {
        "ip": request.get("remote_addr"),
        "headers": allowed(request.get("headers") or {}, headers),
        "cookies": allowed(request.get("cookies") or {}, cookies),
    }


def allowed(fields: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name.lower() in names}


def request_of(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the copy of the request for a call in a worker, from the parts that travelled."""
    return {"headers": context["headers"], "cookies": context["cookies"], "remote_addr": context["ip"], "environ": {}}
