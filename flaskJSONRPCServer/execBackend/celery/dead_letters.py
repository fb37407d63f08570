"""The dead letter queue: messages that cannot be run, and notifications that have failed too often."""

from __future__ import annotations

import logging
from typing import Any

import kombu

from ...runtime.logs import escaped
from .app import CeleryApplication

__all__ = ["dead_letter_message", "dead_letter_notification"]

_log = logging.getLogger("flaskJSONRPCServer.worker")


def dead_letter_message(app: CeleryApplication, message: Any, misfit: str) -> None:
    """Move a message that cannot be run to the dead letter queue, unchanged, and log why.

    Args:
        app: The application.
        message: Celery's message; it is acknowledged.
        misfit: Why it cannot be run. The moved message has this as a header.
    """
    headers = message.headers if isinstance(message.headers, dict) else {}
    publish(
        app,
        message.body,
        content_type=message.content_type or "application/octet-stream",
        content_encoding=message.content_encoding or "binary",
        headers={**headers, "misfit": misfit},
    )
    message.ack()
    queue = app.rpc_options.dead_letter_queue
    _log.error("a message on the queue cannot be run: %s; it is in %r now", escaped(misfit), queue)


def dead_letter_notification(app: CeleryApplication, notification: dict[str, Any], task_id: str) -> None:
    """Publish a notification to the dead letter queue.

    Args:
        app: The application.
        notification: The notification, as the server sent it.
        task_id: The id of its task.
    """
    publish(app, notification, serializer="json", correlation_id=task_id)


def publish(app: CeleryApplication, body: Any, **options: Any) -> None:
    name = app.rpc_options.dead_letter_queue
    queue = kombu.Queue(name, routing_key=name)
    with app.connection_for_write() as connection:
        kombu.Producer(connection).publish(body, routing_key=name, declare=[queue], **options)
