"""The server's side of answers: one thread receives the answers of all calls."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import kombu

from ...runtime.concurrency import make_event, start_thread
from ...runtime.logs import INFO, WARNING, ServerLog
from .app import reply_queue

__all__ = ["ReplyReceiver"]

_POLL_S = 1.0  # how soon the thread notices its end if the broker cannot wake it
_PAUSES_S = (0.1, 0.2, 0.5, 1.0)  # between two attempts to connect; the last one repeats


class ReplyReceiver:
    """Receives the answers for one server, from one queue. All waiting calls share its thread and its connection.

    Args:
        connect: Makes a connection to the broker of the answers.
        name: The name of the queue.
        on_answer: Called with each answer, in this thread; it must not block.
        log: The server's log.
        on_lost: Called when the connection is lost or cannot be made.
        describe: Words an exception, without secrets.
    """

    def __init__(
        self,
        connect: Callable[[], kombu.Connection],
        name: str,
        on_answer: Callable[[Mapping[str, Any]], object],
        log: ServerLog,
        on_lost: Callable[[], object],
        describe: Callable[[BaseException], str],
    ) -> None:
        self.name = name
        self.failure: str | None = None  # why there is no connection now; written by the thread only
        self._connect = connect
        self._on_answer = on_answer
        self._log = log
        self._on_lost = on_lost
        self._describe = describe
        self._failed_attempts = 0  # in a row; used by the thread only
        self._settled = make_event()  # set when the first attempt to connect has succeeded or failed
        self._ending = make_event()
        self._ended = make_event()
        start_thread(self._run, name=name)

    def wait_settled(self, timeout_s: float) -> None:
        """Wait until the first attempt to connect has succeeded or failed."""
        self._settled.wait(timeout_s)

    def stop(self, wake: Callable[[], object], timeout_s: float) -> None:
        """End the thread.

        Args:
            wake: Sends an empty answer, if possible, so that the thread notices at once.
            timeout_s: How long to wait for the end, in seconds.
        """
        self._ending.set()
        wake()
        self._ended.wait(timeout_s)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._consume_until_lost()
        self._ended.set()

    def _consume_until_lost(self) -> None:
        try:
            self._consume()
        except Exception as exc:  # noqa: BLE001  the thread must not end: calls wait for it
            self._lose(exc)
            self._ending.wait(_PAUSES_S[min(self._failed_attempts, len(_PAUSES_S)) - 1])

    def _consume(self) -> None:
        with self._connect() as connection:
            channel = connection.default_channel
            consumer = kombu.Consumer(
                channel, [reply_queue(self.name)], on_message=self._receive, no_ack=True, accept=["json"]
            )
            with consumer:
                self._connected()
                while not self._ending.is_set():
                    with contextlib.suppress(TimeoutError):
                        connection.drain_events(timeout=_POLL_S)
            for queue in consumer.queues:
                queue.delete()

    def _receive(self, message: kombu.Message) -> None:
        try:
            if answer := message.decode():
                self._on_answer(answer)
        except Exception as exc:  # noqa: BLE001  a message that is not an answer must not stop the others
            self._log.write(WARNING, f"dropped an answer that cannot be read: {type(exc).__name__}: {exc}")

    def _connected(self) -> None:
        if self.failure is not None:
            self._log.write(INFO, "answers of celery workers are received again")
        self.failure = None
        self._failed_attempts = 0
        self._settled.set()

    def _lose(self, exc: Exception) -> None:
        if self.failure is None:
            self._log.write(WARNING, self._describe(exc))
            self._on_lost()
        self.failure = self._describe(exc)
        self._failed_attempts += 1
        self._settled.set()
