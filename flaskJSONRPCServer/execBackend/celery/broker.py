"""Sending to the broker. It fails within a known time, and while the broker is gone, one message at a time tries it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import kombu
from kombu.pools import ProducerPool

from ...dispatch.deadlines import Work
from ...runtime.concurrency import make_lock, start_thread
from ...runtime.logs import INFO, WARNING, ServerLog
from .app import END_COMMAND, CeleryApplication, make_producers
from .deliveries import GIVEN_UP, KILLED, claim_call
from .internals import WorkerControl, acquire_client, close_producers
from .options import CeleryOptions, masked

__all__ = ["STOPPED", "BrokerClient", "BrokerUnavailableError"]

STOPPED = "the exec backend has stopped"
"""The refusal of a message that was on its way when the backend stopped."""


class BrokerUnavailableError(Exception):
    """The broker did not accept a message. The text names the broker, without its password."""


class BrokerClient:
    """Sends messages and remote control commands to the broker.

    While the broker is gone, one message at a time is tried and all others are refused at once. So threads do not pile
    up in front of it, and the first message that gets through lets the others follow.

    Args:
        app: The Celery application.
        options: The options.
        log: The server's log.
        describe: Words an exception, without secrets.
    """

    def __init__(
        self, app: CeleryApplication, options: CeleryOptions, log: ServerLog, describe: Callable[[BaseException], str]
    ) -> None:
        self._app = app
        self._options = options
        self._log = log
        self._describe = describe
        self.control = WorkerControl(app)
        self._renewing = make_lock()
        self._producers = make_producers(app, options.broker)  # written under _renewing
        self._failure: str | None = None  # why the last message was not sent; set and read without a lock
        self._is_closed = False
        self._trying = make_lock()
        self._revoking = make_lock()
        self._to_revoke: list[str] = []  # guarded by _revoking
        self._is_revoking = False  # whether a thread sends them; guarded by _revoking

    def send(self, task: str, message: dict[str, Any], **options: Any) -> None:
        """Send a message, and return when the broker has it.

        Raises:
            BrokerUnavailableError: The broker did not accept it within the timeout.
        """
        with self._admitted(), self.producer() as producer:
            self._app.send_task(
                task,
                [message],
                producer=producer,
                add_to_parent=False,
                argsrepr="(...)",  # the params of a client must not show to those who watch the queue
                kwargsrepr="",
                **options,
            )

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[None]:
        """Admit a message, unless the broker is gone and another message is trying it.

        Raises:
            BrokerUnavailableError: The message is not admitted.
        """
        if (failure := self._failure) is None:
            yield
        elif not self._trying.acquire(blocking=False):
            raise BrokerUnavailableError(failure)
        else:
            try:
                yield
            finally:
                self._trying.release()

    @contextlib.contextmanager
    def producer(self) -> Iterator[kombu.Producer]:
        """Lend a producer of the pool, and note whether the broker works.

        Raises:
            BrokerUnavailableError: The block failed, or the client is closed.
        """
        producers = self._producers  # read before _is_closed: the pool that close() leaves behind must not be used
        if self._is_closed:
            raise BrokerUnavailableError(STOPPED)
        try:
            with producers.acquire(block=True, timeout=self._options.enqueue_timeout_s) as producer:
                yield producer
        except Exception as exc:
            raise BrokerUnavailableError(self._fail(producers, exc)) from exc
        finally:
            if producers is not self._producers:  # replaced while this one was in use
                close_producers(producers)
        if self._failure is not None:
            self._failure = None
            self._log.write(INFO, f"broker {masked(self._options.broker)} is back")

    def _fail(self, producers: ProducerPool, exc: Exception) -> str:
        if self._is_closed:
            return STOPPED
        failure = f"broker {masked(self._options.broker)} does not take messages: {self._describe(exc)}"
        if self._failure is None:
            self._log.write(WARNING, failure)
        self._failure = failure
        self._renew(producers)  # the other connections are probably dead too
        return failure

    def renew(self) -> None:
        """Replace all connections. The broker is known to be gone, and the old ones lead nowhere."""
        self._renew(self._producers)

    def _renew(self, producers: ProducerPool) -> None:
        with self._renewing:
            if self._producers is not producers:
                return
            self._producers = make_producers(self._app, self._options.broker)
        close_producers(producers)

    def give_up(self, task_id: str) -> Work:
        """Keep workers from beginning a call at its deadline; return what happens to its work, as far as is known.

        Only Redis records whether a call has begun.
        """
        if not self._options.is_redis:
            return "abandoned"
        try:
            # The client that sends messages: another one would have to connect first, and the answer is due.
            with self.producer() as producer, acquire_client(producer.channel) as client:
                claim = claim_call(client, self._options, task_id, GIVEN_UP)
        except BrokerUnavailableError:
            return "abandoned"
        if claim is None:
            return "not started"
        return "killed" if claim == KILLED else "abandoned"

    def revoke(self, task_id: str) -> None:
        """Ask the workers to drop or end a call, as soon as the broker can pass that on. Return at once."""
        with self._revoking:
            self._to_revoke.append(task_id)
            if self._is_revoking:
                return
            self._is_revoking = True
        start_thread(self._revoke_all, name="celery-revokes")

    def _revoke_all(self) -> None:
        while task_ids := self._next_to_revoke():
            with contextlib.suppress(BrokerUnavailableError), self.producer() as producer:
                self.control.broadcast(END_COMMAND, {"task_ids": task_ids}, connection=producer.connection, reply=False)

    def _next_to_revoke(self) -> list[str]:
        with self._revoking:
            task_ids, self._to_revoke = self._to_revoke, []
            self._is_revoking = bool(task_ids)
            return task_ids

    def close(self) -> None:
        """Close all connections, and make no more."""
        self._is_closed = True
        self.renew()
