"""Tasks: long calls that are answered at once, and whose clients ask later how they are.

Source: extension ``io.modelcontextprotocol/tasks``, revision 2026-07-28.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from ...dispatch.call_control import CallControl
from ...sansio_jsonrpc import JsonRpcError, JsonRpcException
from ..asking.ask import MAY_BEGIN_TASK
from ..asking.rounds import answers_in
from ..calls.leaving import begins_task
from ..feature import Feature, Method, Result, RunIn, Scope, Subject
from ..protocol.errors import (
    INTERNAL_ERROR,
    InvalidParams,
    MalformedRequest,
    MissingClientCapability,
    TooManyTasks,
)
from ..protocol.requests import ClientRequest
from ..protocol.revisions import CURRENT
from ..sources import Sources
from ..subscriptions import Subscriptions, Watch
from .members import ShownMembers
from .runner import TaskRunner
from .store import TaskBounds, TaskStore
from .task import Task, TaskTimes
from .work import TaskWork, work_of

__all__ = ["EXTENSION", "TaskMode", "Tasks"]

EXTENSION: Final = "io.modelcontextprotocol/tasks"

_TASK_IDS: Final = "taskIds"
_MOST_IDS: Final = 1000

# How long a call of a method that may become a task is waited for; most clients ask once a second at most.
_GRACE_S: Final = 1.0

TaskMode = bool | str | None
"""What a tool says about tasks: the option ``task`` of :class:`~flaskJSONRPCServer.mcp.Tool`."""


class Tasks:
    """The tasks of an endpoint.

    Args:
        sources: The parts of the server.
        subscriptions: The streams of notifications.
        caller_of: Returns whom a request comes from, hashed.
        times: How long tasks live.
        server_info: Returns what the endpoint says about itself in each result.
        bounds: How many there may be.
    """

    def __init__(
        self,
        sources: Sources,
        subscriptions: Subscriptions,
        caller_of: Callable[[Scope], bytes],
        times: TaskTimes,
        server_info: Callable[[], Mapping[str, Any]],
        bounds: TaskBounds | None = None,
    ) -> None:
        self._sources = sources
        self._subscriptions = subscriptions
        self._caller_of = caller_of
        self._times = times
        self._store = TaskStore(bounds or TaskBounds(), self._expire)
        self._runner = TaskRunner(sources, self._store, ShownMembers(sources, self._store, server_info), self._changed)
        self._works: dict[Task, TaskWork] = {}  # of the tasks that have not ended; each step on it is atomic
        sources.background.on_tick(self._store.purge)
        sources.background.on_end(self._give_up_all)
        methods = {
            "tasks/get": Method(self.get, admit=require_extension, is_in_sessions=False),
            "tasks/update": Method(self.update, admit=require_extension, is_in_sessions=False),
            "tasks/cancel": Method(self.cancel, admit=require_extension, is_in_sessions=False),
        }
        self.feature = Feature("extensions", lambda: {EXTENSION: {}}, methods, self.watch)

    def admit(self, mode: TaskMode, request: ClientRequest) -> None:
        """Check that a client takes the task that a call needs.

        Raises:
            MissingClientCapability: It does not.
        """
        if mode == "required":
            require_extension(request)

    def result(
        self,
        mode: TaskMode,
        request: ClientRequest,
        scope: Scope,
        subject: Subject,
        run: RunIn,
        *,
        is_elsewhere: bool,
    ) -> Result:
        """Return the result of a function, its questions, or a task.

        Args:
            mode: What the tool says about tasks.
            request: The request.
            scope: What surrounds it.
            subject: As with :meth:`.feature.AnyRounds.result`.
            run: Runs the function.
            is_elsewhere: Whether it runs on an exec backend.

        Raises:
            McpError: The request cannot be answered with any of these.
        """
        if mode is False or not takes_tasks(request):
            again = scope.rounds.runs_again
            return scope.rounds.result(
                request, scope, subject, lambda control: run(scope, control, may_run_again=again)
            )
        if mode is None and not is_elsewhere:
            return self._in_rounds(request, scope, subject, run)
        task = self._begin(request, scope, run, {})
        if mode is None and task.settled.wait(_GRACE_S) and task.has_ended:
            return self._result_of_settled(task)
        return as_task(task)

    def get(self, request: ClientRequest, scope: Scope) -> Result:
        """Answer ``tasks/get``."""
        return self._task(request, scope).detailed()

    def update(self, request: ClientRequest, scope: Scope) -> Result:
        """Answer ``tasks/update``."""
        task = self._task(request, scope)
        answers = task.open_answers(answers_in(request))
        if not answers:
            return {}
        if not self._store.reserve(task, len(self._sources.codec().dumps(answers))):
            raise TooManyTasks("the answers are too large for the task")
        work = self._works.get(task)
        if task.answer(answers) and work is not None:
            self._runner.start(task, work)
        self._changed(task)
        return {}

    def cancel(self, request: ClientRequest, scope: Scope) -> Result:
        """Answer ``tasks/cancel``."""
        task = self._task(request, scope)
        if task.cancel():
            self._changed(task)
        return {}

    def watch(self, request: ClientRequest, scope: Scope) -> Watch | None:
        """Return what a client that opens a stream learns of its tasks.

        Raises:
            MissingClientCapability: The client does not take tasks.
            MalformedRequest: It has sent no list of ids.
        """
        wanted = request.params.get("notifications")
        if not isinstance(wanted, dict) or _TASK_IDS not in wanted:
            return None
        require_extension(request)
        ids = wanted[_TASK_IDS]
        if not isinstance(ids, list) or len(ids) > _MOST_IDS or not all(isinstance(item, str) for item in ids):
            raise MalformedRequest(f"Invalid params: {_TASK_IDS} is no list of at most {_MOST_IDS} strings")
        owner = self._caller_of(scope)
        known = frozenset(task_id for task_id in ids if self._store.find(task_id, owner) is not None)
        return Watch(_TASK_IDS, known, lambda task_id: self._state(task_id, owner), "notifications/tasks")

    def _in_rounds(self, request: ClientRequest, scope: Scope, subject: Subject, run: RunIn) -> Result:
        """Return the result of a function that may begin a task itself, after its questions."""
        known: dict[str, Any] = {}

        def new_control(answers: Mapping[str, Any]) -> CallControl:
            known.update(answers)
            return scope.new_control({**answers, MAY_BEGIN_TASK: True})

        try:
            may_begin = replace(scope, new_control=new_control)
            return scope.rounds.result(
                request, may_begin, subject, lambda control: run(may_begin, control, may_run_again=True)
            )
        except JsonRpcException as exc:
            if not begins_task(exc):
                raise
        return as_task(self._begin(request, scope, run, known))

    def _begin(self, request: ClientRequest, scope: Scope, run: RunIn, answers: Mapping[str, Any]) -> Task:
        """Make a task of a call, and begin to run it.

        Raises:
            TooManyTasks: There is no room.
        """
        task = Task(self._caller_of(scope), self._times)
        task.begin_with(answers)
        work = work_of(request, scope, run, self._sources.settings.max_body_bytes)
        self._store.add(task, work.size_bytes)
        self._works[task] = work
        self._runner.start(task, work)
        return task

    def _result_of_settled(self, task: Task) -> Result:
        """Return the result of a task that has ended before its client knows of it.

        Raises:
            Exception: It has failed with it.
        """
        self._store.remove(task)
        return task.result()

    def _state(self, task_id: str, owner: bytes) -> Mapping[str, Any] | None:
        """Return the present state of a task of a caller; None if its time is over."""
        task = self._store.look_up(task_id, owner)  # find() could expire tasks, whose followers learn that
        return None if task is None else task.detailed()

    def _task(self, request: ClientRequest, scope: Scope) -> Task:
        """Return the task that a request is about.

        Raises:
            InvalidParams: The caller has no such task, or its time is over.
        """
        task_id = request.params.get("taskId")
        if not isinstance(task_id, str):
            raise MalformedRequest("Invalid params: taskId is not a string")
        task = self._store.find(task_id, self._caller_of(scope))
        if task is None:
            raise InvalidParams("Task not found: the id is unknown, or the task has expired")
        return task

    def _changed(self, task: Task) -> None:
        if task.has_ended:
            self._works.pop(task, None)
        self._subscriptions.tell_watchers(_TASK_IDS, task.id, task.detailed)

    def _expire(self, task: Task) -> None:
        task.give_up(JsonRpcError(INTERNAL_ERROR, "The task has expired"))
        self._changed(task)

    def _give_up_all(self) -> None:
        for task in self._store.open_tasks():
            if task.give_up(JsonRpcError(INTERNAL_ERROR, "The server has stopped")):
                self._changed(task)


def takes_tasks(request: ClientRequest) -> bool:
    """Return whether a client takes a task as the answer to a request."""
    return request.revision == CURRENT and request.has_extension(EXTENSION)


def require_extension(request: ClientRequest, scope: Scope | None = None) -> None:
    """Check that a client takes tasks.

    Raises:
        MissingClientCapability: It does not.
    """
    if not takes_tasks(request):
        raise MissingClientCapability({"extensions": {EXTENSION: {}}})


def as_task(task: Task) -> Result:
    task.note_known()
    return {"resultType": "task", **task.created()}
