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
