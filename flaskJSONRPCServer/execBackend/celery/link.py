"""Sending to the broker. It fails within a time that is known, and one call at a time learns whether it is back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import kombu
from celery.app.control import Control
from kombu.pidbox import Mailbox
from kombu.pools import ProducerPool

from ...runtime.concurrency import make_lock, start_thread
from ...runtime.logs import INFO, WARNING, ServerLog
from .app import END_COMMAND, Application, Options, make_producers, masked

__all__ = ["STOPPED", "BrokerGone", "Link"]

STOPPED = "the exec backend has stopped"
"""The refusal of what was on its way when that happened."""


class BrokerGone(Exception):
    """The broker has not taken a message. The text names the broker, without its password."""


class OwnMailbox(Mailbox):
    """Sends by the connection that it is given; Celery's would open others, which outlast a stop of the server."""

    producer_pool = None


class OwnControl(Control):
    """Celery's remote control of workers, by such a mailbox."""

    Mailbox = OwnMailbox


class Link:
    """The way to the broker.

    While the broker is gone, one message at a time is tried, and all others are refused at once: threads do not gather
    in front of it, and the first message that gets through lets the others go.

    Args:
        app: The Celery application.
        options: The options.
        log: The server's log.
        describe: Words what went wrong, without secrets.
    """

    def __init__(
        self, app: Application, options: Options, log: ServerLog, describe: Callable[[BaseException], str]
    ) -> None:
        self._app = app
        self._options = options
        self._log = log
        self._describe = describe
        self.control = OwnControl(app)
        self._renewing = make_lock()
        self._producers = make_producers(app, options.broker)  # written under _renewing
        self._failure: str | None = None  # why the last message was not sent; set and read without a lock
        self._is_closed = False
        self._trying = make_lock()
        self._revoking = make_lock()
        self._to_revoke: list[str] = []  # guarded by _revoking
        self._revokes = False  # whether a thread is at it; guarded by _revoking

    def send(self, task: str, message: dict[str, Any], **options: Any) -> None:
        """Give a message to the broker, and return when it has it.

        Raises:
            BrokerGone: It has not, within the timeout.
        """
        with self._admitted(), self.producer() as producer:
            self._app.send_task(
                task,
                [message],
                producer=producer,
                add_to_parent=False,
                argsrepr="(...)",  # what a client sends is nobody's business who watches the queue
                kwargsrepr="",
                **options,
            )

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[None]:
        """Let a message be tried, unless the broker is gone and another one is being tried already."""
        if (failure := self._failure) is None:
            yield
        elif not self._trying.acquire(blocking=False):
            raise BrokerGone(failure)
        else:
            try:
                yield
            finally:
                self._trying.release()

    @contextlib.contextmanager
    def producer(self) -> Iterator[kombu.Producer]:
        """Give a producer of the pool, and see whether it works.

        Raises:
            BrokerGone: What was done with it has failed, or all has been closed.
        """
        producers = self._producers  # before the next line: those from after the end are used by nobody
        if self._is_closed:
            raise BrokerGone(STOPPED)
        try:
            with producers.acquire(block=True, timeout=self._options.enqueue_timeout_s) as producer:
                yield producer
        except Exception as exc:
            raise BrokerGone(self._fail(producers, exc)) from exc
        finally:
            if producers is not self._producers:  # they were given up meanwhile, and this one was in use
                close(producers)
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
        self._renew(producers)  # the other connections may be as dead as this one
        return failure

    def renew(self) -> None:
        """Give up all connections: the broker is known to have gone, and nothing is to be sent to where it was."""
        self._renew(self._producers)

    def _renew(self, producers: ProducerPool) -> None:
        with self._renewing:
            if self._producers is not producers:
                return
            self._producers = make_producers(self._app, self._options.broker)
        close(producers)

    def revoke(self, task_id: str) -> None:
        """Let the workers drop or end a call, as soon as the broker can tell them; do not wait for that."""
        with self._revoking:
            self._to_revoke.append(task_id)
            if self._revokes:
                return
            self._revokes = True
        start_thread(self._revoke_all, name="celery-revokes")

    def _revoke_all(self) -> None:
        while task_ids := self._next_to_revoke():
            with contextlib.suppress(BrokerGone), self.producer() as producer:
                self.control.broadcast(END_COMMAND, {"task_ids": task_ids}, connection=producer.connection, reply=False)

    def _next_to_revoke(self) -> list[str]:
        with self._revoking:
            task_ids, self._to_revoke = self._to_revoke, []
            self._revokes = bool(task_ids)
            return task_ids

    def close(self) -> None:
        """Close all connections, and make no more."""
        self._is_closed = True
        self.renew()


def close(producers: ProducerPool) -> None:
    # One of them may be gone or in use: it fails where it is used then, and is closed there.
    with contextlib.suppress(Exception):
        producers.force_close_all(close_pool=False)  # type: ignore[attr-defined]  # the stubs leave it out
    with contextlib.suppress(Exception):
        producers.connections.force_close_all(close_pool=False)
