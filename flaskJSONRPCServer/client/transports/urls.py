"""The URL of a client, and its parts that a transport uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["Target", "is_stream_url", "parse_stream_url", "parse_url", "shown", "without_secrets"]

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_UNIX: Final = "http+unix"
_STREAMS: Final = ("tcp", "tls")


@dataclass(frozen=True, slots=True)
class Target:
    """The server that a URL names.

    Attributes:
        host: Its name or IP address, which may have a zone: "fe80::1%eth0"; "localhost" behind a Unix socket.
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
    def server_name(self) -> str:
        """The host as others know it: a zone has a meaning on this machine only (RFC 6874, section 4)."""
        return self.host.partition("%")[0]

    @property
    def authority(self) -> str:
        """The value of the Host field: without the port if it is the usual one."""
        usual = self.unix_path is not None or self.port == _DEFAULT_PORTS["https" if self.is_tls else "http"]
        return bracketed(self.server_name) if usual else self.tunnel_address

    @property
    def tunnel_address(self) -> str:
        """The host and the port, for CONNECT."""
        return f"{bracketed(self.server_name)}:{self.port}"

    @property
    def address(self) -> str:
        """The host and the port, for messages; or the path of the Unix socket."""
        return self.unix_path or f"{bracketed(self.host)}:{self.port}"


def parse_url(url: str) -> Target:
    """Return the parts of a URL: http, https, or http+unix with the percent-encoded path of a socket as its host.

    Raises:
        ValueError: It is not one of these, or has characters that a request cannot have. The message shows no password.
    """
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise ValueError(f"{shown(url)!r} is not a URL: encode all characters beyond printable ASCII")
    try:
        return target_of(urlsplit(url), url)
    except InvalidURLError:
        raise
    except ValueError as exc:  # its text may have a part of the password
        raise InvalidURLError(url) from exc if "@" not in url else None


class InvalidURLError(ValueError):
    """A URL that is not one of a server."""

    def __init__(self, url: str) -> None:
        example = (
            "begin it with http://, https:// or http+unix://%2Fpath/api, or write tcp://host:port or tls://host:port"
        )
        super().__init__(f"{shown(url)!r} is not the URL of a server; {example}")


def target_of(parts: SplitResult, url: str) -> Target:
    user = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == _UNIX and parts.netloc:
        return Target("localhost", 0, path, is_tls=False, unix_path=unquote(parts.netloc), user=None)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.port == 0:
        raise InvalidURLError(url)
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return Target(with_zone(parts.hostname), port, path, is_tls=parts.scheme == "https", unix_path=None, user=user)


def is_stream_url(url: str) -> bool:
    """Return whether a URL is that of a stream of messages in place of HTTP."""
    return url.lower().startswith(tuple(f"{scheme}://" for scheme in _STREAMS))


def parse_stream_url(url: str) -> Target:
    """Return the host and the port of a URL: tcp, or tls, which is TCP with TLS.

    Raises:
        ValueError: It has no port, or anything else beside it. The message shows no password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # its text may have a part of a password
        host = port = None
    if not host or not port or parts.username is not None or parts.path not in ("", "/") or parts.query:
        raise ValueError(f"{shown(url)!r} is not the URL of a stream; write tcp://host:port or tls://host:port")
    return Target(with_zone(host), port, "", is_tls=parts.scheme == "tls", unix_path=None, user=None)


def with_zone(host: str) -> str:
    """Return a host with its zone as the system takes it: of "fe80::1%25eth0" (RFC 6874) as of "fe80::1%eth0"."""
    address, percent, zone = host.partition("%")
    if ":" not in address or not percent:
        return host
    return f"{address}%{unquote(zone.removeprefix('25') or zone)}"


def shown(url: str) -> str:
    """Return a URL for messages: without the name and the password. Malformed, they may contain any character."""
    before, at, rest = url.rpartition("@")
    scheme, slashes, _ = before.partition("://")
    return f"{f'{scheme}://' if slashes else ''}...@{rest}" if at else url


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def without_secrets(url: str) -> str:
    """Return a well-formed URL without the user, the password and the query, which may have a token in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
