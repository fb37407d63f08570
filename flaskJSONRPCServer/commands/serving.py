"""The command ``serve``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ..configuration import ConfigurationError, configured_by, parse_address, read
from ..errors import BindError, ServerError
from ..hangup import ModuleReload
from ..runtime.progress import progress
from ..servBackend.activation import inherited_socket, systemd_sockets
from ..server import flaskJSONRPCServer
from .errors import CommandError
from .finding import find_server

__all__ = ["serve"]


def serve(target: str, bind: Sequence[str] | None, serv_backend: str | None, config: str | None = None) -> None:
    """Run a server until a signal ends it; on SIGHUP, load its module again.

    Args:
        target: The server, as ``MODULE[:SERVER]``.
        bind: Addresses that replace its own.
        serv_backend: A serving backend that replaces its own.
        config: A TOML file of settings.

    Raises:
        CommandError: There is no server, or it cannot be started.
    """
    addresses = [address for text in bind or () for address in read_addresses(text)]
    try:
        with configured_by(read(config)), progress(f"loading {target}"):
            server = find_server(target, "serve")
    except ConfigurationError as exc:
        raise CommandError(exc) from exc

    def current() -> flaskJSONRPCServer:
        return cast("flaskJSONRPCServer", server._lifecycle.facade)  # SIGHUP may have replaced it

    def find_configured() -> flaskJSONRPCServer:
        new = find_server(target, "serve")
        if new is not server._lifecycle.facade:
            configure(new, addresses, serv_backend)
        return new

    started: list[flaskJSONRPCServer] = []
    try:
        configure(server, addresses, serv_backend)
        server._lifecycle.on_hangup = ModuleReload(
            server._lifecycle, target.partition(":")[0], find_configured, lambda: configured_by(read(config))
        )
        server._lifecycle.around_stop = lambda: progress(lambda: stopping(current()))
        server.serveForever(on_start=lambda server: started.append(announced(server)))
    except ServerError as exc:
        if started:
            raise
        raise CommandError(exc.strerror if isinstance(exc, BindError) else exc) from exc


def stopping(server: flaskJSONRPCServer) -> str:
    """Return what the stop of a server waits for."""
    running = server._engine.stats.report(in_ms=False)["processingRequestCount"]
    return f"stopping {server.name!r}: {running} request{'s' * (running != 1)} to be answered; Ctrl-C ends it at once"


def announced(server: flaskJSONRPCServer) -> flaskJSONRPCServer:
    """Print the addresses of a server, if its backend knows them, and return the server."""
    urls = server._lifecycle.urls
    print(f"serving {server.name!r}", *(["on", *urls] if urls else []), flush=True)
    return server


def configure(server: flaskJSONRPCServer, addresses: list[Any], serv_backend: str | None) -> None:
    """Set the addresses and the serving backend of a server that has not been started.

    Raises:
        SettingsError, ServerStateError: The settings cannot be set.
        CommandError: There is no address.
    """
    settings = server.settings
    if serv_backend is not None:
        settings.servBackend = serv_backend
    if addresses:
        settings.multipleAdress = len(addresses) > 1
        settings.bindAdress = addresses if settings.multipleAdress else addresses[0]
    if settings.bindAdress is None:
        raise CommandError(
            f"server {server.name!r} has bindAdress=None; give an address by --bind, FJRPC_BIND_ADRESS or --config"
        )


def read_addresses(text: str) -> list[Any]:
    """Parse a value of ``--bind``: an address, ``fd://N``, or ``systemd``, which may give several.

    Raises:
        CommandError: The text is no address, or the process has not inherited the socket.
    """
    number = text.removeprefix("fd://")
    try:
        if text == "systemd":
            return [*systemd_sockets()]
        if number != text and number.isascii() and number.isdecimal():
            return [inherited_socket(int(number))]
    except BindError as exc:
        raise CommandError(f"--bind {text!r}: {exc.strerror}") from exc
    return [read_address(text)]


def read_address(text: str) -> list[Any] | str:
    """Parse ``HOST:PORT``, ``[IPV6]:PORT``, ``unix:PATH``, or a path with a slash, to a value for ``bindAdress``.

    Raises:
        CommandError: The text is none of these.
    """
    address = parse_address(text)
    if address is None:
        raise CommandError(
            f"--bind {text!r} is no address; it takes HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:8080, "
            "[IPV6]:PORT, unix:PATH, fd://N, or systemd"
        )
    return address
