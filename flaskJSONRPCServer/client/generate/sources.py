"""Read the document that a client is generated from: from a server, from a file or from standard input."""

from __future__ import annotations

import http.client
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ..transports.proxies import basic
from ..transports.urls import shown
from .reading import DocumentError

__all__ = ["is_url", "read_file", "read_url"]

_TIMEOUT_S: Final = 30
_MOST_BYTES: Final = 64 * 1024 * 1024
_DISCOVER: Final = b'{"jsonrpc": "2.0", "method": "rpc.discover", "id": 1}'


def is_url(source: str) -> bool:
    """Return whether a source is the URL of a server or of a document."""
    return source.startswith(("http://", "https://"))


def read_file(name: str) -> Any:
    """Return the JSON value in a file; ``-`` is standard input.

    Raises:
        DocumentError: It cannot be read, or is not JSON.
    """
    try:
        text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as exc:
        raise DocumentError(f"{name} cannot be read: {exc.strerror}") from exc
    return parsed(text, name)


def read_url(url: str, headers: Mapping[str, str]) -> Any:
    """Return the document of a server.

    A URL that ends with ``.json`` is that of a document. At any other URL, a server is asked by ``rpc.discover``; if it
    answers with an error, the document may be at ``openrpc.json`` below.

    Raises:
        DocumentError: There is no document.
    """
    if url.partition("?")[0].endswith(".json"):
        return parsed(fetched(url, headers, None), shown(url))
    try:
        answer = parsed(fetched(url, headers, _DISCOVER), shown(url))
    except DocumentError:
        answer = None
    if isinstance(answer, dict) and isinstance(answer.get("result"), dict):
        return answer["result"]
    document = f"{url.rstrip('/')}/openrpc.json"
    return parsed(fetched(document, headers, None), shown(document))


def fetched(url: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Return the body of an answer.

    Raises:
        DocumentError: There is none, or it is too large.
    """
    sent = {**headers, "Accept": "application/json", **({"Content-Type": "application/json"} if body else {})}
    try:
        plain_url, authorization = without_user(url)
        # is_url() lets only HTTP through.
        request = urllib.request.Request(plain_url, body, authorization | sent)  # noqa: S310
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310  # nosec B310
            text: bytes = answer.read(_MOST_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as exc:  # URLError is an OSError
        raise DocumentError(f"{shown(url)} cannot be read: {exc}") from exc
    if len(text) > _MOST_BYTES:
        raise DocumentError(f"{shown(url)} has more than {_MOST_BYTES} bytes")
    return text


def without_user(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL without its name and password, and the header fields that take their place."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, {}
    plain_url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return plain_url, {"Authorization": basic(unquote(parts.username), unquote(parts.password or ""))}


def parsed(text: bytes, source: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise DocumentError(f"{source} is not JSON: {exc}") from exc
