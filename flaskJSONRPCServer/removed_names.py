"""Removed names of earlier versions, each with its replacement."""

from __future__ import annotations

from typing import Final

__all__ = ["OPTIONS", "SERV_BACKENDS", "remedy_for_attribute"]

OPTIONS: Final[dict[str, str]] = {
    "flaskAppName": "the Flask application has the name of the server; give name=",
    "ipAndPort": "it is called bindAdress, with an address [ip, port]",
}
"""Removed options of the constructor."""

SERV_BACKENDS: Final[dict[str, str]] = {
    "wsgiex": "it came with the old server; 'auto' takes the server's own, 'native'",
    "cheroot": "it is no longer there; 'native' does what it did, and 'auto' takes that",
}
"""Removed serving backends."""

_ATTRIBUTES: Final[dict[str, str]] = {
    "postprocessAdd": "flaskApp.after_request() does that, or a WSGI middleware around getWSGI()",
    "utils": "the helpers are methods of the server, such as server._sha1()",
}


def remedy_for_attribute(name: str) -> str | None:
    """Return the replacement for a removed attribute of the server; None for a name that it never had."""
    return _ATTRIBUTES.get(name.partition("_")[0])
