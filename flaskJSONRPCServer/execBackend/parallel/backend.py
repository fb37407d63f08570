"""The exec backend ``parallel``, as the server has it."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ...contract.results import InvalidResultError
from ...dispatch.backend_context import BackendContext
from ...dispatch.exec_backend import CallAnswer
from ...dispatch.facade import ServerFacade
from ...dispatch.remote import answer_of_outcome
from ...errors import SettingsError, UnsupportedError, unknown_name
from ...extras import missing_extra
from ...http.request import client_of
from ...runtime.logs import DEBUG
from ...runtime.parent import copy_globals
from ...sansio_jsonrpc import JsonRpcException, JsonRpcInternalError
from ..base import PreparedBackend, already_running_error
from .channel import ChannelSession
from .job import Job, TimedJob
from .messages import make_call_message, make_setup
from .methods import ParentMethods

if TYPE_CHECKING:
    from .pool import Pool

__all__ = ["ParallelBackend"]

_FILTERS: Final = ("typeOf", "filterByName", "filterByNameReversed")


class ParallelBackend(PreparedBackend):
    """Runs calls in a pool of processes, on all cores. A crash or a timeout ends one process, and no other.

    Args:
        poolSize: The number of processes; None: the number of cores that this process may use.
        timeout: The most seconds that a call may run. Its process is killed then; None: no limit. A dispatcher with an
            attribute ``_timeout`` has a limit of its own.
        maxTasksPerChild: The number of calls after which a process is replaced by a fresh one; None: never.
        importGlobalsFromParent: Whether the processes have the globals of the main program; a dict of ``typeOf``,
            ``filterByName`` and ``filterByNameReversed`` chooses, as with ``_importGlobalsFromParent``.
        queue_calls: The most calls that wait for a process; None: the setting ``max_exec_queue_calls``.
        id: The ``_id``, for a second pool beside the prepared one.

    Raises:
        SettingsError: An argument has an invalid value.
    """

    _id = "parallel"
    keeps_deadlines = True

    def __init__(
        self,
        *,
        poolSize: int | None = None,
        timeout: float | None = None,
        maxTasksPerChild: int | None = None,
        importGlobalsFromParent: bool | Mapping[str, Any] = True,
        queue_calls: int | None = None,
        id: str = "",
    ) -> None:
        check_count("poolSize", poolSize)
        check_count("maxTasksPerChild", maxTasksPerChild)
        check_count("queue_calls", queue_calls, least=0)
        check_timeout(timeout)
        check_filters(importGlobalsFromParent)
        self._id = id or self._id
        self._pool_size = poolSize
        self._timeout_s = timeout
        self._calls_per_child = maxTasksPerChild
        self._globals = importGlobalsFromParent
        self._queue_calls = queue_calls
        self._context: BackendContext | None = None
        self._pool: Pool | None = None
        self._ending: list[Pool] = []  # pools whose stop has not returned, such as one that Ctrl-C interrupted

    def begin(self, context: BackendContext) -> None:
        """Start the processes; calls wait until they are ready.

        Raises:
            MissingExtraError: The extra ``parallel`` is not installed.
            ServerStateError: It runs for a server already.
            UnsupportedError: The system has no posix_spawn.
        """
        if self._pool is not None and self._context is not None:
            raise already_running_error(self._id, self._context)
        loky = import_extra()
        require_posix_spawn()
        self._pool = self._make_pool(context, self._pool_size or loky.cpu_count())
        self._context = context

    def _make_pool(self, context: BackendContext, slots: int) -> Pool:
        from .pickling import FunctionPickler
        from .pool import Pool
        from .slot import Limits, PoolParts

        log, methods = context.log, ParentMethods(context)
        pickler = FunctionPickler(context, lambda text: log.write(DEBUG, text))
        pickler.add_globals(self._chosen_globals(context))
        queue_calls = context.settings.max_exec_queue_calls if self._queue_calls is None else self._queue_calls
        parts = PoolParts(
            Limits(slots, queue_calls, self._timeout_s, self._calls_per_child),
            pickler,
            log,
            lambda connected: ChannelSession(connected, methods, log),
        )
        return Pool(
            parts,
            lambda number: pickler.dumps(make_setup(context, number=number, pool_size=slots)),
            f"{context.name}-{self._id}",
        )

    def add(
        self, uniqueId: str, path: str, dataIn: dict[str, Any], request: Any, isJSONP: str | bool = False
    ) -> tuple[bool, Any, Any]:
        """Queue a call."""
        pool = self._pool
        if pool is None:
            return False, self._has_stopped(), None
        if not pool.reserve():
            waiting = pool.limits.queue_calls
            return False, f"Server busy: exec backend {self._id!r} has {waiting} calls waiting already", None
        try:
            job = self._make_job(pool, uniqueId, path, dataIn, request, isJSONP)
        except BaseException:
            pool.cancel_reservation()
            raise
        if job.call is None:
            pool.cancel_reservation()
        elif not pool.submit(job):
            return False, self._has_stopped(), None
        return True, None, job

    def _has_stopped(self) -> str:
        return f"exec backend {self._id!r} has stopped"

    def _make_job(
        self, pool: Pool, unique_id: str, path: str, data: dict[str, Any], request: Any, is_jsonp: str | bool
    ) -> Job:
        context = self._context
        assert context is not None  # noqa: S101  there is a pool
        try:
            call = context.remote_calls.begin(path, data)
        except JsonRpcException as exc:
            return Job.failed(exc)
        is_notification = bool(data.get("notify"))
        try:
            call_message = make_call_message(context, call.route, unique_id, data, request, is_jsonp)
            client = None if is_notification else client_of(request.get("environ") or {})
        except BaseException:
            call.end(failed=True, code=JsonRpcInternalError.ERROR_CODE)
            raise
        if (deadline := data.get("deadline")) is None:
            return Job(call, call_message, is_notification=is_notification, client=client)
        return TimedJob(
            call,
            call_message,
            is_notification=is_notification,
            client=client,
            deadline=deadline,
            withdraw=pool.withdraw,
            on_lost=lambda: context.lose(call.route.url),
        )

    def check(self, uniqueId: str, ticket: Any) -> CallAnswer:
        """Wait for the answer."""
        job: Job = ticket
        return written_answer(job, job.wait(self._decode))

    def cancel(self, uniqueId: str, ticket: Any) -> None:
        """Cancel a call: it does not begin, or its process is killed."""
        job: Job = ticket
        pool = self._pool
        if pool is not None and job.call is not None:
            pool.cancel(job)

    def stop(self, server: ServerFacade, timeout: float, processingDispatcherCountMax: int = 0) -> int:
        """Finish the calls within the timeout, and end the processes; return how many notifications are lost.

        If a stop was interrupted, the next one finishes it.
        """
        if self._pool is not None:
            self._ending.append(self._pool)
        self._pool = None  # a call that comes now starts another pool, while this one ends
        deadline, lost = time.monotonic() + timeout, 0
        while self._ending:
            lost += self._ending[0].stop(max(0.0, deadline - time.monotonic()), processingDispatcherCountMax)
            self._ending.pop(0)
        return lost

    def stats(self, inMS: bool = False) -> dict[str, Any]:
        """Return the counts of the pool, each under ``<id>_<name>``.

        The names are ``poolSize``, ``alive``, ``waiting``, ``running``, ``done``, ``failed``, ``killed``,
        ``restarted``, ``refused`` and ``cancelled``.
        """
        counts = {} if self._pool is None else self._pool.counts()
        return {f"{self._id}_{name}": count for name, count in counts.items()}

    def _decode(self, outcome: bytearray) -> CallAnswer:
        assert self._context is not None  # noqa: S101  it has taken a call
        members = pickle.loads(outcome)  # noqa: S301  a child that runs the server's own code sends it  # nosec B301
        return answer_of_outcome(members, self._context.settings.magicVarForDispatcher)

    def _chosen_globals(self, context: BackendContext) -> list[str]:
        if self._globals is False:
            return []
        filters = {} if self._globals is True else dict(self._globals)
        return list(
            copy_globals(
                context.parent_module,
                None,
                filters.get("typeOf"),
                filters.get("filterByName"),
                reverse_names=filters.get("filterByNameReversed", False),
            )
        )


def written_answer(job: Job, answer: CallAnswer) -> CallAnswer:
    """Return an answer with its result written by its hint, which only the parent knows."""
    status, params, result = answer
    write = None if job.call is None else job.call.route.write_result
    if not status or write is None:
        return answer
    try:
        return True, params, write(result)
    except InvalidResultError as exc:
        return False, params, exc


def import_extra() -> Any:
    """Import the packages of the extra, and return loky, which counts the cores.

    Raises:
        MissingExtraError: One of them is not installed.
    """
    try:
        import loky

        from . import pickling  # noqa: F401  it needs cloudpickle
    except ImportError as exc:
        raise missing_extra("exec backend 'parallel'", "parallel", exc) from exc
    return loky


def require_posix_spawn() -> None:
    """Check that the system can start children.

    Raises:
        UnsupportedError: It has no posix_spawn.
    """
    if not hasattr(os, "posix_spawn"):
        raise UnsupportedError("the exec backend 'parallel' needs posix_spawn, which this system does not have")


def check_count(name: str, value: int | None, least: int = 1) -> None:
    """Raise SettingsError for a value that is neither None nor a whole number of at least ``least``."""
    if value is not None and (type(value) is not int or value < least):
        raise SettingsError(f"{name}={value!r} is refused: it takes a whole number of at least {least}, or None")


def check_timeout(value: float | None) -> None:
    """Raise SettingsError for a value that is neither None nor a number above 0."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0):
        raise SettingsError(f"timeout={value!r} is refused: it takes a number of seconds above 0, or None: no limit")


def check_filters(value: Any) -> None:
    """Raise SettingsError for a value that is neither a bool nor a dict of known filters."""
    if isinstance(value, bool):
        return
    if not isinstance(value, Mapping):
        raise SettingsError(
            f"importGlobalsFromParent={value!r} is refused: it takes True, False, or a dict of {', '.join(_FILTERS)}"
        )
    for name in value:
        if name not in _FILTERS:
            raise SettingsError(unknown_name("filter of importGlobalsFromParent", name, _FILTERS))
