"""Compress answers with gzip if the client accepts it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from werkzeug.datastructures import Accept

__all__ = ["accepts_gzip", "compress"]

# zlib's own default: level 9 takes several times as long for a few percent.
_LEVEL = 6


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding header prefers gzip to no coding.

    Source: RFC 9110, section 12.5.3. A header that names neither gzip nor ``*`` does not accept gzip; a quality of 0
    forbids it.
    """
    from werkzeug.datastructures import Accept
    from werkzeug.http import parse_accept_header

    accepted = parse_accept_header(accept_encoding, Accept)
    gzip_quality = quality(accepted, "gzip")
    return gzip_quality > 0 and gzip_quality >= explicit_quality(accepted, "identity", default=0)


def quality(accepted: Accept, coding: str) -> float:
    return explicit_quality(accepted, coding, default=explicit_quality(accepted, "*", default=0))


def explicit_quality(accepted: Accept, coding: str, *, default: float) -> float:
    return next((quality for name, quality in accepted if name.lower() == coding), default)


def compress(body: bytes) -> bytes:
    """Compress to one gzip member. Equal input gives equal output."""
    return gzip.compress(body, compresslevel=_LEVEL, mtime=0)
