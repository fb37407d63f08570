"""Generate typed clients from OpenRPC documents.

A document is data of a stranger. Its names become identifiers, its texts literals and comments, and nothing of it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .api import Api, Language
from .python_module import python_module
from .python_names import PYTHON
from .reading import DocumentError, read_api
from .script_module import javascript_module, served_module, typescript_module
from .script_names import SCRIPT

__all__ = ["LANGUAGES", "DocumentError", "generate", "generate_served"]

GENERATOR: Final = "flaskJSONRPCServer"

_WRITERS: Final[dict[str, tuple[Language, Callable[[Api, str], str]]]] = {
    "python": (PYTHON, python_module),
    "typescript": (SCRIPT, typescript_module),
    "javascript": (SCRIPT, javascript_module),
}

LANGUAGES: Final = tuple(_WRITERS)
"""The names of the languages."""


def generate_served(document: Any, version: str, base: str) -> str:
    """Return the source of a client in JavaScript, for pages that load it from the server of the methods.

    Args:
        document: The OpenRPC document as JSON values, with URLs that begin with a slash.
        version: The version of the package.
        base: The way from the URL of the module to that before the URLs of the methods, such as ``..``.

    Raises:
        DocumentError: As with `generate`.
    """
    return served_module(read_api(document, SCRIPT), f"{GENERATOR} {version}", base)


def generate(document: Any, language: str, version: str, path: str | None = None) -> str:
    """Return the source of a client: the same for the same document.

    Args:
        document: The OpenRPC document as JSON values.
        language: One of `LANGUAGES`.
        version: The version of the package.
        path: Only the methods of this path, such as ``/api``.

    Raises:
        DocumentError: It is no OpenRPC document, or has no methods, or none on this path.
    """
    words, write = _WRITERS[language]
    return write(read_api(document, words, path), f"{GENERATOR} {version}")
