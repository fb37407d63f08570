"""The classes of generated clients for Python, apart from the methods."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from .api import Api, ErrorClass
from .texts import docstring, python_literal

__all__ = ["BATCH", "PROPERTY", "constructor", "error_class", "errors_table", "filled", "server_class"]

_PLACE: Final = re.compile(r"__([A-Z]+?)__")

_ERROR: Final = """\
class __NAME__(__BASE__, registered=False):
__TEXT__
    ERROR_CODE = __CODE__
    ERROR_MESSAGE = __MESSAGE__
"""

_CONSTRUCTOR: Final = """\
    _ERRORS = ERRORS

    def __init__(self, url: str | __CLIENT____DEFAULT__, **options: Any) -> None:
        \"""Make a client.

        Args:
            url: The URL of the methods, or a client for it.
            options: The options of a new `__CLIENT__`.
        \"""
        super().__init__(url, **options)
"""

PROPERTY: Final = """\
    @property
    def __NAME__(self) -> __CLASS__:
        \"""__TEXT__\"""
        return __CLASS__(self._caller)
"""

BATCH: Final = """\
    def batch(self) -> __KIND__[__CLASS__]:
        \"""Collect the calls of a `__BLOCK__` block, and send them together at its end.\"""
        return self._batch(__CLASS__)
"""

_SERVER: Final = """\
class __PREFIX__Server(__PREFIX__ServerMethods):
__TEXT__
    def __init__(self, url: str__DEFAULT__, **options: Any) -> None:
        \"""Make the clients.

        Args:
            url: The URL before the paths.
            options: The options of each client.
        \"""
__CLIENTS__        super().__init__(__EVERY__)
"""


def filled(template: str, **values: str) -> str:
    """Return a template with values in its places. Places in the values are not filled."""
    return _PLACE.sub(lambda place: values.get(place[1], place[0]), template)


def error_class(error: ErrorClass) -> str:
    """Return the class of an error."""
    return filled(
        _ERROR,
        NAME=error.name,
        BASE="JsonRpcReservedError" if error.is_reserved else "JsonRpcApplicationError",
        TEXT=docstring(error.text or f"The error {error.code}.", "    "),
        CODE=str(error.code),
        MESSAGE=python_literal(error.message),
    )


def errors_table(errors: Sequence[ErrorClass]) -> str:
    """Return the table of the classes by their codes."""
    members = "".join(f"    {error.code}: {error.name},\n" for error in errors)
    table = f"{{\n{members}}}" if errors else "{}"
    return f"ERRORS: dict[int, type[JsonRpcException]] = {table}\n"


def constructor(url: str, client: str) -> str:
    """Return the constructor of a client; its URL has a default if the document has a whole one."""
    return filled(_CONSTRUCTOR, DEFAULT=default_of(url), CLIENT=client)


def server_class(api: Api, prefix: str) -> str:
    """Return the class of a server with several paths.

    Args:
        api: The methods.
        prefix: ``Async`` or nothing.
    """
    clients = [
        f"        self.{group.identifier} = {prefix}{group.scope.class_name}"
        f"(joined(url, {python_literal(group.url[len(api.base_url) :])}), **options)\n"
        for group in api.groups
    ]
    text = "\n\n".join(filter(None, ["The clients of all paths of the server.", api.text]))
    return filled(
        _SERVER,
        PREFIX=prefix,
        TEXT=docstring(text, "    "),
        DEFAULT=default_of(api.base_url),
        CLIENTS="".join(clients),
        EVERY=", ".join(f"self.{group.identifier}" for group in api.groups),
    )


def default_of(url: str) -> str:
    return f" = {python_literal(url)}" if "://" in url else ""
