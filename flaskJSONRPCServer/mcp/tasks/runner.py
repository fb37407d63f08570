"""Runs the functions of tasks, each in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable

from ...dispatch.background import BackgroundCalls
from ...dispatch.invoker import logged_error
from ...http.refusals import Refusal
from ...sansio_jsonrpc import ABSENT, JsonRpcError, JsonRpcException, JsonRpcSerializationError
from ..asking.ask import questions_in
from ..asking.rounds import MOST_TIMES, refuse_after, refuse_unsupported, requests_of
from ..protocol.errors import INTERNAL_ERROR, McpError, TooLarge
from ..sources import Sources
from .members import ShownMembers
from .store import TaskStore
from .task import Task, error_members
from .work import TaskWork

__all__ = ["TaskRunner"]


class TaskRunner:
    """Runs the functions of the tasks of an endpoint.

    Args:
        sources: The parts of the server.
        store: The tasks.
        shown: Writes what they show.
        changed: Learns that a task has changed.
    """

    def __init__(
        self, sources: Sources, store: TaskStore, shown: ShownMembers, changed: Callable[[Task], object]
    ) -> None:
        self._sources = sources
        self._background: BackgroundCalls = sources.background
        self._store = store
        self._shown = shown
        self._changed = changed

    def start(self, task: Task, work: TaskWork) -> None:
        """Run the function of a task in a new thread, unless the task has ended. Without a thread, the task fails."""
        self._store.note_run(task)
        try:
            self._background.start(lambda: self._run(task, work), name=f"{self._sources.facts.name}-task")
        except BaseException:
            task.fail(JsonRpcError(INTERNAL_ERROR, "No thread can be started for the task"))
            self._store.note_return(task)
            self._changed(task)
            raise

    def _run(self, task: Task, work: TaskWork) -> None:
        try:
            self._settle(task, work)
        except (McpError, Refusal, JsonRpcException) as exc:
            self._fail(task, work, exc)
        except BaseException:  # noqa: BLE001  the last place: nothing waits for this thread
            self._fail_logged(task, work)
        finally:
            self._store.note_return(task)
            self._changed(task)

    def _settle(self, task: Task, work: TaskWork) -> None:
        """Run the function, and give the task its result or its questions.

        Raises:
            McpError, Refusal, JsonRpcException: It fails with this.
        """
        try:
            result = work.run_once(task, lambda *progress: self._report(task, *progress))
        except JsonRpcException as exc:
            questions = questions_in(exc)
            if questions is None:
                raise
        else:
            task.complete(self._shown.written(task, "the result is", {"result": dict(result)})["result"])
            return
        refuse_unsupported(questions, work.request)
        refuse_after(MOST_TIMES, task.count_unusable(questions))
        asked = requests_of(questions)
        task.ask(self._shown.written(task, "the questions are", {"inputRequests": asked})["inputRequests"])

    def _fail(self, task: Task, work: TaskWork, exc: McpError | Refusal | JsonRpcException) -> None:
        """Let a task fail with an exception, or with that of writing its error."""
        if isinstance(exc, JsonRpcSerializationError):  # the log has its cause, which no client sees
            self._fail_logged(task, work, exc.message)
            return
        error = error_of(exc)
        members = {"statusMessage": error.message, "error": error_members(error)}
        try:
            written = self._shown.written(task, "the error is", members)["error"]
        except TooLarge as failure:
            task.fail(failure.error, failure)
        except JsonRpcSerializationError as failure:
            self._fail_logged(task, work, failure.message)
        else:
            task.fail(JsonRpcError(error.code, written["message"], written.get("data", ABSENT)), exc)

    def _fail_logged(self, task: Task, work: TaskWork, message: str | None = None) -> None:
        """Log the exception that is being handled, and let a task fail with the id of the log entry."""
        log, debug = self._sources.facts.log, self._sources.settings.debug
        error = logged_error(log, f"{work.request.method} failed in a task", task.id, debug=debug).get_error()
        task.fail(JsonRpcError(error.code, message or error.message, error.data))

    def _report(self, task: Task, done: float, total: float | None, message: str | None) -> None:
        if task.progress(done, total, message):
            self._changed(task)


def error_of(exc: McpError | Refusal | JsonRpcException) -> JsonRpcError:
    """Return the error that an exception becomes in a task."""
    if isinstance(exc, McpError):
        return exc.error
    return exc.get_error() if isinstance(exc, JsonRpcException) else JsonRpcError(INTERNAL_ERROR, str(exc))
