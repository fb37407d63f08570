"""The contract of a serving backend, and the adapter for backends of the user."""

from __future__ import annotations

from typing import Any, Protocol

from ..dispatch.facade import ServerFacade
from ..errors import SettingsError
from ..runtime.members import member_of

__all__ = ["CustomBackend", "ServBackend"]


class ServBackend(Protocol):
    """A serving backend: it speaks HTTP on one address and calls the WSGI application.

    Attributes:
        _id: The name of the backend in messages.
        _supportGevent: Whether it can serve with ``gevent=True``.
        _supportNative: Whether it can serve without gevent.
        _supportRawSocket: Whether the server opens the listening sockets and passes each to ``start``.
        _supportTLS: Whether it serves with the context that
            :func:`~flaskJSONRPCServer.servBackend.tls.server_context` returns for ``server.settings.ssl``.
        _supportSSLContext: Whether ``ssl`` may be an :class:`ssl.SSLContext`, not only files.
    """

    _id: str
    _supportGevent: bool
    _supportNative: bool
    _supportRawSocket: bool
    _supportTLS: bool
    _supportSSLContext: bool

    def start(self, bindAdress: Any, wsgiApp: Any, server: ServerFacade, joinLoop: bool) -> Any:
        """Listen, and serve in the background.

        Args:
            bindAdress: With ``_supportRawSocket``, ``(ip or path, listening socket)``. The backend works on a duplicate
                of the socket, since the server closes its own before it calls ``stop``. Otherwise ``[ip, port]``, to
                listen on.
            wsgiApp: The WSGI callable.
            server: The flaskJSONRPCServer.
            joinLoop: Always False: the server itself waits if its caller asked for that.

        Returns:
            The running instance, which is passed to ``stop``. If it has an ``address``, users see that.

        Raises:
            BindError: The address cannot be listened on.
            SettingsError: The files that ``ssl`` names cannot be used any more.
        """

    def stop(self, serverInstance: Any, serverIndex: int, server: ServerFacade, timeout: float) -> None:
        """Stop accepting, finish the requests that are being answered, and free the address.

        If Ctrl-C interrupts the caller, this is called again with a timeout of 0, while the first call may still wait.

        Args:
            serverInstance: The instance that ``start`` returned.
            serverIndex: The index of the address among those of the server, from 0.
            server: The flaskJSONRPCServer.
            timeout: How long to wait for the requests, in seconds.
        """


class CustomBackend:
    """Adapts a backend of the user: an object with the members of :class:`ServBackend`, or a dict with them as keys.

    A backend without a ``stop`` serves until its process ends. Without the flags, it serves with gevent and without,
    on addresses but not on sockets.

    Args:
        backend: The object or dict.

    Raises:
        SettingsError: The backend lacks ``_id`` or ``start``.
    """

    def __init__(self, backend: Any) -> None:
        self._id = str(member_of(backend, "_id") or "")
        self._start = member_of(backend, "start")
        self._stop = member_of(backend, "stop")
        self._supportGevent = flag_of(backend, "_supportGevent", default=True)
        self._supportNative = flag_of(backend, "_supportNative", default=True)
        self._supportRawSocket = flag_of(backend, "_supportRawSocket", default=False)
        self._supportTLS = flag_of(backend, "_supportTLS", default=False)
        self._supportSSLContext = flag_of(backend, "_supportSSLContext", default=True)
        if not self._id or not callable(self._start):
            raise SettingsError(f"servBackend={backend!r} is refused: a custom one has '_id' and a function 'start'")

    def start(self, bindAdress: Any, wsgiApp: Any, server: ServerFacade, joinLoop: bool) -> Any:
        """As :meth:`ServBackend.start`."""
        return self._start(bindAdress, wsgiApp, server, joinLoop)

    def stop(self, serverInstance: Any, serverIndex: int, server: ServerFacade, timeout: float) -> None:
        """As :meth:`ServBackend.stop`."""
        if self._stop is not None:
            self._stop(serverInstance, serverIndex, server, timeout)


def flag_of(backend: Any, name: str, *, default: bool) -> bool:
    flag = member_of(backend, name)
    return default if flag is None else bool(flag)
