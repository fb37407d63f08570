"""A request under way, and the state that its calls share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..http.request import Environ, ReceivedRequest, Request, RequestOptions, without_client
from ..http.response import Outgoing
from ..runtime.counters import ThreadCounters
from .call_control import CallControl
from .clients import has_left
from .connection import Connection, ServerFacts
from .routes import Route

if TYPE_CHECKING:
    import werkzeug.wrappers

__all__ = ["Exchange"]


class Exchange(Request):
    """A request under way, with the state that its calls share.

    Args:
        head: As with :class:`~flaskJSONRPCServer.http.request.Request`.
        counters: The counters of the thread that answers the request.
        options: As with :class:`~flaskJSONRPCServer.http.request.Request`.
        received: As with :class:`~flaskJSONRPCServer.http.request.Request`.
        parsed: As with :class:`~flaskJSONRPCServer.http.request.Request`.

    Attributes:
        counters: The counters of the thread that answers the request.
        begin_by: When the caller stops waiting, on the monotonic clock: no call begins later. None if it has not said.
        caller: The caller, hashed, if it has sent an idempotency key.
        callback: The name of the JSONP callback; None for a plain JSON answer.
        carrier: What may hold the trace of the caller, beside the header fields, by their names.
        client_key: The client's key in the counters of the rate limits; empty without rate limits.
        connection: The magic variable of the next call, if middleware has made it already.
        control: What the call may exchange with its caller while it runs; None for plain JSON-RPC.
        grant: What the access token of the caller allows; None without tokens.
        deadline: The deadline of the call that the exchange was made for, on the monotonic clock; None without one.
        outlives_client: Whether its calls go on if the client closes the connection.
        trace: The trace of the request; None without ``tracing``.
        is_local: Whether the caller is the user who has started this process, over its standard streams: ``auth`` is
            not asked, and there are no header fields.
        outgoing_if_any: The :attr:`outgoing`, if something has used it; None means a plain JSON answer.
    """

    # Class-level defaults: most requests never change them, and each assignment in __init__ would cost every request.
    begin_by: float | None = None
    caller: bytes | None = None
    callback: str | None = None
    carrier: Mapping[str, Any] = MappingProxyType({})
    client_key = ""
    connection: Any = None
    control: CallControl | None = None
    deadline: float | None = None
    grant: Any = None
    is_local: bool = False
    outlives_client: bool = False
    trace: Any = None
    _output_format = ""
    _copy: dict[str, Any] | None = None

    def __init__(
        self,
        head: Environ,
        counters: ThreadCounters,
        options: RequestOptions,
        received: ReceivedRequest | None = None,
        parsed: werkzeug.wrappers.Request | None = None,
    ) -> None:
        # As Request.__init__() and without its call, which would cost every request more than these lines do.
        self.head = head
        self.method = head["REQUEST_METHOD"]
        self.wsgi_path = head.get("PATH_INFO", "")
        self._options = options
        self._received = received
        self._body = None
        if parsed is not None:
            self.use_parsed(parsed)
        self.counters = counters
        self.outgoing_if_any: Outgoing | None = None

    @property
    def allow_compress(self) -> bool:
        """Whether the answer may be compressed, unless a dispatcher decides otherwise."""
        return self._options.allow_compress

    def make_connection(self, route: Route, server: ServerFacts, *, notify: bool) -> Any:
        """Return the magic variable for one call of this request.

        Args:
            route: The route that is called.
            server: The server, as connections show it.
            notify: Whether the call is a notification.
        """
        return self.connection or Connection(self, self.outgoing, route, server, notify=notify)

    def use_jsonp(self, callback: str | None, output_format: str) -> None:
        """Make the answer JSONP, unless a dispatcher decides otherwise.

        Args:
            callback: The name of the callback; None for a plain JSON answer.
            output_format: The JSONP output format.
        """
        self.callback = callback
        self._output_format = output_format

    def has_left(self) -> bool:
        """Return whether the client has closed its connection, where that ends its calls and the backend shows it."""
        return not self.outlives_client and has_left(self.environ)

    @property
    def output_format(self) -> str | bool:
        """The JSONP output format of the registration; False for a plain JSON answer."""
        return False if self.callback is None else self._output_format

    @property
    def outgoing(self) -> Outgoing:
        """The options that dispatchers set for the answer, created on first use."""
        if self.outgoing_if_any is None:
            self.outgoing_if_any = Outgoing(self.allow_compress, self.output_format)
        return self.outgoing_if_any

    def request_copy(self, copy: Callable[[Request], dict[str, Any]]) -> dict[str, Any]:
        """Return the request as a dict that outlives its thread, with its ``uniqueId``; all calls share one copy."""
        if self._copy is None:
            self._copy = copy(self)
            self._copy["uniqueId"] = self.unique_id
            if self.outlives_client:  # exec backends end the call of a client that has gone
                self._copy["environ"] = without_client(self._copy["environ"])
        return self._copy

    def apply_response_fields(self, fields: Any) -> None:
        """Apply the response fields of a call that ran on a backend, with a connection of its own.

        Only the fields that differ from their defaults count: another call of the batch may have set the rest.

        Args:
            fields: The connection of the call, or a dict with its fields; fields may be missing.
        """
        outgoing = self.outgoing
        output_format = fields.get("jsonp", self.output_format)
        allow_compress = fields.get("allowCompress", self.allow_compress)
        default_type = Outgoing(allow_compress, output_format).content_type
        mime_type = fields.get("mimeType", default_type)
        if headers := fields.get("headersOut"):
            outgoing.headers.update(headers)
        if cookies := fields.get("cookiesOut"):
            outgoing.cookies.extend(cookies)
        if output_format != self.output_format:
            outgoing.jsonp = output_format
        if allow_compress != self.allow_compress:
            outgoing.allow_compress = allow_compress
        if mime_type != default_type:
            outgoing.mime_type = mime_type
