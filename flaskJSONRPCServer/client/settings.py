"""The arguments of clients, turned into their parts."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..sansio_jsonrpc import Codec, make_codec
from .authorization import make_authorize
from .callers import checked_timeout
from .options import UNCHANGED, CallOptions
from .retries import Retry
from .session import Session
from .transports.headers import checked_headers, merged_headers
from .transports.urls import is_stream_url, parse_url, shown, without_secrets
from .types.values import write_value

__all__ = ["make_options", "make_session", "tls_context"]

_DEFAULT_TIMEOUT_S: Final = 30.0

_HEADERS: Final = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "User-Agent": "flaskJSONRPCServer-client",
}


def tls_context(
    *, ca: str | Path | None = None, certificate: str | Path | None = None, key: str | Path | None = None
) -> ssl.SSLContext:
    """Return a TLS context for `tls=`. It checks the certificate and the host name of the server.

    Args:
        ca: A file or a folder with the certificates to trust; None for those of the system.
        certificate: A file with the certificate of this client (mTLS).
        key: A file with its key; None if it is in the same file.
    """
    folder = ca is not None and Path(ca).is_dir()
    context = ssl.create_default_context(cafile=None if folder else ca, capath=ca if folder else None)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def make_options(timeout: float | None, retry: Retry | None) -> CallOptions:
    """Return the options of all calls.

    A server needs a thread more for a call with a deadline. So only one that the user has chosen is sent to it.
    """
    tells_deadline = timeout is not UNCHANGED
    timeout_s = checked_timeout("timeout", timeout) if tells_deadline else _DEFAULT_TIMEOUT_S
    return CallOptions(timeout_s, tells_deadline, Retry(attempts=1) if retry is None else retry)


def make_session(
    server: Any, codec: str | Codec, headers: Mapping[str, str] | None, auth: Any, *, discovers: bool
) -> Session:
    """Return what makes the calls.

    Raises:
        ValueError: A value is not accepted; the message names it.
    """
    if not isinstance(discovers, bool):
        raise ValueError(f"discover={discovers!r}; it takes True or False")
    url = server if isinstance(server, str) else "http://localhost/"
    if is_stream_url(url) and (auth is not None or headers):
        raise ValueError(f"auth= and headers= beside {shown(url)!r}, which has no header fields; leave them out")
    user = parse_url(url).user if "@" in url and not is_stream_url(url) else None
    made = codec if isinstance(codec, Codec) else make_codec(codec, default=write_value)
    fields = merged_headers(_HEADERS, checked_headers(headers or {}))
    return Session(url, shown_url(server), made, fields, make_authorize(auth, user), discovers=discovers)


def shown_url(server: Any) -> str:
    """Return the URL of a server as messages have it; an empty text for a server in this process."""
    return without_secrets(server) if isinstance(server, str) else ""
