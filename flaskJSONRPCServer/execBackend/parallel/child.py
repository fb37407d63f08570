"""The server in a child process of the backend ``parallel``: it makes calls, and leaves the rest to the parent."""

from __future__ import annotations

import base64
import contextlib
import pickle
from collections.abc import Callable, Hashable, Iterable, Mapping
from types import ModuleType
from typing import Any, cast

from ...dispatch.call_control import CONTROL, Log, Report
from ...dispatch.call_data import refuse_late
from ...dispatch.callables import plan_of
from ...dispatch.connection import ServerFacts
from ...dispatch.coroutines import Coroutines
from ...dispatch.exception_map import ExceptionMap, ExceptionMapping
from ...dispatch.execution import CopiedExchange
from ...dispatch.facade import ServerFacade
from ...dispatch.invoker import Invoker
from ...dispatch.locks import Locks, lock_key, optional_lock_key
from ...dispatch.remote import outcome_of_answer, parts_of_outcome
from ...dispatch.remote_control import RemoteControl, log_message, progress_message
from ...dispatch.routes import Route
from ...errors import ServerStateError
from ...runtime.event_loop import EventLoopThread
from ...runtime.interrupts import is_raised_by_handler
from ...runtime.logs import ServerLog, TracebackText, split_level
from ...runtime.stats import Stats
from ...sansio_jsonrpc import ABSENT, JsonRpcException, JsonRpcInternalError, JsonRpcRequest, find_unwritable
from .channel import ChannelClient
from .facade import ChildFacade
from .messages import NOT_SERVED, CallMessage, ChildSetup
from .methods import REMEDY, name_of_dispatcher

__all__ = ["ChildServer"]


class ChildServer:
    """Makes calls in a child.

    Args:
        setup: The setup of the child.
        channel: The channel to the parent.

    Attributes:
        setup: The setup of the child.
        channel: The channel to the parent.
        locks: The locks of the parent.
        stats: The counts of this process.
        log: Writes to the parent's log.
        event_loop: The event loop of this process.
        facade: The server, as dispatchers see it.
        allow_compress: Whether answers may be compressed, unless a dispatcher decides otherwise.
        magic_name: The name of the magic variable.
        exceptions: The errors that exceptions of the next call become.
    """

    def __init__(self, setup: ChildSetup, channel: ChannelClient) -> None:
        settings = setup.settings
        self.setup = setup
        self.allow_compress: bool = settings["allowCompress"]
        self.magic_name: str = settings["magicVarForDispatcher"]
        self.channel = channel
        self.locks = ChildLocks(self)
        self.stats = Stats()
        self.log = ServerLog(setup.name, settings["log"])
        self.log.write_through(ParentLog(channel, self.log))
        self.event_loop = EventLoopThread(f"{setup.name}-event-loop", self.log, self.stats)
        self._coroutines = Coroutines(self.event_loop, self.stats)
        self.facade = ChildFacade(setup, channel, self.locks, self.stats, self.log)
        self._routes: dict[tuple[str, str], Route] = {}  # each change is one step
        # mypy does not see the methods that only the parent has: they are set after the class.
        facade = cast("ServerFacade", self.facade)
        self.exceptions = ChildExceptions()
        main = ParentMain(channel)
        facts = ServerFacts(setup.name, facade, self.log, self.locks, lambda environ: NOT_SERVED, main, self.exceptions)
        self._tracing = tracing_of(settings)
        make_invoker = Invoker if self._tracing is None else self._tracing.TracedInvoker
        self._invoker = make_invoker(facts, self.stats, debug=settings["debug"])

    def call(self, call_message: CallMessage, function: Callable[..., Any]) -> dict[str, Any]:
        """Make a call, in this thread.

        Args:
            call_message: The call.
            function: The dispatcher, as this process has it.

        Returns:
            The outcome, in the form of :func:`~flaskJSONRPCServer.dispatch.remote.outcome_of_answer`.
        """
        if self._tracing is None:
            return self._call(call_message, function)
        with self._tracing.run_span(call_message.data) as span:
            outcome = self._call(call_message, function)
            if "error" in outcome:
                self._tracing.mark_failed(span, outcome["error"]["code"])
            return outcome

    def _call(self, call_message: CallMessage, function: Callable[..., Any]) -> dict[str, Any]:
        data = call_message.data
        call = JsonRpcRequest(data["method"], data.get("params"), ABSENT if data.get("notify") else None)
        route = self._route(call_message.path, call.method, function)
        exchange = ChildExchange(call_message, self)
        try:
            refuse_late(data)
            result = self._result(route, call, exchange, data.get(CONTROL))
            return outcome_of_answer((True, exchange.connection_by_name(self.magic_name), result), self.magic_name)
        except JsonRpcException as exc:
            return outcome_of_answer((False, exchange.connection_by_name(self.magic_name), exc), self.magic_name)

    def _result(
        self, route: Route, call: JsonRpcRequest, exchange: CopiedExchange, values: Mapping[str, Any] | None
    ) -> Any:
        if values is None:
            return self._invoker.invoke(route, call, exchange)
        with RemoteControl(values, *self._senders(values["id"])) as control:
            exchange.control = control
            return self._invoker.invoke(route, call, exchange)

    def _senders(self, control_id: str) -> tuple[Report, Log]:
        """Return the functions that send the progress and the log messages of a call."""

        def send(message: dict[str, Any]) -> None:
            with contextlib.suppress(RuntimeError, TypeError, ValueError):  # the parent is gone, or text is no JSON
                self.channel.request("progress", message)

        def send_progress(done: float, total: float | None, message: str | None) -> None:
            send(progress_message(control_id, done, total, message))

        def send_log(level: str, data: Any, logger: str | None) -> None:
            send(log_message(control_id, level, self.facade._codec.dumps(data), logger))

        return send_progress, send_log

    def pack(self, call_message: CallMessage, outcome: dict[str, Any]) -> tuple[bytes, int | None]:
        """Return an outcome pickled, and the code of its error; None for a result.

        An outcome that cannot be pickled becomes the error of an unexpected exception.
        """
        try:
            return pickle_result(outcome), outcome["error"]["code"] if "error" in outcome else None
        except BaseException as exc:  # noqa: BLE001  a method of the result may raise anything
            failure = exc
        # Outside the except block, so that the log has the reason alone.
        error = self._unpicklable(call_message, outcome, failure)
        return pickle.dumps(outcome_of_answer((False, {}, error), self.magic_name)), error.code

    def _unpicklable(
        self, call_message: CallMessage, outcome: dict[str, Any], failure: BaseException
    ) -> JsonRpcInternalError:
        part = find_unwritable(ResultPickler(), parts_of_outcome(outcome), failure)
        message = f"the result of {call_message.data['method']!r} cannot be sent to the server's process: {part}"
        try:
            raise part.reason
        except BaseException:  # noqa: BLE001  raised here, so that it is logged with its traceback
            return self._invoker.internal_error(message, ChildExchange(call_message, self))

    def routes(self) -> list[Route]:
        """Return the routes that have been called here so far."""
        return list(self._routes.values())

    def _route(self, path: str, name: str, function: Callable[..., Any]) -> Route:
        route = self._routes.get((path, name))
        if route is None or route.function is not function:
            plan = plan_of(function, self.magic_name)
            caller = self._coroutines.caller_of(function)
            route = Route(
                name, path, function, plan, lock_key(function), None, allows_cross_site_get=False, caller=caller
            )
            self._routes[path, name] = route
        return route


def tracing_of(settings: Mapping[str, Any]) -> ModuleType | None:
    """Return the module that continues the traces of calls; None without ``tracing``."""
    if not settings.get("tracing"):
        return None
    from ...dispatch import trace_context

    return trace_context


class ChildExchange(CopiedExchange):
    """The exchange of a call in a child, with as much of its request as was sent here.

    Args:
        call_message: The call.
        child: The server in this process.
    """

    def __init__(self, call_message: CallMessage, child: ChildServer) -> None:
        super().__init__(
            call_message.unique_id,
            call_message.request,
            child.stats.thread_counters(),
            allow_compress=child.allow_compress,
            is_jsonp=call_message.is_jsonp,
            native_thread=True,
            deadline=call_message.data.get("deadline"),
        )
        self._call_message = call_message
        self._setup = child.setup

    def make_connection(self, route: Route, server: ServerFacts, *, notify: bool) -> Any:
        """Make the connection of the call, with the fields that only a call in a child has."""
        connection = super().make_connection(route, server, notify=notify)
        connection.servedBy = self._call_message.served_by
        connection.parallelType = "parallel"
        connection.parallelPoolSize = self._setup.pool_size
        connection.parallelId = self._setup.number
        return connection


class ChildExceptions(ExceptionMap):
    """The errors that exceptions of one call become: the parent sends them before the call. A child runs one at a time.

    Attributes:
        load: Returns the mapping that the parent has sent; None if nothing is mapped for the call.
    """

    load: Callable[[], Callable[..., Any]] | None = None

    def of_route(self, route: Route) -> ExceptionMapping | None:
        """Return the mapping of the call.

        Raises:
            Exception: It cannot be loaded here.
        """
        return None if self.load is None else cast("ExceptionMapping", self.load())


class ChildLocks(Locks):
    """The locks of the parent. The parent holds calls before it sends them, so nothing is ever engaged here.

    A key is the path and the name of a dispatcher, or the name of its function in its module.

    Args:
        child: The server in this process.
    """

    def __init__(self, child: ChildServer) -> None:
        super().__init__()
        self._ask = child.channel.request
        self._routes = child.routes

    def key_of(self, function: Callable[..., Any] | None) -> Hashable | None:
        """Return the key by which the parent finds a dispatcher.

        Raises:
            TypeError: The argument is neither a function nor None.
            ServerStateError: The function has no name.
        """
        if (child_key := optional_lock_key(function)) is None or function is None:
            return None
        path_and_name = next(
            ((route.path, route.name) for route in self._routes() if route.lock_key == child_key), None
        )
        key = path_and_name or name_of_dispatcher(function)
        if key is None:
            raise ServerStateError(f"{function!r} has no name by which the server's process could find it; {REMEDY}")
        return key

    def lock(self, key: Hashable | None = None, *, by: str = "") -> None:
        """As :meth:`Locks.lock`."""
        self._ask("lock", {"dispatcher": key, "by": by})

    def unlock(self, key: Hashable | None = None, *, exclusive: bool = False) -> None:
        """As :meth:`Locks.unlock`."""
        self._ask("unlock", {"dispatcher": key, "exclusive": bool(exclusive)})

    def is_locked(self, key: Hashable | None = None) -> bool:
        """As :meth:`Locks.is_locked`."""
        return bool(self._ask("isLocked", {"dispatcher": key}))

    def wait(
        self, key: Hashable | None = None, sleep: Callable[[float], object] | None = None, sleep_s: float = 0.1
    ) -> None:
        """As :meth:`Locks.wait`, but not beyond the stop of the server.

        Raises:
            ServerStateError: The server stops before.
        """
        if sleep is None:
            self.wait_in_period(key)
            return
        while self._ask("isLocked", {"dispatcher": key, "waits": True}):
            sleep(sleep_s)

    def wait_in_period(self, key: Hashable | None, is_abandoned: Callable[[], bool] = lambda: False) -> bool:
        """Block until the dispatcher may run.

        Raises:
            ServerStateError: The server stops before.
        """
        self._ask("wait", {"dispatcher": key})
        return True


class ParentMain:
    """The main program, which runs in the parent, as a :class:`~flaskJSONRPCServer.runtime.main_program.MainProgram`.

    Args:
        channel: The channel to the parent.
    """

    def __init__(self, channel: ChannelClient) -> None:
        self._channel = channel

    def copy_global(self, names: str | Iterable[str]) -> Any:
        """As :meth:`MainProgram.copy_global`; it returns a copy."""
        return self._ask("copyGlobal", names if isinstance(names, str) else list(names))

    def evaluate(self, expression: str) -> Any:
        """As :meth:`MainProgram.evaluate`; it returns a copy."""
        return self._ask("eval", expression)

    def execute(self, statements: str) -> None:
        """As :meth:`MainProgram.execute`."""
        self._ask("execute", statements)

    def _ask(self, method: str, text: str | list[str]) -> Any:
        """Ask the parent.

        Raises:
            BaseException: The exception that the code raised there.
            ServerStateError: The value or the exception cannot be pickled there, or loaded here.
        """
        answer = self._channel.request(method, {"text": text})
        kind = "exception" if answer["raised"] else "value"
        value = load_copy(answer["pickled"], f"the {kind} of {method}({text!r:.200})")
        if answer["raised"]:
            raise value
        return value


def load_copy(pickled: str, name: str) -> Any:
    """Load an object that the parent has pickled.

    Args:
        pickled: The object, pickled and in base64.
        name: The name of the object in the error.

    Raises:
        ServerStateError: It cannot be loaded.
    """
    try:
        return pickle.loads(base64.b64decode(pickled))  # noqa: S301  the parent sends it  # nosec B301
    except BaseException as exc:  # the object's own code may raise anything
        if is_raised_by_handler(exc):
            raise
        raise ServerStateError(
            f"{name} cannot be loaded in a child process ({type(exc).__name__}: {exc}); ask for plain values"
        ) from exc


class ParentLog:
    """Writes to the parent's log; if that fails, to this process's.

    Args:
        channel: The channel to the parent.
        own: The log of this process.
    """

    def __init__(self, channel: ChannelClient, own: ServerLog) -> None:
        self._channel = channel
        self._own = own

    def _logger(self, level: Any, *args: Any) -> None:
        text = next((sendable(part) for part in args if isinstance(part, TracebackText)), None)
        parts = [sendable(part) for part in args if not isinstance(part, TracebackText)]
        level = level if isinstance(level, int) else sendable(level)
        try:
            self._channel.request("log", {"level": level, "parts": parts, "traceback": text})
        except (RuntimeError, TypeError, ValueError):  # the parent is gone, or a _logger of the user's has failed
            self._own.emit(*split_level(level, args))


def sendable(part: Any) -> str:
    """Return a part of a message as text that JSON can hold."""
    return str(part).encode(errors="backslashreplace").decode()


class ResultPickler:
    """Pickles results, in the form that :func:`~flaskJSONRPCServer.sansio_jsonrpc.find_unwritable` uses."""

    def dumps(self, value: Any) -> bytes:
        """Return a value pickled; see :func:`pickle_result`."""
        return pickle_result(value)

    def convert(self, value: Any) -> Any:
        """Return the attributes of a value: most objects are pickled as these."""
        return dict(vars(value))


def pickle_result(value: Any) -> bytes:
    """Return a value pickled, with the classes that only this process has by value."""
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except BaseException:  # noqa: BLE001, S110  cloudpickle reports the reason
        pass
    import cloudpickle

    return bytes(cloudpickle.dumps(value, pickle.HIGHEST_PROTOCOL))
