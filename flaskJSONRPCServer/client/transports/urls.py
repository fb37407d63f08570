"""The URL of a client, and its parts that a transport uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

__all__ = ["Target", "parse_url"]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_UNIX: Final = "http+unix"


@dataclass(frozen=True, slots=True)
class Target:
    """The server that a URL names.

    Attributes:
        host: Its name or IP address; "localhost" behind a Unix socket.
        port: Its port.
        path: The path and the query, as requests have them.
        is_tls: Whether it is https.
        unix_path: The path of its Unix socket; None for TCP.
        user: The name and the password in the URL; None if it has none.
    """

    host: str
    port: int
    path: str
    is_tls: bool
    unix_path: str | None
    user: tuple[str, str] | None

    @property
    def authority(self) -> str:
        """The value of the Host field: without the port if it is the usual one."""
        usual = self.unix_path is not None or self.port == _DEFAULT_PORTS["https" if self.is_tls else "http"]
        return bracketed(self.host) if usual else f"{bracketed(self.host)}:{self.port}"

    @property
    def address(self) -> str:
        """The host and the port, for CONNECT and for messages; or the path of the Unix socket."""
        return self.unix_path or f"{bracketed(self.host)}:{self.port}"


def parse_url(url: str) -> Target:
    """Return the parts of a URL: http, https, or http+unix with the percent-encoded path of a socket as its host.

    Raises:
        ValueError: It is not one of these, or has characters that a request cannot have.
    """
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise ValueError(f"{url!r} is not a URL: encode all characters beyond printable ASCII")
    parts = urlsplit(url)
    user = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == _UNIX and parts.netloc:
        return Target("localhost", 0, path, is_tls=False, unix_path=unquote(parts.netloc), user=None)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.port == 0:
        raise ValueError(
            f"{url!r} is not the URL of a server; begin it with http://, https:// or http+unix://%2Fpath/api"
        )
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return Target(parts.hostname, port, path, is_tls=parts.scheme == "https", unix_path=None, user=user)


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
