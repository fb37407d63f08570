"""Streamed answers behind WSGI servers of other programs."""

import contextlib
import json
import socket
import subprocess
import sys

import pytest

from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.helpers import wait_until
from tests.servBackend.event_source import Listener, ask
from tests.sources import ROOT

pytestmark = pytest.mark.skipif(is_patched(), reason="the servers are processes of their own, without gevent or with")

APP = """
import flask

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.built_in import BuiltInUrl
from tests.servBackend.event_source import EventSource

source = EventSource()
server = flaskJSONRPCServer(None, log=2)
server.registerFunction(lambda: source.closed, path="/api", name="closed")
server.registerFunction(lambda: len(source.opened), path="/api", name="opened")
server.registerFunction(lambda: [stream.send(b"more") for stream in source.opened], path="/api", name="send")
server.registerFunction(lambda: source.opened[-1].close(), path="/api", name="close")
app = flask.Flask("app")
server.init_app(app, url_prefix="/v1")
server._engine.services.urls.add(source.url())
"""

SERVERS = {
    "gthread": ["gunicorn", "--threads", "8", "--log-level", "error"],
    "gevent": ["gunicorn", "-k", "gevent", "--log-level", "error"],
}


@pytest.fixture(params=SERVERS, scope="module")
def address(request, tmp_path_factory):
    """The address of a server with the application."""
    tmp_path = tmp_path_factory.mktemp(request.param)
    (tmp_path / "mounted.py").write_text(APP, encoding="utf-8")
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    options = ["-b", f"fd://{listening.fileno()}", "--pythonpath", f"{ROOT},{tmp_path}", "mounted:app"]
    command = [sys.executable, "-m", *SERVERS[request.param], *options]
    process = subprocess.Popen(command, cwd=tmp_path, pass_fds=[listening.fileno()])
    try:
        with listening:
            yield listening.getsockname()
    finally:
        process.terminate()
        process.wait()


def call(address, name):
    response, body = ask(address, target=f"/v1/api/{name}")
    assert response.status == 200, body
    return json.loads(body)["result"]


@pytest.fixture
def all_closed(address):
    """Wait until all streams of a test have been closed: the server goes on."""
    yield
    wait_until(lambda: call(address, "closed") == call(address, "opened"))


@pytest.mark.usefixtures("all_closed")
def test_stream_flows_and_notices_the_end_of_its_client(address):
    before = call(address, "closed")
    with contextlib.ExitStack() as clients:
        client = clients.enter_context(Listener(address, target="/v1/events"))
        client.receive_until(b"5\r\nhello\r\n")
        call(address, "send")
        client.receive_until(b"4\r\nmore\r\n")
        call(address, "close")
        client.receive_until(b"0\r\n\r\n")
        wait_until(lambda: call(address, "closed") == before + 1)
        gone = clients.enter_context(Listener(address, target="/v1/events"))
        gone.receive_until(b"hello")
        gone.socket.close()
        wait_until(lambda: call(address, "closed") == before + 2)


@pytest.mark.usefixtures("all_closed")
def test_few_streams_are_open_at_once(address):
    with contextlib.ExitStack() as clients:
        for _ in range(4):
            clients.enter_context(Listener(address, target="/v1/events")).receive_until(b"hello")
        response, body = ask(address, target="/v1/events")
        assert (response.status, body) == (503, b"max_streams (4) streams are open already\n")


def test_head_gets_no_stream(address):
    before = call(address, "opened")
    response, body = ask(address, "HEAD", "/v1/events")

    assert (response.status, response.getheader("Content-Type"), body) == (200, "text/event-stream", b"")
    assert call(address, "opened") == before
