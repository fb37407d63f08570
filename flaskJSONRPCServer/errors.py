"""The exceptions that a user of the package can meet.

    ServerError
    ├── RegistrationError     also a ValueError: a dispatcher, a name or a path that cannot be registered
    ├── SettingsError         also a ValueError: an option with a value that it cannot have
    ├── ServerStateError      also a RuntimeError: the right call at the wrong time
    ├── UnsupportedError      also a NotImplementedError: a combination that cannot be served
    ├── MissingExtraError     also an ImportError: an optional dependency that is not installed
    └── BindError             also an OSError: an address that cannot be listened on

What a client is told comes from :mod:`flaskJSONRPCServer.sansio_jsonrpc` (inside JSON-RPC) and from
:mod:`flaskJSONRPCServer.http.refusals` (before it, as an HTTP status).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BindError",
    "MissingExtraError",
    "RegistrationError",
    "ServerError",
    "ServerStateError",
    "SettingsError",
    "UnsupportedError",
    "unknown_name",
]


_MOST_LISTED = 10


class ServerError(Exception):
    """Base of all errors that the package raises on its own account."""


class RegistrationError(ServerError, ValueError):
    """A dispatcher, a name or a path cannot be registered. The message says which and why."""


class SettingsError(ServerError, ValueError):
    """An option has a value that it cannot have. The message names the option, the value and what is accepted."""


class ServerStateError(ServerError, RuntimeError):
    """The call is right but not now: a start of a running server, a setting changed after the start."""


class UnsupportedError(ServerError, NotImplementedError):
    """The options exist, but not in this combination or not with this backend."""


class MissingExtraError(ServerError, ImportError):
    """An optional dependency is asked for and not installed. The message holds the pip command."""


class BindError(ServerError, OSError):
    """The address cannot be listened on. The message names it and the remedy; ``errno`` is the system's."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Word the error for a name that is not among the known ones, with the nearest of them.

    All known names are listed where there are few enough to read.

    >>> unknown_name("exec backend", "treaded", ["simple", "threaded"])
    "unknown exec backend 'treaded'; did you mean 'threaded'? Known: simple, threaded"
    """
    names = sorted(known)
    parts = [f"unknown {kind} {name!r}"]
    by_lower = {each.lower(): each for each in names}
    near = [by_lower[each] for each in difflib.get_close_matches(str(name).lower(), by_lower, n=1)]
    if near:
        parts.append(f"did you mean {near[0]!r}?")
    if len(names) > _MOST_LISTED:
        return "; ".join(parts)
    listed = ", ".join(names)
    return f"{'; '.join(parts)} Known: {listed}" if near else f"{parts[0]}; known: {listed}"
