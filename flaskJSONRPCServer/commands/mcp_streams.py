"""The command ``mcp``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, BinaryIO

from ..configuration import configured_by, read
from ..errors import ServerError
from ..runtime.concurrency import lines_of
from ..server import flaskJSONRPCServer
from .errors import CommandError
from .finding import find_server

if TYPE_CHECKING:
    from ..mcp.public import McpEndpoint

__all__ = ["serve_streams"]

# How long the exec backends may take to stop, in seconds; guessed.
_STOP_S = 1.0


class UnreadError(CommandError):
    """The client has stopped reading."""

    status = 1


def serve_streams(target: str, endpoint: str | None, config: str | None = None) -> None:
    """Answer one client over the standard streams, until the input ends or SIGINT comes.

    Args:
        target: The server, as ``MODULE[:SERVER]``.
        endpoint: The path of the endpoint; None for the only one.
        config: A TOML file of settings.

    Raises:
        CommandError: There is no server, no such endpoint, or no standard input.
        UnreadError: The client has stopped reading, and some messages were not written.
    """
    has_written = True
    with messages_only() as (lines, write):
        try:
            with configured_by(read(config)):
                server = find_server(target, "mcp")
        except ServerError as exc:
            raise CommandError(exc) from exc
        found = find_endpoint(server, endpoint)
        app = server._engine.mounts.users_app()
        try:
            with suppress(KeyboardInterrupt):
                has_written = found.serve_lines(lines_of(lines), write, nullcontext if app is None else app.app_context)
        finally:
            server._engine.exec_backends.stop(_STOP_S)
    if not has_written:
        raise UnreadError("the client has stopped reading, and has not got all messages")


def find_endpoint(server: flaskJSONRPCServer, path: str | None) -> McpEndpoint:
    """Return an endpoint of a server.

    Raises:
        CommandError: There is none, or there are several and none is chosen.
    """
    endpoints = {endpoint.path: endpoint for endpoint in server._engine.services.mcp_endpoints()}
    if not endpoints:
        raise CommandError(f"server {server.name!r} has no endpoint; register a method with mcp=True, or call mcp()")
    if path is None and len(endpoints) == 1:
        return next(iter(endpoints.values()))
    choices = ", ".join(sorted(endpoints))
    if path is None:
        raise CommandError(f"server {server.name!r} has several endpoints; pass --endpoint with one of {choices}")
    chosen = f"/{path.strip('/')}"
    if chosen not in endpoints:
        raise CommandError(f"--endpoint takes one of {choices}, not {path!r}")
    return endpoints[chosen]


def take_input() -> BinaryIO:
    """Return the standard input, and leave an empty one in its place.

    Raises:
        CommandError: It is closed.
    """
    if sys.stdin is None:  # so Python marks a closed descriptor
        raise CommandError("the standard input is closed; a client starts this command, and writes messages to it")
    given = os.fdopen(os.dup(0), "rb")  # which child processes do not inherit
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return given


@contextmanager
def messages_only() -> Iterator[tuple[BinaryIO, Callable[[bytes], None]]]:
    """Yield the standard input, and what writes to standard output.

    All else that the process and its children print goes to standard error. The standard input that they read is
    empty, so that they take no message.
    """
    given = take_input()
    sys.stdout.flush()
    output = os.dup(1)
    os.dup2(2, 1)
    # Without a buffer, whose lock a thread would hold as long as the client does not read.
    stream = os.fdopen(output, "wb", buffering=0)

    def write(line: bytes) -> None:
        left = memoryview(line)
        while left:
            left = left[stream.write(left) :]

    try:
        yield given, write
    finally:
        stream.close()
