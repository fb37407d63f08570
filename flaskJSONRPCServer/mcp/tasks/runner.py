"""Runs the functions of tasks, each in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...dispatch.answers import RESPONSE_TOO_LARGE
from ...dispatch.background import BackgroundCalls
from ...dispatch.invoker import logged_error
from ...http.refusals import Refusal
from ...sansio_jsonrpc import JsonRpcError, JsonRpcException
from ..asking.ask import questions_in
from ..asking.rounds import refuse_unsupported
from ..feature import Result
from ..protocol.errors import McpError
from ..sources import Sources
from .store import TaskStore
from .task import Task
from .work import TaskWork

__all__ = ["TaskRunner"]

_INTERNAL: Final = -32603


class TaskRunner:
    """Runs the functions of the tasks of an endpoint.

    Args:
        sources: The parts of the server.
        store: The tasks.
        changed: Learns that a task has changed.
    """

    def __init__(self, sources: Sources, store: TaskStore, changed: Callable[[Task], object]) -> None:
        self._sources = sources
        self._background: BackgroundCalls = sources.background
        self._store = store
        self._changed = changed

    def start(self, task: Task, work: TaskWork) -> None:
        """Run the function of a task in a new thread, unless the task has ended. Without a thread, the task fails."""
        self._store.note_run(task)
        try:
            self._background.start(lambda: self._run(task, work), name=f"{self._sources.facts.name}-task")
        except BaseException:
            task.fail(JsonRpcError(_INTERNAL, "No thread can be started for the task"))
            self._store.note_return(task)
            self._changed(task)
            raise

    def _run(self, task: Task, work: TaskWork) -> None:
        try:
            self._settle(task, work)
        except BaseException:  # noqa: BLE001  the last place: nothing waits for this thread
            what = f"{work.request.method} failed in a task"
            log, debug = self._sources.facts.log, self._sources.settings.debug
            task.fail(logged_error(log, what, task.id, debug=debug).get_error())
        finally:
            self._store.note_return(task)
            self._changed(task)

    def _settle(self, task: Task, work: TaskWork) -> None:
        """Run the function, and give the task its result, its error or its questions."""
        try:
            self._complete(task, work.run_once(task, lambda *progress: self._report(task, *progress)))
        except McpError as exc:
            task.fail(exc.error)
        except Refusal as exc:
            task.fail(JsonRpcError(_INTERNAL, str(exc)))
        except JsonRpcException as exc:
            self._ask(task, work, exc)

    def _report(self, task: Task, done: float, total: float | None, message: str | None) -> None:
        if task.progress(done, total, message):
            self._changed(task)

    def _ask(self, task: Task, work: TaskWork, exc: JsonRpcException) -> None:
        """Let a task ask what its function has asked, or fail with its error."""
        questions = questions_in(exc)
        if questions is None:
            task.fail(exc.get_error())
            return
        try:
            refuse_unsupported(questions, work.request)
        except McpError as refusal:
            task.fail(refusal.error)
            return
        task.ask(questions)

    def _complete(self, task: Task, result: Result) -> None:
        """Keep a copy of a result, which its function cannot change any more.

        Raises:
            JsonRpcException: It has no JSON form.
        """
        codec = self._sources.codec()
        text = codec.dumps(dict(result))
        if self._store.reserve(task, len(text)):
            task.complete(codec.loads(text))
        else:
            task.fail(JsonRpcError(RESPONSE_TOO_LARGE, f"the result is too large for a task: {len(text)} bytes"))
