"""Calls on exec backends while their requests are open: as without tasks, until they become tasks."""

import contextlib
import http.client
import threading

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import ParallelBackend
from flaskJSONRPCServer.mcp import Tool, log
from flaskJSONRPCServer.mcp.protocol.revisions import LOG_LEVEL
from flaskJSONRPCServer.mcp.tasks import task_calls
from tests.execBackend.api import wait_for
from tests.helpers import wait_until
from tests.mcp.judged import request_of
from tests.mcp.served_stream import EVENTS, PATIENCE_S, Stream
from tests.mcp.task_api import add, greet, hold, notice
from tests.mcp.task_client import TAKES_TASKS, SocketClient, TaskClient, text_of

REPORTED = {"progressToken": "token", LOG_LEVEL: "debug"}
NAME = {"name": {"action": "accept", "content": {"name": "Ann"}}}


def tell(folder: str, _connection) -> str:
    """Report and log before the file `go`, and after it."""
    for number in range(3):
        _connection.progress(number, 4, f"step {number}")
        log("info", number)
    wait_for(folder, "go")
    _connection.progress(3, 4, "late")
    log("info", "late")
    return "told"


@pytest.fixture
def never(monkeypatch):
    """Let no call become a task because it takes long."""
    monkeypatch.setattr(task_calls, "_GRACE_S", 3600)


@pytest.fixture
def soon(monkeypatch):
    """Let calls become tasks soon."""
    monkeypatch.setattr(task_calls, "_GRACE_S", 0.001)


@pytest.fixture(params=["threaded", "parallel"])
def server(request):
    """A server that is being served, with an exec backend."""
    backend = ParallelBackend(poolSize=1) if request.param == "parallel" else request.param
    server = flaskJSONRPCServer(("127.0.0.1", 0), dispatcherBackend=backend, log=0)
    for function in (add, greet, hold, notice, tell):
        server.registerFunction(function, path="/api", mcp=True)
    server.registerFunction(greet, path="/api", name="greet_later", mcp=Tool(task=True), dispatcherBackend="simple")
    server.start()
    yield server
    server.stop(0)


def fill(client):
    """Let a client have as many open tasks as it may."""
    for _ in range(100):
        client.begin("greet_later")
    assert client.error("tools/call", name="greet_later", arguments={})["code"] == -32000


def leave(server, folder, accept, meta):
    """Call a function, and close the connection once it runs."""
    name = "hold" if server.settings.dispatcherBackend != "threaded" else "notice"
    params = {"name": name, "arguments": {"folder": str(folder)}}
    call = request_of("tools/call", params, capabilities=TAKES_TASKS, accept=accept, meta=meta)
    with contextlib.closing(http.client.HTTPConnection(*server.addresses[0], timeout=PATIENCE_S)) as connection:
        connection.request(call.method, call.target, call.body, call.headers)
        wait_until((folder / "begun").exists)
    return name


@pytest.mark.parametrize(("accept", "meta"), [("application/json", {}), (EVENTS, REPORTED)], ids=["message", "stream"])
@pytest.mark.usefixtures("never")
def test_client_that_leaves_before_there_is_a_task_cancels_its_call(server, folder, accept, meta):
    name = leave(server, folder, accept, meta)

    if name == "notice":
        wait_until((folder / "noticed").exists)
    wait_until(lambda: server.stats()["processingDispatcherCount"] == 0)
    assert not (folder / "go").exists()


def reports_of(server, capabilities, folder):
    """Return the reports and log messages of a call whose request is open until its end."""
    (folder / "go").touch()
    params = {"name": "tell", "arguments": {"folder": str(folder)}}
    with contextlib.closing(Stream(server, "tools/call", params, capabilities=capabilities, meta=REPORTED)) as stream:
        messages = [stream.next()]
        while "result" not in messages[-1]:
            messages.append(stream.next())
    assert text_of(messages.pop()["result"]) == "told"
    logged = [message["params"]["data"] for message in messages if message["method"] == "notifications/message"]
    done = [message["params"]["progress"] for message in messages if message["method"] == "notifications/progress"]
    return logged, done[-1]


@pytest.mark.usefixtures("never")
def test_reports_reach_the_client_as_without_tasks(server, folder):
    expected = [0, 1, 2, "late"], 3
    assert reports_of(server, {}, folder) == expected
    assert reports_of(server, TAKES_TASKS, folder) == expected


@pytest.mark.usefixtures("soon")
def test_progress_is_that_of_the_task_once_there_is_one(server, folder):
    client = SocketClient(server)
    params = {"name": "tell", "arguments": {"folder": str(folder)}}
    with contextlib.closing(Stream(server, "tools/call", params, capabilities=TAKES_TASKS, meta=REPORTED)) as stream:
        messages = [stream.next()]
        while "result" not in messages[-1]:
            messages.append(stream.next())
    task_id = messages.pop()["result"]["taskId"]

    wait_until(lambda: client.get(task_id).get("statusMessage") == "step 2")
    (folder / "go").touch()

    assert text_of(client.wait(task_id)["result"]) == "told"
    assert all("late" not in str(message) for message in messages)


@pytest.mark.usefixtures("soon")
def test_call_for_which_there_is_no_room_is_waited_for(server, folder):
    client = SocketClient(server)
    fill(client)
    results = []
    thread = threading.Thread(target=lambda: results.append(client.call("hold", folder=str(folder))))
    thread.start()
    wait_until((folder / "begun").exists)
    (folder / "go").touch()
    thread.join()

    assert (results[0]["resultType"], text_of(results[0])) == ("complete", "went")


def test_short_call_needs_no_room():
    server = make_filled()
    try:
        assert text_of(TaskClient(server).call("add", a=1, b=2)) == "3"
    finally:
        server.stop()


def test_questions_end_the_request_if_there_is_no_room():
    server = make_filled()
    try:
        client = TaskClient(server)
        asked = client.call("greet")
        params = {"name": "greet", "arguments": {}, "requestState": asked["requestState"], "inputResponses": NAME}
        greeted = client.result("tools/call", **params)
    finally:
        server.stop()
    assert (asked["resultType"], set(asked["inputRequests"])) == ("input_required", {"name"})
    assert (greeted["resultType"], text_of(greeted)) == ("complete", "Hello, Ann!")


def make_filled():
    server = flaskJSONRPCServer(None, dispatcherBackend="threaded", log=0)
    for function in (add, greet):
        server.registerFunction(function, path="/api", mcp=True)
    server.registerFunction(greet, path="/api", name="greet_later", mcp=Tool(task=True), dispatcherBackend="simple")
    fill(TaskClient(server))
    return server


def test_answers_that_come_before_the_questions_are_ignored():
    server = flaskJSONRPCServer(None, dispatcherBackend="threaded", log=0)
    server.registerFunction(greet, path="/api", mcp=True)
    try:
        client = TaskClient(server)
        result = client.result("tools/call", name="greet", arguments={}, inputResponses=NAME)
        assert set(client.get(result["taskId"])["inputRequests"]) == {"name"}
    finally:
        server.stop()


def test_call_that_asks_becomes_a_task():
    server = flaskJSONRPCServer(None, dispatcherBackend="threaded", log=0)
    server.registerFunction(greet, path="/api", mcp=True)
    try:
        client = TaskClient(server)
        task_id = client.begin("greet")
        assert set(client.get(task_id)["inputRequests"]) == {"name"}
        client.update(task_id, **NAME)
        assert text_of(client.wait(task_id)["result"]) == "Hello, Ann!"
    finally:
        server.stop()
