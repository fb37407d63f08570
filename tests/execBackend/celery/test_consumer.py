"""The steps of a worker: no notification is lost, and none runs twice because it takes long."""

import os
import signal
from contextlib import ExitStack

import pytest

from tests.execBackend.celery.processes import broker_running, files, new_queue, wait_for_files, worker_running
from tests.execBackend.celery.servers import notify, server_for
from tests.helpers import wait_until


def test_accepted_notifications_all_run_though_workers_are_killed(broker, tmp_path):
    queue = new_queue()
    names = [f"n{number}" for number in range(40)]
    with server_for(broker, queue, redeliver_after=1) as server, ExitStack() as workers:
        app = server.getWSGI()

        def start():
            return workers.enter_context(worker_running(broker, queue, "-c", "2", make="make_impatient"))

        running = start()
        for name in names:
            notify(app, "note", str(tmp_path), name, 0.02)
        for runs in (4, 12):  # in the middle of it, again and again
            wait_for_files(tmp_path, runs)
            os.killpg(running.process.pid, signal.SIGKILL)
            running = start()
        wait_until(lambda: {name.partition(".")[0] for name in files(tmp_path)} == set(names))
        assert server.stats()["notificationLostCount"] == 0


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_notification_that_takes_longer_than_redis_waits_runs_once(broker, tmp_path, pool):
    queue = new_queue()
    with ExitStack() as workers:
        for _ in range(2):  # one that runs it, and one that would take it over
            workers.enter_context(worker_running(broker, queue, "-P", pool, "-c", "1", make="make_impatient"))
        with server_for(broker, queue, redeliver_after=1) as server:
            app = server.getWSGI()
            notify(app, "note_begin", str(tmp_path), "long", 4)
            wait_until(lambda: server.stats()["celery_done"] == 1)

    assert len(files(tmp_path)) == 1


def test_worker_starts_without_its_broker_and_finds_it_later():
    with broker_running() as broker:
        broker.kill()
        queue = new_queue()
        with worker_running(broker, queue, "-c", "1", ready=False) as program:
            program.line_with("Cannot connect to")
            broker.restart()
            program.line_with(r"ready\.$")
