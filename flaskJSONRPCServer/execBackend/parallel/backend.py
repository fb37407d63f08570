"""The backend that runs calls in a pool of processes."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from ...dispatch.backends import CallAnswer
from ...dispatch.context import BackendContext
from ...dispatch.facade import ServerFacade
from ...dispatch.remote import answer_of_outcome
from ...errors import SettingsError, unknown_name
from ...extras import missing_extra
from ...http.request import client_of
from ...runtime.logs import DEBUG
from ...runtime.parent import copy_globals
from ...sansio_jsonrpc import JsonRpcException
from ..base import PreparedBackend, already_running_error
from .channel import ChannelAddress, ParentChannel
from .child import setup_of, shipment_of

if TYPE_CHECKING:
    from .pool import Pool
    from .slot import Job

__all__ = ["ParallelBackend"]

_FILTERS: Final = ("typeOf", "filterByName", "filterByNameReversed")


class ParallelBackend(PreparedBackend):
    """Runs calls in a pool of processes, which compute on all cores, and which a crash or a timeout ends singly.

    Args:
        poolSize: How many processes; None: the cores that this process may use.
        timeout: How long a call may run, in seconds. Its process is killed then; None lets it run. A dispatcher with an
            attribute ``_timeout`` has a limit of its own.
        maxTasksPerChild: After how many calls a process is replaced by a fresh one; None: never.
        importGlobalsFromParent: Whether the globals of the main program are there in the processes; a dict of
            ``typeOf``, ``filterByName`` and ``filterByNameReversed`` chooses, as with ``_importGlobalsFromParent``.
        queue_calls: The most calls that wait for a process; None: the setting ``max_exec_queue_calls``.
        id: Its name, for a second pool beside the prepared one.

    Raises:
        SettingsError: One of them has a value that it cannot have.
    """

    _id = "parallel"

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
        self._channel: ParentChannel | None = None

    def begin(self, context: BackendContext) -> None:
        """Start the processes; calls wait until they are ready.

        Raises:
            MissingExtraError: The extra ``parallel`` is not installed.
            ServerStateError: It runs for a server already.
        """
        if self._pool is not None and self._context is not None:
            raise already_running_error(self._id, self._context)
        loky = import_extra()
        channel = ParentChannel(context)
        channel.start()
        with ExitStack() as undo:
            undo.callback(channel.stop)
            self._pool = self._make_pool(context, self._pool_size or loky.cpu_count(), channel.address)
            undo.pop_all()
        self._context, self._channel = context, channel

    def _make_pool(self, context: BackendContext, slots: int, address: ChannelAddress) -> Pool:
        from .functions import FunctionPickler
        from .pool import Limits, Pool

        log = context.log
        pickler = FunctionPickler(context, lambda text: log.write(DEBUG, text))
        pickler.take_globals(self._chosen_globals(context))
        setup = setup_of(context, address, pool_size=slots)
        queue_calls = context.settings.max_exec_queue_calls if self._queue_calls is None else self._queue_calls
        return Pool(
            Limits(slots, queue_calls, self._timeout_s, self._calls_per_child),
            lambda number: pickler.dumps((setup, number)),
            pickler,
            log,
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
            job = self._job(uniqueId, path, dataIn, request, isJSONP)
        except BaseException:
            pool.give_back()
            raise
        if job.call is None:
            pool.give_back()
        elif not pool.submit(job):
            return False, self._has_stopped(), None
        return True, None, job

    def _has_stopped(self) -> str:
        return f"exec backend {self._id!r} has stopped"

    def _job(self, unique_id: str, path: str, data: dict[str, Any], request: Any, is_jsonp: str | bool) -> Job:
        from .slot import Job

        context = self._context
        assert context is not None  # noqa: S101  there is a pool
        try:
            call = context.remote_calls.begin(path, data)
        except JsonRpcException as exc:
            return Job.answered(exc)
        is_notification = bool(data.get("notify"))
        try:
            call_message = shipment_of(context, call.route, unique_id, data, request, is_jsonp)
            client = None if is_notification else client_of(request.get("environ") or {})
        except BaseException:
            call.end(failed=True)
            raise
        return Job(call, call_message, is_notification=is_notification, client=client)

    def check(self, uniqueId: str, ticket: Any) -> CallAnswer:
        """Wait for the answer."""
        answer: CallAnswer = ticket.wait(self._decode)
        return answer

    def stop(self, server: ServerFacade, timeout: float, processingDispatcherCountMax: int = 0) -> int:
        """Finish what has been taken, within the timeout; return how many notifications were not. The processes end."""
        pool, channel = self._pool, self._channel
        self._pool = self._channel = None  # a call that comes now starts it anew, while these end
        if pool is None or channel is None:
            return 0
        try:
            return pool.stop(timeout, processingDispatcherCountMax)
        finally:
            channel.stop()

    def stats(self, inMS: bool = False) -> dict[str, Any]:
        """Return the counts of the pool, each under ``<id>_<name>``.

        They are ``poolSize``, ``alive``, ``waiting``, ``running``, ``done``, ``failed``, ``killed``, ``restarted``,
        ``refused`` and ``cancelled``.
        """
        counts = {} if self._pool is None else self._pool.counts()
        return {f"{self._id}_{name}": count for name, count in counts.items()}

    def _decode(self, outcome: bytearray) -> CallAnswer:
        assert self._context is not None  # noqa: S101  a call has been taken
        members = pickle.loads(outcome)  # noqa: S301  a child sends it, which runs the server's own code  # nosec B301
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


def import_extra() -> Any:
    """Return the module loky, after importing what the backend needs.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import loky

        from . import functions  # noqa: F401  it needs cloudpickle
    except ImportError as exc:
        raise missing_extra("exec backend 'parallel'", "parallel", exc) from exc
    return loky


def check_count(name: str, value: int | None, least: int = 1) -> None:
    if value is not None and (type(value) is not int or value < least):
        raise SettingsError(f"{name}={value!r} is refused: it takes a whole number of at least {least}, or None")


def check_timeout(value: float | None) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0):
        raise SettingsError(f"timeout={value!r} is refused: it takes a number of seconds above 0, or None: no limit")


def check_filters(value: Any) -> None:
    if isinstance(value, bool):
        return
    if not isinstance(value, Mapping):
        raise SettingsError(
            f"importGlobalsFromParent={value!r} is refused: it takes True, False, or a dict of {', '.join(_FILTERS)}"
        )
    for name in value:
        if name not in _FILTERS:
            raise SettingsError(unknown_name("filter of importGlobalsFromParent", name, _FILTERS))
