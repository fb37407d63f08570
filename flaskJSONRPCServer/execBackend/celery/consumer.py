"""The parts of Celery's worker that this package replaces or adds."""

from __future__ import annotations

import contextlib
from typing import Any, cast

from celery import bootsteps

from .app import CALL, NOTIFY, CeleryApplication
from .dead_letters import dead_letter_message
from .internals import FilteringConsumer, acquire_client, refresh_visibility
from .redis import requeue_orphans
from .validation import task_misfit

__all__ = ["Heartbeat", "WorkerConsumer"]


class WorkerConsumer(FilteringConsumer):
    """Celery's consumer, which moves every message that is not a task of the worker to the dead letter queue."""

    def is_task(self, message: Any) -> bool:
        """Return whether a message is a task of the worker; otherwise move it to the dead letter queue."""
        app = cast("CeleryApplication", self.app)
        misfit = task_misfit(message, app.tasks, (CALL, NOTIFY))
        if misfit is not None:
            dead_letter_message(app, message, misfit)
        return misfit is None


class Heartbeat(bootsteps.StartStopStep):
    """Refreshes the visibility timeout of this worker's messages and requeues orphaned ones.

    Redis gives a message to another worker when it has heard nothing of it for ``redeliver_after`` seconds. Without
    heartbeats, a notification that takes longer would run twice.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """Start the timer."""
        self._taken: set[bytes] = set()
        every_s = consumer.app.rpc_options.redeliver_after_s / 4
        self._timer = consumer.timer.call_repeatedly(every_s, self._beat, (consumer,))

    def stop(self, consumer: Any) -> None:
        """Stop the timer, with the connection."""
        if (timer := getattr(self, "_timer", None)) is not None:
            timer.cancel()

    def _beat(self, consumer: Any) -> None:
        channel = consumer.task_consumer.channel
        with contextlib.suppress(*channel.connection_errors), acquire_client(channel) as client:
            refresh_visibility(channel, client)
            self._taken = requeue_orphans(client, consumer.app.rpc_options.queue, self._taken)
