"""The command line: ``python -m flaskJSONRPCServer``."""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import inspect
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import __version__, flaskJSONRPCServer
from .errors import BindError, ServerError, unknown_name
from .hangup import ModuleReload
from .lifecycle import StartRefusedError, starts_refused
from .servBackend.activation import inherited_socket, systemd_sockets

__all__ = ["main"]

_DEFAULT_EXAMPLE = "simple"
_DEFAULT_ATTRIBUTE = "server"


class CannotServe(Exception):
    """What was asked for cannot be served. The message is for whoever typed the command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the arguments say; without any, show the help.

    Args:
        arguments: They follow the program's name; None for those of this process.
    """
    parser = make_parser()
    given = parser.parse_args(arguments)
    if given.command is not None:
        try:
            given.run(given)
        except CannotServe as exc:
            parser.exit(2, f"{parser.prog} {given.command}: error: {exc}\n")
    elif given.list:
        print_examples()
    elif given.execute is not None:
        name, *rest = given.execute or [_DEFAULT_EXAMPLE]
        run_example(find_example(parser, name), rest)
    elif given.directory is not None:
        print(find_example(parser, given.directory) if given.directory else examples_folder())
    else:
        parser.print_help()


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m flaskJSONRPCServer",
        description="A threaded HTTP JSON-RPC 2.0 server on Flask, and its examples.",
    )
    actions = parser.add_mutually_exclusive_group()
    actions.add_argument(
        "-v", "--version", action="version", version=f"flaskJSONRPCServer {__version__}", help="print the version"
    )
    actions.add_argument("-l", "--list", action="store_true", help="list the examples")
    actions.add_argument(
        "-x",
        "--execute",
        nargs=argparse.REMAINDER,
        metavar="NAME",
        help=f"run an example ({_DEFAULT_EXAMPLE!r} without a name); what follows the name is passed on to it",
    )
    actions.add_argument(
        "-d",
        "--directory",
        nargs="?",
        const="",
        metavar="NAME",
        help="print the path of an example; without a name, that of the folder with all of them",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    add_serve(commands)
    add_worker(commands)
    return parser


def add_serve(commands: Any) -> None:
    """Add the command ``serve`` to the parser's commands."""
    command = commands.add_parser(
        "serve",
        help="serve a server of your own; see serve -h",
        description="Serve until Ctrl-C or SIGTERM. SIGHUP loads the module again.",
    )
    command.add_argument(
        "server",
        metavar="MODULE[:SERVER]",
        help="the module, and in it the server, or a function without parameters that returns it "
        f"({_DEFAULT_ATTRIBUTE!r} without a name); a dotted name leads into objects",
    )
    command.add_argument(
        "--bind",
        action="append",
        metavar="ADDRESS",
        help="listen there instead of at the server's own bindAdress: HOST:PORT, [IPV6]:PORT, unix:PATH, "
        "fd://N for a listening socket that the process inherits, or systemd for those of its .socket unit; "
        "may be repeated",
    )
    command.add_argument("--serv-backend", metavar="NAME", help="serve by this backend instead of the server's own")
    command.set_defaults(run=lambda given: serve(given.server, given.bind, given.serv_backend))


def add_worker(commands: Any) -> None:
    """Add the command ``worker`` to the parser's commands."""
    command = commands.add_parser(
        "worker",
        help="run the calls of a server with the exec backend 'celery'; see worker -h",
        description="Run calls of a server, on this machine or another one, until Ctrl-C or SIGTERM.",
    )
    command.add_argument(
        "--backend", metavar="ID", help="run the calls of this celery backend of the server, rather than of its first"
    )
    command.add_argument("server", metavar="MODULE[:SERVER]", help="the server, as with serve; it is not started")
    command.add_argument(
        "options",
        nargs=argparse.REMAINDER,
        metavar="OPTIONS",
        help="options of Celery's worker, such as -c 4 -l info -P threads",
    )
    command.set_defaults(run=lambda given: work(given.server, given.backend, given.options))


def work(target: str, backend_id: str | None, options: Sequence[str]) -> None:
    """Run a Celery worker for the server that ``MODULE[:SERVER]`` names, until a signal ends it.

    Args:
        target: Where the server is.
        backend_id: The ``_id`` of the backend whose calls it runs; None for the first that has workers.
        options: Options of Celery's worker.

    Raises:
        CannotServe: There is no server, it has no backend with workers, or its module starts it.
    """
    try:
        with contextlib.suppress(ImportError):  # the server will say what is missing
            importlib.import_module("flaskJSONRPCServer.execBackend.celery.command_line").become_worker()
        app = find_server(target, "worker")._engine.exec_backends.celery_app(backend_id)
    except ServerError as exc:
        raise CannotServe(exc) from exc
    from .execBackend.celery.command_line import run_worker

    sys.exit(run_worker(app, options))


def serve(target: str, bind: Sequence[str] | None, serv_backend: str | None) -> None:
    """Serve the server that ``MODULE[:SERVER]`` names, until a signal ends it; at SIGHUP, load its module again.

    Args:
        target: Where the server is.
        bind: Addresses in the place of its own.
        serv_backend: A serving backend in the place of its own.

    Raises:
        CannotServe: There is no server, or it cannot be started.
    """
    addresses = [address for text in bind or () for address in read_addresses(text)]
    server = find_server(target, "serve")

    def find_configured() -> flaskJSONRPCServer:
        found = find_server(target, "serve")
        if found is not server._lifecycle.facade:
            configure(found, addresses, serv_backend)
        return found

    started: list[flaskJSONRPCServer] = []
    try:
        configure(server, addresses, serv_backend)
        server._lifecycle.on_hangup = ModuleReload(server._lifecycle, target.partition(":")[0], find_configured)
        server.serveForever(on_start=lambda server: started.append(announced(server)))
    except ServerError as exc:
        if started:
            raise
        raise CannotServe(exc.strerror if isinstance(exc, BindError) else exc) from exc


def announced(server: flaskJSONRPCServer) -> flaskJSONRPCServer:
    """Say where the server listens, as far as its backend tells; return it."""
    urls = server._lifecycle.urls
    print(f"serving {server.name!r}", *(["on", *urls] if urls else []), flush=True)
    return server


def configure(server: flaskJSONRPCServer, addresses: list[Any], serv_backend: str | None) -> None:
    """Give a server that has not been started other addresses and another serving backend.

    Raises:
        SettingsError, ServerStateError: They cannot be set.
        CannotServe: There is no address at all.
    """
    settings = server.settings
    if serv_backend is not None:
        settings.servBackend = serv_backend
    if addresses:
        settings.multipleAdress = len(addresses) > 1
        settings.bindAdress = addresses if settings.multipleAdress else addresses[0]
    if settings.bindAdress is None:
        raise CannotServe(f"server {server.name!r} has bindAdress=None; give an address by --bind")


def read_addresses(text: str) -> list[Any]:
    """Read what ``--bind`` takes: an address, ``fd://N``, or ``systemd``, which may be several.

    Raises:
        CannotServe: It is none, or the process has not inherited such a socket.
    """
    number = text.removeprefix("fd://")
    try:
        if text == "systemd":
            return [*systemd_sockets()]
        if number != text and number.isascii() and number.isdecimal():
            return [inherited_socket(int(number))]
    except BindError as exc:
        raise CannotServe(f"--bind {text!r}: {exc.strerror}") from exc
    return [read_address(text)]


def read_address(text: str) -> list[Any] | str:
    """Read ``HOST:PORT``, ``[IPV6]:PORT``, ``unix:PATH``, or a path with a slash, as ``bindAdress`` takes it.

    Raises:
        CannotServe: It is none of these.
    """
    path = text.removeprefix("unix:")
    if path and (path != text or "/" in text) and not text.startswith("fd://"):
        return path
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_host = bool(bare) and (bare != host or ":" not in host)
    if not is_host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise CannotServe(
            f"--bind {text!r} is no address; it takes HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:8080, "
            "[IPV6]:PORT, unix:PATH, fd://N, or systemd"
        )
    return [bare, int(port)]


def find_server(target: str, command: str) -> flaskJSONRPCServer:
    """Import the module and find the server in it.

    Args:
        target: Where it is, as ``MODULE[:SERVER]``.
        command: What the module is imported for, as an error names it.

    Raises:
        CannotServe: There is no such module, nothing of this name in it, or it is no server that could be started.
    """
    module_name, _, attribute = target.partition(":")
    try:
        with starts_refused(command):
            found = attribute_of(import_named(module_name), attribute or _DEFAULT_ATTRIBUTE)
            if callable(found):
                found = called(found, target)
    except StartRefusedError as exc:
        raise CannotServe(exc) from exc
    if not isinstance(found, flaskJSONRPCServer):
        raise CannotServe(f"{target!r} is no flaskJSONRPCServer but of type {type(found).__name__!r}")
    return found


def import_named(name: str) -> Any:
    """Import a module of the current directory, or an installed one. What the module itself raises goes through.

    Raises:
        CannotServe: There is none.
    """
    if not all(part.isidentifier() for part in name.split(".")) or is_script(name):
        raise CannotServe(f"{name!r} is not the name of a module; it takes MODULE:SERVER, such as my_server:server")
    if sys.path[0] != str(Path.cwd()):
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise
        raise CannotServe(f"there is no module {exc.name!r} in {Path.cwd()}, nor an installed one") from exc


def is_script(name: str) -> bool:
    return name.endswith(".py") and Path(name).is_file()


def attribute_of(found: Any, dotted: str) -> Any:
    """Follow a dotted name from a module.

    Raises:
        CannotServe: There is nothing of a name.
    """
    for name in dotted.split("."):
        if not hasattr(found, name):
            known = [each for each in dir(found) if not each.startswith("_")]
            raise CannotServe(unknown_name("name", name, known))
        found = getattr(found, name)
    return found


def called(make: Callable[..., Any], target: str) -> Any:
    """Return what a function without parameters returns.

    Raises:
        CannotServe: It needs some.
    """
    try:
        inspect.signature(make).bind()
    except TypeError as exc:
        raise CannotServe(
            f"{target!r} is of type {type(make).__name__!r} and cannot be called without parameters ({exc}); "
            "it takes a flaskJSONRPCServer, or a function without parameters that returns one"
        ) from exc
    return make()


def examples_folder() -> Path:
    """Return where the examples are: inside an installed package, beside it in a clone."""
    package = Path(__file__).resolve().parent
    installed = package / "examples"
    return installed if installed.is_dir() else package.parent / "examples"


def examples() -> dict[str, Path]:
    """Return the examples by their names, in alphabetical order."""
    return {path.stem: path for path in sorted(examples_folder().glob("[!_]*.py"))}


def find_example(parser: argparse.ArgumentParser, name: str) -> Path:
    """Return the file of an example; where there is no such one, end the program with the names that there are."""
    known = examples()
    path = known.get(name.removesuffix(".py"))
    if path is None:
        parser.error(f"{unknown_name('example', name, known)}; -l lists them")
    return path


def print_examples() -> None:
    """Print a line for each example: its name, and the first sentence of its docstring."""
    known = examples()
    width = max(map(len, known), default=0)
    for name, path in known.items():
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        print(f"{name:{width}}  {docstring.partition(chr(10))[0]}".rstrip())


def run_example(path: Path, arguments: Sequence[str]) -> None:
    """Run a file as Python runs a script: with these arguments, and able to import what lies beside it."""
    sys.argv[:] = [str(path), *arguments]
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name="__main__")


if __name__ == "__main__":
    main()
