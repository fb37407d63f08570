"""``experimental=True``: keep one large request from stalling the others.

Large payloads are read, written, compressed and hashed outside the serving thread if greenlets share that thread. Large
JSON is read and written in pieces, between which the interpreter lets other threads run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..dispatch.facade import ServerFacade
from ..runtime.asynchronous import call_natively
from ..sansio_jsonrpc import Codec, IncrementalCodec, JsonLimits
from ..settings import Settings

__all__ = ["OffloadedCodec", "offload_methods"]

_PATCHED = ("_compressGZIP", "_uncompressGZIP", "_sha1", "_sha256")

# The largest expansion of deflate, in bytes per byte (zlib's technical details): the size of an expanded body is not
# known in advance.
_MOST_EXPANSION = 1032


class OffloadedCodec(Codec):
    """JSON by another codec for small payloads, and outside the serving thread for large ones.

    Args:
        codec: The other codec.
        limits: The limits on texts.
        large_bytes: The least size of a large payload.
    """

    def __init__(self, codec: Codec, *, limits: JsonLimits, large_bytes: int) -> None:
        self.writes_standard_form = codec.writes_standard_form
        self._codec = codec
        self._large = IncrementalCodec(codec, limits=limits, large_bytes=large_bytes)
        self._large_bytes = large_bytes

    def loads(self, data: bytes) -> Any:
        """See :meth:`Codec.loads`."""
        return self._codec.loads(data) if len(data) < self._large_bytes else call_natively(self._large.loads, data)

    def loads_literals(self, data: bytes) -> Any:
        """See :meth:`Codec.loads_literals`."""
        if len(data) < self._large_bytes:
            return self._codec.loads_literals(data)
        return call_natively(self._large.loads_literals, data)

    def dumps(self, value: Any) -> bytes:
        """See :meth:`Codec.dumps`."""
        if not self._large.is_large(value):
            return self._codec.dumps(value)
        written: bytes = call_natively(self._large.dumps, value)
        return written

    def convert(self, value: Any) -> Any:
        """See :meth:`Codec.convert`."""
        return self._codec.convert(value)


def offload_methods(server: ServerFacade, settings: Settings) -> None:
    """Replace the documented methods that compress and hash, so that large input does not block other requests.

    Args:
        server: The flaskJSONRPCServer.
        settings: Its settings, with the least size of large input.
    """
    for name in _PATCHED:
        expansion = _MOST_EXPANSION if name == "_uncompressGZIP" else 1
        setattr(server, name, offloaded(getattr(server, name), settings, expansion))


def offloaded(method: Callable[..., Any], settings: Settings, expansion: int) -> Callable[..., Any]:
    """Wrap a method of one payload to run in a native thread if the expanded payload may be large."""

    @functools.wraps(method)
    def method_or_native(payload: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(payload, (str, bytes)) or len(payload) * expansion < settings.experimental_min_bytes:
            return method(payload, *args, **kwargs)
        return call_natively(method, payload, *args, **kwargs)

    return method_or_native
