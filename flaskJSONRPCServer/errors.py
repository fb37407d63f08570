"""The exceptions that the package raises for its users.

    ServerError
    ├── RegistrationError     also a ValueError: a dispatcher, middleware, exception, name or path cannot be registered
    ├── SettingsError         also a ValueError: an option has an invalid value
    ├── ServerStateError      also a RuntimeError: a valid call at the wrong time
    ├── UnsupportedError      also a NotImplementedError: a combination of options is not supported
    ├── MissingExtraError     also an ImportError: an optional dependency is not installed
    ├── BindError             also an OSError: the server cannot listen on an address
    ├── ContractError         also a ValueError: an OpenRPC document cannot be read
    │    └── BreakingChangeError   a reload would break callers
    └── ExampleError          also an AssertionError: an example of a method is wrong

The errors for clients are in :mod:`flaskJSONRPCServer.sansio_jsonrpc` (JSON-RPC errors) and in
:mod:`flaskJSONRPCServer.http.refusals` (HTTP statuses).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BindError",
    "BreakingChangeError",
    "ContractError",
    "ExampleError",
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
    """Base class of all errors of the package."""


class RegistrationError(ServerError, ValueError):
    """A dispatcher, middleware, mapped exception, name or path cannot be registered. The message says which and why."""


class SettingsError(ServerError, ValueError):
    """An option has an invalid value. The message names the option, the value and the accepted values."""


class ServerStateError(ServerError, RuntimeError):
    """The call is invalid at this time, such as starting a running server or changing a setting after the start."""


class UnsupportedError(ServerError, NotImplementedError):
    """The options are not supported in this combination or with this backend."""


class MissingExtraError(ServerError, ImportError):
    """A required optional dependency is not installed. The message has the pip command."""


class ContractError(ServerError, ValueError):
    """An OpenRPC document, or a schema in it, is malformed. The message says where, and names the accepted values."""


class BindError(ServerError, OSError):
    """The server cannot listen on an address. The message names it and the remedy; ``errno`` is the system's."""


class BreakingChangeError(ContractError):
    """A reload was refused because its dispatchers would break callers. The message lists the changes."""


class ExampleError(ServerError, AssertionError):
    """Examples of methods do not give the results that they show. The message lists them."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Return the error message for an unknown name, with the closest known one.

    All known names are listed if they are few.

    >>> unknown_name("exec backend", "treaded", ["simple", "threaded"])
    "unknown exec backend 'treaded'; did you mean 'threaded'? Known: simple, threaded"
    """
    names = sorted(known)
    parts = [f"unknown {kind} {name!r}"]
    by_lower = {known_name.lower(): known_name for known_name in names}
    near = [by_lower[match] for match in difflib.get_close_matches(str(name).lower(), by_lower, n=1)]
    if near:
        parts.append(f"did you mean {near[0]!r}?")
    if len(names) > _MOST_LISTED:
        return "; ".join(parts)
    listed = ", ".join(names)
    return f"{'; '.join(parts)} Known: {listed}" if near else f"{parts[0]}; known: {listed}"
