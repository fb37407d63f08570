"""One task: a call that its client asks about later.

Source: extension ``io.modelcontextprotocol/tasks``, revision 2026-07-28.
"""

from __future__ import annotations

import math
import secrets
import time
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from typing import Any, Final

from ...dispatch.call_control import CallControl
from ...runtime.concurrency import make_event, make_lock
from ...sansio_jsonrpc import ABSENT, JsonRpcError, JsonRpcException
from ..asking.rounds import requests_of

__all__ = ["Task", "TaskTimes", "error_members"]

_ID_BYTES: Final = 24


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

    Each change of its status returns whether it has happened: a task that has ended does not change any more.

    Args:
        owner: Who has made the call, hashed.
        times: How long it lives.

    Attributes:
        id: Its id. It cannot be guessed.
        owner: As given.
        expires_at: When it may be forgotten, on the monotonic clock.
        settled: Set once it has ended, or asks its client.
    """

    def __init__(self, owner: bytes, times: TaskTimes) -> None:
        self.id = secrets.token_urlsafe(_ID_BYTES)
        self.owner = owner
        self.expires_at = time.monotonic() + times.ttl_s
        self.settled = make_event()
        self._times = times
        self._created_at = self._updated_at = timestamp()
        self._changing = make_lock()  # guards all below
        self._status = "working"
        self._message = ""
        self._outcome: dict[str, Any] = {}  # the result, or the error
        self._answers: dict[str, Any] = {}  # by the keys of the function
        self._questions: dict[str, tuple[str, Mapping[str, Any]]] = {}  # the open ones, by the keys of the client
        self._asked: set[str] = set()  # the keys that the client has seen
        self._unusable: Counter[str] = Counter()  # how many answers could not be used, by the keys of the function
        self._is_known = False  # whether its client has its id
        self._failure: Exception | None = None  # what its error was made of, until the client has its id
        self._control: CallControl | None = None
        self._progress_at = -math.inf  # when its last progress was shown, on the monotonic clock

    @property
    def has_ended(self) -> bool:
        """Whether it has its result or error, or is cancelled."""
        return self._status not in {"working", "input_required"}

    @property
    def answers(self) -> dict[str, Any]:
        """What the client has answered so far, by the keys of the function."""
        with self._changing:
            return dict(self._answers)

    def created(self) -> dict[str, Any]:
        """Return it as the answer to the call: without questions, result or error."""
        with self._changing:
            return self._members()

    def detailed(self) -> dict[str, Any]:
        """Return it with its questions, its result or its error."""
        with self._changing:
            asked = {key: question for key, (_, question) in self._questions.items()}
            questions = {"inputRequests": requests_of(asked)} if self._status == "input_required" else {}
            return {**self._members(), **questions, **self._outcome}

    def note_known(self) -> None:
        """Note that its client has its id, and will ask for its result. An exception would keep a whole stack."""
        with self._changing:
            self._is_known = True
            self._failure = None

    def begin_with(self, answers: Mapping[str, Any]) -> None:
        """Take over the answers that the call had before it became a task."""
        with self._changing:
            self._answers.update(answers)

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
            self._updated_at = timestamp()
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
        """Wait for the answers to some questions, which are given by the keys of the function."""
        with self._changing:
            if not self._change("input_required", "Waiting for input"):
                return False
            for key, question in questions.items():
                self._questions[self._unused(key)] = (key, question)
        self.settled.set()
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
        with self._changing:
            if self._status != "input_required":
                return False
            for key in responses:
                if key in self._questions:
                    name, _ = self._questions.pop(key)
                    self._answers[name] = responses[key]
            self._updated_at = timestamp()
            return not self._questions and self._change("working", "")

    def complete(self, result: Mapping[str, Any]) -> bool:
        """End with a result."""
        return self._end("completed", "", {"result": result})

    def fail(self, error: JsonRpcError, failure: Exception | None = None) -> bool:
        """End with an error of the protocol.

        Args:
            error: The error.
            failure: The exception that it was made of.
        """
        return self._end("failed", error.message, {"error": error_members(error)}, failure=failure)

    def cancel(self) -> bool:
        """End without a result, and stop the function where that is possible."""
        return self._end("cancelled", "Cancelled by the client", {}, is_stopped=True)

    def give_up(self, error: JsonRpcError) -> bool:
        """End with an error, and stop the function where that is possible."""
        return self._end("failed", error.message, {"error": error_members(error)}, is_stopped=True)

    def result(self) -> Mapping[str, Any]:
        """Return the result of a task that has ended, and whose client has not got its id.

        Raises:
            Exception: The task has failed with it.
        """
        with self._changing:
            if self._failure is not None:
                raise self._failure
            if "error" in self._outcome:
                error = self._outcome["error"]
                data = error.get("data", ABSENT)
                raise JsonRpcException.exc_from_error(JsonRpcError(error["code"], error["message"], data))
            result: Mapping[str, Any] = self._outcome["result"]
            return result

    def _end(
        self,
        status: str,
        message: str,
        outcome: dict[str, Any],
        *,
        failure: Exception | None = None,
        is_stopped: bool = False,
    ) -> bool:
        with self._changing:
            if not self._change(status, message):
                return False
            self._outcome = outcome
            self._failure = None if self._is_known else failure
            self._answers, self._questions = {}, {}
            control, self._control = self._control, None
        self.settled.set()
        if is_stopped and control is not None:
            control.cancel()
        return True

    def _change(self, status: str, message: str) -> bool:
        if self.has_ended:
            return False
        self._status, self._message, self._updated_at = status, message, timestamp()
        return True

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


def error_members(error: JsonRpcError) -> dict[str, Any]:
    """Return an error as JSON values."""
    data = {} if error.data is ABSENT else {"data": error.data}
    return {"code": error.code, "message": error.message, **data}


def timestamp() -> str:
    """Return the time, as in RFC 3339."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
