"""The server's side of the Celery backend. The calls run in workers, which may be on other machines."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from typing import Any

from ...dispatch.backend_context import BackendContext
from ...dispatch.exec_backend import CallAnswer
from ...dispatch.facade import ServerFacade
from ...errors import SettingsError
from ..base import PreparedBackend, already_running_error
from .app import CeleryApplication, make_app, once
from .command_line import resolve_dotted_names
from .options import CeleryOptions, from_environment
from .session import CallSession, PendingCall
from .tasks import register_tasks

__all__ = ["DEFAULT_HEADERS", "CeleryBackend"]

DEFAULT_HEADERS = ("Accept-Language", "Content-Type", "Host", "User-Agent")
"""The header fields that travel to workers by default."""

_TIMEOUT_S = 60.0
_QUEUE = "flaskJSONRPCServer"


class CeleryBackend(PreparedBackend):
    """Runs calls in Celery workers: ``python -m flaskJSONRPCServer worker module:server``.

    A call waits for its answer. A notification is answered as soon as the broker has it, and runs at least once, even
    if workers are killed.

    Args:
        broker: The URL of the message broker, Redis or RabbitMQ; None for the environment variable
            ``FLASKJSONRPC_CELERY_BROKER`` or ``CELERY_BROKER_URL``.
        backend: The URL of another broker for the answers; None for ``FLASKJSONRPC_CELERY_BACKEND`` or
            ``CELERY_RESULT_BACKEND``. If neither is set, or it is ``rpc://``, answers travel by ``broker``.
        queue: The queue of the calls; None for ``FLASKJSONRPC_CELERY_QUEUE``, else ``flaskJSONRPCServer``.
        timeout: How long the answer of a call may take, in seconds; None for ``FLASKJSONRPC_CELERY_TIMEOUT``, else 60.
        enqueue_timeout: How long the broker may take to accept a call, in seconds.
        tries: How often a notification is begun before it goes to the dead letter queue.
        redeliver_after: After how many seconds without a heartbeat of its worker Redis gives a notification to another
            one.
        repeat_lost_calls: Whether a call whose worker was lost runs again, like a notification. False: the answer is
            the error -32005.
        headers: The names of the header fields that travel to workers.
        cookies: The names of the cookies that travel to workers.
        connections: The maximum number of connections for sending.
        options: Further settings of the Celery application.
        backend_id: The name of the backend. A second one of a server needs its own.

    Raises:
        SettingsError: There is no broker, or an option has an invalid value.
    """

    def __init__(
        self,
        broker: str | None = None,
        backend: str | None = None,
        queue: str | None = None,
        timeout: float | None = None,
        *,
        enqueue_timeout: float = 4,
        tries: int = 5,
        redeliver_after: float = 60,
        repeat_lost_calls: bool = False,
        headers: Collection[str] = DEFAULT_HEADERS,
        cookies: Collection[str] = (),
        connections: int = 10,
        options: Mapping[str, Any] | None = None,
        backend_id: str = "celery",
    ) -> None:
        self._id = backend_id
        url = from_environment(broker, "FLASKJSONRPC_CELERY_BROKER", "CELERY_BROKER_URL")
        answers = from_environment(backend, "FLASKJSONRPC_CELERY_BACKEND", "CELERY_RESULT_BACKEND", default="rpc://")
        self.options = CeleryOptions(
            broker=url,
            answers=url if answers == "rpc://" else answers,
            queue=from_environment(queue, "FLASKJSONRPC_CELERY_QUEUE", default=_QUEUE),
            timeout_s=seconds(from_environment(timeout, "FLASKJSONRPC_CELERY_TIMEOUT", default=str(_TIMEOUT_S))),
            enqueue_timeout_s=enqueue_timeout,
            tries=tries,
            redeliver_after_s=redeliver_after,
            repeat_lost_calls=repeat_lost_calls,
            headers=lowered(headers),
            cookies=lowered(cookies),
            connections=connections,
            celery=dict(options or {}),
        )
        resolve_dotted_names()
        self._making = threading.Lock()
        self._app: CeleryApplication | None = None  # made on first use; guarded by _making
        self._context: BackendContext | None = None  # of the server that uses the application; guarded by _making
        self._session: CallSession | None = None

    def celery_app(self, context: BackendContext) -> CeleryApplication:
        """Return the Celery application, for the server and for its workers.

        Raises:
            ServerStateError: Another server uses the backend.
        """
        with self._making:
            if self._app is None:
                self._app = make_app(f"{context.name}-{self._id}", self.options)
                self._context = context
                register_tasks(self._app, context, self.options)
            if self._context is not None and self._context is not context:
                raise already_running_error(self._id, self._context)
            return self._app

    def begin(self, context: BackendContext) -> None:
        """Start to receive answers. The broker may come up later.

        Raises:
            ServerStateError: The backend runs for a server already.
        """
        if self._session is not None and self._context is not None:
            raise already_running_error(self._id, self._context)
        self._session = CallSession(self.celery_app(context), context, self.options)

    def add(
        self, uniqueId: str, path: str, dataIn: dict[str, Any], request: Any, isJSONP: str | bool = False
    ) -> tuple[bool, Any, Any]:
        """Send a call to the broker."""
        session = self._session
        if session is None:
            return False, f"exec backend {self._id!r} has stopped", None
        return session.add(uniqueId, path, dataIn, request, isJSONP)

    def check(self, uniqueId: str, ticket: PendingCall) -> CallAnswer:
        """Wait for the answer of a call, until its timeout."""
        return ticket.wait()

    def cancel(self, uniqueId: str, ticket: PendingCall) -> None:
        """Cancel a call: it does not begin, or its process is killed if the pool of its worker can do that."""
        if (session := self._session) is not None:
            session.cancel(ticket)

    def is_ready(self) -> bool:
        """Return whether the broker can be reached, by a new connection.

        Raises:
            Exception: It cannot.
        """
        app = self._app or make_app(self._id, self.options)
        connection = app.connection_for_write(transport_options=once(self.options.broker, self.options))
        with connection, connection.channel():  # only a channel makes kombu ask Redis for an answer
            return True

    def stop(self, server: ServerFacade, timeout: float, processingDispatcherCountMax: int = 0) -> int:
        """Wait for the answers of all calls, within the timeout; return 0: notifications are safe in the broker."""
        session, self._session = self._session, None
        if session is not None:
            session.stop(timeout, processingDispatcherCountMax)
        return 0

    def stats(self, inMS: bool = False) -> dict[str, Any]:
        """Return ``<id>_queue``, ``_running``, ``_done``, ``_failed``, ``_retried``, ``_dead``, ``_workers``, ``_age``.

        The values of the broker and the workers are not read by each call of this: ``_age`` is their age in seconds.
        """
        session = self._session
        if session is None:
            return {}
        return {f"{self._id}_{name}": count for name, count in session.counts().items()}


def lowered(names: Collection[str]) -> frozenset[str]:
    """Return names of header fields or cookies in lower case, as they are compared."""
    return frozenset(name.lower() for name in names)


def seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        raise SettingsError(f"timeout={text!r} is refused: it takes a number of seconds") from exc
