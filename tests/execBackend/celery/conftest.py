"""The broker, the worker and the server that most tests share."""

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.execBackend.celery import api
from tests.execBackend.celery.processes import broker_running, new_queue, worker_running
from tests.execBackend.celery.servers import server_for
from tests.helpers import result_of


@pytest.fixture(scope="session")
def broker():
    with broker_running() as broker:
        yield broker


@pytest.fixture(scope="session")
def worker(broker):
    """A worker with one process, for the tests that leave it as it was."""
    queue = new_queue()
    with worker_running(broker, queue, "-c", "1") as program:
        program.queue = queue
        yield program


@pytest.fixture(scope="session")
def server(broker, worker):
    with server_for(broker, worker.queue) as server:
        yield server


@pytest.fixture
def app(server):
    return server.getWSGI()


@pytest.fixture(scope="session")
def inline():
    """The same functions in the serving thread."""
    server = flaskJSONRPCServer(None, log=False, name="test")
    return api.populate(server).getWSGI()


@pytest.fixture
def breakable():
    """A broker that the test may kill or freeze, with a server, its application and a worker."""
    with broker_running() as broker:
        queue = new_queue()
        with worker_running(broker, queue, "-c", "1") as program:
            with server_for(broker, queue, timeout=2, enqueue_timeout=1) as server:
                server.registerFunction(api.add, path="/inline", dispatcherBackend="simple")
                app = server.getWSGI()
                assert result_of(app, "echo", [1]) == 1
                yield broker, server, app, program
