"""The command line: ``python -m flaskJSONRPCServer``."""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import importlib
import json
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from . import __version__, flaskJSONRPCServer
from .configuration import ConfigurationError, configured_by, parse_address, read
from .errors import BindError, ContractError, ServerError, unknown_name
from .hangup import ModuleReload
from .inspection import read_signature
from .lifecycle import StartRefusedError, starts_refused
from .runtime.progress import progress
from .servBackend.activation import inherited_socket, systemd_sockets

__all__ = ["main"]

_DEFAULT_EXAMPLE = "simple"
_DEFAULT_ATTRIBUTE = "server"

# Those of client.generate, which the other commands need not load.
_LANGUAGES = ("python", "typescript", "javascript")


class CannotServeError(Exception):
    """The command cannot be carried out. The message is for the user of the command line."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; without arguments, print the help.

    Args:
        arguments: The arguments after the program name; None for those of this process.
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.command is not None:
        try:
            options.run(options)
        except CannotServeError as exc:
            parser.exit(2, f"{parser.prog} {options.command}: error: {exc}\n")
    elif options.list:
        print_examples()
    elif options.execute is not None:
        name, *rest = options.execute or [_DEFAULT_EXAMPLE]
        run_example(find_example(parser, name), rest)
    elif options.directory is not None:
        print(find_example(parser, options.directory) if options.directory else examples_folder())
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
    add_openrpc(commands)
    add_openrpc_diff(commands)
    add_client(commands)
    return parser


def add_serve(commands: Any) -> None:
    """Add the command ``serve`` to the parser's commands."""
    command = commands.add_parser(
        "serve",
        help="run one of your servers; see serve -h",
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
    add_config(command)
    command.set_defaults(run=lambda options: serve(options.server, options.bind, options.serv_backend, options.config))


def add_config(command: Any) -> None:
    """Add the option ``--config`` to a command."""
    command.add_argument(
        "--config",
        metavar="FILE",
        help="a TOML file of settings, for those that the module does not choose; FJRPC_ variables come before it",
    )


def add_openrpc(commands: Any) -> None:
    """Add the command ``openrpc`` to the parser's commands."""
    command = commands.add_parser(
        "openrpc",
        help="print the OpenRPC document of one of your servers; see openrpc -h",
        description="Print the OpenRPC document of a server, which is not started.",
    )
    command.add_argument("server", metavar="MODULE[:SERVER]", help="the server, as with serve")
    command.add_argument("-o", "--output", metavar="FILE", help="write the document there instead")
    command.add_argument("--path", help="only the methods of this path")
    command.add_argument("--url", default="", help="the URL of the server, for the URLs in the document")
    command.set_defaults(run=write_openrpc)


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
    add_config(command)
    command.add_argument("server", metavar="MODULE[:SERVER]", help="the server, as with serve; it is not started")
    command.add_argument(
        "options",
        nargs=argparse.REMAINDER,
        metavar="OPTIONS",
        help="options of Celery's worker, such as -c 4 -l info -P threads",
    )
    command.set_defaults(run=lambda options: work(options.server, options.backend, options.options, options.config))


def add_openrpc_diff(commands: Any) -> None:
    """Add the command ``openrpc-diff`` to the parser's commands."""
    command = commands.add_parser(
        "openrpc-diff",
        help="compare two OpenRPC documents; see openrpc-diff -h",
        description="Print the differences that matter to callers, and the verdict: equal, compatible or breaking. "
        "The exit status is 1 if a difference breaks callers, and 2 if a document cannot be read.",
    )
    command.add_argument("old", metavar="OLD", help="the file of the document that callers use; - is standard input")
    command.add_argument("new", metavar="NEW", help="the file of the document that is to replace it")
    command.add_argument("--json", action="store_true", help="print one JSON object for programs")
    command.set_defaults(run=lambda options: print_comparison(options.old, options.new, as_json=options.json))


def add_client(commands: Any) -> None:
    """Add the command ``client`` to the parser's commands."""
    command = commands.add_parser(
        "client",
        help="generate a typed client from an OpenRPC document; see client -h",
        description="Write the module of a client. The same document gives the same bytes.",
    )
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="the URL of a server or of a document, a file that ends with .json, - for standard input, "
        "or MODULE[:SERVER] as with serve; that server is not started",
    )
    command.add_argument("--language", choices=_LANGUAGES, default=_LANGUAGES[0], help=f"by default {_LANGUAGES[0]}")
    command.add_argument("-o", "--output", metavar="FILE", help="write the module there instead of printing it")
    command.add_argument("--path", help="only the methods of this path, such as /api")
    command.add_argument("--url", default="", help="the URL of the server, with MODULE[:SERVER]")
    command.add_argument(
        "--header", action="append", default=[], metavar="NAME:VALUE", help="a header field of the requests to a URL"
    )
    command.add_argument(
        "--check", action="store_true", help="write nothing: if FILE is not current, print the difference and exit 1"
    )
    command.set_defaults(run=write_client)


def write_client(options: argparse.Namespace) -> None:
    """Write the module of a client, or compare it with a file. Exit with status 1 if they differ.

    Raises:
        CannotServeError: There is no document, or the file cannot be read or written.
    """
    if options.check and options.output is None:
        raise CannotServeError("--check compares with a file; name it with -o FILE")
    from .client.generate import DocumentError, generate

    try:
        text = generate(read_document(options), options.language, __version__, options.path)
    except DocumentError as exc:
        raise CannotServeError(f"{options.source}: {exc}") from exc
    if options.check:
        check_file(options.output, text)
    else:
        write_output(options.output, text.encode())


def read_document(options: argparse.Namespace) -> Any:
    """Return the document that a command line names.

    Raises:
        CannotServeError, DocumentError: There is none.
    """
    from .client.generate.sources import is_url, read_file, read_url

    source = options.source
    if is_url(source):
        headers = [header.partition(":") for header in options.header]
        if not all(colon for _, colon, _ in headers):
            raise CannotServeError("--header takes NAME:VALUE, such as 'Authorization: Bearer sesame'")
        return read_url(source, {name.strip(): value.strip() for name, _, value in headers})
    if source == "-" or source.endswith(".json"):
        return read_file(source)
    return find_server(source, options.command).openrpc(url=options.url)


def check_file(name: str, text: str) -> None:
    """Compare a file with the text that it should have. If it differs, print the difference and exit with status 1.

    Raises:
        CannotServeError: It cannot be read.
    """
    try:
        old = Path(name).read_bytes() if Path(name).exists() else b""
    except OSError as exc:
        raise CannotServeError(f"{name} cannot be read: {exc}") from exc
    if old == text.encode():
        return
    old_lines, lines = old.decode(errors="replace").splitlines(keepends=True), text.splitlines(keepends=True)
    difference = "".join(difflib.unified_diff(old_lines, lines, name, f"{name} (current)"))
    sys.stdout.buffer.write(difference.encode())
    sys.exit(1)


def print_comparison(old: str, new: str, *, as_json: bool) -> None:
    """Compare the OpenRPC documents of two files and print the outcome. Exit with status 1 if it is breaking.

    Raises:
        CannotServeError: A document cannot be read.
    """
    from .contract.diff import Verdict, compare_files

    try:
        comparison = compare_files(old, new)
    except ContractError as exc:
        raise CannotServeError(exc) from exc
    print(json.dumps(comparison.as_json(), indent=2) if as_json else "\n".join(comparison.lines()))
    if comparison.verdict is Verdict.BREAKING:
        sys.exit(1)


def work(target: str, backend_id: str | None, options: Sequence[str], config: str | None = None) -> None:
    """Run a Celery worker for a server until a signal ends it.

    Args:
        target: The server, as ``MODULE[:SERVER]``.
        backend_id: The ``_id`` of the backend whose calls it runs; None for the first backend with workers.
        options: Options of Celery's worker.
        config: A TOML file of settings.

    Raises:
        CannotServeError: There is no server, it has no backend with workers, or its module starts it.
    """
    try:
        configuration = read(config)  # first: what follows makes this process a worker
        with contextlib.suppress(ImportError):  # the server will say what is missing
            importlib.import_module("flaskJSONRPCServer.execBackend.celery.command_line").become_worker()
        with configured_by(configuration), progress(f"loading {target}"):
            app = find_server(target, "worker")._engine.exec_backends.celery_app(backend_id)
    except ServerError as exc:
        raise CannotServeError(exc) from exc
    from .execBackend.celery.command_line import run_worker
    from .execBackend.celery.options import masked

    queue, broker = app.rpc_options.queue, masked(app.rpc_options.broker)
    print(f"running the calls of {target} from queue {queue!r} on {broker}", flush=True)
    sys.exit(run_worker(app, options))


def serve(target: str, bind: Sequence[str] | None, serv_backend: str | None, config: str | None = None) -> None:
    """Run a server until a signal ends it; on SIGHUP, load its module again.

    Args:
        target: The server, as ``MODULE[:SERVER]``.
        bind: Addresses that replace its own.
        serv_backend: A serving backend that replaces its own.
        config: A TOML file of settings.

    Raises:
        CannotServeError: There is no server, or it cannot be started.
    """
    addresses = [address for text in bind or () for address in read_addresses(text)]
    try:
        with configured_by(read(config)), progress(f"loading {target}"):
            server = find_server(target, "serve")
    except ConfigurationError as exc:
        raise CannotServeError(exc) from exc

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
        raise CannotServeError(exc.strerror if isinstance(exc, BindError) else exc) from exc


def stopping(server: flaskJSONRPCServer) -> str:
    """Return what the stop of a server waits for."""
    running = server._engine.stats.report(in_ms=False)["processingRequestCount"]
    return f"stopping {server.name!r}: {running} request{'s' * (running != 1)} to be answered; Ctrl-C ends it at once"


def write_openrpc(options: argparse.Namespace) -> None:
    """Write the OpenRPC document of a server."""
    try:
        document = find_server(options.server, options.command).openrpc(options.path, options.url)
    except ServerError as exc:
        raise CannotServeError(str(exc)) from exc
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    # UTF-8 (RFC 8259, section 8.1), whatever the console has
    write_output(options.output, text.encode(errors="backslashreplace"))


def write_output(name: str | None, content: bytes) -> None:
    """Write a file; standard output for None.

    Raises:
        CannotServeError: It cannot be written.
    """
    if name is None:
        sys.stdout.buffer.write(content)
        return
    try:
        Path(name).write_bytes(content)
    except OSError as exc:
        raise CannotServeError(f"{name} cannot be written: {exc}") from exc


def announced(server: flaskJSONRPCServer) -> flaskJSONRPCServer:
    """Print the addresses of a server, if its backend knows them, and return the server."""
    urls = server._lifecycle.urls
    print(f"serving {server.name!r}", *(["on", *urls] if urls else []), flush=True)
    return server


def configure(server: flaskJSONRPCServer, addresses: list[Any], serv_backend: str | None) -> None:
    """Set the addresses and the serving backend of a server that has not been started.

    Raises:
        SettingsError, ServerStateError: The settings cannot be set.
        CannotServeError: There is no address.
    """
    settings = server.settings
    if serv_backend is not None:
        settings.servBackend = serv_backend
    if addresses:
        settings.multipleAdress = len(addresses) > 1
        settings.bindAdress = addresses if settings.multipleAdress else addresses[0]
    if settings.bindAdress is None:
        raise CannotServeError(
            f"server {server.name!r} has bindAdress=None; give an address by --bind, FJRPC_BIND_ADRESS or --config"
        )


def read_addresses(text: str) -> list[Any]:
    """Parse a value of ``--bind``: an address, ``fd://N``, or ``systemd``, which may give several.

    Raises:
        CannotServeError: The text is no address, or the process has not inherited the socket.
    """
    number = text.removeprefix("fd://")
    try:
        if text == "systemd":
            return [*systemd_sockets()]
        if number != text and number.isascii() and number.isdecimal():
            return [inherited_socket(int(number))]
    except BindError as exc:
        raise CannotServeError(f"--bind {text!r}: {exc.strerror}") from exc
    return [read_address(text)]


def read_address(text: str) -> list[Any] | str:
    """Parse ``HOST:PORT``, ``[IPV6]:PORT``, ``unix:PATH``, or a path with a slash, to a value for ``bindAdress``.

    Raises:
        CannotServeError: The text is none of these.
    """
    address = parse_address(text)
    if address is None:
        raise CannotServeError(
            f"--bind {text!r} is no address; it takes HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:8080, "
            "[IPV6]:PORT, unix:PATH, fd://N, or systemd"
        )
    return address


def find_server(target: str, command: str) -> flaskJSONRPCServer:
    """Import a module and return its server.

    Args:
        target: The server, as ``MODULE[:SERVER]``.
        command: The command that imports the module; errors name it.

    Raises:
        CannotServeError: The module or the name does not exist, or the object is not a server that can start.
    """
    module_name, _, attribute = target.partition(":")
    try:
        with starts_refused(command):
            server = attribute_of(import_named(module_name), attribute or _DEFAULT_ATTRIBUTE)
            if callable(server):
                server = call_factory(server, target)
    except StartRefusedError as exc:
        raise CannotServeError(exc) from exc
    if not isinstance(server, flaskJSONRPCServer):
        raise CannotServeError(f"{target!r} is no flaskJSONRPCServer but of type {type(server).__name__!r}")
    return server


def import_named(name: str) -> Any:
    """Import a module of the current directory, or an installed one. Exceptions of the module itself propagate.

    Raises:
        CannotServeError: There is no such module.
    """
    if not all(part.isidentifier() for part in name.split(".")) or is_script(name):
        raise CannotServeError(
            f"{name!r} is not the name of a module; it takes MODULE:SERVER, such as my_server:server"
        )
    if sys.path[0] != str(Path.cwd()):
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise
        raise CannotServeError(f"there is no module {exc.name!r} in {Path.cwd()}, nor an installed one") from exc


def is_script(name: str) -> bool:
    return name.endswith(".py") and Path(name).is_file()


def attribute_of(owner: Any, dotted: str) -> Any:
    """Return the attribute of a module under a dotted name.

    Raises:
        CannotServeError: There is no such attribute.
    """
    for name in dotted.split("."):
        if not hasattr(owner, name):
            known = [attribute for attribute in dir(owner) if not attribute.startswith("_")]
            raise CannotServeError(unknown_name("name", name, known))
        owner = getattr(owner, name)
    return owner


def call_factory(make: Callable[..., Any], target: str) -> Any:
    """Call a function without parameters and return its result.

    Raises:
        CannotServeError: The function has required parameters.
    """
    try:
        read_signature(make).bind()
    except TypeError as exc:
        raise CannotServeError(
            f"{target!r} is of type {type(make).__name__!r} and cannot be called without parameters ({exc}); "
            "it takes a flaskJSONRPCServer, or a function without parameters that returns one"
        ) from exc
    return make()


def examples_folder() -> Path:
    """Return the folder of the examples: inside an installed package, beside the package in a clone."""
    package = Path(__file__).resolve().parent
    installed = package / "examples"
    return installed if installed.is_dir() else package.parent / "examples"


def examples() -> dict[str, Path]:
    """Return the examples by name, in alphabetical order."""
    return {path.stem: path for path in sorted(examples_folder().glob("[!_]*.py"))}


def find_example(parser: argparse.ArgumentParser, name: str) -> Path:
    """Return the file of an example. If there is none, exit with the known names."""
    known = examples()
    path = known.get(name.removesuffix(".py"))
    if path is None:
        parser.error(f"{unknown_name('example', name, known)}; -l lists them")
    return path


def print_examples() -> None:
    """Print the name and the first sentence of the docstring of each example."""
    known = examples()
    width = max(map(len, known), default=0)
    for name, path in known.items():
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        print(f"{name:{width}}  {docstring.partition(chr(10))[0]}".rstrip())


def run_example(path: Path, arguments: Sequence[str]) -> None:
    """Run a file as a script, with these arguments and its folder on ``sys.path``."""
    sys.argv[:] = [str(path), *arguments]
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name="__main__")


if __name__ == "__main__":
    main()
