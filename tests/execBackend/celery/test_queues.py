"""Several queues of one server, each with workers of its own."""

import sys

import pytest

from tests.examples.processes import running
from tests.execBackend.celery.processes import broker_running, worker_running
from tests.execBackend.celery.queues import make
from tests.helpers import call_wsgi, post, rpc, wait_until

MODULE = "tests.execBackend.celery.queues:make"
COMMAND = [sys.executable, "-m", "flaskJSONRPCServer", "worker"]


@pytest.fixture(scope="module")
def broker():
    with broker_running() as broker:
        yield broker


def test_each_queue_has_workers_of_its_own(broker, monkeypatch):
    monkeypatch.setenv("FLASKJSONRPC_CELERY_BROKER", broker.url)
    server = make()
    app = server.getWSGI()
    with (
        worker_running(broker, "quick", "-c", "1", command=[*COMMAND, MODULE]),
        worker_running(broker, "slow", "-c", "1", command=[*COMMAND, "--backend", "slow", MODULE]),
    ):
        quick, slow = (call_wsgi(app, post(rpc("pid"), path)).json()["result"] for path in ("/quick", "/slow"))
        call_wsgi(app, post({"jsonrpc": "2.0", "method": "die"}, "/slow"))
        wait_until(lambda: server.stats()["slow_dead"] == 1)
        stats = server.stats()
        server.stop()

    assert quick != slow
    assert (stats["celery_done"], stats["celery_dead"]) == (1, 0)


def test_unknown_backend_is_told_with_those_that_there_are(broker):
    with running([*COMMAND, "--backend", "slwo", MODULE], FLASKJSONRPC_CELERY_BROKER=broker.url) as program:
        program.line_with("worker: error: unknown celery backend 'slwo'; did you mean 'slow'\\? Known: celery, slow")
