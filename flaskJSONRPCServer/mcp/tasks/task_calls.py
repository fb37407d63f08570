"""Calls of tools that may become tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from ...dispatch.call_control import CallControl
from ...dispatch.exchange import Exchange
from ...sansio_jsonrpc import JsonRpcException
from ..asking.ask import MAY_BEGIN_TASK, questions_in
from ..asking.rounds import refuse_unsupported
from ..calls.leaving import begins_task
from ..feature import Result, Scope
from ..protocol.errors import TooManyTasks
from ..protocol.requests import ClientRequest
from ..sources import Sources
from .pending_call import Outcome, PendingCall
from .runner import TaskRunner
from .store import TaskStore
from .task import Task, TaskTimes, new_task_id
from .work import CalledFunction, TaskWork

__all__ = ["TaskCalls", "TaskMode"]

# How long a call that may become a task is waited for, in seconds; most clients ask once a second at most.
_GRACE_S: Final = 1.0

TaskMode = bool | str | None
"""What a tool says about tasks: the option ``task`` of :class:`~flaskJSONRPCServer.mcp.Tool`."""


class TaskCalls:
    """Answers calls with results or tasks.

    Args:
        sources: The parts of the server.
        store: The tasks.
        runner: Runs their functions.
        caller_of: Returns whom a request comes from, hashed.
        times: How long tasks live.
        new_id: Returns the id of a task that begins in a request, given what is random in it.
    """

    def __init__(
        self,
        sources: Sources,
        store: TaskStore,
        runner: TaskRunner,
        caller_of: Callable[[Scope], bytes],
        times: TaskTimes,
        new_id: Callable[[Exchange, str], str],
    ) -> None:
        self._sources = sources
        self._store = store
        self._runner = runner
        self._caller_of = caller_of
        self._times = times
        self._new_id = new_id
        self._works: dict[Task, TaskWork] = {}  # of the tasks that have not ended; each step on it is atomic

    def result(self, mode: TaskMode, request: ClientRequest, scope: Scope, function: CalledFunction) -> Result:
        """Return the result of a function, its questions, or a task, for a client that takes tasks.

        Args:
            mode: What the tool says about tasks; not False.
            request: The request.
            scope: What surrounds it.
            function: The function.

        Raises:
            McpError: The request cannot be answered with any of these.
        """
        if mode is None and function.is_elsewhere:
            return scope.rounds.result(
                request,
                scope,
                function.subject,
                lambda request, scope, control: self._run_elsewhere(request, scope, function, control),
            )
        if mode is None:
            return self._run_here(request, scope, function)
        work = TaskWork(self._sources, function, request, scope)
        task = self._added(work, scope, {})
        self._runner.start(task, work)
        return as_task(task)

    def work_of(self, task: Task) -> TaskWork | None:
        """Return the work of a task that has not ended."""
        return self._works.get(task)

    def end(self, task: Task) -> None:
        """Forget the work of a task that has ended."""
        self._works.pop(task, None)

    def _run_here(self, request: ClientRequest, scope: Scope, function: CalledFunction) -> Result:
        """Return the result of a function that may begin a task itself, after its questions."""
        known: dict[str, Any] = {}

        def new_control(answers: Mapping[str, Any]) -> CallControl:
            known.update(answers)
            return scope.new_control({**answers, MAY_BEGIN_TASK: True})

        try:
            may_begin = replace(scope, new_control=new_control, keeps_arguments=True)
            return scope.rounds.result(request, may_begin, function.subject, function.run)
        except JsonRpcException as exc:
            if not begins_task(exc):
                raise
        work = TaskWork(self._sources, function, request, scope)
        task = self._added(work, scope, known)
        self._runner.start(task, work)
        return as_task(task)

    def _run_elsewhere(
        self, request: ClientRequest, scope: Scope, function: CalledFunction, control: CallControl
    ) -> Result:
        """Run a function on an exec backend, and return its result, or a task if it takes long or asks.

        If there is no room for a task, this waits for the result, and its questions end the request.

        Raises:
            BaseException: The function has failed with it.
        """
        work = TaskWork(self._sources, function, request, scope)
        call = PendingCall(control, wants_log=request.log_level is not None)
        self._runner.start_thread(lambda: call.run(lambda control: work.run(work.request(), control)))
        if not call.wait(scope.exchange.has_left, _GRACE_S):
            task = self._task_of_pending(call, work, scope, control)
            if task is not None:
                return as_task(task)
            call.wait(scope.exchange.has_left)
        outcome = call.outcome()
        questions = questions_in(outcome.failure)
        if questions is None:
            return outcome.result()
        refuse_unsupported(questions, request)
        task = self._added_if_room(work, scope, control.answers)
        if task is None:
            return outcome.result()
        self._runner.settle(task, work, outcome)
        return as_task(task)

    def _task_of_pending(self, call: PendingCall, work: TaskWork, scope: Scope, control: CallControl) -> Task | None:
        """Let a call become a task, and return it; None if it has ended now, or there is no room."""
        task = self._added_if_room(work, scope, control.answers)
        if task is None:
            return None

        def settle(outcome: Outcome) -> None:
            try:
                self._runner.settle(task, work, outcome)
            finally:
                self._store.note_return(task)

        self._store.note_run(task)
        if call.become_task(self._runner.reporter(task), settle):
            if not task.begin_run(call.control):
                call.control.cancel()
            return task
        self._store.note_return(task)
        self._forget(task)
        return None

    def _added_if_room(self, work: TaskWork, scope: Scope, answers: Mapping[str, Any] | None) -> Task | None:
        """As :meth:`_added`; None if there is no room."""
        try:
            return self._added(work, scope, answers or {})
        except TooManyTasks:
            return None

    def _added(self, work: TaskWork, scope: Scope, answers: Mapping[str, Any]) -> Task:
        """Make a task of a call with the answers that it has, and add it.

        Raises:
            TooManyTasks: There is no room.
        """
        task_id = self._new_id(scope.exchange, new_task_id())
        task = Task(task_id, self._caller_of(scope), self._times, self._sources.codec, work.id_bytes)
        answers_bytes = task.begin_with(answers)
        self._store.add(task, work.size_bytes + answers_bytes)
        self._works[task] = work
        return task

    def _forget(self, task: Task) -> None:
        """Forget a task whose id no client has."""
        self._store.remove(task)
        self.end(task)


def as_task(task: Task) -> Result:
    return {"resultType": "task", **task.created()}
