"""The Celery application: its queues, its connections and its producers."""

import os

import celery
import kombu

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend.celery import CeleryBackend
from flaskJSONRPCServer.execBackend.celery.app import ProcessProducers, make_app, make_producers, transport_options
from flaskJSONRPCServer.execBackend.celery.internals import close_producers
from tests.helpers import wait_until


def test_rabbitmq_counts_the_tries_and_confirms_each_message():
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend=CeleryBackend("amqp://me:secret@host//", tries=4))
    (queue,) = server.celery.conf.task_queues

    assert queue.queue_arguments == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 4,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "flaskJSONRPCServer.dead",
    }
    assert server.celery.conf.broker_transport_options["confirm_publish"] is True
    with kombu.Connection("memory://") as connection:
        queue(connection.default_channel).declare()
        assert kombu.Queue("flaskJSONRPCServer.dead")(connection.default_channel).queue_declare(passive=True)


def test_transport_options_of_the_user_take_precedence_for_their_broker_only():
    own = {"broker_transport_options": {"socket_timeout": 9, "visibility_timeout": 7}}
    options = CeleryBackend("redis://a", backend="redis://b", enqueue_timeout=4, options=own).options
    of_calls, of_answers = (transport_options(url, options) for url in ("redis://a", "redis://b"))

    assert (of_calls["socket_timeout"], of_calls["visibility_timeout"], of_calls["socket_connect_timeout"]) == (9, 7, 2)
    assert (of_answers["socket_timeout"], of_answers["visibility_timeout"]) == (2, 60)


def test_application_accepts_json_only_and_is_not_the_current_one():
    app = make_app("mine", CeleryBackend("redis://a").options)

    assert (app.conf.accept_content, app.conf.result_accept_content) == (["json"], ["json"])
    assert app.conf.task_serializer == app.conf.result_serializer == app.conf.event_serializer == "json"
    assert celery.current_app.main != "mine"


def test_forked_process_has_connections_of_its_own(broker, monkeypatch):
    options = CeleryBackend(broker.url).options
    producers = ProcessProducers(make_app("mine", options), options.broker)
    pools = []
    for process in (1, 1, 2):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        with producers.acquire() as producer:
            assert producer.channel.client.ping()
        pools.append(producers._pool[1])
    for pool in pools:
        close_producers(pool)

    assert pools[0] is pools[1] is not pools[2]


def test_closed_producers_leave_no_connection(broker):
    options = CeleryBackend(broker.url).options
    with broker.client() as client:
        before = ids_of_clients(client)
        producers = make_producers(make_app("mine", options), options.broker)
        with producers.acquire() as producer:
            assert producer.channel.client.ping()
            opened = ids_of_clients(client) - before
            close_producers(producers)
        assert opened
        wait_until(lambda: opened.isdisjoint(ids_of_clients(client)))


def ids_of_clients(client):
    """Return the ids of all connections of a broker, those of other tests included."""
    return {connection["id"] for connection in client.client_list()}
