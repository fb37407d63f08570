"""The magic variable: it shows a dispatcher its call, and takes the options of the answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import ServerStateError
from ..http.request import Request
from ..http.response import Outgoing
from ..runtime.concurrency import runs_natively, sleep
from ..runtime.logs import ServerLog
from ..runtime.main_program import MainProgram
from .call_control import CallControl, check_progress
from .deadlines import remaining_s
from .exception_map import ExceptionMap
from .facade import ServerFacade
from .locks import Locks
from .routes import Route

__all__ = ["ABOUT", "CallTools", "Connection", "ServerFacts"]

ABOUT = """\
A dispatcher that names the parameter `_connection` (or what `magicVarForDispatcher` says) is given this object. Every
field can be read and written both as an attribute and as a key: `_connection.ip`, `_connection['ip']`.

Of the request
    headers         dict        the header fields
    cookies         dict        the cookies
    ip              str | None  the client's address; None over a Unix socket
    uniqueId        str         the request's id, also in the log
    path            str         the path that was called, as '/api/'
    notify          bool        whether the client awaits no answer
    deadline        float|None  when the call has to be answered, by time.monotonic(); None without a timeout
    remaining       float|None  the seconds until then, 0 once it has passed; it cannot be written
    cancelled       bool        whether the caller has cancelled the call, or has left; it cannot be written
    grant           Grant|None  what the access token of the caller allows, if an MCP endpoint has checked one: subject,
                                scopes, claims; only in the server's process; it cannot be written
    progress        function    progress(done, total=None, message=None) reports progress to the caller, if it wants it

Of the answer
    headersOut      dict        header fields to send
    cookiesOut      list        cookies to send: dicts with name, value and, if wanted,
                                expires, domain, path, secure, httponly, samesite
    mimeType        str         the media type; assign to change it
    allowCompress   bool        whether the answer may be compressed; assign to change it
    jsonp           str | bool  the JSONP output format, with %(callback)s and %(data)s, or False; assign to change it

Of the dispatcher and the server
    dispatcher      function    the function that is called
    dispatcherName  str         the name that it was called by
    server          object      the flaskJSONRPCServer
    serverName      str         its name
    servedBy        tuple       (isRawSocket, ip or socketPath, port or socket)
    nativeThread    bool        whether this is a native thread
    call            object      lockThis(), unlockThis(exclusive=False), waitThis(returnStatus=False),
                                lock(), unlock(), wait(), sleep(seconds), log(level, ...),
                                copyGlobal(name), eval(expression), execute(statements)
                                in the main program

Of the pool, in a call on the exec backend `parallel` or `celery`
    parallelType    str         'parallel' or 'celery'
    parallelPoolSize int        how many processes it has
    parallelId      int | str   the number of this one, from 0 on; with celery, the worker and its process

In batches the fields of the answer are shared by all calls in the serving thread. A call on another exec backend has
its own; what it sets is added to the answer when the call has ended.
"""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The parts of a server that its connections use.

    Attributes:
        name: The name of the server.
        facade: The server object of the user.
        log: The log of the server.
        locks: The locks of the server.
        served_by: Returns the documented ``(isRawSocket, ip or socketPath, port or socket)`` for the environ of a
            request.
        main: The main program.
        exceptions: The errors that exceptions of dispatchers become.
    """

    name: str
    facade: ServerFacade
    log: ServerLog
    locks: Locks
    served_by: Callable[[dict[str, Any]], tuple[bool, str | None, Any]]
    main: MainProgram
    exceptions: ExceptionMap = field(default_factory=ExceptionMap)


class FieldsAsKeys:
    """Makes public attributes readable and writable as keys."""

    def __getitem__(self, key: str) -> Any:
        if key.startswith("_") or not hasattr(self, key):
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        try:
            setattr(self, key, value)
        except AttributeError as exc:
            raise KeyError(f"{key!r} cannot be set") from exc

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and not key.startswith("_") and hasattr(self, key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field, or the default if the field does not exist."""
        try:
            return self[key]
        except KeyError:
            return default

    def keys(self) -> list[str]:
        """Return the names of all fields."""
        return [name for name in dir(self) if not name.startswith("_") and name not in ("get", "keys")]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())


class CallTools(FieldsAsKeys):
    """The functions that a dispatcher may call: ``_connection.call``."""

    def __init__(self, server: ServerFacts, function: Callable[..., Any], url: str) -> None:
        self._url = url
        self._locks = server.locks
        self._log = server.log
        self._main = server.main
        self._key = server.locks.key_of(function)

    def lockThis(self) -> None:
        """Hold further calls of this dispatcher."""
        self._locks.lock(self._key, by=self._url)

    def unlockThis(self, exclusive: bool = False) -> None:
        """Release calls of this dispatcher; with ``exclusive``, even while the server is locked."""
        self._locks.unlock(self._key, exclusive=exclusive)

    def waitThis(self, returnStatus: bool = False) -> bool | None:
        """Block until this dispatcher may run; with ``returnStatus``, return at once whether it is locked."""
        return self._wait_or_check(self._key, returnStatus)

    def lock(self, dispatcher: Callable[..., Any] | None = None) -> None:
        """Hold further calls of a dispatcher, or of all dispatchers."""
        self._locks.lock(self._locks.key_of(dispatcher), by=self._url)

    def unlock(self, dispatcher: Callable[..., Any] | None = None, exclusive: bool = False) -> None:
        """Release calls of a dispatcher, or of all dispatchers; as :meth:`Locks.unlock`."""
        self._locks.unlock(self._locks.key_of(dispatcher), exclusive=exclusive)

    def wait(self, dispatcher: Callable[..., Any] | None = None, returnStatus: bool = False) -> bool | None:
        """Block until the server, or a dispatcher, is unlocked; with ``returnStatus``, return whether it is locked."""
        return self._wait_or_check(self._locks.key_of(dispatcher), returnStatus)

    def sleep(self, seconds: float) -> None:
        """Sleep, and let other calls run meanwhile."""
        sleep(seconds)

    def log(self, level: Any, *args: Any) -> None:
        """Write to the server's log; a message without a level is critical."""
        self._log.write_documented(level, args)

    def copyGlobal(self, names: str | Iterable[str]) -> Any:
        """Return a global of the main program by name, or a dict of several; in a child process, return copies."""
        return self._main.copy_global(names)

    def eval(self, expression: str) -> Any:
        """Evaluate an expression in the main program, and return its value; in a child process, return a copy."""
        return self._main.evaluate(expression)

    def execute(self, statements: str) -> None:
        """Run statements in the main program."""
        self._main.execute(statements)

    def _wait_or_check(self, key: Hashable | None, return_status: bool) -> bool | None:
        if return_status:
            return self._locks.is_locked(key)
        if not self._locks.wait_in_period(key):
            raise ServerStateError("the server stops, and what this dispatcher waits for is still locked")
        return None


class Connection(FieldsAsKeys):
    """The magic variable of one call. :data:`ABOUT` documents its fields."""

    # Only in a call on the exec backend `parallel`.
    parallelType: str
    parallelPoolSize: int
    parallelId: Any

    deadline: float | None = None
    """When the call has to be answered, on the clock of :func:`time.monotonic`; None without a timeout."""

    def __init__(
        self, request: Request, outgoing: Outgoing, route: Route, server: ServerFacts, *, notify: bool
    ) -> None:
        self._request = request
        self._outgoing = outgoing
        self._server = server
        self.uniqueId = request.unique_id
        self.path = route.path
        self.dispatcher = route.function
        self.dispatcherName = route.name
        self.notify = notify
        self.server = server.facade
        self.serverName = server.name

    @property
    def remaining(self) -> float | None:
        """The seconds until :attr:`deadline`, 0 once it has passed; None without a timeout."""
        return None if self.deadline is None else remaining_s(self.deadline)

    @property
    def cancelled(self) -> bool:
        """Whether the caller has cancelled the call, or has left. Always False for plain JSON-RPC."""
        control = self._control
        if control is None:
            return False
        exchange: Any = self._request  # it has a control
        if not control.has_ended and not control.is_cancelled and exchange.has_left():
            control.cancel()
        return control.is_cancelled

    @property
    def grant(self) -> Any:
        """The ``Grant`` that ``verify`` has returned for the access token of the caller; None without a token.

        It does not go to other processes: there it is always None.
        """
        return getattr(self._request, "grant", None)  # only an exchange has one

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Report the progress of the call; do nothing if its caller wants none.

        A report is dropped if it does not increase ``done``, or comes after the end of the call.

        Args:
            done: How much is done, in any unit.
            total: How much there is in total, in the same unit; None if that is not known.
            message: What the call does now; None for nothing.

        Raises:
            TypeError: ``done`` or ``total`` is no number, or ``message`` no string.
            ValueError: ``done`` or ``total`` is not finite.
        """
        control = self._control
        if control is None:
            check_progress(done, total, message)
        else:
            control.report(done, total, message)

    @property
    def _control(self) -> CallControl | None:
        return getattr(self._request, "control", None)  # only an exchange has one

    @cached_property
    def headers(self) -> dict[str, str]:
        """The header fields of the request."""
        return dict(self._request.parsed.headers)

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies of the request."""
        return self._request.parsed.cookies.to_dict()

    @cached_property
    def ip(self) -> str | None:
        """The client's address; None over a Unix socket."""
        return self._request.remote_addr

    @cached_property
    def servedBy(self) -> tuple[bool, str | None, Any]:
        """``(isRawSocket, ip or socketPath, port or socket)``."""
        return self._server.served_by(self._request.head)

    @cached_property
    def nativeThread(self) -> bool:
        """Whether this call runs in a native thread, rather than in a greenlet."""
        return runs_natively()

    @cached_property
    def call(self) -> CallTools:
        """The functions that a dispatcher may call."""
        return CallTools(self._server, self.dispatcher, f"{self.path}{self.dispatcherName}")

    @property
    def headersOut(self) -> dict[str, str]:
        """Header fields to send."""
        return self._outgoing.headers

    @headersOut.setter
    def headersOut(self, headers: dict[str, str]) -> None:
        self._outgoing.headers = headers

    @property
    def cookiesOut(self) -> list[dict[str, Any]]:
        """Cookies to send."""
        return self._outgoing.cookies

    @cookiesOut.setter
    def cookiesOut(self, cookies: list[dict[str, Any]]) -> None:
        self._outgoing.cookies = cookies

    @property
    def mimeType(self) -> str:
        """The media type of the answer."""
        return self._outgoing.content_type

    @mimeType.setter
    def mimeType(self, mime_type: str) -> None:
        self._outgoing.mime_type = mime_type

    @property
    def allowCompress(self) -> bool:
        """Whether the answer may be compressed."""
        return self._outgoing.allow_compress

    @allowCompress.setter
    def allowCompress(self, allow: bool) -> None:
        self._outgoing.allow_compress = allow

    @property
    def jsonp(self) -> str | bool:
        """The JSONP output format; False for plain JSON."""
        return self._outgoing.jsonp

    @jsonp.setter
    def jsonp(self, output_format: str | bool) -> None:
        self._outgoing.jsonp = output_format
