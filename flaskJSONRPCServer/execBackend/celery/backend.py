"""The backend that runs calls in Celery workers, which may be on other machines. This is the server's side of it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from typing import Any

from ...dispatch.backends import CallAnswer
from ...dispatch.context import BackendContext
from ...dispatch.facade import ServerFacade
from ...errors import SettingsError
from ..base import PreparedBackend, already_running_error
from .app import Application, Options, from_environment, make_app
from .run import Run, Ticket
from .worker import attach, let_celery_follow_dots

__all__ = ["DEFAULT_HEADERS", "CeleryBackend"]

DEFAULT_HEADERS = ("Accept-Language", "Content-Type", "Host", "User-Agent")
"""The header fields that workers are told, unless the backend is given others."""

_TIMEOUT_S = 60.0
_QUEUE = "flaskJSONRPCServer"


class CeleryBackend(PreparedBackend):
    """Runs calls in Celery workers: ``python -m flaskJSONRPCServer worker module:server``.

    The answers of calls are waited for. A notification is answered as soon as the broker has it; it runs at least once,
    though workers are killed.

    Args:
        broker: The URL of the message broker, Redis or RabbitMQ; None: the environment variable
            ``FLASKJSONRPC_CELERY_BROKER`` or ``CELERY_BROKER_URL``.
        backend: The URL of another broker for the answers; None: ``FLASKJSONRPC_CELERY_BACKEND`` or
            ``CELERY_RESULT_BACKEND``, else the broker itself, which ``rpc://`` stands for too.
        queue: The queue of the calls; None: ``FLASKJSONRPC_CELERY_QUEUE``, else ``flaskJSONRPCServer``.
        timeout: How long a call may take until its answer is there, in seconds; None: ``FLASKJSONRPC_CELERY_TIMEOUT``,
            else 60.
        enqueue_timeout: How long the broker may take to accept a call, in seconds.
        tries: How often a notification is begun before it is put into the queue of dead ones.
        redeliver_after: After how many seconds Redis gives a notification to another worker, if the first one has
            given no sign of life.
        repeat_lost_calls: Run a call again whose worker was lost, as notifications are. False: answer -32005.
        headers: The names of the request's header fields that workers are told.
        cookies: The names of the cookies that workers are told.
        connections: The most connections to the broker for sending.
        options: Further settings of the Celery application.
        backend_id: Its name, for a second one beside the prepared one.

    Raises:
        SettingsError: There is no broker, or an option has a value that it cannot have.
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
        self.options = Options(
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
        let_celery_follow_dots()
        self._making = threading.Lock()
        self._app: Application | None = None  # made when first asked for; guarded by _making
        self._context: BackendContext | None = None  # whose application it is; guarded by _making
        self._run: Run | None = None

    def celery_app(self, context: BackendContext) -> Application:
        """Return the Celery application, for the server and for its workers.

        Raises:
            ServerStateError: Another server has it.
        """
        with self._making:
            if self._app is None:
                self._app = make_app(f"{context.name}-{self._id}", self.options)
                self._context = context
                attach(self._app, context, self.options)
            if self._context is not None and self._context is not context:
                raise already_running_error(self._id, self._context)
            return self._app

    def begin(self, context: BackendContext) -> None:
        """Begin to receive answers. The broker need not be there yet.

        Raises:
            ServerStateError: It runs for a server already.
        """
        if self._run is not None and self._context is not None:
            raise already_running_error(self._id, self._context)
        self._run = Run(self.celery_app(context), context, self.options)

    def add(
        self, uniqueId: str, path: str, dataIn: dict[str, Any], request: Any, isJSONP: str | bool = False
    ) -> tuple[bool, Any, Any]:
        """Give a call to the broker."""
        run = self._run
        if run is None:
            return False, f"exec backend {self._id!r} has stopped", None
        return run.add(uniqueId, path, dataIn, request, isJSONP)

    def check(self, uniqueId: str, ticket: Ticket) -> CallAnswer:
        """Wait for the answer, until the timeout."""
        return ticket.wait()

    def stop(self, server: ServerFacade, timeout: float, processingDispatcherCountMax: int = 0) -> int:
        """Wait for the answers of all calls, within the timeout. No notification is lost: the broker has them."""
        run, self._run = self._run, None
        if run is not None:
            run.stop(timeout, processingDispatcherCountMax)
        return 0

    def stats(self, inMS: bool = False) -> dict[str, Any]:
        """Return ``<id>_queue``, ``_running``, ``_done``, ``_failed``, ``_retried``, ``_dead``, ``_workers``, ``_age``.

        What the broker and the workers tell is not asked for by each call of this: ``_age`` says how old it is.
        """
        run = self._run
        if run is None:
            return {}
        return {f"{self._id}_{name}": told for name, told in run.counts().items()}


def lowered(names: Collection[str]) -> frozenset[str]:
    """Return the names of header fields or cookies as they are compared."""
    return frozenset(name.lower() for name in names)


def seconds(given: str) -> float:
    try:
        return float(given)
    except ValueError as exc:
        raise SettingsError(f"timeout={given!r} is refused: it takes a number of seconds") from exc
