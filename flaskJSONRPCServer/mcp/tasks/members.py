"""What a task shows: its questions, its result or its error, as JSON values in the bounds of the endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ...sansio_jsonrpc import JsonRpcParseError
from ..protocol.errors import TooLarge
from ..protocol.revisions import SERVER_INFO
from ..sources import Sources
from .store import TaskStore
from .task import Task

__all__ = ["ShownMembers"]

# What an answer has beside the members of its result, with an id of up to 128 bytes and the message of a task that
# asks.
_FRAME_BYTES: Final = 256


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

    def written(self, task: Task, what: str, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of what a task is to show, as JSON values that its function cannot change any more.

        Args:
            task: The task.
            what: What they are, in words.
            members: The members that it gets, in place of those that it has got before.

        Raises:
            JsonRpcSerializationError: A value has no JSON form.
            TooLarge: No answer could have them, the tasks keep too much already, or they exceed a limit of JSON.
        """
        codec = self._sources.codec()
        text = codec.dumps(dict(members))
        if len(text) > self._room_bytes(task) or not self._store.reserve_shown(task, len(text)):
            raise TooLarge(f"{what} too large for a task: {len(text)} bytes")
        try:
            copied: dict[str, Any] = codec.loads(text)
        except JsonRpcParseError as exc:  # clients could not read it either, with limits like these
            raise TooLarge(f"{what} too large for a task: {exc.message}") from exc
        return copied

    def _room_bytes(self, task: Task) -> int:
        """Return how large the members may be, so that an answer with them can be sent."""
        others = {"resultType": "complete", **task.created(), "_meta": {SERVER_INFO: self._server_info()}}
        used_bytes = len(self._sources.codec().dumps(others)) + _FRAME_BYTES
        return self._sources.settings.max_response_bytes - used_bytes
