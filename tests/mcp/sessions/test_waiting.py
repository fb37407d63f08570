"""How many calls wait for answers of their clients, and how long."""

import contextlib
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp.sessions.store import LEFT_S, Sessions
from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.helpers import Clock, wait_until
from tests.mcp.session_client import Client, text_of
from tests.mcp.session_tools import add, greet
from tests.sources import ROOT

CAN_ANSWER = {"elicitation": {}}


def ask_until_refused(clients, most):
    """Let calls of several clients ask in turn, as many as may wait.

    Returns:
        The questions, the streams they came by, and the error of the next call.
    """
    streams = [clients[number % len(clients)].call("greet") for number in range(most)]
    questions = [events.next() for events in streams]
    assert {question["method"] for question in questions} == {"elicitation/create"}
    errors = {client.call("greet").next()["error"]["message"] for client in clients}
    (error,) = errors
    return questions, streams, error


def test_endpoints_of_a_server_share_the_threads_of_waiting_calls(caplog):
    server = flaskJSONRPCServer(("127.0.0.1", 0), log=2, threads=4)
    for function in (add, greet):
        server.registerFunction(function, path="/api", mcp=True)
    for path in ("/one", "/two"):
        server.mcp(path, expose=["/api"])
    server.start()
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        clients = [
            stack.enter_context(contextlib.closing(Client(server, capabilities=CAN_ANSWER, path=path)))
            for path in ("/one", "/two")
        ]
        questions, streams, error = ask_until_refused(clients, 2)
        assert error.startswith("2 calls wait for answers of their clients already, the most for threads=4")
        assert text_of(clients[1].call("add", a=1, b=2).next()) == "3"
        clients[0].tell({"id": questions[0]["id"], "result": {"action": "decline"}})
        assert text_of(streams[0].next()) == "decline None"
        assert clients[1].call("greet").next()["method"] == "elicitation/create"
    assert len([text for text in caplog.messages if "Raise threads; see docs/mcp.md" in text]) == 1


MOUNTED = """
import flask

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.mcp.session_tools import add, greet

server = flaskJSONRPCServer(None, log=0, max_streams=3)
for function in (add, greet):
    server.registerFunction(function, path="/api", mcp=True)
app = flask.Flask("app")
server.init_app(app)
"""


@pytest.mark.skipif(is_patched(), reason="the server is a process of its own, without gevent")
def test_waiting_calls_of_a_mounted_server_are_as_many_as_its_streams(tmp_path):
    (tmp_path / "mounted.py").write_text(MOUNTED, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        options = ["--threads", "8", "--log-level", "error", "-b", f"fd://{listening.fileno()}"]
        command = [sys.executable, "-m", "gunicorn", *options, "--pythonpath", f"{ROOT},{tmp_path}", "mounted:app"]
        process = subprocess.Popen(command, cwd=tmp_path, pass_fds=[listening.fileno()])
        try:
            served = SimpleNamespace(addresses=[listening.getsockname()])
            with contextlib.closing(Client(served, capabilities=CAN_ANSWER)) as client:
                *_, error = ask_until_refused([client], 3)
                assert error.startswith("3 calls wait for answers of their clients already, the most for max_streams=3")
                assert text_of(client.call("add", a=1, b=2).next()) == "3"
        finally:
            process.terminate()
            process.wait()


def test_call_whose_client_has_gone_waits_no_more(monkeypatch):
    clock = Clock()
    table = Sessions(clock=clock)
    monkeypatch.setattr("flaskJSONRPCServer.mcp.public.Sessions", lambda: table)
    server = flaskJSONRPCServer(("127.0.0.1", 0), log=0)
    server.registerFunction(greet, path="/api", mcp=True)
    server.mcp("/mcp")
    server.start()
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        client = stack.enter_context(contextlib.closing(Client(server, capabilities=CAN_ANSWER)))
        events = client.call("greet")
        assert events.next()["method"] == "elicitation/create"
        (session,) = table._sessions.values()
        events.close()
        wait_until(lambda: not session.connections)

        def has_ended_after_a_while():
            clock.now += LEFT_S + 1
            return not session.state.has_calls

        wait_until(has_ended_after_a_while)
