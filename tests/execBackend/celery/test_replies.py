"""Receiving answers: by another broker, and among messages that are not answers."""

import functools
from queue import SimpleQueue
from types import SimpleNamespace

import kombu

from flaskJSONRPCServer.execBackend.celery.replies import ReplyReceiver
from tests.execBackend.celery.processes import broker_running, new_queue, worker_running
from tests.execBackend.celery.servers import server_for, session_of
from tests.helpers import call, result_of, wait_until


def test_answers_may_travel_by_another_broker(broker):
    queue = new_queue()
    with broker_running() as other:
        with worker_running(broker, queue, "-c", "1", FLASKJSONRPC_CELERY_BACKEND=other.url):
            with server_for(broker, queue, backend=other.url, timeout=20) as server:
                app = server.getWSGI()
                assert result_of(app, "echo", [1]) == 1
                other.kill()
                wait_until(lambda: call(app, "echo", [2]).get("error", {}).get("code") == -32002)
                other.restart()
                wait_until(lambda: call(app, "echo", [3]).get("result") == 3)
        assert broker.client().keys(f"{queue}.answers.*") == []


def test_pickle_among_the_answers_is_refused_and_never_loaded(broker, worker, tmp_path, caplog):
    canary = tmp_path / "canary"

    class Canary:
        def __reduce__(self):
            return canary.touch, ()

    with server_for(broker, worker.queue, {"log": 3}) as server:
        app = server.getWSGI()
        assert result_of(app, "echo", [1]) == 1
        with kombu.Connection(broker.url) as connection:
            name = session_of(server)._replies.name
            producer = kombu.Producer(connection)
            producer.publish({"a": Canary()}, exchange="", routing_key=name, serializer="pickle")
            producer.publish({"no": "answer"}, exchange="", routing_key=name, serializer="json")
        wait_until(lambda: caplog.text.count("dropped an answer that cannot be read") == 2)
        assert result_of(app, "echo", [2]) == 2

    assert not canary.exists()


def receiver_of(connect, **options):
    callbacks = {"on_answer": [].append, "on_lost": lambda: None, "describe": str, **options}
    return ReplyReceiver(connect, new_queue(), log=SimpleNamespace(write=lambda *_: None), **callbacks)


def test_answers_are_received_and_the_queue_is_deleted_at_the_end(broker):
    answers = SimpleQueue()
    receiver = receiver_of(lambda: kombu.Connection(broker.url), on_answer=answers.put)
    receiver.wait_settled(20)
    assert receiver.failure is None
    with kombu.Connection(broker.url) as connection:
        publish = functools.partial(kombu.Producer(connection).publish, exchange="", routing_key=receiver.name)
        publish({"task_id": "one"}, serializer="json")
        assert answers.get(timeout=20) == {"task_id": "one"}
        receiver.stop(lambda: publish({}, serializer="json"), 20)

    assert broker.client().exists(receiver.name) == 0


def test_connection_that_cannot_be_made_is_reported_once_and_tried_again():
    attempts, losses = SimpleQueue(), []

    def connect():
        attempts.put(1)
        raise OSError("no broker")

    receiver = receiver_of(connect, on_lost=lambda: losses.append(1))
    receiver.wait_settled(20)
    assert receiver.failure == "no broker"
    for _ in range(3):
        attempts.get(timeout=20)
    receiver.stop(lambda: None, 20)

    assert losses == [1]
