"""Running a serving backend on the addresses of one server."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ..dispatch.facade import ServerFacade
from ..errors import UnsupportedError
from ..http.refusals import ClientGone, Refusal
from ..http.request import ReceivedRequest
from ..http.response import Response
from ..runtime.logs import ERROR, INFO
from .base import ServBackend
from .gate import Gate, RpcApplication
from .sockets import Address, AnyAddress, Listener, open_listener
from .tls import refuse_without_tls

__all__ = ["SERVED_BY", "Serving", "refuse_unsupported", "served_by"]

# How long a stop takes before the log says what it waits for: longer than native gives idle clients; guessed.
_SILENT_S = 1.5

# How many requests that line names.
_MOST_NAMED = 10

SERVED_BY = "flaskJSONRPCServer.served_by"
"""The key of a WSGI environ under which a :class:`ListenerApplication` stores the address that a request came by."""


def served_by(environ: Mapping[str, Any]) -> tuple[bool, str | None, Any]:
    """Return ``(isRawSocket, ip or socketPath, port or socket)`` of a request."""
    if SERVED_BY in environ:
        address: tuple[bool, str | None, Any] = environ[SERVED_BY]
        return address
    port = str(environ.get("SERVER_PORT", ""))
    return False, environ.get("SERVER_NAME"), int(port) if port.isdecimal() else None


@runtime_checkable
class Counting(Protocol):
    """A running instance that counts its connections and threads."""

    def counts(self) -> dict[str, int]:
        """Return the counts by name: of ``connections``, ``threads``, ``running``, ``waiting`` and ``refused``."""


@runtime_checkable
class Listing(Protocol):
    """A running instance that lists the requests that it is answering."""

    def unfinished(self) -> list[str]:
        """Return a few words for each request whose answer has not been sent."""


@dataclass(slots=True)
class Instance:
    """A serving backend that serves on one address.

    Attributes:
        backend: The backend.
        handle: What its ``start`` returned.
        listener: The listening socket that it was given, if any.
        is_stopped: Whether its ``stop`` has returned, or raised.
    """

    backend: ServBackend
    handle: Any
    listener: Listener | None
    is_stopped: bool = False

    def stop(self, index: int, server: ServerFacade, timeout_s: float) -> None:
        """Stop it, as the instance of the address with this index."""
        try:
            self.backend.stop(self.handle, index, server, timeout_s)
        finally:
            self.is_stopped = True


class ListenerApplication:
    """The WSGI application behind one listening socket, which it records for each request.

    Args:
        gate: The gate to the application.
        served_by: The address of the socket.
        count_refusal: Called with the status of each request that the serving backend refuses.
    """

    def __init__(self, gate: Gate, served_by: tuple[bool, str, Any], count_refusal: Callable[[str], object]) -> None:
        self._gate = gate
        self.answering = gate.answering
        self._served_by = served_by
        self._count_refusal = count_refusal

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        environ[SERVED_BY] = self._served_by
        return self._gate(environ, start_response)

    def respond(self, received: ReceivedRequest) -> Response | None:
        """Answer one request without WSGI. Return None if :meth:`__call__` must answer it."""
        received.head[SERVED_BY] = self._served_by
        return self._gate.respond(received)

    def is_immediate(self, head: dict[str, Any]) -> bool:
        """As :meth:`.gate.Gate.is_immediate`."""
        return self._gate.is_immediate(head)

    def expires_at(self, received: ReceivedRequest) -> float | None:
        """As :meth:`.gate.Gate.expires_at`."""
        return self._gate.expires_at(received)

    def has_deadlines(self) -> bool:
        """As :meth:`.gate.Gate.has_deadlines`."""
        return self._gate.has_deadlines()

    def body_limit_bytes(self, head: dict[str, Any]) -> int | None:
        """As :meth:`.gate.Gate.body_limit_bytes`."""
        return self._gate.body_limit_bytes(head)

    def check_head(self, head: dict[str, Any]) -> None:
        """As :meth:`.gate.Gate.check_head`."""
        self._gate.check_head(head)

    def refusal_headers(self, head: dict[str, Any]) -> list[tuple[str, str]]:
        """As :meth:`.gate.Gate.refusal_headers`."""
        return self._gate.refusal_headers(head)

    def observe_refusal(self, head: dict[str, Any], refusal: Refusal) -> None:
        """Count a request that the serving backend refuses; see :class:`.gate.RefusalObserver`."""
        if not isinstance(refusal, ClientGone):
            self._count_refusal(refusal.status)


class Serving:
    """Starts a serving backend on each address, and stops it again.

    Args:
        server: The flaskJSONRPCServer to pass to backends.

    Attributes:
        backend_id: The name of the last started backend; empty before the first start.
    """

    def __init__(self, server: ServerFacade) -> None:
        self._server = server
        self.backend_id = ""
        self._instances: list[Instance] = []
        self._stopped = threading.Event()

    @property
    def addresses(self) -> list[Any]:
        """The address of each instance that has one: ``(host, port)``, or the path of a Unix socket."""
        holders = [instance.listener or instance.handle for instance in self._instances]
        return [holder.address for holder in holders if hasattr(holder, "address")]

    def start(
        self,
        backend: ServBackend,
        addresses: list[AnyAddress],
        bind_addresses: list[Any],
        gate: Gate,
        wrap: Callable[[RpcApplication], RpcApplication] | None = None,
    ) -> None:
        """Serve on all addresses, or on none.

        Args:
            backend: The backend.
            addresses: The addresses.
            bind_addresses: The same addresses as the user passed them, for a backend that opens its sockets itself.
            gate: The WSGI callable.
            wrap: Returns the application that the backend is given, for the application of one address.

        Raises:
            BindError: The server cannot listen on one of the addresses.
            SettingsError: The option ``ssl`` cannot be used.
            UnsupportedError: The backend takes no sockets, and one of the addresses needs that. Or it has no TLS, and
                ``ssl`` asks for it.
        """
        refuse_unsupported(backend, addresses, gevent=self._server.settings.gevent)
        refuse_without_tls(backend, self._server.settings.ssl)
        self._stopped.clear()
        self.backend_id = backend._id
        with ExitStack() as undo:
            listeners: list[Listener | None] = [None] * len(addresses)
            if backend._supportRawSocket:
                for index, address in enumerate(addresses):
                    listeners[index] = opened = open_listener(address, self._server.settings.backlog)
                    undo.callback(opened.close)
            undo.callback(self._stop_instances, 0)
            for listener, bind_address in zip(listeners, bind_addresses, strict=True):
                app: RpcApplication = gate
                if listener is not None:
                    count_refusal = self._server._backend_context.stats.count_refusal
                    app = ListenerApplication(gate, listener.served_by, count_refusal)
                app = app if wrap is None else wrap(app)
                target = bind_address if listener is None else listener.raw_address
                handle = backend.start(target, app, self._server, False)
                self._instances.append(Instance(backend, handle, listener))
            undo.pop_all()

    def stop(self, timeout_s: float) -> None:
        """Stop every instance, and release the callers of :meth:`join`.

        After an interrupt in the middle, another call stops the instances that have not stopped yet.
        """
        try:
            self._stop_instances(timeout_s)
        finally:
            self._stopped.set()

    def counts(self) -> dict[str, int]:
        """Return the sum of the counts of all instances that have any, by name."""
        total: Counter[str] = Counter()
        for instance in self._instances:
            if isinstance(instance.handle, Counting):
                total.update(instance.handle.counts())
        return dict(total)

    def join(self) -> None:
        """Block until :meth:`stop` has been called and has finished."""
        self._stopped.wait()

    def _stop_instances(self, timeout_s: float) -> None:
        try:
            if not self._instances:
                return
            for instance in self._instances:
                if instance.listener is not None:
                    instance.listener.close()
            stop_all(self._instances, self._server, timeout_s)
        finally:
            self._instances = [instance for instance in self._instances if not instance.is_stopped]


def stop_all(instances: list[Instance], server: ServerFacade, timeout_s: float) -> None:
    """Stop all instances at once, so that none goes on accepting while another one is stopping."""
    with ThreadPoolExecutor(len(instances) + 1) as pool:
        stops = [pool.submit(instance.stop, index, server, timeout_s) for index, instance in enumerate(instances)]
        pool.submit(report_waiting, stops, instances, server, timeout_s)
    for stop in stops:
        stop.result()


def report_waiting(
    stops: list[Future[None]], instances: list[Instance], server: ServerFacade, timeout_s: float
) -> None:
    """Write to the log what stops wait for, if they take long."""
    begun_at = time.monotonic()
    if timeout_s <= _SILENT_S or not wait(stops, _SILENT_S).not_done:
        return
    waiting = [instance.handle for instance in instances if not instance.is_stopped]
    try:
        requests = [words for handle in waiting if isinstance(handle, Listing) for words in handle.unfinished()]
    except Exception:  # noqa: BLE001  a handle of the user's
        server.log.write(ERROR, "unfinished() of a serving backend raised", traceback=True)
        requests = []
    left_s = timeout_s - (time.monotonic() - begun_at)
    server.log.write(INFO, f"server {server.name!r} is stopping, and waits up to {left_s:.0f} s for {named(requests)}")


def named(requests: list[str]) -> str:
    """Return the requests as one phrase; the first ones of many, and the number of the others."""
    if not requests:
        return "the requests that are being answered"
    most = Counter(requests).most_common(_MOST_NAMED)
    words = [f"{count} x {text}" if count > 1 else text for text, count in most]
    left_out = len(requests) - sum(count for _, count in most)
    return ", ".join([*words, *([f"and {left_out} more"] if left_out else [])])


def refuse_unsupported(backend: ServBackend, addresses: list[AnyAddress], *, gevent: bool) -> None:
    """Check that a backend can serve on addresses, with or without gevent.

    Raises:
        UnsupportedError: It cannot serve with gevent, or without. Or it opens its sockets itself, and one of the
            addresses is a Unix socket or a socket of the user.
    """
    if gevent and not backend._supportGevent:
        raise UnsupportedError(
            f"servBackend {backend._id!r} cannot serve with gevent=True; leave that out, or use 'auto' or 'pywsgi'"
        )
    if not gevent and not backend._supportNative:
        raise UnsupportedError(f"servBackend {backend._id!r} serves with gevent only; add gevent=True, or use 'auto'")
    sockets = [address for address in addresses if not isinstance(address, Address)]
    if sockets and not backend._supportRawSocket:
        raise UnsupportedError(
            f"servBackend {backend._id!r} cannot serve on {sockets[0]}: "
            "it takes no sockets; use [ip, port], or 'native'"
        )
