"""Taking messages off a queue of Redis so that none is lost with its worker.

kombu takes a message by BRPOP and writes it down as taken afterwards. A worker that is killed between the two, or while
Redis sends it a message, takes that message with it. Here a message is moved to another list, ``<queue>.taken``, until
it has been written down; what lies there too long is put back. This builds on names that kombu does not publish, which
is why the extra ``celery`` names the versions.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection
from queue import Empty
from time import monotonic
from typing import Any

from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from ...runtime.logs import escaped
from .shapes import misfit_of_envelope

__all__ = ["CAREFUL_QUEUE", "DEAD_QUEUE", "careful", "put_back"]

_log = logging.getLogger("flaskJSONRPCServer.worker")

CAREFUL_QUEUE = "careful_queue"
"""The transport option that names the queue."""

DEAD_QUEUE = "dead_queue"
"""The transport option that names the queue of what cannot be run."""

_MOST_SHOWN = 60

_PUT_BACK = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 1 then
    redis.call('RPUSH', KEYS[2], ARGV[1])
end
"""


@functools.cache
def careful(transport: Any) -> Any:
    """Return a transport of Redis that takes messages in this way; any other transport as it is."""
    if not issubclass(transport, redis.Transport):
        return transport
    channel = type("CarefulChannel", (ReliableReceive, transport.Channel), {})
    return type("CarefulTransport", (transport,), {"Channel": channel})


def taken_list(queue: str) -> str:
    return f"{queue}.taken"


def put_back(client: Any, queue: str, seen: Collection[bytes]) -> set[bytes]:
    """Put back what has been moved and not been written down since the last look.

    Args:
        client: Of Redis.
        queue: The queue.
        seen: What was there at the last look.

    Returns:
        What is there now.
    """
    found = set(client.lrange(taken_list(queue), 0, -1))
    for item in found.intersection(seen):
        client.eval(_PUT_BACK, 2, taken_list(queue), queue, item)
    return found.difference(seen)


class ReliableReceive:
    """What a channel does otherwise. It is for a channel that consumes the one queue; others work as ever."""

    _moves: str | None = None  # the queue from which the command that was sent moves a message; None: it is BRPOP

    def _brpop_start(self: Any, timeout: float | None = None) -> None:
        queue = self.connection.client.transport_options.get(CAREFUL_QUEUE)
        self._moves = queue if self.active_queues == [queue] and not self.global_keyprefix else None
        if self._moves is None:
            super()._brpop_start(timeout)  # type: ignore[misc]
            return
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        wait_s = self.brpop_timeout if timeout is None else timeout
        self.client.connection.send_command("BLMOVE", queue, taken_list(queue), "RIGHT", "LEFT", wait_s)

    def _brpop_read(self: Any, **options: Any) -> bool:
        if self._moves is None:
            return super()._brpop_read(**options)  # type: ignore[misc,no-any-return]
        try:
            return self._read_moved(self._moves, **options)  # type: ignore[no-any-return]
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _read_moved(self: Any, queue: str, **options: Any) -> bool:
        try:
            item = self.client.parse_response(self.client.connection, "BLMOVE", **options)
        except self.connection_errors:
            self.client.connection.disconnect()  # the next round connects again
            raise
        if item is None:
            raise Empty
        message, misfit = read_envelope(item)
        if misfit is None:
            self.connection._deliver(message, queue)  # which writes it down
        else:
            self._dead_letter(item, misfit)
        with self.conn_or_acquire() as client:
            client.lrem(taken_list(queue), 1, item)
        return True

    def _dead_letter(self: Any, item: bytes, misfit: str) -> None:
        """Put what is no message into the queue of dead ones, as the body of a message."""
        dead = self.connection.client.transport_options[DEAD_QUEUE]
        message = self.prepare_message(
            item, content_type="application/octet-stream", content_encoding="binary", headers={"misfit": misfit}
        )
        self.basic_publish(message, exchange="", routing_key=dead)
        shown = escaped(item[:_MOST_SHOWN].decode(errors="replace"))
        _log.error("%s bytes on the queue are no message: %s; they are in %r now: %s", len(item), misfit, dead, shown)


def read_envelope(item: bytes) -> tuple[Any, str | None]:
    """Return what lies in a list of Redis, and why it is no message, if it is none."""
    try:
        message = loads(bytes_to_str(item))
    except Exception as exc:  # noqa: BLE001  no UTF-8, no JSON, nested too deep, and whatever comes of it in a decoder
        return None, f"it cannot be read ({type(exc).__name__})"
    return message, misfit_of_envelope(message)
