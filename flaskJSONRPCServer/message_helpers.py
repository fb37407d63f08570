"""The documented helpers that read and write messages: the same in the server and in a child process of it.

They are below the exec backends, because the server's stand-in in a child process of the exec backend ``parallel`` has
them too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .dispatch.connection import ABOUT
from .dispatch.overrides import parsed_request, prepared_response
from .dispatch.routes import format_path
from .helpers import ProcessHelpers
from .http import gzip
from .http.body import gunzip
from .http.json_types import to_json_type
from .http.response import calculated_type, compressed
from .runtime.logs import split_level
from .sansio_jsonrpc import Codec, encode_object
from .settings import Settings

__all__ = ["MessageHelpers"]


class MessageHelpers(ProcessHelpers):
    """One statement for each helper; the work is done in ``dispatch``, ``http`` and ``sansio_jsonrpc``.

    A class that has them overrides ``_codec``, the codec of ``jsonBackend``.

    Attributes:
        settings: The settings of the server.
    """

    settings: Settings

    aboutMagicVarForDispatcher = ABOUT
    """The fields of the magic variable, described as text."""

    @property
    def _codec(self) -> Codec:
        raise NotImplementedError

    @property
    def setts(self) -> Settings:
        """The settings, under their short name."""
        return self.settings

    def _formatPath(self, path: str = "") -> str:
        """Return the path with a slash at both ends; see :func:`~flaskJSONRPCServer.dispatch.routes.format_path`."""
        return format_path(path)

    def _parseRequest(self, data: str | bytes) -> tuple[bool, Any]:
        """Parse the text of a request, and return ``(status, requests)``.

        See :func:`~flaskJSONRPCServer.dispatch.overrides.parsed_request`.
        """
        return parsed_request(self._parseJSON, data, max_batch_length=self.settings.max_batch_length)

    def _prepResponse(self, data: Mapping[str, Any], isError: bool = False) -> dict[str, Any]:
        """Return a response object; see :func:`~flaskJSONRPCServer.dispatch.overrides.prepared_response`."""
        return prepared_response(data, is_error=isError)

    def _calcMimeType(self, request: Any) -> str:
        """Return the media type of the answer to a Flask or Werkzeug request."""
        return calculated_type(request)

    def _fixJSON(self, o: Any) -> Any:
        """Return the JSON form of a value that JSON has no type for; override it for your own types.

        See :func:`~flaskJSONRPCServer.http.json_types.to_json_type`.
        """
        return to_json_type(o)

    def _parseJSON(self, data: str | bytes) -> Any:
        """Parse a JSON text by the ``jsonBackend``, under the limits of the settings, and return its value."""
        return self._codec.loads(data.encode() if isinstance(data, str) else data)

    def _serializeJSON(self, data: Any) -> str:
        """Return a value as JSON text, written by the ``jsonBackend``."""
        return encode_object(self._codec, data).decode()

    def _compressGZIP(self, data: str | bytes) -> bytes:
        """Compress data with gzip; see :func:`~flaskJSONRPCServer.http.gzip.compress`."""
        return gzip.compress(data.encode() if isinstance(data, str) else data)

    def _compressResponse(self, resp: Any) -> Any:
        """Compress a Flask or Werkzeug response in place, and return it.

        See :func:`~flaskJSONRPCServer.http.response.compressed`.
        """
        return compressed(resp, self._compressGZIP)

    def _uncompressGZIP(self, data: bytes) -> bytes:
        """Decompress gzip data under ``max_body_bytes``; see :func:`~flaskJSONRPCServer.http.body.gunzip`."""
        return gunzip(data, limit_bytes=self.settings.max_body_bytes)

    def _loggerPrep(self, level: Any, args: Iterable[Any]) -> tuple[int, list[Any]]:
        """Return the level and the parts of a message; a message without a level is critical."""
        return split_level(level, args)
