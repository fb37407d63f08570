"""Streams whose head is sent with the first event."""

import contextlib
import http.client
import json
import threading

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.http.event_streams import StreamedResponse
from flaskJSONRPCServer.mcp import Form, ask
from flaskJSONRPCServer.mcp.http.late_heads import late_stream
from flaskJSONRPCServer.mcp.protocol.events import KEEP_ALIVE
from flaskJSONRPCServer.mcp.service import Reply
from tests.helpers import call_socket, wait_until
from tests.mcp.judged import request_of
from tests.mcp.served_stream import EVENTS, PATIENCE_S
from tests.mcp.task_api import notice

FORM = {"type": "object", "properties": {"name": {"type": "string"}}}


def greet(reports: bool, _connection) -> str:
    if reports:
        _connection.progress(1, 2)
    return ask("name", Form("Who?", FORM)).content["name"]


@contextlib.contextmanager
def served(backend, *functions, **options):
    server = flaskJSONRPCServer(("127.0.0.1", 0), servBackend=backend, log=0, **options)
    for function in functions:
        server.registerFunction(function, path="/api", mcp=True)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def call_of(name, arguments, **options):
    return request_of("tools/call", {"name": name, "arguments": arguments}, **options)


WANTS_REPORTS = {"accept": EVENTS, "meta": {"progressToken": 1}}


@pytest.mark.parametrize("options", [WANTS_REPORTS, {"accept": "text/event-stream"}], ids=["reports", "events alone"])
@pytest.mark.parametrize("backend", ["native", "werkzeug"])
def test_missing_capability_has_its_status_where_nothing_came_before(backend, options):
    with served(backend, greet) as server:
        answer = call_socket(server.addresses[0], call_of("greet", {"reports": False}, **options))

    assert (answer.code, answer.json()["error"]["code"]) == (400, -32021)
    assert answer.header("Content-Type") == "application/json"


@pytest.mark.parametrize("backend", ["native", "werkzeug"])
def test_missing_capability_is_on_the_stream_after_a_report(backend):
    with served(backend, greet) as server:
        answer = call_socket(server.addresses[0], call_of("greet", {"reports": True}, **WANTS_REPORTS))

    messages = [json.loads(line[5:]) for line in answer.body.splitlines() if line.startswith(b"data:")]
    assert answer.code == 200
    assert [message.get("method") for message in messages] == ["notifications/progress", None]
    assert messages[1]["error"]["code"] == -32021


@pytest.mark.parametrize("backend", ["native", "werkzeug"])
def test_client_that_leaves_before_the_head_cancels_its_call(backend, tmp_path):
    with served(backend, notice) as server:
        call = call_of("notice", {"folder": str(tmp_path)}, **WANTS_REPORTS)
        with contextlib.closing(http.client.HTTPConnection(*server.addresses[0], timeout=PATIENCE_S)) as connection:
            connection.request(call.method, call.target, call.body, call.headers)
            wait_until((tmp_path / "begun").exists)
            assert not (tmp_path / "noticed").exists()
        wait_until((tmp_path / "noticed").exists)


def test_rate_limit_has_its_status():
    with served("native", greet, rateLimit="1/minute") as server:
        call = call_of("greet", {"reports": True}, **WANTS_REPORTS)
        codes = [call_socket(server.addresses[0], call).code for _ in range(2)]
        last = call_socket(server.addresses[0], call)

    assert codes == [200, 429]
    assert int(last.header("Retry-After")) > 0


class Outlet:
    """The stream of an answer whose head has been sent."""

    is_closed, has_room = False, True

    def __init__(self):
        self.sent = []
        self.callbacks = []

    def send(self, data):
        self.sent.append(data)
        return True

    send_last = send

    def on_close(self, callback):
        self.callbacks.append(callback)


class Waiting:
    """A request that waits between two events."""

    def __init__(self, *first):
        self.first = first
        self.may_end, self.is_cancelled = threading.Event(), threading.Event()

    def __call__(self, stream):
        stream.on_close(self.is_cancelled.set)
        for part in self.first:
            assert stream.send(part)
        assert self.may_end.wait(PATIENCE_S)
        stream.send(b"second")
        return Reply(b"{}")


@pytest.mark.parametrize(("first", "keep_alive_s"), [((), 0.01), ((b"first",), PATIENCE_S)], ids=["silent", "event"])
def test_head_is_sent_before_the_end(first, keep_alive_s):
    request = Waiting(*first)
    response = late_stream(request, {}, keep_alive_s)
    assert isinstance(response, StreamedResponse)
    assert response.status == "200 OK"
    request.may_end.set()
    outlet = Outlet()
    response.run(outlet)

    *events, last = outlet.sent
    assert events == [*(first or [KEEP_ALIVE]), b"second"]
    assert b"data: {}" in last
    assert not request.is_cancelled.is_set()


def test_request_whose_stream_never_begins_is_cancelled():
    request = Waiting(b"first")
    response = late_stream(request, {}, PATIENCE_S)
    assert not request.is_cancelled.is_set()
    del response

    assert request.is_cancelled.wait(PATIENCE_S)
    request.may_end.set()


def test_request_that_fails_raises_in_the_thread_of_the_answer():
    def fail(stream):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        late_stream(fail, {}, PATIENCE_S)


def test_application_of_flask_gets_the_head_first():
    request = Waiting()
    with flask.Flask("shop").app_context():
        response = late_stream(request, {}, PATIENCE_S)
    request.may_end.set()
    outlet = Outlet()
    response.run(outlet)

    assert outlet.sent[0] == b"second"
