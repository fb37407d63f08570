"""What travels between a server and its Celery workers: calls and outcomes, as plain values. No Celery in here."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Collection, Mapping
from inspect import Parameter
from typing import Any

from ...dispatch.callables import parameters_of
from ...dispatch.routes import Router, RouteTable

__all__ = ["Catalogue", "context_of", "request_of", "signature_of"]


class Catalogue:
    """What a server offers, in a form that its workers can compare with what they have.

    Args:
        router: Its routes.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._described: tuple[RouteTable | None, dict[str, str], str] = (None, {}, "")

    def signature(self, url: str) -> str | None:
        """Return the parameters of a dispatcher; None where there is none with this path and name."""
        return self._current()[1].get(url)

    @property
    def fingerprint(self) -> str:
        """A digest of all dispatchers with their parameters."""
        return self._current()[2]

    def _current(self) -> tuple[RouteTable | None, dict[str, str], str]:
        table = self._router.table
        if self._described[0] is not table:
            signatures = {route.url: signature_of(route.function) for route in table.routes()}
            lines = "\n".join(f"{url}{taken}" for url, taken in sorted(signatures.items()))
            self._described = table, signatures, hashlib.sha256(lines.encode()).hexdigest()[:12]
        return self._described


class Some:
    """Stands for any default: its value may have no form that is the same in two processes."""

    def __repr__(self) -> str:
        return "..."


def signature_of(function: Callable[..., Any]) -> str:
    """Return the parameters of a function, such as ``(a, b=...)``."""
    return str(inspect.Signature([without_values(each) for each in parameters_of(function)]))


def without_values(parameter: Parameter) -> Parameter:
    default = Parameter.empty if parameter.default is Parameter.empty else Some()
    return parameter.replace(annotation=Parameter.empty, default=default)


def context_of(request: Mapping[str, Any], headers: Collection[str], cookies: Collection[str]) -> dict[str, Any]:
    """Return what a worker is told of a request.

    Args:
        request: The copy of the request.
        headers: The names of the header fields that it is told, in lower case.
        cookies: The names of the cookies that it is told, in lower case.
    """
    return {
        "ip": request.get("remote_addr"),
        "headers": allowed(request.get("headers") or {}, headers),
        "cookies": allowed(request.get("cookies") or {}, cookies),
    }


def allowed(fields: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name.lower() in names}


def request_of(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the copy of the request that a worker calls with."""
    return {"headers": context["headers"], "cookies": context["cookies"], "remote_addr": context["ip"], "environ": {}}
