"""The files of the console: read once, compressed once, each with a strong entity tag."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .condensing import condensed_script, condensed_style
from .joining import joined_scripts

__all__ = ["INDEX", "StaticFile", "read_files"]

INDEX = "index.html"
"""The name of the page."""

_FOLDER = Path(__file__).with_name("static")

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_ENTRY = "app.js"

# Modules that are files of their own: the dashboard is loaded when it is opened, and shares one with the rest.
_APART = ("dashboard.js", "dom.js")

# A browser would load the rest for nothing.
_CONDENSE = {".css": condensed_style, ".js": condensed_script}

# The best one: a file is compressed once in the life of a process.
_LEVEL = 9


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is sent.

    Attributes:
        media_type: Its Content-Type.
        body: Its bytes.
        compressed: The same under gzip.
        tag: The strong entity tag of ``body`` (RFC 9110, section 8.8.3).
        compressed_tag: That of ``compressed``. Strong tags of two encodings differ.
    """

    media_type: str
    body: bytes
    compressed: bytes
    tag: str
    compressed_tag: str

    @classmethod
    def of(cls, body: bytes, media_type: str) -> StaticFile:
        """Return the file with this content."""
        digest = hashlib.sha256(body).hexdigest()[:32]
        compressed = gzip.compress(body, compresslevel=_LEVEL, mtime=0)
        return cls(media_type, body, compressed, f'"{digest}"', f'"{digest}-gzip"')


@cache
def read_files() -> dict[str, StaticFile]:
    """Return the files of the console by their names; those in folders by their paths, such as ``vendor/x.js``."""
    joined = [path for path in _FOLDER.glob("*.js") if path.name not in _APART]
    sent = [path for path in sorted(_FOLDER.rglob("*")) if path.suffix in _MEDIA_TYPES and path not in joined]
    files = {path.relative_to(_FOLDER).as_posix(): file_of(path.suffix, content_of(path)) for path in sent}
    script = joined_scripts({path.name: path.read_text(encoding="utf-8") for path in joined}, _ENTRY)
    return {**files, _ENTRY: file_of(".js", condensed_script(script).encode())}


def file_of(suffix: str, body: bytes) -> StaticFile:
    return StaticFile.of(body, _MEDIA_TYPES[suffix])


def content_of(path: Path) -> bytes:
    """Return the bytes of a file as they are sent."""
    condense = _CONDENSE.get(path.suffix)
    if condense is None or path.parent != _FOLDER:  # a library's comment names its licence
        return path.read_bytes()
    return condense(path.read_text(encoding="utf-8")).encode()


def with_replaced(file: StaticFile, replace: Callable[[str], str]) -> StaticFile:
    """Return a file with another text."""
    return StaticFile.of(replace(file.body.decode()).encode(), file.media_type)
