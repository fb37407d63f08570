"""Servers for one test: on a free port, or without a socket."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

from ..client import Client
from ..dispatch.routes import format_path
from ..errors import RegistrationError, unknown_name
from ..inspection import read_signature
from ..server import flaskJSONRPCServer

__all__ = ["ServedServer", "in_process", "served"]

_HOST: Final = "127.0.0.1"

ServerSource = Any
"""A server, or a function that registers methods on the server that it is called with."""

# The longest wait for running calls at the end of a test, in seconds; guessed.
_STOP_S: Final = 5.0


class ServedServer:
    """A server that runs on a free port.

    Args:
        server: The server.
        path: The path of its methods.
        client_options: The options of its client.

    Attributes:
        server: The server.
        url: The URL of its methods.
    """

    def __init__(self, server: flaskJSONRPCServer, path: str, **client_options: Any) -> None:
        self.server = server
        self.url = f"{server.urls[0].rstrip('/')}{path}"
        self._client_options = client_options
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """A client of the server."""
        if self._client is None:
            self._client = Client(self.url, **self._client_options)
        return self._client

    def close(self) -> None:
        """Close the client."""
        if self._client is not None:
            self._client.close()


@contextlib.contextmanager
def served(source: ServerSource, path: str | None = None, **client_options: Any) -> Iterator[ServedServer]:
    """Run a server on a free port of 127.0.0.1 in the block.

    Args:
        source: A server that does not run, or a function that registers methods on a server.
        path: The path of the methods to call. None if the server has one path.
        client_options: Options of the client, such as `auth`.

    Raises:
        RegistrationError: The server has several paths, and none is chosen.
    """
    server = server_of(source)
    with contextlib.ExitStack() as undo:
        undo.enter_context(bound_to_loopback(server))
        server.start()
        undo.callback(server.stop, timeout=_STOP_S)
        running = ServedServer(server, path_of(server, path), **client_options)
        undo.callback(running.close)  # before the server, which would wait for the connections
        yield running


@contextlib.contextmanager
def in_process(source: Any, path: str | None = None, **client_options: Any) -> Iterator[Client]:
    """Call a server in this process in the block, without a socket.

    Args:
        source: A server, a function that registers methods on a server, or an application of Flask or of WSGI in
            which a server is mounted.
        path: The path of the methods to call. None if the server has one path; of an application, the root.
        client_options: Options of the client, such as `auth`.

    Raises:
        RegistrationError: The server has several paths, and none is chosen.
        TypeError: The source is none of these.
    """
    if is_application(source):
        with Client(source, path=path, **client_options) as client:
            yield client
        return
    server = server_of(source)
    try:
        with Client(server, path=path_of(server, path), **client_options) as client:
            yield client
    finally:
        end_calls(server)


def end_calls(server: flaskJSONRPCServer) -> None:
    """Stop the exec backends and the event loop of a server that calls in this process have started."""
    if not server._lifecycle.is_running:
        server.stop(timeout=_STOP_S)


@contextlib.contextmanager
def bound_to_loopback(server: flaskJSONRPCServer) -> Iterator[None]:
    """Give a server a free port of 127.0.0.1 in the block, and its own addresses back afterwards."""
    if not server._lifecycle.is_running:
        server._engine.release()  # clients in this process may have used it, which fixes its settings
    settings = server.settings
    own = settings.bindAdress, settings.multipleAdress
    settings.bindAdress, settings.multipleAdress = [_HOST, 0], False
    try:
        yield
    finally:
        settings.bindAdress, settings.multipleAdress = own


def server_of(source: ServerSource) -> flaskJSONRPCServer:
    """Return a server, or a new one on which a function has registered its methods.

    Raises:
        TypeError: The source is neither.
    """
    if isinstance(source, flaskJSONRPCServer):
        return source
    if not callable(source) or isinstance(source, type):
        raise TypeError(
            f"{source!r} is of type {type(source).__name__!r}; it takes a flaskJSONRPCServer, "
            "or a function that registers methods on the server that it is called with"
        )
    server = flaskJSONRPCServer(None, log=0)
    source(server)
    return server


def path_of(server: flaskJSONRPCServer, path: str | None) -> str:
    """Return the path of a URL.

    Raises:
        RegistrationError: The server does not have the path, or has several, and none is chosen.
    """
    paths = server._engine.router.table.paths()
    if path is None and len(paths) != 1:
        raise RegistrationError(f"the server has the paths {', '.join(paths) or '(none)'}; choose one by path=")
    chosen = paths[0] if path is None else format_path(path)
    if chosen not in paths:
        raise RegistrationError(unknown_name("path", chosen, paths))
    return chosen if chosen == "/" else chosen.rstrip("/")


def is_application(source: Any) -> bool:
    """Return whether an object is called as WSGI applications are: with an environ and a function."""
    if isinstance(source, (flaskJSONRPCServer, type)) or not callable(source):
        return False
    try:
        read_signature(source).bind({}, lambda: None)
    except (TypeError, ValueError):
        return False
    return True
