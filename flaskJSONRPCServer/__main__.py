"""The command line: ``python -m flaskJSONRPCServer``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from . import __version__
from .commands.arguments import LASTING, add_commands
from .commands.errors import CommandError
from .commands.examples import examples_folder, find_example, print_examples, run_example
from .commands.output import require_output, until_output_closes
from .commands.parser import CommandParser

__all__ = ["main"]

_DEFAULT_EXAMPLE = "simple"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; without arguments, print the help.

    Args:
        arguments: The arguments after the program name; None for those of this process.
    """
    parser = make_parser()
    with until_output_closes():
        options = parser.parse_args(arguments)
    if options.command in LASTING:
        run_command(parser, options)
    elif options.execute is not None:
        name, *rest = options.execute or [_DEFAULT_EXAMPLE]
        run_example(find_example(parser, name), rest)
    else:
        require_output()
        with until_output_closes():
            run_command(parser, options) if options.command is not None else print_about(parser, options)


def run_command(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Run a command. If it cannot be carried out, exit with the reason."""
    try:
        options.run(options)
    except CommandError as exc:
        parser.exit(exc.status, f"{parser.prog} {options.command}: error: {exc}\n")


def print_about(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Print the examples or their place; without an option, the help."""
    if options.list:
        print_examples()
    elif options.directory is not None:
        print(find_example(parser, options.directory) if options.directory else examples_folder())
    else:
        parser.print_help()


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m flaskJSONRPCServer",
        description="A threaded HTTP JSON-RPC 2.0 server on Flask, its client, and its examples.",
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
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=CommandParser)
    add_commands(commands)
    return parser


if __name__ == "__main__":
    main()
