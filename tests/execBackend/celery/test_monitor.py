"""The statistics of the broker and the workers."""

import threading

import kombu

from flaskJSONRPCServer.execBackend.celery import monitor as monitor_module
from flaskJSONRPCServer.execBackend.celery.broker import BrokerUnavailableError
from flaskJSONRPCServer.execBackend.celery.monitor import BrokerMonitor, length_of
from tests.execBackend.celery.processes import new_queue
from tests.helpers import result_of, wait_until


def test_stats_have_the_queue_the_workers_and_the_age_of_both(server, app, worker):
    result_of(app, "echo", [1])
    stats = wait_until(lambda: (stats := server.stats())["celery_workers"] and stats)

    assert stats["celery_queue"] == 0
    assert len(stats["celery_workers"]) == 1
    assert 0 <= stats["celery_age"] < 60
    assert stats["celery_done"] >= 1


def test_queue_that_does_not_exist_has_no_messages(broker):
    with kombu.Connection(broker.url) as connection:
        assert length_of(connection, new_queue()) == 0


def monitor_of(ask):
    """Return a monitor that reads with a function in the place of a broker."""
    monitor = BrokerMonitor(None, None)
    monitor._ask = ask
    return monitor


def test_reading_is_used_again_while_it_is_fresh():
    readings = []
    monitor = monitor_of(lambda: readings.append(1) or {"queue": 3, "dead": 0, "workers": ["w"]})
    reports = [monitor.report() for _ in range(3)]

    assert [reading for reading, _ in reports] == [{"queue": 3, "dead": 0, "workers": ["w"]}] * 3
    assert 0 <= reports[0][1] <= reports[2][1]
    assert len(readings) == 1


def test_broker_that_cannot_be_asked_has_no_lengths():
    def fail():
        raise BrokerUnavailableError

    reading, age_s = monitor_of(fail).report()

    assert reading == {"queue": None, "dead": None, "workers": []}
    assert age_s >= 0


def test_reader_does_not_wait_for_a_broker_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(monitor_module, "_WAIT_S", 0.01)
    gate = threading.Event()
    monitor = monitor_of(lambda: gate.wait(20) and {})
    reading, age_s = monitor.report()
    gate.set()

    assert (reading, age_s) == ({"queue": None, "dead": None, "workers": []}, None)
