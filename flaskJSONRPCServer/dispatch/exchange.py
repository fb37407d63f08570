"""One HTTP request on its way to an answer: what its calls share."""

from __future__ import annotations

from ..http.request import Request
from ..http.response import Outgoing

__all__ = ["Exchange"]


class Exchange:
    """A request and what its dispatchers say about the answer. Most say nothing: it is made when first asked for.

    Attributes:
        asked: :attr:`outgoing`, if it has been asked for; None: the answer is plain JSON.

    Args:
        request: The request.
        allow_compress: Whether the answer may be compressed, unless a dispatcher says otherwise.
        callback: The JSONP callback's name; None where the answer is plain JSON.
        output_format: The JSONP output format, unless a dispatcher says otherwise.
    """

    def __init__(
        self, request: Request, *, allow_compress: bool, callback: str | None = None, output_format: str = ""
    ) -> None:
        self.request = request
        self.callback = callback
        self.asked: Outgoing | None = None
        self._allow_compress = allow_compress
        self._output_format = output_format

    @property
    def outgoing(self) -> Outgoing:
        """What the dispatchers ask of the answer."""
        if self.asked is None:
            self.asked = Outgoing(self._allow_compress, False if self.callback is None else self._output_format)
        return self.asked
