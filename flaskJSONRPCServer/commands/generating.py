"""The command ``client``: generate a typed client."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path
from typing import Any

from .. import __version__
from ..client.generate import DocumentError, generate
from ..client.generate.sources import is_url, read_file, read_url
from .errors import CommandError
from .output import write_output

__all__ = ["write_client"]


def write_client(options: argparse.Namespace) -> None:
    """Write the module of a client, or compare it with a file. Exit with status 1 if they differ.

    Raises:
        CommandError: There is no document, or the file cannot be read or written.
    """
    if options.check and options.output is None:
        raise CommandError("--check compares with a file; name it with -o FILE")
    try:
        text = generate(read_document(options), options.language, __version__, options.path)
    except DocumentError as exc:
        text = str(exc)
        raise CommandError(text if text.startswith(options.source) else f"{options.source}: {text}") from exc
    if options.check:
        check_file(options.output, text)
    else:
        write_output(options.output, text.encode())


def read_document(options: argparse.Namespace) -> Any:
    """Return the document that a command line names.

    Raises:
        CommandError, DocumentError: There is none.
    """
    source = options.source
    if is_url(source):
        headers = [header.partition(":") for header in options.header]
        if not all(colon for _, colon, _ in headers):
            raise CommandError("--header takes NAME:VALUE, such as 'Authorization: Bearer sesame'")
        return read_url(source, {name.strip(): value.strip() for name, _, value in headers})
    if source == "-" or source.endswith(".json"):
        return read_file(source)
    if not is_module(source):
        raise CommandError(
            f"{source!r} is no URL, which begins with http:// or https://, no file that ends with .json, and no "
            "MODULE:SERVER"
        )
    from .finding import find_server  # loads Flask

    return find_server(source, options.command).openrpc(url=options.url)


def is_module(source: str) -> bool:
    """Return whether a source may be ``MODULE[:SERVER]``: one with a slash or a port is a URL without its scheme."""
    return "/" not in source and not source.partition(":")[2].isdecimal()


def check_file(name: str, text: str) -> None:
    """Compare a file with the text that it should have. If it differs, print the difference and exit with status 1.

    Raises:
        CommandError: It cannot be read.
    """
    try:
        old = Path(name).read_bytes() if Path(name).exists() else b""
    except OSError as exc:
        raise CommandError(f"{name} cannot be read: {exc}") from exc
    if old == text.encode():
        return
    old_lines, lines = old.decode(errors="replace").splitlines(keepends=True), text.splitlines(keepends=True)
    difference = "".join(difflib.unified_diff(old_lines, lines, name, f"{name} (current)"))
    sys.stdout.buffer.write(difference.encode())
    sys.exit(1)
