"""The records of deliveries in Redis: no call runs twice unless that is wanted."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend.celery import CeleryBackend
from flaskJSONRPCServer.execBackend.celery.app import make_app
from flaskJSONRPCServer.execBackend.celery.broker import BrokerClient
from flaskJSONRPCServer.execBackend.celery.deliveries import NOT_KILLED, Deliveries
from flaskJSONRPCServer.execBackend.celery.internals import close_producers
from flaskJSONRPCServer.execBackend.celery.tasks import WorkerTasks
from flaskJSONRPCServer.runtime.logs import ServerLog
from tests.execBackend.celery.processes import files, new_queue, worker_running
from tests.execBackend.celery.servers import server_for
from tests.helpers import call, result_of, wait_until


def test_call_that_is_delivered_twice_runs_once(broker, tmp_path):
    queue = new_queue()
    client = broker.client()
    with server_for(broker, queue) as server, ThreadPoolExecutor() as threads:
        app = server.getWSGI()
        future = threads.submit(call, app, "note", [str(tmp_path), "once"])
        wait_until(lambda: client.llen(queue))
        client.lpush(queue, *client.lrange(queue, 0, -1))
        with worker_running(broker, queue, "-c", "1"):
            assert future.result(20) == {"jsonrpc": "2.0", "result": None, "id": 1}
            assert result_of(app, "echo", [1]) == 1  # behind the second one in the queue

    assert len(files(tmp_path)) == 1


def test_call_whose_worker_is_lost_runs_again_if_that_is_wanted(broker, tmp_path):
    queue = new_queue()
    with worker_running(broker, queue, "-c", "1", make="make_repeating"):
        with server_for(broker, queue, repeat_lost_calls=True) as server:
            app = server.getWSGI()
            assert result_of(app, "die_once", [str(tmp_path)]) == "lived"
            assert call(app, "die")["error"] == {"code": -32005, "message": "Worker lost: this has happened 5 times"}


@pytest.fixture
def deliveries(broker):
    options = CeleryBackend(broker.url, queue=new_queue(), timeout=5).options
    deliveries = Deliveries(make_app("test", options))
    yield deliveries
    close_producers(deliveries._producers._pool[1])


def test_call_is_claimed_once(deliveries, broker):
    claims = [deliveries.claim(task_id, NOT_KILLED) for task_id in ("one", "one", "two")]
    (first, second) = sorted(broker.client().keys(f"{deliveries._options.queue}.begun.*"))

    assert claims == [None, NOT_KILLED, None]
    assert (first.rpartition(".")[2], second.rpartition(".")[2]) == ("one", "two")
    assert 5 < broker.client().ttl(first) <= 65  # the timeout of the call, and a minute for clocks that differ


def test_call_that_the_server_has_given_up_does_not_begin_whatever_the_clock_of_the_worker_says(broker):
    backend = CeleryBackend(broker.url, queue=new_queue())
    context = flaskJSONRPCServer(None, log=False, dispatcherBackend=backend)._engine.backend_context
    app = backend.celery_app(context)
    tasks = WorkerTasks(app, context, backend.options)
    client = BrokerClient(app, backend.options, context.log, repr)
    request = SimpleNamespace(id="late", delivery_info={})

    assert client.give_up("late") == "not started"
    assert tasks._refusal(request, {}).message == "Call timed out before it began; it was not run"
    assert tasks._refusal(SimpleNamespace(id="begun", delivery_info={}), {}) is None
    assert client.give_up("begun") == "abandoned"  # the pool of that worker is not known to be prefork
    client.close()
    close_producers(tasks._deliveries._producers._pool[1])


def test_rabbitmq_does_not_know_whether_a_call_has_begun():
    options = CeleryBackend("amqp://nowhere").options

    assert BrokerClient(make_app("test", options), options, ServerLog("test", 0), repr).give_up("any") == "abandoned"


def test_tries_are_counted_from_the_second_one(deliveries, broker):
    tries = [deliveries.count_try(task_id) for task_id in ("one", "one", "two")]

    assert tries == [2, 3, 2]
    assert broker.client().ttl(f"{deliveries._options.queue}.tries.one") > 0
