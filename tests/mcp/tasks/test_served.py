"""Tasks of a server that is being served: streams of their statuses, and its stop, restart and reload."""

import contextlib
import gc
import sys
import threading

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Form, Tool, ask
from flaskJSONRPCServer.mcp.protocol.revisions import SUBSCRIPTION_ID
from flaskJSONRPCServer.mcp.tasks.task import Task
from tests.execBackend.api import wait_for
from tests.helpers import call_socket, wait_until
from tests.mcp.judged import request_of
from tests.mcp.served_stream import Stream
from tests.mcp.task_api import FUNCTIONS
from tests.mcp.task_client import TAKES_TASKS, SocketClient, TaskClient, text_of

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections


@pytest.fixture
def served():
    """A server that is being served."""
    server = flaskJSONRPCServer(("127.0.0.1", 0), log=0)
    server.mcp("/mcp", task_poll_interval=0.01)
    for function in FUNCTIONS:
        server.registerFunction(function, path="/api", mcp=Tool(task=True))
    server.start()
    yield server
    server.stop(0)


@contextlib.contextmanager
def following(server, *task_ids, capabilities=TAKES_TASKS, **lists):
    """Yield a stream of the statuses of tasks, and the ids that the server has agreed to."""
    wanted = {"notifications": {"taskIds": list(task_ids), **lists}}
    with contextlib.closing(Stream(server, "subscriptions/listen", wanted, capabilities=capabilities)) as stream:
        accepted = stream.next()
        assert accepted["method"] == "notifications/subscriptions/acknowledged"
        yield stream, accepted["params"]["notifications"].get("taskIds", [])


def next_task(stream):
    message = stream.next()
    assert message["method"] == "notifications/tasks"
    params = message["params"]
    assert params.pop("_meta") == {SUBSCRIPTION_ID: 1}
    return params


def without(result, *names):
    return {name: value for name, value in result.items() if name not in names}


def test_followers_learn_each_status(served, folder):
    client = SocketClient(served)
    task_id = client.begin("greet_later", folder=str(folder))
    client.wait(task_id, "input_required")

    with following(served, task_id, "unknown") as (stream, ids):
        assert ids == [task_id]
        first = next_task(stream)
        client.update(task_id, name={"action": "accept", "content": {"name": "Ann"}})
        (folder / "go").touch()
        statuses = [first["status"]]
        while statuses[-1] != "completed":
            last = next_task(stream)
            statuses.append(last["status"])

    assert statuses == ["input_required", "working", "completed"]
    assert "name" in first["inputRequests"]
    assert last == without(client.get(task_id), "resultType", "_meta")


def statuses_until_all_return(server, stream):
    """Return the statuses on a stream that follows the list of tools, once no function of a task runs."""
    wait_until(lambda: not any(thread.name.endswith("-task") for thread in threading.enumerate()))
    server.registerFunction(len, path="/api", name="last", mcp=True)
    statuses = []
    while (message := stream.next())["method"] == "notifications/tasks":
        statuses.append(message["params"]["status"])
    assert message["method"] == "notifications/tools/list_changed"
    return statuses


@pytest.mark.parametrize(
    ("content", "last"), [({"name": "Ann"}, "completed"), ({}, "input_required")], ids=["valid", "invalid"]
)
def test_followers_learn_once_of_each_change_by_an_answer(served, content, last):
    client = SocketClient(served)
    task_id = client.begin("greet")
    client.wait(task_id, "input_required")

    with following(served, task_id, toolsListChanged=True) as (stream, _):
        client.update(task_id, name={"action": "accept", "content": content})
        statuses = statuses_until_all_return(served, stream)

    assert statuses == ["input_required", "working", last]


def test_followers_learn_once_of_a_cancellation(served, folder):
    client = SocketClient(served)
    task_id = client.begin("notice", folder=str(folder))
    wait_until((folder / "begun").exists)

    with following(served, task_id, toolsListChanged=True) as (stream, _):
        client.cancel(task_id)
        statuses = statuses_until_all_return(served, stream)

    assert statuses == ["working", "cancelled"]


def test_followers_learn_the_progress(served, folder):
    client = SocketClient(served)
    task_id = client.begin("count", folder=str(folder))

    with following(served, task_id) as (stream, _):
        while next_task(stream).get("statusMessage") != "half":
            pass
        (folder / "go").touch()
        while next_task(stream)["status"] != "completed":
            pass


def test_follower_of_an_ended_task_learns_its_result_at_once(served):
    client = SocketClient(served)
    task_id = client.begin("add", a=1, b=2)
    client.wait(task_id)

    with following(served, task_id) as (stream, _):
        assert text_of(next_task(stream)["result"]) == "3"


def test_each_follower_learns_that_a_task_has_asked_badly(served, folder):
    def ask_badly():
        wait_for(folder, "go")
        ask("x", Form("?", {"type": "object", "properties": {"x": {"default": object()}}}))

    served.registerFunction(ask_badly, path="/api", mcp=Tool(task=True))
    task_id = SocketClient(served).begin("ask_badly")

    with following(served, task_id) as (first, _), following(served, task_id) as (second, _):
        assert [next_task(stream)["status"] for stream in (first, second)] == ["working"] * 2
        (folder / "go").touch()
        tasks = [next_task(stream) for stream in (first, second)]

    assert [(task["status"], task["result"]["isError"]) for task in tasks] == [("completed", True)] * 2


def test_stream_keeps_no_task_whose_time_is_over():
    server = flaskJSONRPCServer(("127.0.0.1", 0), log=0)
    server.mcp("/mcp", task_ttl=1)
    server.registerFunction(FUNCTIONS[0], path="/api", mcp=Tool(task=True))
    server.start()
    try:
        client = SocketClient(server)
        task_id = client.begin("add", a=1, b=2)
        with following(server, task_id) as (stream, ids):
            assert ids == [task_id]
            assert next_task(stream)["taskId"] == task_id
            wait_until(lambda: client.ask("tasks/get", taskId=task_id).get("error"))
            wait_until(lambda: not any(is_task(item, task_id) for item in gc.get_objects()))
    finally:
        server.stop(0)


def is_task(item, task_id):
    return type(item) is Task and item.id == task_id


def test_client_without_the_extension_cannot_follow_tasks(served):
    params = {"notifications": {"taskIds": ["x"]}}
    request = request_of("subscriptions/listen", params, accept="text/event-stream")

    answer = call_socket(served.addresses[0], request)

    assert (answer.code, answer.json()["error"]["code"]) == (400, -32021)


@pytest.mark.parametrize("ids", ["x", [1], ["x"] * 1001], ids=["text", "number", "too many"])
def test_ids_to_follow_are_a_list_of_strings(served, ids):
    params = {"notifications": {"taskIds": ids}}
    request = request_of("subscriptions/listen", params, accept="text/event-stream", capabilities=TAKES_TASKS)

    answer = call_socket(served.addresses[0], request)

    assert (answer.code, answer.json()["error"]["code"]) == (400, -32602)


def waits_for_calls(thread):
    """Return whether a thread waits in one of the functions that wait for calls to end."""
    names, frame = [], sys._current_frames().get(thread.ident)
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names[:1] == ["wait"] and not {"drain", "wait_calls_idle"}.isdisjoint(names)


@pytest.mark.parametrize("action", ["restart", "stop", "reload"])
def test_running_task_is_waited_for(served, folder, action):
    client = SocketClient(served)
    task_id = client.begin("hold", folder=str(folder))
    wait_until((folder / "begun").exists)
    actions = {
        "restart": lambda: served.restart(60),
        "stop": lambda: served.stop(60),
        "reload": lambda: served.reload({"dispatcher": FUNCTIONS[0], "path": "/api"}, timeout=60),
    }

    thread = threading.Thread(target=actions[action])
    thread.start()
    wait_until(lambda: not thread.is_alive() or waits_for_calls(thread))
    assert thread.is_alive()
    (folder / "go").touch()
    thread.join(60)

    assert not thread.is_alive()
    later = TaskClient(served) if action == "stop" else client
    assert later.wait(task_id)["status"] == "completed"


def test_tasks_that_outlast_a_stop_fail(served, folder):
    client = SocketClient(served)
    running = client.begin("notice", folder=str(folder))
    asking = client.begin("greet")
    wait_until((folder / "begun").exists)
    client.wait(asking, "input_required")

    served.stop(0.1)

    mounted = TaskClient(served)
    for task_id in (running, asking):
        task = mounted.get(task_id)
        assert (task["status"], task["error"]["message"]) == ("failed", "The server has stopped")
    wait_until((folder / "noticed").exists)


def test_expired_call_is_cancelled_although_nobody_asks(folder):
    server = flaskJSONRPCServer(("127.0.0.1", 0), log=0)
    server.mcp("/mcp", task_ttl=0.1)
    for function in FUNCTIONS:
        server.registerFunction(function, path="/api", mcp=Tool(task=True))
    server.start()
    try:
        SocketClient(server).begin("notice", folder=str(folder))
        wait_until((folder / "noticed").exists)
    finally:
        server.stop(0)
