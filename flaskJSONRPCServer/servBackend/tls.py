"""TLS: making the context of a serving backend from the option ``ssl``."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any, NoReturn

from ..errors import SettingsError, UnsupportedError
from .base import ServBackend

__all__ = ["refuse_without_tls", "send_close_notify", "server_context"]

# The labels of PEM blocks (RFC 7468). The label of a key may have a word before it, such as EC or ENCRYPTED.
_KEY_LABEL = b"PRIVATE KEY-----"
_CERTIFICATE_LABEL = b"BEGIN CERTIFICATE-----"


def server_context(ssl_option: Any) -> ssl.SSLContext | None:
    """Return the context for accepted connections. A backend calls this in its ``start``.

    Args:
        ssl_option: ``[key file, certificate file]``, two PEM files, which are read now; or a context, which is returned
            as it is; or False.

    Returns:
        The context, which accepts TLS 1.2 and later if it was made from files. None without TLS.

    Raises:
        SettingsError: The files cannot be used, or the option has another form. The message names the file and the
            remedy.
    """
    match ssl_option:
        case False | None:
            return None
        case ssl.SSLContext():
            refuse_client_context(ssl_option)
            return ssl_option
        case [str() | os.PathLike() as key, str() | os.PathLike() as certificate]:
            return load_context(Path(key), Path(certificate))
    raise SettingsError(
        f"ssl={ssl_option!r} is refused: it takes [key file, certificate file], an ssl.SSLContext, or False"
    )


def send_close_notify(connection: ssl.SSLSocket) -> None:
    """Send close_notify, so that the client knows the answer is complete (RFC 8446, section 6.1).

    This does not wait for the close_notify of the client.
    """
    connection.settimeout(0)
    try:
        connection.unwrap()
    except (OSError, ValueError):  # no close_notify of the client yet, a client that has gone, or no TLS
        return


def refuse_without_tls(backend: ServBackend, ssl_option: Any) -> None:
    """Check that a backend can serve with the option ``ssl``.

    Raises:
        SettingsError: As :func:`server_context`.
        UnsupportedError: The backend has no TLS, or takes no context, and the option asks for it.
    """
    if server_context(ssl_option) is None:
        return
    if not backend._supportTLS:
        raise UnsupportedError(
            f"servBackend {backend._id!r} cannot serve with ssl={ssl_option!r}: "
            "it does not say _supportTLS; use 'native'"
        )
    if isinstance(ssl_option, ssl.SSLContext) and not backend._supportSSLContext:
        raise UnsupportedError(
            f"servBackend {backend._id!r} cannot serve with ssl={ssl_option!r}: it takes [key file, certificate file] "
            "only; use 'auto' or 'native'"
        )


def refuse_client_context(context: ssl.SSLContext) -> None:
    if context.protocol == ssl.PROTOCOL_TLS_CLIENT or context.check_hostname:
        raise SettingsError(
            f"ssl={context!r} is refused: it is for clients; make one with "
            "ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)"
        )


def load_context(key: Path, certificate: Path) -> ssl.SSLContext:
    def refuse_encrypted() -> NoReturn:
        # Without this callback, OpenSSL would ask for the passphrase on the terminal.
        raise refused("the key is encrypted; give an ssl.SSLContext that has loaded it with its password")

    def refused(why: str) -> SettingsError:
        return SettingsError(f"ssl=[{str(key)!r}, {str(certificate)!r}] is refused: {why}")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # the system's own minimum may be lower (RFC 8996)
    # HTTP itself detects a truncated request. OpenSSL 3 would drop a client that ends its side without close_notify,
    # and with it the answer.
    context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    try:
        context.load_cert_chain(certificate, key, refuse_encrypted)
    except OSError as exc:
        raise refused(describe_fault(key, certificate, exc)) from exc
    return context


def describe_fault(key: Path, certificate: Path, exc: OSError) -> str:
    """Describe the fault of the two files. OpenSSL's own message names neither."""
    try:
        key_pem, certificate_pem = key.read_bytes(), certificate.read_bytes()
    except OSError as unreadable:
        return f"cannot read {str(unreadable.filename)!r}: {unreadable.strerror}"
    if _KEY_LABEL not in key_pem:
        if _KEY_LABEL in certificate_pem and _CERTIFICATE_LABEL in key_pem:
            return "the two are in the wrong order; the key file comes first"
        return f"{str(key)!r} has no private key in PEM form"
    if _CERTIFICATE_LABEL not in certificate_pem:
        return f"{str(certificate)!r} has no certificate in PEM form"
    if "MISMATCH" in (getattr(exc, "reason", None) or ""):
        return "the key is not the one of the certificate, which has to come first in its file"
    return str(exc)
