"""The commands ``openrpc`` and ``openrpc-diff``."""

from __future__ import annotations

import argparse
import json
import sys

from ..errors import ContractError, ServerError
from .errors import CommandError
from .finding import find_server
from .output import write_output

__all__ = ["print_comparison", "write_openrpc"]


def write_openrpc(options: argparse.Namespace) -> None:
    """Write the OpenRPC document of a server."""
    try:
        document = find_server(options.server, options.command).openrpc(options.path, options.url)
    except ServerError as exc:
        raise CommandError(str(exc)) from exc
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    # UTF-8 (RFC 8259, section 8.1), whatever the console has
    write_output(options.output, text.encode(errors="backslashreplace"))


def print_comparison(old: str, new: str, *, as_json: bool) -> None:
    """Compare the OpenRPC documents of two files and print the outcome. Exit with status 1 if it is breaking.

    Raises:
        CommandError: A document cannot be read.
    """
    from ..contract.diff import Verdict, compare_files

    try:
        comparison = compare_files(old, new)
    except ContractError as exc:
        raise CommandError(exc) from exc
    print(json.dumps(comparison.as_json(), indent=2) if as_json else "\n".join(comparison.lines()))
    if comparison.verdict is Verdict.BREAKING:
        sys.exit(1)
