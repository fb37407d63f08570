"""Find the server of ``MODULE[:SERVER]``."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import flask

from ..errors import unknown_name
from ..inspection import read_signature
from ..server import flaskJSONRPCServer
from ..start_refusals import StartRefusedError, starts_refused
from .arguments import DEFAULT_ATTRIBUTE
from .errors import CommandError

__all__ = ["call_factory", "change_directory", "find_server"]

_ACCEPTED: Final = "it takes a flaskJSONRPCServer, or a function without parameters that returns one"


def find_server(target: str, command: str) -> flaskJSONRPCServer:
    """Import a module and return its server.

    Args:
        target: The server, as ``MODULE[:SERVER]``.
        command: The command that imports the module; errors name it.

    Raises:
        CommandError: The module or the name does not exist, or the object is not a server that can start.
    """
    module_name, _, attribute = target.partition(":")
    try:
        with starts_refused(command):
            server = attribute_of(import_named(module_name, command), attribute or DEFAULT_ATTRIBUTE)
            if isinstance(server, flask.Flask):
                raise CommandError(f"{target!r} is a Flask application; name the server that is mounted on it")
            if callable(server):
                server = call_factory(server, target)
    except StartRefusedError as exc:
        raise CommandError(exc) from exc
    if not isinstance(server, flaskJSONRPCServer):
        raise CommandError(f"{target!r} is no flaskJSONRPCServer but of type {type(server).__name__!r}")
    return server


def import_named(name: str, command: str) -> Any:
    """Import a module of the current directory, or an installed one. Exceptions of the module itself propagate.

    Raises:
        CommandError: There is no such module.
    """
    if not all(part.isidentifier() for part in name.split(".")) or is_script(name):
        raise CommandError(f"{name!r} is not the name of a module; it takes MODULE:SERVER, such as my_server:server")
    if sys.path[0] != str(Path.cwd()):
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise
        remedy = "pass --directory PATH" if command == "mcp" else "start the command in the directory of the module"
        raise CommandError(
            f"there is no module {exc.name!r} in {Path.cwd()}, nor an installed one; {remedy}, or set PYTHONPATH"
        ) from exc


def change_directory(path: str) -> None:
    """Make a directory the current one, so that modules and files are found there.

    Raises:
        CommandError: It cannot be entered.
    """
    try:
        os.chdir(path)
    except OSError as exc:
        raise CommandError(f"--directory {path!r} cannot be used: {exc.strerror}") from exc


def is_script(name: str) -> bool:
    return name.endswith(".py") and Path(name).is_file()


def attribute_of(owner: Any, dotted: str) -> Any:
    """Return the attribute of a module under a dotted name.

    Raises:
        CommandError: There is no such attribute.
    """
    for name in dotted.split("."):
        if not hasattr(owner, name):
            known = [attribute for attribute in dir(owner) if not attribute.startswith("_")]
            is_module = isinstance(owner, ModuleType)
            raise CommandError(unknown_server(owner, name, known) if is_module else unknown_name("name", name, known))
        owner = getattr(owner, name)
    return owner


def unknown_server(module: ModuleType, name: str, known: list[str]) -> str:
    """Return the error message for a name that a module does not have: with its servers, and the closest name."""
    # By type(): a proxy, such as flask.request, may answer for another object, or raise.
    servers = [one for one in known if issubclass(type(vars(module).get(one)), flaskJSONRPCServer)]
    listed = {*servers, *difflib.get_close_matches(name, known, n=1)}  # the closest may be a function that returns one
    if listed:
        return unknown_name("server", name, listed)
    return f"unknown server {name!r}: the module {module.__name__!r} has none; {_ACCEPTED}"


def call_factory(make: Callable[..., Any], target: str) -> Any:
    """Call a function without parameters and return its result.

    Raises:
        CommandError: The function has required parameters.
    """
    try:
        read_signature(make).bind()
    except TypeError as exc:
        raise CommandError(
            f"{target!r} is of type {type(make).__name__!r} and cannot be called without parameters ({exc}); "
            f"{_ACCEPTED}"
        ) from exc
    return make()
