"""One task: a call that its client asks about later.

Source: extension ``io.modelcontextprotocol/tasks``, revision 2026-07-28.
"""

from __future__ import annotations

import math
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timezone
from typing import Any, Final

from ...dispatch.call_control import CallControl
from ...runtime.concurrency import make_lock
from ...sansio_jsonrpc import ABSENT, Codec, JsonRpcError
from ..asking.ask import HIDDEN_KEYS

__all__ = ["Task", "TaskTimes", "error_members", "new_task_id"]

_ID_BYTES: Final = 24

# How long an outcome that its client has not asked for is kept although others need the room, in seconds; guessed.
_UNFETCHED_S: Final = 60.0

# The statuses before the end.
_OPEN: Final = frozenset({"working", "input_required"})


def new_task_id() -> str:
    """Return an id that cannot be guessed."""
    return secrets.token_urlsafe(_ID_BYTES)


class TaskTimes:
    """How long tasks live, and how often clients ask about them.

    Args:
        ttl_s: How long a task lives from its creation, in seconds.
        poll_s: How long a client waits between two questions, in seconds.

    Attributes:
        ttl_s, poll_s: As given.
    """

    def __init__(self, ttl_s: float, poll_s: float) -> None:
        self.ttl_s = ttl_s
        self.poll_s = poll_s

    def members(self) -> dict[str, int]:
        """Return them as members of a task, in milliseconds."""
        return {"ttlMs": max(1, round(self.ttl_s * 1000)), "pollIntervalMs": max(1, round(self.poll_s * 1000))}


class Task:
    """One task. Any thread may use it.

    Each change of its status returns whether it has happened: a task that has ended does not change any more. What it
    keeps is text: values would take many times the memory.

    Args:
        task_id: Its id.
        owner: Who has made the call, hashed.
        times: How long it lives.
        codec: Returns what writes and reads the values.
        id_bytes: The size of the id of the call.

    Attributes:
        id, owner, id_bytes: As given.
        expires_at: When it may be forgotten, on the monotonic clock.
        makes_room_at: When it may be forgotten for the sake of another: once its client has its outcome, or has not
            asked for a while. Infinity before its end.
    """

    def __init__(
        self, task_id: str, owner: bytes, times: TaskTimes, codec: Callable[[], Codec], id_bytes: int = 0
    ) -> None:
        self.id = task_id
        self.owner = owner
        self.id_bytes = id_bytes
        self.expires_at = time.monotonic() + times.ttl_s
        self.makes_room_at = math.inf
        self._times = times
        self._codec = codec
        self._created_at = self._updated_at = timestamp()
        self._changing = make_lock()  # guards all below
        self._changes = 0  # how often its members have changed
        self._status = "working"
        self._message = ""
        self._outcome = b"{}"  # the result, or the error, as a member of an object
        self._answers: dict[str, bytes] = {}  # by the keys of the function
        self._questions: dict[str, tuple[str, bytes]] = {}  # the open ones, by the keys of the client
        self._asked: set[str] = set()  # the keys that the client has seen
        self._unusable: Counter[str] = Counter()  # how many answers could not be used, by the keys of the function
        self._control: CallControl | None = None
        self._progress_at = -math.inf  # when its last progress was shown, on the monotonic clock

    @property
    def has_ended(self) -> bool:
        """Whether it has its result or error, or is cancelled."""
        return self._status not in _OPEN

    @property
    def answers(self) -> dict[str, Any]:
        """What the client has answered so far, by the keys of the function."""
        with self._changing:
            answers = dict(self._answers)
        return self._values(answers)

    def created(self) -> dict[str, Any]:
        """Return it as the answer to the call: without questions, result or error."""
        with self._changing:
            return self._members()

    def detailed(self) -> dict[str, Any]:
        """Return it with its questions, its result or its error."""
        return self.numbered()[1]

    def numbered(self) -> tuple[int, dict[str, Any]]:
        """Return how often it has changed, and it as :meth:`detailed`."""
        with self._changing:
            changes, members, outcome = self._changes, self._members(), self._outcome
            asked = {key: question for key, (_, question) in self._questions.items()}
        questions = {"inputRequests": self._values(asked)} if members["status"] == "input_required" else {}
        return changes, {**members, **questions, **self._codec().loads(outcome)}

    def fetch(self) -> dict[str, Any]:
        """Return it as :meth:`detailed`, for its client. With its outcome, it need not be kept any more."""
        members = self.detailed()
        if members["status"] not in _OPEN:
            self.makes_room_at = -math.inf
        return members

    def begin_with(self, answers: Mapping[str, Any]) -> int:
        """Take over the answers that the call had before it became a task. Return their size in bytes."""
        texts = self._texts({key: answer for key, answer in answers.items() if key not in HIDDEN_KEYS})
        with self._changing:
            self._answers.update(texts)
        return sum(map(len, texts.values()))

    def begin_run(self, control: CallControl) -> bool:
        """Note the control of the run that begins now; False if it must not begin."""
        with self._changing:
            if self.has_ended:
                return False
            self._control = control
            return True

    def progress(self, done: float, total: float | None, message: str | None) -> bool:
        """Show the progress of the function as the message of the task.

        Returns:
            Whether to tell those who follow the task: no more often than clients ask.
        """
        now = time.monotonic()
        with self._changing:
            if self._status != "working":
                return False
            self._message = message or (f"{done:g}" if total is None else f"{done:g} of {total:g}")
            self._note_change()
            is_due = now - self._progress_at >= self._times.poll_s
            self._progress_at = now if is_due else self._progress_at
            return is_due

    def count_unusable(self, keys: Collection[str]) -> Mapping[str, int]:
        """Count the answers that could not be used, since their questions are asked again.

        Args:
            keys: The keys of the questions that are asked now, as the function has them.

        Returns:
            How many answers to each question could not be used so far.
        """
        with self._changing:
            self._unusable.update(key for key in keys if key in self._answers)
            return dict(self._unusable)

    def ask(self, questions: Mapping[str, Any]) -> bool:
        """Wait for the answers to some requests, which are given by the keys of the function."""
        texts = self._texts(questions)
        with self._changing:
            if not self._change("input_required", "Waiting for input"):
                return False
            for key, text in texts.items():
                self._questions[self._unused(key)] = (key, text)
            self._control = None
        return True

    def open_answers(self, responses: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of some responses that answer an open question."""
        with self._changing:
            return {key: value for key, value in responses.items() if key in self._questions}

    def answer(self, responses: Mapping[str, Any]) -> bool:
        """Take responses; others than those to open questions are ignored.

        Returns:
            Whether the function runs again: these were the last ones.
        """
        texts = self._texts(responses)
        with self._changing:
            if self._status != "input_required":
                return False
            for key, text in texts.items():
                if key in self._questions:
                    name, _ = self._questions.pop(key)
                    self._answers[name] = text
            self._note_change()
            return not self._questions and self._change("working", "")

    def complete(self, text: bytes) -> bool:
        """End with a result: the text of an object with ``result``."""
        return self._end("completed", "", text)

    def fail(self, error: JsonRpcError) -> bool:
        """End with an error of the protocol."""
        return self._end("failed", error.message, self._text_of(error))

    def cancel(self) -> bool:
        """End without a result, and stop the function where that is possible."""
        return self._end("cancelled", "Cancelled by the client", b"{}", is_stopped=True)

    def give_up(self, error: JsonRpcError) -> bool:
        """End with an error, and stop the function where that is possible."""
        return self._end("failed", error.message, self._text_of(error), is_stopped=True)

    def _end(self, status: str, message: str, outcome: bytes, *, is_stopped: bool = False) -> bool:
        with self._changing:
            if not self._change(status, message):
                return False
            self._outcome = outcome
            self.makes_room_at = time.monotonic() + _UNFETCHED_S
            self._answers, self._questions = {}, {}
            control, self._control = self._control, None
        if is_stopped and control is not None:
            control.cancel()
        return True

    def _change(self, status: str, message: str) -> bool:
        if self.has_ended:
            return False
        self._status, self._message = status, message
        self._note_change()
        return True

    def _note_change(self) -> None:
        self._updated_at = timestamp()
        self._changes += 1

    def _unused(self, key: str) -> str:
        """Return a key that the client has not seen, and note it. A function asks again after an invalid answer."""
        unused, number = key, 1
        while unused in self._asked:
            number += 1
            unused = f"{key}-{number}"
        self._asked.add(unused)
        return unused

    def _members(self) -> dict[str, Any]:
        message = {"statusMessage": self._message} if self._message else {}
        times = {"createdAt": self._created_at, "lastUpdatedAt": self._updated_at, **self._times.members()}
        return {"taskId": self.id, "status": self._status, **message, **times}

    def _text_of(self, error: JsonRpcError) -> bytes:
        return self._codec().dumps({"error": error_members(error)})

    def _texts(self, values: Mapping[str, Any]) -> dict[str, bytes]:
        codec = self._codec()
        return {key: codec.dumps(value) for key, value in values.items()}

    def _values(self, texts: Mapping[str, bytes]) -> dict[str, Any]:
        codec = self._codec()
        return {key: codec.loads(text) for key, text in texts.items()}


def error_members(error: JsonRpcError) -> dict[str, Any]:
    """Return an error as JSON values."""
    data = {} if error.data is ABSENT else {"data": error.data}
    return {"code": error.code, "message": error.message, **data}


def timestamp() -> str:
    """Return the time, as in RFC 3339."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
