"""The command ``call``: call a method of a server, and print its result."""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from ..client import BasicAuth, BearerAuth, Client, ClientError, PendingCall, tls_context
from ..errors import unknown_name
from ..sansio_jsonrpc import JsonRpcException
from .call_values import read_batch, read_parameters
from .errors import CommandError

__all__ = ["AUTH_VARIABLE", "call"]

AUTH_VARIABLE: Final = "JSONRPC_AUTH"
"""The environment variable with the credentials: other users can read arguments, but no variables, of a process."""

_UNIX: Final = "unix:"

# The status by which shells say that Ctrl-C has ended a program: 128 and the number of the signal.
_INTERRUPTED: Final = 130


class CallError(CommandError):
    """The server has not answered the call."""

    status = 3


class UnknownMethodError(CommandError):
    """The document of the server has no such method."""

    status = 1


def call(options: argparse.Namespace) -> None:
    """Do what the command is asked to. Exit with status 1 if the server answers with an error.

    Raises:
        CommandError: The arguments do not fit together.
        CallError: The server cannot be reached, or its answer is not JSON-RPC.
    """
    refuse_contradictions(options)
    try:
        with make_client(options) as client:
            is_right = run(options, client)
    except JsonRpcException as exc:
        write(sys.stderr, members_of(exc))
        is_right = False
    except ClientError as exc:
        raise CallError(exc) from exc
    except TypeError as exc:  # of the names of parameters
        raise CommandError(exc) from exc
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    if not is_right:
        sys.exit(1)


def refuse_contradictions(options: argparse.Namespace) -> None:
    """Check that there is exactly one thing to do.

    Raises:
        CommandError: There is none, or there are several.
    """
    if options.batch is not None and (options.method is not None or options.list):
        raise CommandError("--batch has the calls in its file; leave out METHOD and --list")
    if options.list and options.notify:
        raise CommandError("--list calls no method; leave out --notify")
    if options.batch is None and options.method is None and not options.list:
        raise CommandError("there is no METHOD; --list prints the methods of a server")


def run(options: argparse.Namespace, client: Client) -> bool:
    """Run the command. Return whether no call has failed."""
    if options.list:
        print_methods(client, options.method)
    elif options.batch is not None:
        return run_batch(client, options.batch, are_notifications=options.notify)
    else:
        args, kwargs = read_parameters(options.params)
        if options.notify:
            client.notify(options.method, *args, **kwargs)
        else:
            write(sys.stdout, client.call(options.method, *args, **kwargs))
    return True


def run_batch(client: Client, file: str, *, are_notifications: bool) -> bool:
    """Send the calls of a file as one batch, and print an array of their answers. Return whether no call has failed."""
    pending: list[PendingCall[Any]] = []
    with client.batch() as batch:
        for method, (args, kwargs), is_notification in read_batch(file):
            if are_notifications or is_notification:
                batch.notify(method, *args, **kwargs)
            else:
                pending.append(batch.call(method, *args, **kwargs))
    answers = [answer_of(one) for one in pending]
    if answers:
        write(sys.stdout, answers)
    return all("result" in answer for answer in answers)


def answer_of(pending: PendingCall[Any]) -> dict[str, Any]:
    try:
        return {"result": pending.result()}
    except JsonRpcException as exc:
        return {"error": members_of(exc)}


def members_of(exc: JsonRpcException) -> dict[str, Any]:
    members = {"code": exc.code, "message": exc.message}
    return members if exc.data is None else {**members, "data": exc.data}


def print_methods(client: Client, method: str | None) -> None:
    """Print the names of the methods; with a method, those of its parameters, each with ``=``.

    On a terminal, the summaries of the methods are beside them.

    Raises:
        UnknownMethodError: There is no such method.
    """
    described = client.call("rpc.discover")
    methods = named(described.get("methods") if isinstance(described, Mapping) else None)
    for line in lines_of_methods(methods) if method is None else lines_of_params(methods, method):
        print(printable(line))


def lines_of_methods(methods: list[Mapping[str, Any]]) -> list[str]:
    summaries = {one["name"]: str(one.get("summary", "")) for one in methods if sys.stdout.isatty()}
    width = max(map(len, summaries), default=0)
    return [f"{one['name']:{width}}  {summaries.get(one['name'], '')}".rstrip() for one in methods]


def lines_of_params(methods: list[Mapping[str, Any]], method: str) -> list[str]:
    """Return the names of the parameters of a method.

    Raises:
        UnknownMethodError: There is no such method.
    """
    for one in methods:
        if one["name"] == method:
            return [f"{param['name']}=" for param in named(one.get("params")) if not param.get("x-variadic")]
    raise UnknownMethodError(printable(unknown_name("method", method, [one["name"] for one in methods])))


def printable(text: str) -> str:
    """Return a text of a server without characters that control a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def named(items: Any) -> list[Mapping[str, Any]]:
    """Return the objects with names in a list of a document, which may have anything in their place."""
    described = [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []
    return [item for item in described if isinstance(item.get("name"), str)]


def write(stream: Any, value: Any) -> None:
    """Write a JSON value: indented on a terminal, and in one line for a program. It is UTF-8 anywhere (RFC 8259)."""
    form: dict[str, Any] = {"indent": 2} if stream.isatty() else {"separators": (",", ":")}
    stream.flush()
    stream.buffer.write((json.dumps(value, ensure_ascii=False, **form) + "\n").encode(errors="backslashreplace"))
    stream.buffer.flush()


def make_client(options: argparse.Namespace) -> Client:
    """Return the client.

    Raises:
        CommandError: The URL or an option has a value that is not allowed.
    """
    limits = {} if options.timeout is None else {"timeout": options.timeout}
    try:
        return Client(
            url_of(options.url),
            auth=auth_of(options.auth or os.environ.get(AUTH_VARIABLE) or None),
            headers=headers_of(options.header or ()),
            tls=tls_of(options),
            **limits,
        )
    except (OSError, ValueError) as exc:
        raise CommandError(exc) from exc


def url_of(text: str) -> str:
    """Return a URL; that of ``unix:PATH`` or ``unix:PATH:/URL-PATH`` is one of ``http+unix``."""
    if not text.startswith(_UNIX):
        return text
    socket_path, separator, path = text.removeprefix(_UNIX).partition(":/")
    return f"http+unix://{quote(socket_path, safe='')}/{path if separator else ''}"


def auth_of(text: str | None) -> BasicAuth | BearerAuth | None:
    """Return the credentials of ``user:password`` or ``bearer:TOKEN``.

    Raises:
        CommandError: The text is neither. It is not repeated in the message.
    """
    if text is None:
        return None
    user, separator, secret = text.partition(":")
    if not separator:
        raise CommandError(f"--auth or {AUTH_VARIABLE} is neither user:password nor bearer:TOKEN")
    try:
        return BearerAuth(secret) if user == "bearer" else BasicAuth(user, secret)
    except ValueError as exc:
        raise CommandError(exc) from exc


def headers_of(texts: Any) -> dict[str, str]:
    """Return the header fields of ``Name: value``.

    Raises:
        CommandError: A text has no colon. It is not repeated in the message.
    """
    pairs = [text.partition(":") for text in texts]
    if not all(separator for _, separator, _ in pairs):
        raise CommandError("--header takes a name and a value, such as --header 'X-Request-Id: 7'")
    return {name.strip(): value.strip() for name, _, value in pairs}


def tls_of(options: argparse.Namespace) -> ssl.SSLContext | None:
    """Return the TLS context; None for the usual one.

    Raises:
        OSError: A file cannot be read.
        CommandError: There is a key without a certificate.
    """
    if options.key is not None and options.cert is None:
        raise CommandError("--key needs --cert, the file of its certificate")
    if not options.insecure and options.cacert is None and options.cert is None:
        return None
    context = tls_context(ca=options.cacert, certificate=options.cert, key=options.key)
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
