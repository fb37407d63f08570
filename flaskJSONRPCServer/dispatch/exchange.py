"""One HTTP request on its way to an answer: what its calls share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..http.request import Request
from ..http.response import Outgoing
from ..runtime.counters import ThreadCounters

__all__ = ["Exchange"]


class Exchange(Request):
    """A request and what its dispatchers say about the answer. Most say nothing: it is made when first asked for.

    Attributes:
        counters: The counts of the one thread that answers it.
        allow_compress: Whether the answer may be compressed, unless a dispatcher says otherwise.
        callback: The JSONP callback's name; None where the answer is plain JSON.
        client_key: What the rate limits know the client by; empty where there are none.
        asked: :attr:`outgoing`, if it has been asked for; None: the answer is plain JSON.
    """

    counters: ThreadCounters

    # Here, since most requests leave them as they are.
    allow_compress = True
    callback: str | None = None
    client_key = ""
    asked: Outgoing | None = None
    _output_format = ""
    _copy: dict[str, Any] | None = None

    def wrap_in(self, callback: str | None, output_format: str) -> None:
        """Let the answer be JSONP, unless a dispatcher says otherwise.

        Args:
            callback: The callback's name; None where the answer is plain JSON.
            output_format: The JSONP output format.
        """
        self.callback = callback
        self._output_format = output_format

    @property
    def output_format(self) -> str | bool:
        """The JSONP output format as registered; False where the answer is plain JSON."""
        return False if self.callback is None else self._output_format

    @property
    def outgoing(self) -> Outgoing:
        """What the dispatchers ask of the answer."""
        if self.asked is None:
            self.asked = Outgoing(self.allow_compress, self.output_format)
        return self.asked

    def request_copy(self, copy: Callable[[Request], dict[str, Any]]) -> dict[str, Any]:
        """Return the request as a dict that outlives its thread, with its ``uniqueId``: one copy for all calls."""
        if self._copy is None:
            self._copy = copy(self)
            self._copy["uniqueId"] = self.unique_id
        return self._copy

    def take_over(self, said: Any) -> None:
        """Take over what a dispatcher said elsewhere, on a connection of its own: only what differs from the start.

        Args:
            said: The connection, or a dict with its fields; fields may be missing.
        """
        outgoing = self.outgoing
        output_format = said.get("jsonp", self.output_format)
        allow_compress = said.get("allowCompress", self.allow_compress)
        usual = Outgoing(allow_compress, output_format).content_type
        mime_type = said.get("mimeType", usual)
        if headers := said.get("headersOut"):
            outgoing.headers.update(headers)
        if cookies := said.get("cookiesOut"):
            outgoing.cookies.extend(cookies)
        if output_format != self.output_format:
            outgoing.jsonp = output_format
        if allow_compress != self.allow_compress:
            outgoing.allow_compress = allow_compress
        if mime_type != usual:
            outgoing.mime_type = mime_type
