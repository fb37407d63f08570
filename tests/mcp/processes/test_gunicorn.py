"""Sessions and tasks behind gunicorn, whose workers get requests by chance."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.helpers import call_socket, wait_until
from tests.mcp.judged import request_of
from tests.mcp.session_client import Client, text_of
from tests.mcp.task_client import TAKES_TASKS, SocketClient
from tests.sources import ROOT

pytestmark = pytest.mark.skipif(is_patched(), reason="the workers are processes of their own, without gevent or with")

APP = """
import os
import pathlib

import flask

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Tool
from tests.mcp.processes.pair import SECRET, is_forwarded
from tests.mcp.session_tools import greet
from tests.mcp.task_api import hold

app = flask.Flask("app")
server = flaskJSONRPCServer(None, log=2, secret=SECRET + str(os.getppid()))
server.init_app(app)
for function in (os.getpid, is_forwarded, greet):
    server.registerFunction(function, path="/api", mcp=True)
server.registerFunction(hold, path="/api", mcp=Tool(task=True))


def hold_forwarded(folder: str, number: int) -> str:
    (pathlib.Path(folder) / f"{number} {is_forwarded()}").touch()
    return hold(folder) if is_forwarded() else "not forwarded"


def hold_and_note(folder: str) -> None:
    hold(folder)
    (pathlib.Path(folder) / "done").touch()


server.registerFunction(hold_forwarded, path="/api", mcp=True)
server.registerFunction(hold_and_note, path="/api", mcp=Tool(task=True))
"""

WORKERS = {"gthread": ["--threads", "8"], "gevent": ["-k", "gevent"], "preload": ["--threads", "8", "--preload"]}


class Gunicorn:
    """Two workers.

    Attributes:
        addresses: Their common address.
    """

    def __init__(self, folder, options):
        (folder / "served_app.py").write_text(APP, encoding="utf-8")
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.addresses = [self._listening.getsockname()]
        descriptor = self._listening.fileno()
        bind = ["-w", "2", "-b", f"fd://{descriptor}", "--log-level", "error", *options]
        command = [sys.executable, "-m", "gunicorn", *bind, "--pythonpath", f"{ROOT},{folder}", "served_app:app"]
        self._process = subprocess.Popen(command, cwd=folder, pass_fds=[descriptor])

    def replace_workers(self):
        """End the workers as soon as their requests have been answered, and start others. Return the former ones."""
        workers = psutil.Process(self._process.pid).children()
        self._process.send_signal(signal.SIGHUP)
        return workers

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._listening.close()


@pytest.fixture(params=WORKERS, scope="module")
def gunicorn(request, tmp_path_factory):
    with contextlib.closing(Gunicorn(tmp_path_factory.mktemp(request.param), WORKERS[request.param])) as gunicorn:
        yield gunicorn


def begin(gunicorn, **options):
    return contextlib.closing(Client(gunicorn, capabilities={"elicitation": {}}, **options))


def until_both(ask):
    """Ask until a worker has answered itself, and another one has passed a request on; return all answers."""
    answers = set()
    while len({is_forwarded for _, is_forwarded in answers}) < 2:  # the timeout of the test ends it
        answers.add(ask())
    return answers


def test_one_worker_has_the_session_whichever_gets_the_requests(gunicorn):
    with begin(gunicorn) as client:

        def ask():
            return text_of(client.call("getpid").next()), text_of(client.call("is_forwarded").next())

        assert len({pid for pid, _ in until_both(ask)}) == 1


def test_answers_to_questions_find_their_call(gunicorn):
    with begin(gunicorn) as client:
        for _ in range(5):
            events = client.call("greet")
            question = events.next()
            client.tell({"id": question["id"], "result": {"action": "accept", "content": {"name": "Ann"}}})
            assert text_of(events.next()) == "accept Ann"


def test_tasks_are_found_by_all(gunicorn, tmp_path):
    client = SocketClient(gunicorn)
    task_id = client.begin("hold", folder=str(tmp_path))
    for _ in range(5):
        assert client.get(task_id)["status"] == "working"
    (tmp_path / "go").touch()
    assert client.wait(task_id)["status"] == "completed"


def test_calls_that_were_passed_on_outlast_the_end_of_their_worker(gunicorn, tmp_path):
    with begin(gunicorn, headers={"Connection": "close"}) as client:  # an open one would keep its worker
        for number in itertools.count():  # the timeout of the test ends it
            events = client.call("hold_forwarded", folder=str(tmp_path), number=number)
            (begun,) = wait_until(lambda number=number: list(tmp_path.glob(f"{number} *")))
            if begun.name.endswith("True"):
                break
        workers = gunicorn.replace_workers()
        wait_until(lambda: client.exchange(client.request("ping"))[0].status == 404)
        (tmp_path / "go").touch()
        assert text_of(events.next()) == "went"
    psutil.wait_procs(workers)  # the next test has the others alone


def test_functions_of_tasks_outlast_the_end_of_their_worker(gunicorn, tmp_path):
    client = SocketClient(gunicorn)
    task_id = client.begin("hold_and_note", folder=str(tmp_path))
    wait_until((tmp_path / "begun").exists)
    workers = gunicorn.replace_workers()

    def is_unknown():
        answer = call_socket(
            gunicorn.addresses[0], request_of("tasks/get", {"taskId": task_id}, capabilities=TAKES_TASKS)
        )
        return answer.code != 503 and "error" in answer.json()  # 503 while its process ends

    wait_until(is_unknown)
    (tmp_path / "go").touch()
    wait_until((tmp_path / "done").exists)
    psutil.wait_procs(workers)


def test_sessions_end_with_their_worker(gunicorn):
    with begin(gunicorn) as client:
        os.kill(int(text_of(client.call("getpid").next())), signal.SIGKILL)
        wait_until(lambda: client.exchange(client.request("ping"))[0].status == 404)
    with begin(gunicorn) as client:
        until_both(lambda: ("", text_of(client.call("is_forwarded").next())))


def test_state_is_taken_once_by_all_workers_together(gunicorn):
    def ask(**answers):
        params = {"name": "greet", "arguments": {}, **answers}
        request = request_of("tools/call", params, capabilities={"elicitation": {}})
        return call_socket(gunicorn.addresses[0], request).json()

    state = ask()["result"]["requestState"]
    given = {"name": {"action": "accept", "content": {"name": "Ann"}}}
    answers = [ask(requestState=state, inputResponses=given) for _ in range(20)]  # to a worker by chance

    assert text_of(answers[0]) == "accept Ann"
    assert all("it was used before" in answer["error"]["message"] for answer in answers[1:])
