"""Tasks on every exec backend: results, questions, progress, errors and cancellation."""

import pytest

from tests.execBackend.backends import maker_of
from tests.helpers import wait_until
from tests.mcp.task_api import make
from tests.mcp.task_client import TaskClient, text_of

KINDS = ("simple", "threaded", "parallel", "own object", "celery")
KILLED = ("parallel", "celery")
"""The backends that end a call whose function does not look."""


@pytest.fixture(params=KINDS, scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def client(name):
    with maker_of(name, api="tests.mcp.task_api") as make_backend:
        server = make(make_backend(), task=True)
        try:
            client = TaskClient(server)
            assert text_of(client.wait(client.begin("add", a=1, b=2))["result"]) == "3"
            yield client
        finally:
            server.stop()


def test_task_asks_and_goes_on(client):
    task_id = client.begin("greet")
    client.wait(task_id, "input_required")

    client.update(task_id, name={"action": "accept", "content": {"name": "Ann"}})

    assert text_of(client.wait(task_id)["result"]) == "Hello, Ann!"


def test_error_of_the_protocol_fails_the_task(client):
    task = client.wait(client.begin("break_off"))

    error = {"code": -32010, "message": "no database", "data": {"db": "main"}}
    assert (task["status"], task["error"]) == ("failed", error)


def test_exception_that_cannot_be_formatted_ends_the_task(client):
    task = client.wait(client.begin("break_badly"))

    assert task["result"]["isError"]
    assert text_of(client.wait(client.begin("add", a=1, b=2))["result"]) == "3"


def test_progress_is_the_message_of_the_task(client, folder):
    task_id = client.begin("count", folder=str(folder))

    wait_until(lambda: client.get(task_id).get("statusMessage") == "half")
    (folder / "go").touch()

    assert client.wait(task_id)["status"] == "completed"


def test_cancelled_task_ends_its_call(client, name, folder):
    method = "hold" if name in KILLED else "notice"
    task_id = client.begin(method, folder=str(folder))
    wait_until((folder / "begun").exists)

    client.cancel(task_id)

    assert client.get(task_id)["status"] == "cancelled"
    if name in KILLED:
        wait_until(lambda: client.server.stats()["processingDispatcherCount"] == 0)
    else:
        wait_until((folder / "noticed").exists)


@pytest.mark.parametrize("kind", ["threaded", "parallel"])
def test_long_call_on_a_backend_becomes_a_task(kind, folder):
    server = make(kind)
    try:
        client = TaskClient(server)
        task_id = client.begin("hold", folder=str(folder))
        assert client.get(task_id)["status"] == "working"
        (folder / "go").touch()
        assert text_of(client.wait(task_id)["result"]) == "went"
    finally:
        server.stop()
