"""The request with which a page opens a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import UnsupportedError
from ..http.request import EXCHANGE

if TYPE_CHECKING:
    from .native.http_exchange import HttpExchange

__all__ = ["exchange_of"]


def exchange_of(environ: Mapping[str, Any]) -> HttpExchange:
    """Return the request of a WSGI environ, whose :meth:`~.native.http_exchange.HttpExchange.open_stream` answers it.

    Args:
        environ: The environ, such as ``flask.request.environ``.

    Raises:
        UnsupportedError: Another serving backend than ``native`` serves it, or it has been answered.
    """
    exchange: HttpExchange | None = environ.get(EXCHANGE)
    if exchange is None:
        raise UnsupportedError(
            "no stream can be opened here: only servBackend='native' has streams for pages, until the request is "
            "answered; use 'native', or return an iterable"
        )
    return exchange
