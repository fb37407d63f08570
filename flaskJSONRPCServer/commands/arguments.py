"""The arguments of the commands. What they do is loaded when they run."""

from __future__ import annotations

import argparse
from typing import Any, Final

__all__ = ["DEFAULT_ATTRIBUTE", "LASTING", "add_commands"]

DEFAULT_ATTRIBUTE: Final = "server"
"""The name of the server in ``MODULE[:SERVER]``, if there is none."""

LASTING: Final = frozenset({"serve", "worker"})
"""The commands that run until they are stopped. The others print something and end."""

# Those of client.generate, which the other commands need not load.
_LANGUAGES: Final = ("python", "typescript", "javascript")


def add_commands(commands: Any) -> None:
    """Add all commands to a parser."""
    add_serve(commands)
    add_worker(commands)
    add_openrpc(commands)
    add_openrpc_diff(commands)
    add_client(commands)
    add_call(commands)
    add_mcp(commands)
    add_completion(commands)


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
        f"({DEFAULT_ATTRIBUTE!r} without a name); a dotted name leads into objects",
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
    command.set_defaults(run=run_serve)


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
    command.set_defaults(run=run_openrpc)


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
    command.set_defaults(run=run_worker)


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
    command.set_defaults(run=run_openrpc_diff)


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
    command.set_defaults(run=run_client)


def add_call(commands: Any) -> None:
    """Add the command ``call`` to the parser's commands."""
    command = commands.add_parser(
        "call",
        help="call a method of a server; see call -h",
        description="Call a method and print its result as JSON. The exit status is 1 if the server answers with an "
        "error, which is printed to standard error as JSON, and 3 if there is no answer of JSON-RPC.",
        intermixed=True,
    )
    command.add_argument(
        "url", metavar="URL", help="the URL of the server; unix:PATH or unix:PATH:/api of a Unix socket"
    )
    command.add_argument("method", metavar="METHOD", nargs="?", help="the name of the method")
    command.add_argument(
        "params",
        metavar="PARAM",
        nargs="*",
        default=[],  # without it, argparse calls the parameters required
        help="a value, or name=value; JSON, or else a text. @FILE is the content of a file",
    )
    command.add_argument("--notify", action="store_true", help="send a notification, which has no answer")
    command.add_argument(
        "--batch",
        metavar="FILE",
        help="send the calls of a file as one batch: a JSON array of objects with method and params, or one on each "
        "line; - is standard input",
    )
    command.add_argument(
        "--list", action="store_true", help="print the methods of the server, or the parameters of METHOD"
    )
    command.add_argument(
        "--auth",
        metavar="USER:PASSWORD",
        help="the credentials; bearer:TOKEN for a token. Use the variable JSONRPC_AUTH where others see your processes",
    )
    command.add_argument("--header", action="append", metavar="'NAME: VALUE'", help="a header field; may be repeated")
    command.add_argument("--timeout", type=float, metavar="SECONDS", help="how long the call may take; default: 30")
    command.add_argument("--cacert", metavar="FILE", help="the certificates to trust, instead of the system's")
    command.add_argument("--cert", metavar="FILE", help="the certificate of this client")
    command.add_argument("--key", metavar="FILE", help="the key of --cert, if it is in another file")
    command.add_argument("--insecure", action="store_true", help="do not check the certificate of the server")
    command.set_defaults(run=run_call)


def add_mcp(commands: Any) -> None:
    """Add the command ``mcp`` to the parser's commands."""
    command = commands.add_parser(
        "mcp",
        help="answer a client of the Model Context Protocol over standard input and output; see mcp -h",
        description="Answer one client of the Model Context Protocol over standard input and output, until the input "
        "ends. Clients start this command themselves. What the server prints goes to standard error.",
    )
    command.add_argument("server", metavar="MODULE[:SERVER]", help="the server, as with serve; it is not started")
    command.add_argument("--endpoint", metavar="PATH", help="the endpoint of server.mcp(); not needed if there is one")
    command.add_argument(
        "--directory",
        dest="working_directory",  # the program has an option --directory too
        metavar="PATH",
        help="change to this directory first: clients may start the command in any other",
    )
    add_config(command)
    command.set_defaults(run=run_mcp)


def add_completion(commands: Any) -> None:
    """Add the command ``completion`` to the parser's commands."""
    command = commands.add_parser(
        "completion",
        help="print a script by which a shell completes calls; see completion -h",
        description="Print a script that defines the command jsonrpc, a short name of call, and the completion of its "
        "methods and parameters. For bash:  source <(python -m flaskJSONRPCServer completion bash)",
    )
    command.add_argument("shell", choices=("bash", "zsh", "fish"))
    command.set_defaults(run=run_completion)


def run_serve(options: argparse.Namespace) -> None:
    from .serving import serve

    serve(options.server, options.bind, options.serv_backend, options.config)


def run_worker(options: argparse.Namespace) -> None:
    from .working import work

    work(options.server, options.backend, options.options, options.config)


def run_openrpc(options: argparse.Namespace) -> None:
    from .documents import write_openrpc

    write_openrpc(options)


def run_openrpc_diff(options: argparse.Namespace) -> None:
    from .documents import print_comparison

    print_comparison(options.old, options.new, as_json=options.json)


def run_client(options: argparse.Namespace) -> None:
    from .generating import write_client

    write_client(options)


def run_call(options: argparse.Namespace) -> None:
    from .calling import call

    call(options)


def run_mcp(options: argparse.Namespace) -> None:
    from .finding import change_directory
    from .mcp_streams import serve_streams

    if options.working_directory is not None:
        change_directory(options.working_directory)
    serve_streams(options.server, options.endpoint, options.config)


def run_completion(options: argparse.Namespace) -> None:
    from .completing import completion_script

    print(completion_script(options.shell), end="")
