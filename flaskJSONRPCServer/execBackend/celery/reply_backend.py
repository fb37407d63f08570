"""The worker's side of answers: Celery's result backend, reduced to sending them."""

from __future__ import annotations

from typing import Any

from celery import states
from celery.backends.rpc import RPCBackend

from .app import PROGRESS, CeleryApplication, ProcessProducers, reply_queue

__all__ = ["ReplyBackend"]

# How often a worker tries to send an answer, and after how many seconds each time.
_RETRIES = {"max_retries": 20, "interval_start": 0, "interval_step": 0.2, "interval_max": 1}


class ReplyBackend(RPCBackend):
    """Sends each answer to the queue of the server that made the call, and receives none.

    Args:
        app: The Celery application.
        arguments: Further arguments of Celery's backend.
        options: Further options of Celery's backend.
    """

    def __init__(self, app: CeleryApplication, *arguments: Any, **options: Any) -> None:
        super().__init__(app, *arguments, **options)
        self._producers = ProcessProducers(app, app.rpc_options.answers)

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Declare nothing. The server's own consumer declares the queue, once."""

    def get_task_meta(self, task_id: str, backlog_limit: int = 1000) -> dict[str, Any]:
        """Return the state PENDING: an answer is for the server that made the call, and is not kept here."""
        return {"status": states.PENDING, "result": None}

    def store_result(
        self, task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **kwargs: Any
    ) -> Any:
        """Send an answer, or the progress of a call."""
        reply_to = getattr(request, "reply_to", None)
        if not reply_to:
            return result
        # The server knows a notification that Celery itself has ended by these alone.
        about = {} if state == states.SUCCESS else {"task": request.task, "url": request.shadow}
        with self._producers.acquire() as producer:
            producer.publish(
                {"task_id": task_id, "status": state, "result": self.encode_result(result, state), **about},
                exchange="",
                routing_key=reply_to,
                correlation_id=task_id,
                serializer="json",
                retry=state != PROGRESS,
                retry_policy=_RETRIES,
                declare=[reply_queue(reply_to)],
                delivery_mode=1,
            )
        return result
