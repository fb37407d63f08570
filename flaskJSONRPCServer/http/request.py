"""One HTTP request, parsed lazily: from a WSGI environ, or from the request that a serving backend has parsed."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from ..proxies import NO_PROXIES, TrustedProxies
from .body import read_body, read_parsed_body

if TYPE_CHECKING:
    import werkzeug.wrappers

__all__ = [
    "ARRIVED_AT",
    "CLIENT_SOCKET",
    "CLIENT_SOCKETS",
    "EXCHANGE",
    "IS_FORWARDED",
    "IS_WRAPPED",
    "SEND_HEAD",
    "Environ",
    "ReceivedRequest",
    "Request",
    "RequestCopy",
    "RequestOptions",
    "client_of",
    "without_client",
]

Environ = dict[str, Any]

CLIENT_SOCKET = "flaskJSONRPCServer.socket"
"""The key of a WSGI environ for the client's socket, which serving backends set if they can."""

EXCHANGE = "flaskJSONRPCServer.exchange"
"""The key of a WSGI environ for the request of the serving backend ``native``, whose answer may be a stream."""

IS_FORWARDED = "flaskJSONRPCServer.is_forwarded"
"""The key of a WSGI environ that says that another process of the program has passed the request on."""

IS_WRAPPED = "flaskJSONRPCServer.is_wrapped"
"""The key of a WSGI environ that says that an application of the user may have wrapped the answer."""

SEND_HEAD = "flaskJSONRPCServer.send_head"
"""The key of a WSGI environ for a function that sends the head of the answer, for serving programs that wait for a part
of the body."""

# The values of the X-Forwarded fields that a URL may be made of.
_SCHEME = re.compile(r"https?")
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+=:@-]*)+")
ARRIVED_AT = "flaskJSONRPCServer.arrived_at"
"""The key of a WSGI environ for the arrival of the request, by :func:`time.monotonic`; backends may leave it out."""

CLIENT_SOCKETS = (CLIENT_SOCKET, "werkzeug.socket", "gunicorn.socket")
"""The keys of a WSGI environ for the client's socket, here and in other serving programs."""


class ReceivedRequest(Protocol):
    """A complete request of a serving backend that answers RPC requests without WSGI."""

    @property
    def head(self) -> Environ:
        """The head as the CGI variables of an environ (RFC 3875, section 4.1), and ``wsgi.url_scheme``."""

    @property
    def environ(self) -> Environ:
        """The WSGI environ, made on first access."""

    @property
    def arrived_at(self) -> float:
        """When the request arrived, by :func:`time.monotonic`."""

    def body(self, limit_bytes: int) -> bytes:
        """Return the body.

        Raises:
            BodyTooLarge: The body is over the limit.
        """

    def open_channel(
        self,
        status: str,
        headers: list[tuple[str, str]],
        *,
        buffer_bytes: int,
        takes_large_parts: bool,
        on_close: Callable[[], object] | None,
    ) -> Any:
        """Answer with a stream, which occupies no thread, and return it."""

    @property
    def stream(self) -> Any:
        """The stream that answers the request; None before one is opened."""


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """The options that all requests of a server share.

    Attributes:
        trusted_proxies: The peers whose X-Forwarded-For is trusted.
        new_id: Returns the id of a request; None for a UUID.
        allow_compress: Whether an answer may be compressed, unless a dispatcher decides otherwise.
    """

    trusted_proxies: TrustedProxies = NO_PROXIES
    new_id: Callable[[], str] | None = None
    allow_compress: bool = False


_NO_OPTIONS = RequestOptions()


class Request:
    """An HTTP request.

    Args:
        head: The WSGI environ (PEP 3333), which is kept, not copied; or the head of ``received``.
        options: The options of the server.
        received: The request as the serving backend parsed it, if it has no environ.
        parsed: Werkzeug's request object for the same environ, if there is one already.

    Attributes:
        head: The head of the request, as the variables of an environ.
    """

    _read_body: Callable[[Environ, int], bytes] = staticmethod(read_body)

    def __init__(
        self,
        head: Environ,
        options: RequestOptions = _NO_OPTIONS,
        received: ReceivedRequest | None = None,
        parsed: werkzeug.wrappers.Request | None = None,
    ) -> None:
        self.head = head
        self.method: str = head["REQUEST_METHOD"]
        self.wsgi_path: str = head.get("PATH_INFO", "")
        self._received = received
        self._body: bytes | None = None
        self._options = options
        if parsed is not None:
            self.use_parsed(parsed)

    @property
    def environ(self) -> Environ:
        """The WSGI environ."""
        return self.head if self._received is None else self._received.environ

    @cached_property
    def parsed(self) -> werkzeug.wrappers.Request:
        """The request as Werkzeug parses it, with ``headers``, ``cookies``, ``args`` and ``url``."""
        from werkzeug.wrappers import Request as ParsedRequest

        return ParsedRequest(self.environ)

    @cached_property
    def arrived_at(self) -> float:
        """When the request arrived, by :func:`time.monotonic`; the first access, if the serving backend does not know.

        Only the deadlines of calls need it, so a request without them reads no clock.
        """
        if self._received is not None:
            return self._received.arrived_at
        arrived_at: float | None = self.head.get(ARRIVED_AT)
        return time.monotonic() if arrived_at is None else arrived_at

    @cached_property
    def unique_id(self) -> str:
        """The id of the request in logs and answers, made on first access."""
        new_id = self._options.new_id
        return uuid.uuid4().hex if new_id is None else new_id()

    @cached_property
    def remote_addr(self) -> str | None:
        """The client's IP address; None if the peer has none, as over a Unix socket."""
        peer: str | None = self.head.get("REMOTE_ADDR") or None
        trusted_proxies = self._options.trusted_proxies
        if peer is None or peer not in trusted_proxies:
            return peer
        return trusted_proxies.client_of(self.head.get("HTTP_X_FORWARDED_FOR", ""), peer)

    @cached_property
    def base_url(self) -> str:
        """The URL of the application, without a slash at its end: as the client has it, if a trusted proxy says so."""
        head = self.head
        scheme, host = head.get("wsgi.url_scheme", "http"), head.get("HTTP_HOST", "")
        prefix = head.get("SCRIPT_NAME", "")
        if head.get("REMOTE_ADDR") in self._options.trusted_proxies:
            scheme = first_of(head.get("HTTP_X_FORWARDED_PROTO"), _SCHEME) or scheme
            host = first_of(head.get("HTTP_X_FORWARDED_HOST"), _AUTHORITY) or host
            prefix = first_of(head.get("HTTP_X_FORWARDED_PREFIX"), _PREFIX) or prefix
        if not host:
            name = head.get("SERVER_NAME", "localhost")
            host = f"{f'[{name}]' if ':' in name else name}:{head.get('SERVER_PORT', '80')}"
        return f"{scheme}://{host}{quote(prefix.rstrip('/').encode('latin-1'))}"

    def use_parsed(self, parsed: werkzeug.wrappers.Request) -> None:
        """Use Werkzeug's request object for the same environ."""
        self.__dict__["parsed"] = parsed
        self.read_through_parsed()

    def read_through_parsed(self) -> None:
        """Read the body through :attr:`parsed`, since others read it there too, such as hooks of Flask."""
        self._read_body = partial(read_parsed_body, self.parsed)

    def body(self, limit_bytes: int) -> bytes:
        """Return the body, which is read once and kept.

        Raises:
            Refusal: See :func:`~flaskJSONRPCServer.http.body.read_body`.
        """
        if self._body is None:
            received = self._received
            self._body = self._read_body(self.head, limit_bytes) if received is None else received.body(limit_bytes)
        return self._body


def first_of(header: str | None, form: re.Pattern[str]) -> str | None:
    """Return the first value of a header with a list, if it has the form."""
    value = (header or "").partition(",")[0].strip()
    return value if form.fullmatch(value) else None


_PARSED: Mapping[str, Callable[[werkzeug.wrappers.Request], Any]] = {
    "headers": lambda parsed: dict(parsed.headers),
    "cookies": lambda parsed: parsed.cookies.to_dict(),
    "url": lambda parsed: parsed.url,
    "args": lambda parsed: parsed.args.to_dict(),
}


class RequestCopy(dict[str, Any]):
    """A request as a plain dictionary that outlives its thread. Its keys can be read as attributes too.

    Keys: ``headers`` and ``cookies`` (dict), ``environ`` (dict), ``remote_addr``, ``method``, ``url``, ``args`` (dict),
    ``form`` (dict, empty), and ``data`` (bytes). Parsed fields are parsed on first access, and ``data`` is read from
    the client then.
    """

    def __init__(self, request: Request, limit_bytes: int) -> None:
        super().__init__(environ=dict(request.environ), remote_addr=request.remote_addr, method=request.method, form={})
        self._request = request
        self._limit_bytes = limit_bytes

    def __missing__(self, key: str) -> Any:
        self[key] = value = self._read_data() if key == "data" else _PARSED[key](self._request.parsed)
        return value

    def _read_data(self) -> bytes:
        return self._request.body(self._limit_bytes)

    def _all_fields(self) -> dict[str, Any]:
        """Return all fields, with ``data`` only if it has been read."""
        return {**{key: self[key] for key in _PARSED}, **dict(super().items())}

    def __contains__(self, key: object) -> bool:
        return key == "data" or key in _PARSED or super().__contains__(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all_fields())

    def __len__(self) -> int:
        return len(self._all_fields())

    def __eq__(self, other: object) -> bool:
        return self._all_fields() == other

    __hash__ = None  # as of any dict

    def keys(self) -> Any:
        """Return the names of the fields."""
        return self._all_fields().keys()

    def values(self) -> Any:
        """Return the values of the fields."""
        return self._all_fields().values()

    def items(self) -> Any:
        """Return the fields as pairs of name and value."""
        return self._all_fields().items()

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field; the default if there is none."""
        try:
            return self[key]
        except KeyError:
            return default

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def client_of(environ: Environ) -> int | None:
    """Return the descriptor of the client's connection; None if the serving backend does not provide it."""
    for name in CLIENT_SOCKETS:
        if (client_socket := environ.get(name)) is not None:
            descriptor: int = client_socket.fileno()
            return descriptor if descriptor >= 0 else None
    return None


def without_client(environ: Environ) -> Environ:
    """Return a copy of an environ without the client's connection: what it is used for outlives the connection."""
    return {name: value for name, value in environ.items() if name not in CLIENT_SOCKETS}
