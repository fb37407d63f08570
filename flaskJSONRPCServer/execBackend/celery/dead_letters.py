"""The queue of messages that cannot be run."""

from __future__ import annotations

import logging
from typing import Any

import kombu

from ...runtime.logs import escaped
from .app import Application

__all__ = ["set_aside"]

_log = logging.getLogger("flaskJSONRPCServer.worker")


def set_aside(app: Application, message: Any, misfit: str) -> None:
    """Put a message that cannot be run into the queue of dead ones, as it is, and log why.

    Args:
        app: The application.
        message: Celery's message; it is acknowledged.
        misfit: What is wrong with it.
    """
    queue = kombu.Queue(app.rpc_options.dead_queue, routing_key=app.rpc_options.dead_queue)
    headers = message.headers if isinstance(message.headers, dict) else {}
    with app.connection_for_write() as connection:
        kombu.Producer(connection).publish(
            message.body,
            content_type=message.content_type or "application/octet-stream",
            content_encoding=message.content_encoding or "binary",
            headers={**headers, "misfit": misfit},
            routing_key=queue.name,
            declare=[queue],
        )
    message.ack()
    _log.error("a message on the queue cannot be run: %s; it is in %r now", escaped(misfit), queue.name)
