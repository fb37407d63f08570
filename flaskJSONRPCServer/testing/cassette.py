"""Calls that were recorded in a file, and their replay.

A cassette has methods, parameters and answers, and nothing of HTTP: no URL and no header fields, so no credentials.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

from ..client import ClientRequest, ClientResponse, Deadline, Transport
from ..sansio_jsonrpc import (
    ABSENT,
    JsonRpcError,
    JsonRpcException,
    JsonRpcMessage,
    JsonRpcRequest,
    JsonRpcResponse,
)
from .answering import PEER, AnsweringTransport
from .calls import MockCall

__all__ = ["Cassette", "CassetteError", "CassetteTransport", "RecordMode"]

RecordMode = Literal["none", "once", "new_episodes", "all"]
"""`none`: replay only. `once`: record if there is no file. `new_episodes`: add calls that are not in the file. `all`:
record all calls anew."""

_VERSION: Final = 1
_HIDDEN: Final = "(hidden)"


class CassetteError(AssertionError):
    """A call is not in a cassette, or the cassette cannot be read. The message has the remedy."""


class Cassette:
    """Recorded calls with their answers.

    Args:
        path: The file. It is read now, and written by `save`.
        mode: What is recorded.
        hide: The names of members whose values are replaced, in parameters and answers at any depth.

    Raises:
        CassetteError: The file is no cassette.
        ValueError: There is no such mode.
    """

    def __init__(self, path: str | Path, mode: RecordMode = "none", hide: Collection[str] = ()) -> None:
        if mode not in get_args(RecordMode):
            raise ValueError(f"unknown record mode {mode!r}; known: {', '.join(get_args(RecordMode))}")
        self._path = Path(path)
        self._mode = mode
        self._hide = frozenset(hide)
        self._lock = threading.Lock()
        # The lock guards these: the recorded calls, and the positions of those that have been replayed.
        self._entries: list[dict[str, Any]] = [] if mode == "all" else read_entries(self._path)
        self._replayed: set[int] = set()
        self._is_changed = False
        self._records_all = mode == "all" or (mode == "once" and not self._path.exists())

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def records(self, messages: Sequence[JsonRpcMessage]) -> bool:
        """Return whether messages have to be sent to the server, for want of a record."""
        if self._records_all:
            return True
        calls = [MockCall.of(message) for message in messages if isinstance(message, JsonRpcRequest)]
        return self._mode == "new_episodes" and any(self._position(call) is None for call in calls)

    def replay(self, request: JsonRpcRequest) -> Any:
        """Return the recorded result of a call. Each record is replayed once.

        Raises:
            JsonRpcException: The recorded error.
            CassetteError: There is no record of the call, or none that is left.
        """
        call = self._shown(MockCall.of(request))
        with self._lock:
            position = self._position(call)
            if position is None:
                raise CassetteError(self._missing(call))
            self._replayed.add(position)
            entry = self._entries[position]
        if "error" in entry:
            error = entry["error"]
            raise JsonRpcException.exc_from_error(
                JsonRpcError(error["code"], error["message"], error.get("data", ABSENT))
            )
        return entry.get("result")

    def record(self, messages: Sequence[JsonRpcMessage], answers: Sequence[JsonRpcMessage]) -> None:
        """Add messages with their answers. A call without an answer is left out."""
        by_id = {answer.id: answer for answer in answers if isinstance(answer, JsonRpcResponse)}
        entries = [
            self._entry(message, by_id.get(None if message.id is ABSENT else message.id))
            for message in messages
            if isinstance(message, JsonRpcRequest) and (message.is_notification or message.id in by_id)
        ]
        with self._lock:
            self._replayed.update(range(len(self._entries), len(self._entries) + len(entries)))
            self._entries += entries
            self._is_changed = self._is_changed or bool(entries)

    def save(self) -> None:
        """Write the file, if there are new records."""
        with self._lock:
            if not self._is_changed:
                return
            text = json.dumps({"cassette": _VERSION, "calls": self._entries}, indent=2, ensure_ascii=False) + "\n"
            self._is_changed = False
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")  # no reader finds half a file
        new.write_text(text, encoding="utf-8")
        new.replace(self._path)

    def _entry(self, message: JsonRpcRequest, answer: JsonRpcResponse | None) -> dict[str, Any]:
        entry: dict[str, Any] = {"method": message.method}
        if message.params:
            entry["params"] = without_hidden(message.params, self._hide)
        if message.is_notification or answer is None:
            return {**entry, "notification": True}
        if answer.error is None:
            return {**entry, "result": without_hidden(answer.result, self._hide)}
        error = {"code": answer.error.code, "message": answer.error.message}
        if answer.error.data is not ABSENT:
            error["data"] = without_hidden(answer.error.data, self._hide)
        return {**entry, "error": error}

    def _shown(self, call: MockCall) -> MockCall:
        return call._replace(params=without_hidden(call.params, self._hide))

    def _position(self, call: MockCall) -> int | None:
        """Return the first record of a call that has not been replayed; None if there is none."""
        key = self._shown(call).key
        for position, entry in enumerate(self._entries):
            if position not in self._replayed and call_of(entry).key == key:
                return position
        return None

    def _missing(self, call: MockCall) -> str:
        known = ", ".join(
            dict.fromkeys(str(call_of(entry)) for entry in self._entries if entry["method"] == call.method)
        )
        was_replayed = any(call_of(entry).key == call.key for entry in self._entries)
        state = "has been replayed as often as it was recorded" if was_replayed else "is not recorded"
        has_file = self._path.exists()
        file = f"in {self._path}" if has_file else f"since there is no {self._path}"
        return (
            f"{call} {state} {file}"
            + (f", which has {known}" if known and not was_replayed else "")
            + (
                '; record it with --jsonrpc-record-mode=new_episodes, or all calls anew with "all"'
                if has_file
                else "; record it with --jsonrpc-record-mode=once"
            )
        )


class CassetteTransport:
    """Replays a cassette, and sends calls that are to be recorded: a `Transport`.

    Args:
        cassette: The cassette.
        inner: Sends requests to the server.
    """

    def __init__(self, cassette: Cassette, inner: Transport) -> None:
        self._cassette = cassette
        self._inner = inner
        self._replaying = AnsweringTransport(cassette.replay)

    def send(self, request: ClientRequest, deadline: Deadline) -> ClientResponse:
        """Answer a message or a batch."""
        try:
            messages = PEER.parse(request.body)
        except (
            JsonRpcException
        ):  # of a client that sends no JSON-RPC: it has its answer, and there is nothing to record
            messages = ()
        if not self._cassette.records(messages):
            return self._replaying.send(request, deadline)
        response = self._inner.send(request, deadline)
        if response.status in (200, 204):  # others are no answers of JSON-RPC
            self._cassette.record(messages, PEER.parse(response.body) if response.body else ())
        return response

    def close(self) -> None:
        """Close the connections to the server."""
        self._inner.close()


def read_entries(path: Path) -> list[dict[str, Any]]:
    """Read the records of a file; none if there is no file.

    Raises:
        CassetteError: It is no cassette.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as exc:
        raise CassetteError(f"{path} cannot be read: {exc}; delete it, and record it again") from exc
    entries = content.get("calls") if isinstance(content, dict) and content.get("cassette") == _VERSION else None
    if not isinstance(entries, list) or not all(isinstance(one, dict) and "method" in one for one in entries):
        raise CassetteError(f"{path} is no cassette of version {_VERSION}; delete it, and record it again")
    return entries


def call_of(entry: Mapping[str, Any]) -> MockCall:
    return MockCall(entry["method"], entry.get("params"), "notification" in entry)


def without_hidden(value: Any, names: Collection[str]) -> Any:
    """Return a value with other values for the members of these names."""
    if isinstance(value, list):
        return [without_hidden(item, names) for item in value]
    if isinstance(value, dict):
        return {name: _HIDDEN if name in names else without_hidden(one, names) for name, one in value.items()}
    return value
