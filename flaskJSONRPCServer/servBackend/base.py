"""What a serving backend is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..errors import SettingsError

__all__ = ["CustomBackend", "ServBackend"]


class ServBackend(Protocol):
    """A serving backend: it speaks HTTP on one address and calls the WSGI application.

    Attributes:
        _id: Its name in messages.
        _supportGevent: Whether it can serve with ``gevent=True``.
        _supportNative: Whether it can serve without.
        _supportRawSocket: Whether the server opens the listening sockets, and hands each to ``start``.
        _supportTLS: Whether it serves with what :func:`~flaskJSONRPCServer.servBackend.tls.server_context` makes of
            ``server.settings.ssl``.
        _supportSSLContext: Whether ``ssl`` may be an :class:`ssl.SSLContext`, and not files alone.
    """

    _id: str
    _supportGevent: bool
    _supportNative: bool
    _supportRawSocket: bool
    _supportTLS: bool
    _supportSSLContext: bool

    def start(self, bindAdress: Any, wsgiApp: Any, server: Any, joinLoop: bool) -> Any:
        """Listen, and serve in the background.

        Args:
            bindAdress: With ``_supportRawSocket``, ``(ip or path, listening socket)``: it works on a duplicate, since
                the server closes its own before it calls ``stop``. Otherwise ``[ip, port]``, to listen on.
            wsgiApp: The WSGI callable.
            server: The flaskJSONRPCServer.
            joinLoop: Always False: the server itself waits where its caller asked for that.

        Returns:
            The running instance, which ``stop`` is given back. Its ``address``, if it has one, is shown to users.

        Raises:
            BindError: The address cannot be listened on.
            SettingsError: The files that ``ssl`` names cannot be used any more.
        """

    def stop(self, serverInstance: Any, serverIndex: int, server: Any, timeout: float) -> None:
        """Stop accepting, finish what is being answered, and free the address.

        Args:
            serverInstance: What ``start`` returned.
            serverIndex: Which of the server's addresses this is, from 0.
            server: The flaskJSONRPCServer.
            timeout: How long to wait for what is being answered, in seconds.
        """


class CustomBackend:
    """A user's backend: an object with the members of :class:`ServBackend`, or a dict with them as keys.

    Without a ``stop``, what it serves ends with its process. Without the flags, it serves with gevent and without, on
    addresses but not on sockets.

    Args:
        given: The object or dict.

    Raises:
        SettingsError: It lacks ``_id`` or ``start``.
    """

    def __init__(self, given: Any) -> None:
        members = given if isinstance(given, Mapping) else MembersOf(given)
        self._id = str(members.get("_id") or "")
        self._start = members.get("start")
        self._stop = members.get("stop")
        self._supportGevent = members.get("_supportGevent") is None or bool(members.get("_supportGevent"))
        self._supportNative = members.get("_supportNative") is None or bool(members.get("_supportNative"))
        self._supportRawSocket = bool(members.get("_supportRawSocket"))
        self._supportTLS = bool(members.get("_supportTLS"))
        self._supportSSLContext = members.get("_supportSSLContext") is None or bool(members.get("_supportSSLContext"))
        if not self._id or not callable(self._start):
            raise SettingsError(f"servBackend={given!r} is refused: a custom one has '_id' and a function 'start'")

    def start(self, bindAdress: Any, wsgiApp: Any, server: Any, joinLoop: bool) -> Any:
        """As :meth:`ServBackend.start`."""
        return self._start(bindAdress, wsgiApp, server, joinLoop)  # type: ignore[misc]

    def stop(self, serverInstance: Any, serverIndex: int, server: Any, timeout: float) -> None:
        """As :meth:`ServBackend.stop`."""
        if self._stop is not None:
            self._stop(serverInstance, serverIndex, server, timeout)


class MembersOf:
    """Reads an object's attributes as a dict's entries."""

    def __init__(self, owner: object) -> None:
        self._owner = owner

    def get(self, name: str) -> Any:
        return getattr(self._owner, name, None)
