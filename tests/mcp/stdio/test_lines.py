"""The messages of one client as lines, without a process."""

import contextlib
import json
import threading

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.mcp.session_client import CLIENT, PATIENCE_S

REVISION = "2025-03-26"


@pytest.fixture
def runs():
    return []


@pytest.fixture
def endpoint(runs):
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(lambda: runs.append(1), path="/api", name="note", mcp=True)
    server.registerFunction(lambda: "x" * 300_000, path="/api", name="long", mcp=True)
    return server.mcp("/mcp")


def line_of(*messages):
    """Return a message as a line, or several as a batch."""
    messages = [{"jsonrpc": "2.0", **message} for message in messages]
    return json.dumps(messages[0] if len(messages) == 1 else messages).encode() + b"\n"


BEGIN = {
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": REVISION, "capabilities": {}, "clientInfo": CLIENT},
}
NOTE = {"id": 1, "method": "tools/call", "params": {"name": "note", "arguments": {}}}
CANCEL = {"method": "notifications/cancelled", "params": {"requestId": 1}}


def written_by(endpoint, lines, context=contextlib.nullcontext):
    """Return what an endpoint writes, without the answer to the first line."""
    written = []
    endpoint.serve_lines(lines, lambda line: written.append(json.loads(line)), context)
    assert written[0]["id"] == 0
    return written[1:]


@pytest.mark.parametrize(
    "lines", [[line_of(NOTE), line_of(CANCEL)], [line_of(NOTE, CANCEL)]], ids=["two lines", "one batch"]
)
def test_cancellation_that_follows_at_once_finds_its_request(endpoint, runs, lines):
    is_read = threading.Event()

    def all_lines():
        yield line_of(BEGIN)
        yield from lines
        is_read.set()

    @contextlib.contextmanager
    def later():
        """Keep the thread of the request from its beginning until the cancellation has been read."""
        assert is_read.wait(PATIENCE_S)
        yield

    assert written_by(endpoint, all_lines(), later) == []
    assert runs == []


def test_batch_with_an_invalid_message_is_refused_as_a_whole(endpoint):
    batch = line_of(*({"id": request_id, "method": "ping"} for request_id in (1, 1.5, 2)))
    (error,) = written_by(endpoint, [line_of(BEGIN), batch])
    message = "Invalid Request: the id is neither a string nor an integer"
    assert error == {"jsonrpc": "2.0", "error": {"code": -32600, "message": message}}


def test_id_of_an_answered_request_is_free_again(endpoint, runs):
    answered = threading.Semaphore(0)
    written = []

    def write(line):
        written.append(json.loads(line))
        answered.release()

    def lines():
        for message in (BEGIN, NOTE, NOTE):
            yield line_of(message)
            assert answered.acquire(timeout=PATIENCE_S)

    endpoint.serve_lines(lines(), write)
    assert ["result" in message for message in written] == [True, True, True]
    assert runs == [1, 1]


def test_batch_is_answered_with_one_array(endpoint):
    pings = [{"id": name, "method": "ping"} for name in ("a", "b")]
    batch = line_of(*pings, CANCEL, {**NOTE, "id": 7}, {"id": 8, "method": "nothing"})

    (responses,) = written_by(endpoint, [line_of(BEGIN), batch])
    assert {response["id"]: "result" in response for response in responses} == {"a": True, "b": True, 7: True, 8: False}


def test_batch_with_one_request_is_answered_with_an_array(endpoint):
    batch = json.dumps([{"jsonrpc": "2.0", "id": 1, "method": "ping"}]).encode()
    assert written_by(endpoint, [line_of(BEGIN), batch]) == [[{"jsonrpc": "2.0", "id": 1, "result": {}}]]


def test_batch_without_requests_has_no_answer(endpoint):
    assert written_by(endpoint, [line_of(BEGIN), line_of(CANCEL, CANCEL)]) == []


@pytest.mark.parametrize("params", [[1], "x", 5, True], ids=repr)
@pytest.mark.parametrize("count", [1, 2], ids=["line", "batch"])
def test_notification_that_is_refused_has_no_answer(endpoint, params, count):
    notification = {"method": "notifications/cancelled", "params": params}
    assert written_by(endpoint, [line_of(BEGIN), line_of(*[notification] * count)]) == []


@pytest.mark.parametrize(
    "message", [{"method": 5}, {"id": 1, "method": "ping", "params": [1]}, {"id": None, "method": "ping"}], ids=repr
)
def test_refused_message_that_is_no_notification_has_an_answer(endpoint, message):
    (error,) = written_by(endpoint, [line_of(BEGIN), line_of(message)])
    assert error["error"]["code"] == -32600


def test_ping_may_come_before_the_session(endpoint):
    written = []
    endpoint.serve_lines([line_of({"id": 1, "method": "ping"})], lambda line: written.append(json.loads(line)))
    assert written == [{"jsonrpc": "2.0", "id": 1, "result": {}}]


class Unread:
    """A client that reads nothing until it is released."""

    def __init__(self):
        self.written = []
        self.is_blocked, self._released = threading.Event(), threading.Event()

    def write(self, line):
        self.is_blocked.set()
        assert self._released.wait(PATIENCE_S)
        self.written.append(json.loads(line))

    def release(self):
        self._released.set()


@pytest.fixture
def unread():
    client = Unread()
    yield client
    client.release()


LONG = {**NOTE, "params": {"name": "long", "arguments": {}}}


@pytest.mark.parametrize(
    "further",
    [[], [{"id": 2, "method": "nothing"}], [{**LONG, "id": number} for number in range(2, 9)]],
    ids=["answer", "refusal", "full"],
)
def test_end_of_the_input_is_noticed_although_the_client_does_not_read(endpoint, unread, further):
    def lines():
        yield line_of(BEGIN)
        yield line_of(LONG)
        assert unread.is_blocked.wait(PATIENCE_S)
        for message in further:
            yield line_of(message)

    assert endpoint.serve_lines(lines(), unread.write) is False


def test_client_that_reads_late_gets_all_messages(endpoint, unread):
    def lines():
        for message in (BEGIN, *({**LONG, "id": number} for number in range(1, 9))):
            yield line_of(message)
        assert unread.is_blocked.wait(PATIENCE_S)
        unread.release()

    assert endpoint.serve_lines(lines(), unread.write) is True
    assert sorted(message["id"] for message in unread.written) == list(range(9))
