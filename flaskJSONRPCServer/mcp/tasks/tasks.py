"""Tasks: long calls that are answered at once, and whose clients ask later how they are.

Source: extension ``io.modelcontextprotocol/tasks``, revision 2026-07-28.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ...dispatch.exchange import Exchange
from ...sansio_jsonrpc import JsonRpcError
from ..asking.rounds import answers_in
from ..feature import Feature, Method, Result, Scope
from ..protocol.errors import (
    INTERNAL_ERROR,
    InvalidParams,
    MalformedRequest,
    MissingClientCapability,
)
from ..protocol.requests import ClientRequest
from ..protocol.revisions import CURRENT
from ..sources import Sources
from ..subscriptions import Subscriptions, Watch, WatchedState
from .members import ShownMembers
from .runner import TaskRunner
from .store import TaskBounds, TaskStore
from .task import Task, TaskTimes
from .task_calls import TaskCalls

__all__ = ["EXTENSION", "Tasks", "require_tasks", "takes_tasks", "task_ids_in"]

EXTENSION: Final = "io.modelcontextprotocol/tasks"

_TASK_ID: Final = "taskId"
_TASK_IDS: Final = "taskIds"
_MOST_IDS: Final = 1000


class Tasks:
    """The tasks of an endpoint.

    Args:
        sources: The parts of the server.
        subscriptions: The streams of notifications.
        caller_of: Returns whom a request comes from, hashed.
        times: How long tasks live.
        server_info: Returns what the endpoint says about itself in each result.
        new_id: Returns the id of a task that begins in a request, given what is random in it.
        bounds: How many there may be.

    Attributes:
        calls: Answers calls for clients that take tasks.
    """

    def __init__(
        self,
        sources: Sources,
        subscriptions: Subscriptions,
        caller_of: Callable[[Scope], bytes],
        times: TaskTimes,
        server_info: Callable[[], Mapping[str, Any]],
        new_id: Callable[[Exchange, str], str],
        bounds: TaskBounds | None = None,
    ) -> None:
        self._sources = sources
        self._subscriptions = subscriptions
        self._caller_of = caller_of
        self._store = TaskStore(bounds or TaskBounds(), self._expire)
        self._runner = TaskRunner(sources, self._store, ShownMembers(sources, self._store, server_info), self._changed)
        self.calls = TaskCalls(sources, self._store, self._runner, caller_of, times, new_id)
        sources.background.on_tick(self._store.purge)
        sources.background.on_end(self._give_up_all)
        methods = {
            "tasks/get": Method(self.get, admit=require_tasks, is_in_sessions=False, names_task=True),
            "tasks/update": Method(self.update, admit=require_tasks, is_in_sessions=False, names_task=True),
            "tasks/cancel": Method(self.cancel, admit=require_tasks, is_in_sessions=False, names_task=True),
        }
        self.feature = Feature("extensions", lambda: {EXTENSION: {}}, methods, self.watch)

    def get(self, request: ClientRequest, scope: Scope) -> Result:
        """Answer ``tasks/get``."""
        return self._task(request, scope).fetch()

    def update(self, request: ClientRequest, scope: Scope) -> Result:
        """Answer ``tasks/update``. The extension requires the member with the answers."""
        task = self._task(request, scope)
        answers = task.open_answers(answers_in(request, are_required=True))
        if not answers:
            return {}
        self._store.reserve(task, len(self._sources.codec().dumps(answers)))
        work = self.calls.work_of(task)
        runs_again = task.answer(answers)
        self._changed(task)  # first: the run changes the task again
        if runs_again and work is not None:
            self._runner.start(task, work)
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
        require_tasks(request)
        ids = wanted[_TASK_IDS]
        if not isinstance(ids, list) or len(ids) > _MOST_IDS or not all(isinstance(item, str) for item in ids):
            raise MalformedRequest(f"Invalid params: {_TASK_IDS} is no list of at most {_MOST_IDS} strings")
        owner = self._caller_of(scope)
        known = frozenset(task_id for task_id in ids if self._store.find(task_id, owner) is not None)
        return Watch(_TASK_IDS, known, lambda task_id: self._state(task_id, owner), "notifications/tasks")

    def _state(self, task_id: str, owner: bytes) -> WatchedState | None:
        """Return the present state of a task of a caller; None if its time is over."""
        task = self._store.look_up(task_id, owner)  # find() could expire tasks, whose followers learn that
        return None if task is None else state_of(task)

    def _task(self, request: ClientRequest, scope: Scope) -> Task:
        """Return the task that a request is about.

        Raises:
            InvalidParams: The caller has no such task, or its time is over.
        """
        task_id = request.params.get(_TASK_ID)
        if not isinstance(task_id, str):
            raise MalformedRequest("Invalid params: taskId is not a string")
        task = self._store.find(task_id, self._caller_of(scope))
        if task is None:
            raise InvalidParams("Task not found: the id is unknown, or the task has expired")
        return task

    def _changed(self, task: Task) -> None:
        if task.has_ended:
            self.calls.end(task)
        self._subscriptions.tell_watchers(_TASK_IDS, task.id, lambda: state_of(task))

    def _expire(self, task: Task) -> None:
        task.give_up(JsonRpcError(INTERNAL_ERROR, "The task has expired"))
        self._changed(task)

    def _give_up_all(self) -> None:
        for task in self._store.open_tasks():
            if task.give_up(JsonRpcError(INTERNAL_ERROR, "The server has stopped")):
                self._changed(task)


def state_of(task: Task) -> WatchedState:
    return WatchedState(*task.numbered())


def task_ids_in(request: ClientRequest) -> list[str]:
    """Return the ids of the tasks that a request is about, as far as they are strings, and not too many."""
    wanted = request.params.get("notifications")
    ids = wanted.get(_TASK_IDS) if isinstance(wanted, dict) else [request.params.get(_TASK_ID)]
    return [task_id for task_id in ids[:_MOST_IDS] if isinstance(task_id, str)] if isinstance(ids, list) else []


def takes_tasks(request: ClientRequest) -> bool:
    """Return whether a client takes a task as the answer to a request."""
    extensions = request.capabilities.get("extensions")
    if not isinstance(extensions, dict):
        return False
    return isinstance(extensions.get(EXTENSION), dict) and request.revision == CURRENT


def require_tasks(request: ClientRequest, scope: Scope | None = None) -> None:
    """Check that a client takes tasks.

    Raises:
        MissingClientCapability: It does not.
    """
    if not takes_tasks(request):
        raise MissingClientCapability({"extensions": {EXTENSION: {}}})
