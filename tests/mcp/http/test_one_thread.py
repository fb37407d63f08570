"""Streams behind serving programs whose processes have one thread, or greenlets in it."""

import contextlib
import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.helpers import call_socket, wait_until
from tests.mcp.judged import request_of
from tests.mcp.served_stream import EVENTS, Stream
from tests.mcp.session_client import Client, text_of
from tests.sources import ROOT

pytestmark = pytest.mark.skipif(is_patched(), reason="the servers are processes of their own, without gevent or with")

APP = """
import flask

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.mcp.session_tools import add, greet
from tests.mcp.task_api import hold

app = flask.Flask("app")
server = flaskJSONRPCServer(None, log=2)
server.init_app(app)


def count(_connection) -> str:
    _connection.progress(1, 2)
    return "counted"


for function in (add, count, greet, hold):
    server.registerFunction(function, path="/api", mcp=True)
"""

PYWSGI = """
from gevent import monkey

monkey.patch_all()

import socket
import sys

import gevent.socket
from gevent.pywsgi import WSGIServer
from served_app import app

WSGIServer(gevent.socket.socket(fileno=int(sys.argv[1])), app, log=None).serve_forever()
"""

GREENLETS = {
    "gevent": ["-k", "gevent"],
    "gevent_pywsgi": ["-k", "gunicorn.workers.ggevent.GeventPyWSGIWorker"],
    "pywsgi": None,
}
LISTEN = {"notifications": {"toolsListChanged": True}}
WITHOUT = b"the serving program answers one request at a time, as it has one thread"


@contextlib.contextmanager
def served(folder, options):
    """Serve the application by gunicorn with some options, or by gevent's own server for None."""
    (folder / "served_app.py").write_text(APP, encoding="utf-8")
    (folder / "by_pywsgi.py").write_text(PYWSGI, encoding="utf-8")
    log = folder / "log"
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening, log.open("wb") as output:
        descriptor = str(listening.fileno())
        bind = [
            "gunicorn",
            "-b",
            f"fd://{descriptor}",
            "--log-level",
            "error",
            "--graceful-timeout",
            "1",
            *(options or ()),
        ]
        module = ["by_pywsgi", descriptor] if options is None else [*bind, "served_app:app"]
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=folder,
            pass_fds=[listening.fileno()],
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"},
        )
        try:
            yield SimpleNamespace(addresses=[listening.getsockname()], log=log)
        finally:
            process.terminate()
            process.wait()


@pytest.fixture(scope="module")
def one_thread(tmp_path_factory):
    """A server in gunicorn's default worker."""
    with served(tmp_path_factory.mktemp("sync"), []) as server:
        yield server


@pytest.fixture
def client(one_thread):
    with contextlib.closing(Client(one_thread, capabilities={"elicitation": {}})) as client:
        yield client


def listen(server):
    return call_socket(server.addresses[0], request_of("subscriptions/listen", LISTEN, accept=EVENTS))


def call(server, **options):
    return call_socket(server.addresses[0], request_of("tools/call", {"name": "add", **options}))


def get(client, **headers):
    """Return the head and body of the answer to a GET that is refused."""
    _, answer = client.send("GET", headers=headers)
    return answer, answer.read()


def test_session_has_no_standing_stream_behind_one_thread(client):
    answer, body = get(client)

    assert (answer.status, answer.getheader("Allow")) == (405, "POST, DELETE, OPTIONS")
    assert WITHOUT in body
    assert text_of(client.call("add", a=1, b=2).next()) == "3"


def test_subscription_is_refused_behind_one_thread(one_thread):
    answer = listen(one_thread)

    assert (answer.code, answer.body) == (503, WITHOUT + b", which a stream would keep\n")
    called = call(one_thread, arguments={"a": 1, "b": 2})
    assert called.json()["result"]["structuredContent"] == 3


def test_streamed_answers_of_calls_end_with_them_behind_one_thread(client, one_thread):
    report, answer = client.call("count", _meta={"progressToken": 1})
    assert (report["method"], text_of(answer)) == ("notifications/progress", "counted")

    options = {"meta": {"progressToken": 1}}
    with contextlib.closing(Stream(one_thread, "tools/call", {"name": "count"}, **options)) as stream:
        assert stream.next()["method"] == "notifications/progress"
        assert text_of(stream.next()) == "counted"
    assert client.ask("ping") == {}


def test_question_fails_behind_one_thread_instead_of_waiting(client, one_thread):
    error = client.call("greet").next()["error"]

    assert error == {"code": -32603, "message": f"{WITHOUT.decode()}, so no answer of the client could come"}
    without_session = request_of("tools/call", {"name": "greet"}, capabilities={"elicitation": {}})
    answer = call_socket(one_thread.addresses[0], without_session).json()
    assert answer["result"]["resultType"] == "input_required"


def test_answer_of_a_call_can_be_resumed_behind_one_thread_once_the_call_has_ended(client, tmp_path):
    events = client.call("hold", folder=str(tmp_path))
    events.last_id = events.response.readline().decode().removeprefix("id: ").strip()  # of the event that begins it
    wait_until((tmp_path / "begun").exists)
    events.close()
    assert get(client, **{"Last-Event-ID": events.last_id})[0].status == 503
    (tmp_path / "go").touch()
    wait_until(lambda: get(client, **{"Last-Event-ID": events.last_id})[0].status == 200)
    assert text_of(client.resume(events).next()) == "went"


def test_log_says_once_that_threads_are_missing(client, one_thread):
    for _ in range(2):
        get(client)
        listen(one_thread)

    lines = [line for line in one_thread.log.read_bytes().splitlines() if b"a stream is refused" in line]
    assert len(lines) == 1
    assert WITHOUT in lines[0]
    assert b"--threads 16 of gunicorn" in lines[0]


@pytest.mark.parametrize("options", GREENLETS.values(), ids=GREENLETS)
def test_greenlets_keep_their_streams(options, tmp_path):
    with served(tmp_path, options) as server, contextlib.ExitStack() as open_now:
        client = open_now.enter_context(contextlib.closing(Client(server, capabilities={"elicitation": {}})))
        client.open("GET")
        stream = open_now.enter_context(contextlib.closing(Stream(server, "subscriptions/listen", LISTEN)))
        assert stream.next()["method"] == "notifications/subscriptions/acknowledged"
        assert client.call("greet").next()["method"] == "elicitation/create"
        assert text_of(client.call("add", a=1, b=2).next()) == "3"
