"""Reliable receiving from a queue of Redis: a message is not lost with its worker.

kombu pops a message with BRPOP and records it as unacknowledged afterwards. A worker that is killed in between, or
while Redis sends it a message, takes that message with it. Here BLMOVE moves a message to a second list,
``<queue>.taken``, where it stays until it is recorded. A message that stays there too long is requeued.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection
from typing import Any

from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from ...runtime.logs import escaped
from .internals import MovingReceive, acquire_client, transport_options_of
from .validation import envelope_misfit

__all__ = ["DEAD_LETTER_QUEUE", "RELIABLE_QUEUE", "reliable", "requeue_orphans"]

_log = logging.getLogger("flaskJSONRPCServer.worker")

RELIABLE_QUEUE = "reliable_queue"
"""The transport option that names the queue."""

DEAD_LETTER_QUEUE = "dead_letter_queue"
"""The transport option that names the dead letter queue."""

_LOGGED_BYTES = 60

# A message that was recorded meanwhile has left the list, and is not requeued.
_REQUEUE = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 1 then
    redis.call('RPUSH', KEYS[2], ARGV[1])
end
"""


@functools.cache
def reliable(transport: Any) -> Any:
    """Return a subclass of a transport of Redis that receives reliably. Return any other transport unchanged."""
    if not issubclass(transport, redis.Transport):
        return transport
    channel = type("ReliableChannel", (ReliableReceive, transport.Channel), {})
    return type("ReliableTransport", (transport,), {"Channel": channel})


def taken_list(queue: str) -> str:
    """Return the name of the list of messages that are received and not recorded yet."""
    return f"{queue}.taken"


def requeue_orphans(client: Any, queue: str, seen: Collection[bytes]) -> set[bytes]:
    """Requeue messages that were received and still not recorded at the second look: their worker is dead.

    Args:
        client: A Redis client.
        queue: The queue.
        seen: The messages that were in the list at the last look.

    Returns:
        The messages that are new in the list.
    """
    taken = set(client.lrange(taken_list(queue), 0, -1))
    for item in taken.intersection(seen):
        client.eval(_REQUEUE, 2, taken_list(queue), queue, item)
    return taken.difference(seen)


class ReliableReceive(MovingReceive):
    """Mixin for the channel that consumes the queue of calls. Channels of other queues receive as usual."""

    def lists_of_move(self) -> tuple[str, str] | None:
        """Return the queue of calls and the list of messages that are not recorded yet."""
        queue = transport_options_of(self).get(RELIABLE_QUEUE)
        return None if queue is None else (queue, taken_list(queue))

    def receive(self, item: bytes, queue: str) -> None:
        """Deliver a message, which records it, and remove it from the list."""
        message, misfit = read_envelope(item)
        if misfit is None:
            self.deliver(message, queue)
        else:
            self._dead_letter(item, misfit)
        with acquire_client(self) as client:
            client.lrem(taken_list(queue), 1, item)

    def _dead_letter(self: Any, item: bytes, misfit: str) -> None:
        """Publish an item that is not a message to the dead letter queue, as the body of a message."""
        queue = transport_options_of(self)[DEAD_LETTER_QUEUE]
        message = self.prepare_message(
            item, content_type="application/octet-stream", content_encoding="binary", headers={"misfit": misfit}
        )
        self.basic_publish(message, exchange="", routing_key=queue)
        start = escaped(item[:_LOGGED_BYTES].decode(errors="replace"))
        _log.error("%s bytes on the queue are no message: %s; they are in %r now: %s", len(item), misfit, queue, start)


def read_envelope(item: bytes) -> tuple[Any, str | None]:
    """Return the message that an item of a Redis list holds, and why it is not a message, if it is not."""
    try:
        message = loads(bytes_to_str(item))
    except Exception as exc:  # noqa: BLE001  not UTF-8, not JSON, nested too deep, or any other error of the decoder
        return None, f"it cannot be read ({type(exc).__name__})"
    return message, envelope_misfit(message)
