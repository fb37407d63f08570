"""What a task shows: its questions, its result or its error, as JSON in the bounds of the endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ...sansio_jsonrpc import JsonRpcParseError, JsonRpcSerializationError
from ..protocol.errors import TooLarge, TooManyTasks
from ..protocol.revisions import SERVER_INFO
from ..sources import Sources
from ..unwritable import unwritable_error
from .store import TaskStore
from .task import Task

__all__ = ["ShownMembers"]

# What an answer has beside the members of its result and the id of its request: the message of a task that asks.
_FRAME_BYTES: Final = 128

# How long the ids are for which there is room in any case, and how much longer than that of the call; guessed.
_ID_BYTES: Final = 128
_ID_GROWS_BYTES: Final = 16

_MOST_MESSAGE: Final = 1000
"""The most characters of a progress that a task shows; guessed."""

# The most bytes of one character in JSON, escaped as two surrogates.
_CHARACTER_BYTES: Final = 12


class ShownMembers:
    """Writes what tasks show.

    Args:
        sources: The parts of the server.
        store: The tasks, which count what they keep.
        server_info: Returns what the endpoint says about itself in each result.
    """

    def __init__(self, sources: Sources, store: TaskStore, server_info: Callable[[], Mapping[str, Any]]) -> None:
        self._sources = sources
        self._store = store
        self._server_info = server_info

    def written(self, task: Task, what: str, members: Mapping[str, Any]) -> bytes:
        """Return what a task is to show as JSON, which its function cannot change any more.

        Args:
            task: The task.
            what: What they are, in words.
            members: The members that it gets, in place of those that it has got before.

        Raises:
            UnwritableError: A value has no JSON form.
            TooLarge: No answer could have them, the tasks keep too much already, or they exceed a limit of JSON.
        """
        text = self._text(members)
        too_large = f"{what} too large for a task: {len(text)} bytes"
        if len(text) > self._room_bytes(task):
            raise TooLarge(too_large)
        try:
            self._store.reserve_shown(task, len(text))
        except TooManyTasks as exc:
            raise TooLarge(too_large) from exc
        try:
            self._sources.codec().loads(text)
        except JsonRpcParseError as exc:  # clients could not read it either, with limits like these
            raise TooLarge(f"{what} too large for a task: {exc.message}") from exc
        return text

    def most_message(self, task: Task) -> int:
        """Return how many characters a message about the progress of a task may have, so that it can be shown."""
        return max(0, min(_MOST_MESSAGE, self._room_bytes(task) // _CHARACTER_BYTES))

    def _text(self, members: Mapping[str, Any]) -> bytes:
        codec = self._sources.codec()
        try:
            return codec.dumps(dict(members))
        except JsonRpcSerializationError as exc:
            failure = exc
        raise unwritable_error(codec, members, failure)

    def _room_bytes(self, task: Task) -> int:
        """Return how large the members may be, so that an answer with them can be sent."""
        created = {name: value for name, value in task.created().items() if name != "statusMessage"}
        others = {"resultType": "complete", **created, "_meta": {SERVER_INFO: self._server_info()}}
        used_bytes = len(self._sources.codec().dumps(others)) + _FRAME_BYTES
        used_bytes += max(_ID_BYTES, task.id_bytes + _ID_GROWS_BYTES)
        return self._sources.settings.max_response_bytes - used_bytes
