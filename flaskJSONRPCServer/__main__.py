"""The command line: ``python -m flaskJSONRPCServer``."""

from __future__ import annotations

import argparse
import ast
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __version__
from .errors import unknown_name

__all__ = ["main"]

_DEFAULT_EXAMPLE = "simple"


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the arguments say; without any, show the help.

    Args:
        arguments: They follow the program's name; None for those of this process.
    """
    parser = make_parser()
    given = parser.parse_args(arguments)
    if given.list:
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
    return parser


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
        parser.error(unknown_name("example", name, known))
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
