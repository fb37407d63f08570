"""What ``experimental=True`` adds: one large request does not stall the others.

Reading, writing, compressing and hashing a large payload leaves the serving thread where that thread is shared, as
under gevent; and JSON is read and written in pieces, between which the interpreter lets other threads run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..runtime.asynchronous import call_natively
from ..sansio_jsonrpc import Codec, IncrementalCodec, JsonLimits
from ..settings import Settings

__all__ = ["OffloadedCodec", "patch"]

_PATCHED = ("_compressGZIP", "_uncompressGZIP", "_sha1", "_sha256")

# Deflate makes at most so many bytes of one (zlib's technical details): what a body becomes is not told before.
_MOST_EXPANSION = 1032


class OffloadedCodec(Codec):
    """JSON by another codec as long as it is small, and else beside the other requests.

    Args:
        codec: The other one.
        limits: What a text may ask for.
        large_bytes: From how many bytes on a payload is large.
    """

    def __init__(self, codec: Codec, *, limits: JsonLimits, large_bytes: int) -> None:
        self.writes_standard_form = codec.writes_standard_form
        self._codec = codec
        self._patient = IncrementalCodec(codec, limits=limits, large_bytes=large_bytes)
        self._large_bytes = large_bytes

    def loads(self, data: bytes) -> Any:
        """See :meth:`Codec.loads`."""
        return self._codec.loads(data) if len(data) < self._large_bytes else call_natively(self._patient.loads, data)

    def loads_literals(self, data: bytes) -> Any:
        """See :meth:`Codec.loads_literals`."""
        if len(data) < self._large_bytes:
            return self._codec.loads_literals(data)
        return call_natively(self._patient.loads_literals, data)

    def dumps(self, value: Any) -> bytes:
        """See :meth:`Codec.dumps`."""
        if not self._patient.is_large(value):
            return self._codec.dumps(value)
        written: bytes = call_natively(self._patient.dumps, value)
        return written

    def convert(self, value: Any) -> Any:
        """See :meth:`Codec.convert`."""
        return self._codec.convert(value)


def patch(server: Any, settings: Settings) -> None:
    """Let the documented methods that compress and hash do so beside the other requests, where their input is large.

    Args:
        server: The flaskJSONRPCServer.
        settings: Its settings, which say what is large.
    """
    for name in _PATCHED:
        expansion = _MOST_EXPANSION if name == "_uncompressGZIP" else 1
        setattr(server, name, offloaded(getattr(server, name), settings, expansion))


def offloaded(method: Callable[..., Any], settings: Settings, expansion: int) -> Callable[..., Any]:
    """Return a method of one payload that runs beside the other requests if that may be large, once expanded."""

    @functools.wraps(method)
    def method_or_native(payload: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(payload, (str, bytes)) or len(payload) * expansion < settings.experimental_min_bytes:
            return method(payload, *args, **kwargs)
        return call_natively(method, payload, *args, **kwargs)

    return method_or_native
