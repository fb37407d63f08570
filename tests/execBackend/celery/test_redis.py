"""Reliable receiving from Redis: messages that no worker has recorded are requeued."""

import pytest
from kombu.transport import memory, redis

from flaskJSONRPCServer.execBackend.celery.redis import ReliableReceive, read_envelope, reliable, requeue_orphans
from tests.execBackend.celery.processes import new_queue


@pytest.fixture
def client(broker):
    with broker.client() as client:
        yield client


@pytest.mark.parametrize("transport", [redis.Transport, redis.SentinelTransport])
def test_transport_of_redis_receives_reliably(transport):
    channel = reliable(transport).Channel

    assert reliable(transport) is reliable(transport)
    assert issubclass(reliable(transport), transport)
    assert issubclass(channel, ReliableReceive)
    assert issubclass(channel, transport.Channel)


def test_other_transport_is_unchanged():
    assert reliable(memory.Transport) is memory.Transport


def test_message_is_requeued_at_the_second_look(client):
    queue = new_queue()
    client.rpush(f"{queue}.taken", "a", "b")

    assert requeue_orphans(client, queue, set()) == {"a", "b"}
    client.rpush(f"{queue}.taken", "c")
    assert requeue_orphans(client, queue, {"a", "b"}) == {"c"}
    assert sorted(client.lrange(queue, 0, -1)) == ["a", "b"]
    assert client.lrange(f"{queue}.taken", 0, -1) == ["c"]


def test_message_that_was_recorded_between_two_looks_is_not_requeued(client):
    queue = new_queue()
    client.rpush(f"{queue}.taken", "a")
    seen = requeue_orphans(client, queue, set())
    client.delete(f"{queue}.taken")

    assert requeue_orphans(client, queue, seen) == set()
    assert client.exists(queue) == 0


def test_requeued_message_is_the_next_to_be_received(client):
    queue = new_queue()
    client.lpush(queue, "later")
    client.rpush(f"{queue}.taken", "orphan")
    requeue_orphans(client, queue, requeue_orphans(client, queue, set()))

    assert client.rpop(queue) == "orphan"


@pytest.mark.parametrize(
    ("item", "misfit"),
    [
        (b"\xff{", "it cannot be read (JSONDecodeError)"),
        (b"{", "it cannot be read (JSONDecodeError)"),
        (b"[]", "it is a list and not an object"),
        (b'{"body": "", "headers": {}, "properties": {"delivery_info": {}, "delivery_tag": "t"}}', None),
    ],
)
def test_envelope_is_read_or_has_a_misfit(item, misfit):
    message, reason = read_envelope(item)

    assert reason == misfit
    assert misfit is not None or message["headers"] == {}
