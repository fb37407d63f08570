"""Runs the functions of tasks, each in a thread of its own, and gives tasks what their functions end with."""

from __future__ import annotations

from collections.abc import Callable

from ...dispatch.background import BackgroundCalls
from ...dispatch.call_control import CallControl, Report
from ...dispatch.invoker import logged_error
from ...http.refusals import Refusal
from ...sansio_jsonrpc import (
    ABSENT,
    JsonRpcError,
    JsonRpcException,
    JsonRpcInternalError,
)
from ..asking.ask import CLIENT_OFFERS, questions_in
from ..asking.rounds import MOST_TIMES, refuse_after, refuse_unsupported, requests_of
from ..feature import Result
from ..protocol.errors import INTERNAL_ERROR, McpError, TooLarge
from ..sources import Sources
from ..unwritable import UnwritableError, in_place_of_unwritable
from .members import ShownMembers
from .pending_call import Outcome
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
            self.start_thread(lambda: self._run(task, work))
        except BaseException:
            task.fail(JsonRpcError(INTERNAL_ERROR, "No thread can be started for the task"))
            self._store.note_return(task)
            self._changed(task)
            raise

    def start_thread(self, run: Callable[[], object]) -> None:
        """Run a function in a new thread. It must not raise."""
        self._background.start(run, name=f"{self._sources.facts.name}-task")

    def settle(self, task: Task, work: TaskWork, outcome: Outcome) -> None:
        """Give a task what its function has ended with: a result, an error, or questions."""
        try:
            self._settle(task, work, outcome)
        except (McpError, Refusal, JsonRpcException) as exc:
            self._fail(task, work, exc)
        except BaseException:  # noqa: BLE001  the last place: nothing waits for this thread
            self._complete_failed(task, work)
        finally:
            self._changed(task)

    def reporter(self, task: Task) -> Report:
        """Return what takes the progress of a task."""
        most = self._shown.most_message(task)

        def report(done: float, total: float | None, message: str | None) -> None:
            if task.progress(done, total, None if message is None else message[:most]):
                self._changed(task)

        return report

    def _run(self, task: Task, work: TaskWork) -> None:
        try:
            self.settle(task, work, Outcome.of(lambda: self._result(task, work)))
        finally:
            self._store.note_return(task)

    def _result(self, task: Task, work: TaskWork) -> Result:
        request = work.request()
        control = CallControl(self.reporter(task), {**task.answers, CLIENT_OFFERS: request.capabilities})
        if not task.begin_run(control):
            control.cancel()  # so that it does not begin
        return work.run(request, control)

    def _settle(self, task: Task, work: TaskWork, outcome: Outcome) -> None:
        """Give a task its result or its questions.

        Raises:
            BaseException: It fails with this.
        """
        try:
            result = outcome.result()
        except JsonRpcException as exc:
            questions = questions_in(exc)
            if questions is None:
                raise
        else:
            task.complete(self._shown.written(task, "the result is", {"result": dict(result)}))
            return
        refuse_unsupported(questions, work.request())
        refuse_after(MOST_TIMES, task.count_unusable(questions), questions)
        text = self._shown.written(task, "the questions are", {"inputRequests": requests_of(questions)})
        task.ask(self._sources.codec().loads(text)["inputRequests"])

    def _fail(self, task: Task, work: TaskWork, exc: McpError | Refusal | JsonRpcException) -> None:
        """Let a task fail with an exception, or with that of writing its error."""
        error = error_of(exc)
        members = {"statusMessage": error.message, "error": error_members(error)}
        try:
            text = self._shown.written(task, "the error is", members)
        except TooLarge as failure:
            task.fail(failure.error)
        except UnwritableError:
            task.fail(in_place_of_unwritable(self._logged(task, work)))
        else:
            copied = self._sources.codec().loads(text)["error"]
            task.fail(JsonRpcError(error.code, copied["message"], copied.get("data", ABSENT)))

    def _complete_failed(self, task: Task, work: TaskWork) -> None:
        """Log the exception that is being handled, and let a task end with the result that names the log entry."""
        result = work.failure(self._logged(task, work))
        try:
            task.complete(self._shown.written(task, "the result is", {"result": dict(result)}))
        except TooLarge as exc:
            task.fail(exc.error)

    def _logged(self, task: Task, work: TaskWork) -> JsonRpcInternalError:
        """Log the exception that is being handled, and return the error that has the id of the log entry."""
        log, debug = self._sources.facts.log, self._sources.settings.debug
        return logged_error(log, f"{work.name} failed in a task", task.id, debug=debug)


def error_of(exc: McpError | Refusal | JsonRpcException) -> JsonRpcError:
    """Return the error that an exception becomes in a task."""
    if isinstance(exc, McpError):
        return exc.error
    return exc.get_error() if isinstance(exc, JsonRpcException) else JsonRpcError(INTERNAL_ERROR, str(exc))
