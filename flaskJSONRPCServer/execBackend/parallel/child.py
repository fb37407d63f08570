"""The inside of a child process of the backend ``parallel``: it makes calls, and its server acts on the parent's."""

from __future__ import annotations

import base64
import os
import pickle
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from ...dispatch.callables import plan_of
from ...dispatch.connection import ServerFacts
from ...dispatch.context import BackendContext
from ...dispatch.execution import CopiedExchange
from ...dispatch.invoker import Invoker
from ...dispatch.locks import Locks, lock_key, optional_lock_key
from ...dispatch.remote import outcome_of_answer, parts_of_outcome
from ...dispatch.routes import Route
from ...errors import ServerStateError
from ...runtime.logs import ServerLog, TracebackText, split_level
from ...runtime.stats import Stats
from ...sansio_jsonrpc import ABSENT, JsonRpcException, JsonRpcInternalError, JsonRpcRequest, find_unwritable
from .channel import ChannelAddress, ChildChannel
from .methods import REMEDY, name_of_dispatcher

__all__ = ["CallMessage", "ChildServer", "ChildSetup", "setup_of", "shipment_of"]

_PLAIN: Final = (str, int, float, bool, bytes, type(None))


@dataclass(frozen=True, slots=True)
class ChildSetup:
    """What a child is told once.

    Attributes:
        address: Where it reaches the parent.
        name: The server's name.
        settings: The settings of the server that are plain values.
        script: The file of the main program; None where it has none.
        facade: Makes what dispatchers see as the server, of the :class:`ChildServer`.
        parallel_type: What ``_connection.parallelType`` says.
        pool_size: What ``_connection.parallelPoolSize`` says.
    """

    address: ChannelAddress
    name: str
    settings: dict[str, Any]
    script: str | None
    facade: Callable[[ChildServer], Any]
    parallel_type: str
    pool_size: int


@dataclass(frozen=True, slots=True)
class CallMessage:
    """One call on its way to a child.

    Attributes:
        unique_id: The id of the request that it belongs to.
        path: The path of the dispatcher, such as ``/api/``.
        data: The call: ``method``, ``params``, ``id`` and ``notify``.
        request: ``headers``, ``cookies`` and ``remote_addr`` of the request; empty where the dispatcher does not ask
            for its connection.
        is_jsonp: The JSONP output format; False for plain JSON.
        served_by: ``(isRawSocket, ip or socketPath, port)``; a socket object stays in the parent, and is None here.
        parallel_id: What ``_connection.parallelId`` says; None: the id of the child's process.
    """

    unique_id: str
    path: str
    data: Mapping[str, Any]
    request: Mapping[str, Any]
    is_jsonp: str | bool
    served_by: tuple[bool, str | None, Any]
    parallel_id: Any


_NOWHERE: Final = (False, None, None)


def setup_of(
    context: BackendContext, address: ChannelAddress, *, pool_size: int, parallel_type: str = "parallel"
) -> ChildSetup:
    """Return what the children of a server are told; to be called in the parent."""
    settings = context.settings
    plain = {each.name: getattr(settings, each.name) for each in fields(settings)}
    return ChildSetup(
        address=address,
        name=context.name,
        settings={name: value for name, value in plain.items() if is_plain(value)},
        script=getattr(context.parent_module, "__file__", None),
        facade=context.facade._child_facade,
        parallel_type=parallel_type,
        pool_size=pool_size,
    )


def shipment_of(
    context: BackendContext,
    route: Route,
    unique_id: str,
    data: Mapping[str, Any],
    request: Mapping[str, Any],
    is_jsonp: str | bool,
    parallel_id: Any = None,
) -> CallMessage:
    """Return a call as it travels to a child; to be called in the parent, with what ``add`` is given.

    Args:
        context: The parts of the server.
        route: What is called, as :class:`~flaskJSONRPCServer.dispatch.remote.RemoteCall` has it.
        unique_id: As ``add`` is given it.
        data: As ``add`` is given it.
        request: As ``add`` is given it.
        is_jsonp: As ``add`` is given it.
        parallel_id: What ``_connection.parallelId`` is to say; None: the id of the child's process.
    """
    if not route.plan.takes_magic:
        return CallMessage(unique_id, route.path, data, {}, is_jsonp, _NOWHERE, parallel_id)
    is_raw, host, port = context.facts.served_by(request.get("environ") or {})
    sent = {name: request.get(name) for name in ("headers", "cookies", "remote_addr")}
    served_by = is_raw, host, port if is_plain(port) else None
    return CallMessage(unique_id, route.path, data, sent, is_jsonp, served_by, parallel_id)


def is_plain(value: Any) -> bool:
    """Tell whether a value is one of those that mean the same in each process."""
    if isinstance(value, dict):
        return all(map(is_plain, value.keys())) and all(map(is_plain, value.values()))
    return all(map(is_plain, value)) if isinstance(value, (list, tuple, set, frozenset)) else type(value) in _PLAIN


class ChildServer:
    """Makes calls in a child.

    Args:
        setup: What the child is told.

    Attributes:
        setup: What the child is told.
        channel: The line to the parent, which is used when somebody asks it something.
        locks: The locks of the parent.
        stats: What this process counts.
        log: Writes to the parent's log.
        facade: What dispatchers see as the server.
        allow_compress: Whether answers may be compressed, unless a dispatcher says otherwise.
        magic_name: The name of the magic variable.
    """

    def __init__(self, setup: ChildSetup) -> None:
        settings = setup.settings
        self.setup = setup
        self.allow_compress: bool = settings["allowCompress"]
        self.magic_name: str = settings["magicVarForDispatcher"]
        self.channel = ChildChannel(setup.address)
        self.locks = ChildLocks(self)
        self.stats = Stats()
        self.log = ServerLog(setup.name, settings["log"])
        self.log.write_through(ParentLog(self))
        self.facade = setup.facade(self)
        self._routes: dict[tuple[str, str], Route] = {}  # each change is one step
        main = ParentMain(self.channel)
        facts = ServerFacts(setup.name, self.facade, self.log, self.locks, lambda environ: _NOWHERE, main)
        self._invoker = Invoker(facts, self.stats, debug=settings["debug"])

    def call(self, call_message: CallMessage, function: Callable[..., Any]) -> dict[str, Any]:
        """Make a call, in this thread.

        Args:
            call_message: The call.
            function: The dispatcher, as this process has it.

        Returns:
            The outcome, as :func:`~flaskJSONRPCServer.dispatch.remote.outcome_of_answer` gives it.
        """
        data = call_message.data
        call = JsonRpcRequest(data["method"], data.get("params"), ABSENT if data.get("notify") else None)
        route = self._route(call_message.path, call.method, function)
        exchange = ChildExchange(call_message, self)
        try:
            result = self._invoker.invoke(route, call, exchange)
            return outcome_of_answer((True, exchange.connection_by_name(self.magic_name), result), self.magic_name)
        except JsonRpcException as exc:
            return outcome_of_answer((False, exchange.connection_by_name(self.magic_name), exc), self.magic_name)

    def pack(self, call_message: CallMessage, outcome: dict[str, Any]) -> tuple[bytes, bool]:
        """Return an outcome pickled, and whether it is an error.

        In the place of one that cannot be pickled, it is that of an unexpected exception.
        """
        try:
            return pickled(outcome), "error" in outcome
        except BaseException as exc:  # noqa: BLE001  whatever a method of the result's own raises
            failure = exc
        # Outside the except block, so that the log has the reason alone.
        failed = self._unpicklable(call_message, outcome, failure)
        return pickle.dumps(outcome_of_answer((False, {}, failed), self.magic_name)), True

    def _unpicklable(
        self, call_message: CallMessage, outcome: dict[str, Any], failure: BaseException
    ) -> JsonRpcInternalError:
        part = find_unwritable(Pickler(), parts_of_outcome(outcome), failure)
        what = f"the result of {call_message.data['method']!r} cannot be sent to the server's process: {part}"
        try:
            raise part.reason
        except BaseException:  # noqa: BLE001  raised here, so that it is logged with its traceback
            return self._invoker.internal_error(what, ChildExchange(call_message, self))

    def routes(self) -> list[Route]:
        """Return what has been called here so far."""
        return list(self._routes.values())

    def _route(self, path: str, name: str, function: Callable[..., Any]) -> Route:
        route = self._routes.get((path, name))
        if route is None or route.function is not function:
            plan = plan_of(function, self.magic_name)
            route = Route(name, path, function, plan, lock_key(function), None, shares_secrets=False)
            self._routes[path, name] = route
        return route


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
        )
        self._call_message = call_message
        self._setup = child.setup

    def make_connection(self, route: Route, server: ServerFacts, *, notify: bool) -> Any:
        """Make the connection of the call, with the fields that only a call in a child has."""
        connection = super().make_connection(route, server, notify=notify)
        parallel_id = self._call_message.parallel_id
        connection.servedBy = self._call_message.served_by
        connection.parallelType = self._setup.parallel_type
        connection.parallelPoolSize = self._setup.pool_size
        connection.parallelId = os.getpid() if parallel_id is None else parallel_id
        return connection


class ChildLocks(Locks):
    """The locks of the parent. Calls are held there before they come here, so that nothing is ever engaged here.

    A key is the path and the name of a dispatcher, or what it is called in its module.

    Args:
        child: What knows the way to the parent.
    """

    def __init__(self, child: ChildServer) -> None:
        super().__init__()
        self._ask = child.channel.request
        self._routes = child.routes

    def key_of(self, function: Callable[..., Any] | None) -> Hashable | None:
        """Return what the parent can find a dispatcher by.

        Raises:
            TypeError: It is neither a function nor None.
            ServerStateError: It has no name.
        """
        if (here := optional_lock_key(function)) is None or function is None:
            return None
        own = next(((route.path, route.name) for route in self._routes() if route.lock_key == here), None)
        key = own or name_of_dispatcher(function)
        if key is None:
            raise ServerStateError(f"{function!r} has no name by which the server's process could find it; {REMEDY}")
        return key

    def lock(self, key: Hashable | None = None) -> None:
        """As :meth:`Locks.lock`."""
        self._ask("lock", {"dispatcher": key})

    def unlock(self, key: Hashable | None = None, *, exclusive: bool = False) -> None:
        """As :meth:`Locks.unlock`."""
        self._ask("unlock", {"dispatcher": key, "exclusive": bool(exclusive)})

    def is_locked(self, key: Hashable | None = None) -> bool:
        """As :meth:`Locks.is_locked`."""
        return bool(self._ask("isLocked", {"dispatcher": key}))

    def wait_in_period(self, key: Hashable | None, is_abandoned: Callable[[], bool] = lambda: False) -> bool:
        """Block until the dispatcher may run.

        Raises:
            ServerStateError: The server stops before.
        """
        self._ask("wait", {"dispatcher": key})
        return True


class ParentMain:
    """The main program, which runs in the parent.

    Args:
        channel: The line to the parent.
    """

    def __init__(self, channel: ChildChannel) -> None:
        self._channel = channel

    def copy_global(self, names: str | Iterable[str]) -> Any:
        """As :meth:`MainProgram.copy_global`; what comes is a copy."""
        return self._asked("copyGlobal", names if isinstance(names, str) else list(names))

    def evaluate(self, expression: str) -> Any:
        """As :meth:`MainProgram.evaluate`; what comes is a copy."""
        return self._asked("eval", expression)

    def execute(self, statements: str) -> None:
        """As :meth:`MainProgram.execute`."""
        self._asked("execute", statements)

    def _asked(self, method: str, text: str | list[str]) -> Any:
        """Ask the parent.

        Raises:
            BaseException: What the code raised there.
            ServerStateError: The value or the exception cannot be pickled.
        """
        answer = self._channel.request(method, {"text": text})
        value = pickle.loads(base64.b64decode(answer["pickled"]))  # noqa: S301  the parent sends it  # nosec B301
        if answer["raised"]:
            raise value
        return value


class ParentLog:
    """Writes to the parent's log; where that fails, to this process's.

    Args:
        child: What knows the way to the parent.
    """

    def __init__(self, child: ChildServer) -> None:
        self._child = child

    def _logger(self, level: Any, *args: Any) -> None:
        text = next((sendable(part) for part in args if isinstance(part, TracebackText)), None)
        parts = [sendable(part) for part in args if not isinstance(part, TracebackText)]
        level = level if isinstance(level, int) else sendable(level)
        try:
            self._child.channel.request("log", {"level": level, "parts": parts, "traceback": text})
        except (RuntimeError, TypeError, ValueError):  # the parent is gone, or a _logger of the user's has failed
            self._child.log.emit(*split_level(level, args))


def sendable(part: Any) -> str:
    """Return a part of a message as text that JSON can hold."""
    return str(part).encode(errors="backslashreplace").decode()


class Pickler:
    """Writes values for the server's process."""

    def dumps(self, value: Any) -> bytes:
        """Return a value pickled; see :func:`pickled`."""
        return pickled(value)

    def convert(self, value: Any) -> Any:
        """Return the attributes of a value: most objects are pickled as these."""
        return dict(vars(value))


def pickled(value: Any) -> bytes:
    """Return a value pickled, its classes by value where this process alone has them."""
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except BaseException:  # noqa: BLE001, S110  the second way says what is wrong
        pass
    import cloudpickle

    return bytes(cloudpickle.dumps(value, pickle.HIGHEST_PROTOCOL))
