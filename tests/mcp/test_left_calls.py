"""Tasks and calls in sessions on the exec backend `parallel`, whose client closes its connection meanwhile."""

import contextlib
import http.client
import json

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import ParallelBackend
from flaskJSONRPCServer.mcp import Tool
from tests.helpers import wait_until
from tests.mcp.judged import request_of
from tests.mcp.session_client import PATIENCE_S, Client
from tests.mcp.task_api import add, hold
from tests.mcp.task_client import TAKES_TASKS, SocketClient, text_of


@pytest.fixture(scope="module")
def server():
    backend = ParallelBackend(poolSize=1)
    server = flaskJSONRPCServer(("127.0.0.1", 0), servBackend="werkzeug", dispatcherBackend=backend, log=0)
    server.registerFunction(hold, path="/api", mcp=True)
    server.registerFunction(hold, path="/api", name="hold_later", mcp=Tool(task=True))
    server.registerFunction(add, path="/api", mcp=True, dispatcherBackend="simple")
    server.start()
    yield server
    server.stop(0)


@pytest.fixture
def folder(tmp_path):
    """A folder for `hold`, whose calls end with the test."""
    yield tmp_path
    (tmp_path / "go").touch()


def test_task_outlives_the_connection_of_its_call(server, folder):
    arguments = {"folder": str(folder)}
    call = request_of("tools/call", {"name": "hold_later", "arguments": arguments}, capabilities=TAKES_TASKS)
    with contextlib.closing(http.client.HTTPConnection(*server.addresses[0], timeout=PATIENCE_S)) as connection:
        connection.request(call.method, call.target, call.body, call.headers)
        task_id = json.load(connection.getresponse())["result"]["taskId"]
        wait_until((folder / "begun").exists)

    client = SocketClient(server)
    assert client.get(task_id)["status"] == "working"
    (folder / "go").touch()

    assert text_of(client.wait(task_id)["result"]) == "went"


def test_call_in_a_session_outlives_its_connection(server, folder):
    with contextlib.closing(Client(server)) as client:
        events = client.call("hold", folder=str(folder))
        events.last_id = next(line for line in events.response if line.startswith(b"id: "))[4:].decode().strip()
        wait_until((folder / "begun").exists)
        events.close()
        assert text_of(client.call("add", a=1, b=2).next()["result"]) == "3"
        (folder / "go").touch()

        assert text_of(client.resume(events).next()["result"]) == "went"
