"""TLS: what the option ``ssl`` asks for, as the context that a serving backend serves with."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any, NoReturn

from ..errors import SettingsError, UnsupportedError
from .base import ServBackend

__all__ = ["refuse_without_tls", "send_close_notify", "server_context"]

# The labels of PEM blocks (RFC 7468); that of a key may have words before it, such as EC or ENCRYPTED.
_KEY_LABEL = b"PRIVATE KEY-----"
_CERTIFICATE_LABEL = b"BEGIN CERTIFICATE-----"


def server_context(wanted: Any) -> ssl.SSLContext | None:
    """Return the context for accepted connections; a backend asks for it in its ``start``.

    Args:
        wanted: ``[key file, certificate file]``, PEM files, which are read now; or a context, which is returned as it
            is; or False.

    Returns:
        The context, which takes TLS 1.2 and later where it was made from files. None where no TLS is wanted.

    Raises:
        SettingsError: The files cannot be used, or it is none of these; the message names the file and the remedy.
    """
    match wanted:
        case False | None:
            return None
        case ssl.SSLContext():
            refuse_client_context(wanted)
            return wanted
        case [str() | os.PathLike() as key, str() | os.PathLike() as certificate]:
            return context_of(Path(key), Path(certificate))
    raise SettingsError(
        f"ssl={wanted!r} is refused: it takes [key file, certificate file], an ssl.SSLContext, or False"
    )


def send_close_notify(connection: ssl.SSLSocket) -> None:
    """Tell the client that nothing was cut off (RFC 8446, section 6.1), without waiting for it to say the same."""
    connection.settimeout(0)
    try:
        connection.unwrap()
    except (OSError, ValueError):  # it has not said the same yet, has gone, or was never one
        return


def refuse_without_tls(backend: ServBackend, wanted: Any) -> None:
    """Check that a backend can serve as the option ``ssl`` asks.

    Raises:
        SettingsError: As :func:`server_context`.
        UnsupportedError: TLS is wanted, and the backend has none, or none that takes a context.
    """
    if server_context(wanted) is None:
        return
    if not backend._supportTLS:
        raise UnsupportedError(
            f"servBackend {backend._id!r} cannot serve with ssl={wanted!r}: it does not say _supportTLS; use 'native'"
        )
    if isinstance(wanted, ssl.SSLContext) and not backend._supportSSLContext:
        raise UnsupportedError(
            f"servBackend {backend._id!r} cannot serve with ssl={wanted!r}: it takes [key file, certificate file] "
            "only; use 'auto' or 'native'"
        )


def refuse_client_context(context: ssl.SSLContext) -> None:
    if context.protocol == ssl.PROTOCOL_TLS_CLIENT or context.check_hostname:
        raise SettingsError(
            f"ssl={context!r} is refused: it is for clients; make one with "
            "ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)"
        )


def context_of(key: Path, certificate: Path) -> ssl.SSLContext:
    def refuse_encrypted() -> NoReturn:
        # Without this, OpenSSL would ask for the passphrase on the terminal.
        raise refused("the key is encrypted; give an ssl.SSLContext that has loaded it with its password")

    def refused(why: str) -> SettingsError:
        return SettingsError(f"ssl=[{str(key)!r}, {str(certificate)!r}] is refused: {why}")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # the system's own minimum may be lower (RFC 8996)
    # HTTP tells by itself whether a request is whole. OpenSSL 3 would give up the connection before the answer.
    context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    try:
        context.load_cert_chain(certificate, key, refuse_encrypted)
    except OSError as exc:
        raise refused(fault_of(key, certificate, exc)) from exc
    return context


def fault_of(key: Path, certificate: Path, exc: OSError) -> str:
    """Say what is wrong with two files; OpenSSL's own words name neither."""
    try:
        in_key, in_certificate = read(key), read(certificate)
    except OSError as unreadable:
        return f"cannot read {str(unreadable.filename)!r}: {unreadable.strerror}"
    if _KEY_LABEL not in in_key:
        if _KEY_LABEL in in_certificate and _CERTIFICATE_LABEL in in_key:
            return "the two are in the wrong order; the key file comes first"
        return f"{str(key)!r} has no private key in PEM form"
    if _CERTIFICATE_LABEL not in in_certificate:
        return f"{str(certificate)!r} has no certificate in PEM form"
    if "MISMATCH" in (getattr(exc, "reason", None) or ""):
        return "the key is not the one of the certificate, which has to come first in its file"
    return str(exc)


def read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read()
