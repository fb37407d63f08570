"""The parameters and batches that the command ``call`` is given as texts."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from .errors import CommandError

__all__ = ["BatchItem", "Parameters", "read_batch", "read_parameters"]

_NAMED: Final = re.compile(r"([^\W\d][\w.-]*)=(.*)", re.DOTALL)

_STDIN: Final = "-"

# Of a JSON-RPC request, which a batch may have been copied from.
_IGNORED: Final = frozenset({"jsonrpc", "id"})


class Parameters(NamedTuple):
    """The parameters of a call: those by position, and those by name."""

    args: list[Any]
    kwargs: dict[str, Any]


class BatchItem(NamedTuple):
    """One call of a batch."""

    method: str
    params: Parameters
    is_notification: bool


def read_parameters(texts: Sequence[str]) -> Parameters:
    """Parse parameters: ``name=value`` is one by name, everything else one by position.

    Raises:
        CommandError: A name is there twice, or a file cannot be read.
    """
    parameters = Parameters([], {})
    for text in texts:
        named = _NAMED.fullmatch(text)
        if named is None:
            parameters.args.append(read_value(text))
        elif named[1] in parameters.kwargs:
            raise CommandError(f"the parameter {named[1]!r} is passed twice")
        else:
            parameters.kwargs[named[1]] = read_value(named[2])
    return parameters


def read_value(text: str) -> Any:
    """Return the value of a text: a JSON value, or else the text itself; ``@FILE`` is the content of a file.

    Raises:
        CommandError: The file cannot be read.
    """
    content = read_text(text[1:]) if text.startswith("@") else text
    try:
        return json.loads(content, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        return content


def refuse_constant(name: str) -> Any:
    """Refuse NaN and infinities, which are no JSON."""
    raise ValueError(name)


def read_text(file: str) -> str:
    """Return the content of a file; ``-`` is standard input.

    Raises:
        CommandError: It cannot be read, or is no UTF-8.
    """
    if file == _STDIN and sys.stdin is None:  # so Python marks a closed descriptor
        raise CommandError("the standard input is closed")
    try:
        content = sys.stdin.buffer.read() if file == _STDIN else Path(file).read_bytes()
        return content.decode("utf-8")
    except OSError as exc:
        raise CommandError(f"{file}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise CommandError(f"{file} is not encoded in UTF-8") from exc


def read_batch(file: str) -> list[BatchItem]:
    """Read a batch: a JSON array of objects with ``method`` and ``params``, or such an object on each line.

    Raises:
        CommandError: The file cannot be read, or has something else.
    """
    text = read_text(file)
    items = read_array(text, file) if text.lstrip().startswith("[") else read_lines(text, file)
    if not items:
        raise CommandError(f"{file} has no calls")
    return [read_item(item, f"{file}, call {number}") for number, item in enumerate(items, 1)]


def read_array(text: str, file: str) -> list[Any]:
    try:
        items: list[Any] = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise CommandError(f"{file} is no JSON: {exc}") from exc
    return items


def read_lines(text: str, file: str) -> list[Any]:
    items = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                items.append(json.loads(line))
            except (ValueError, RecursionError) as exc:
                raise CommandError(f"{file}, line {number} is no JSON: {exc}") from exc
    return items


def read_item(item: Any, place: str) -> BatchItem:
    """Read one call of a batch.

    Raises:
        CommandError: It is no object with a method.
    """
    if not isinstance(item, dict) or not isinstance(item.get("method"), str):
        raise CommandError(f'{place}: it takes an object such as {{"method": "add", "params": [1, 2]}}')
    unknown = item.keys() - {"method", "params", "notify", *_IGNORED}
    if unknown:
        raise CommandError(f"{place}: unknown member {min(unknown)!r}; known: method, params, notify")
    params = item.get("params")
    if params is not None and not isinstance(params, (list, dict)):
        raise CommandError(f"{place}: params is no array and no object")
    parameters = Parameters([], params) if isinstance(params, dict) else Parameters(params or [], {})
    return BatchItem(item["method"], parameters, item.get("notify", False) is True)
