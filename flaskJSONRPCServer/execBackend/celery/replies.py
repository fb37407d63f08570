"""The answers of workers: one thread receives them all, and wakes the call that waits for each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import kombu

from ...runtime.concurrency import make_event, start_thread
from ...runtime.logs import INFO, WARNING, ServerLog
from .app import reply_queue

__all__ = ["Replies"]

_LOOK_EVERY_S = 1.0  # how soon the thread learns that it is to end, where the broker cannot tell it at once
_PAUSES_S = (0.1, 0.2, 0.5, 1.0)  # between two attempts to connect; the last one again and again


class Replies:
    """Receives the answers for one server.

    Args:
        connect: Makes a connection to where the answers come from.
        name: The name of the queue of answers.
        receive: Called with each answer, in this thread; it must not wait for anything.
        log: The server's log.
        lost: Called when a connection is lost, or none can be made.
        describe: Words what went wrong, without secrets.
    """

    def __init__(
        self,
        connect: Callable[[], kombu.Connection],
        name: str,
        receive: Callable[[Mapping[str, Any]], object],
        log: ServerLog,
        lost: Callable[[], object],
        describe: Callable[[BaseException], str],
    ) -> None:
        self.name = name
        self.failure: str | None = None  # why there is no connection now; written by the thread only
        self._connect = connect
        self._receive = receive
        self._log = log
        self._tell_lost = lost
        self._describe = describe
        self._attempts = 0  # that have failed one after the other; of the thread
        self._settled = make_event()  # whether the first attempt to connect has succeeded or failed
        self._ending = make_event()
        self._ended = make_event()
        start_thread(self._run, name=name)

    def wait_settled(self, timeout_s: float) -> None:
        """Wait until it is known whether answers can be received."""
        self._settled.wait(timeout_s)

    def stop(self, wake: Callable[[], object], timeout_s: float) -> None:
        """End the thread.

        Args:
            wake: Sends an empty answer, if that is possible.
            timeout_s: How long to wait for the end, in seconds.
        """
        self._ending.set()
        wake()
        self._ended.wait(timeout_s)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._attempt()
        self._ended.set()

    def _attempt(self) -> None:
        try:
            self._consume()
        except Exception as exc:  # noqa: BLE001  the thread must not end: calls wait for it
            self._lost(exc)
            self._ending.wait(_PAUSES_S[min(self._attempts, len(_PAUSES_S)) - 1])

    def _consume(self) -> None:
        with self._connect() as connection:
            channel = connection.default_channel
            consumer = kombu.Consumer(
                channel, [reply_queue(self.name)], on_message=self._take, no_ack=True, accept=["json"]
            )
            with consumer:
                self._found()
                while not self._ending.is_set():
                    with contextlib.suppress(TimeoutError):
                        connection.drain_events(timeout=_LOOK_EVERY_S)
            for queue in consumer.queues:
                queue.delete()

    def _take(self, message: kombu.Message) -> None:
        try:
            if answer := message.decode():
                self._receive(answer)
        except Exception as exc:  # noqa: BLE001  whatever is no answer is dropped, and the next one read
            self._log.write(WARNING, f"dropped an answer that cannot be read: {type(exc).__name__}: {exc}")

    def _found(self) -> None:
        if self.failure is not None:
            self._log.write(INFO, "answers of celery workers are received again")
        self.failure = None
        self._attempts = 0
        self._settled.set()

    def _lost(self, exc: Exception) -> None:
        if self.failure is None:
            self._log.write(WARNING, self._describe(exc))
            self._tell_lost()
        self.failure = self._describe(exc)
        self._attempts += 1
        self._settled.set()
