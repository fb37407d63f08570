"""TCP and standard input and output, with the framings of sansio_jsonrpc."""

import contextlib
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from flaskJSONRPCServer.client import (
    Client,
    ClientError,
    ConnectError,
    ConnectionLostError,
    ProtocolError,
    RequestTimeoutError,
    StdioTransport,
    TcpTransport,
)
from flaskJSONRPCServer.client.transports import channels
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcMethodNotFoundError, JsonRpcParseError
from tests.client.transports.stream_server import FRAMINGS, listening

PROGRAM = Path(__file__).with_name("stream_server.py")
ROOT = Path(__file__).resolve().parents[3]


def program(framing="newline"):
    return StdioTransport(
        [sys.executable, str(PROGRAM), framing], framing=FRAMINGS[framing], env=os.environ | {"PYTHONPATH": str(ROOT)}
    )


@pytest.fixture(params=["tcp-newline", "tcp-length", "stdio-newline", "stdio-length"])
def transport(request):
    kind, framing = request.param.split("-")
    if kind == "stdio":
        yield program(framing)
        return
    with listening(framing) as (host, port):
        yield TcpTransport(host, port, framing=FRAMINGS[framing])


def test_calls_notifications_and_batches(connect, transport):
    face = connect(transport=transport)

    assert face.call("add", 1, 2) == 3
    assert face.notify("add", 1) is None
    batch, raised = face.batch(lambda batch: (batch.add(1), batch.notify.add(2), batch.add(3)))
    assert (raised, batch.results()) == (None, [1, 3])
    assert face.batch(lambda batch: batch.notify.add(1))[1] is None
    with pytest.raises(JsonRpcMethodNotFoundError):
        face.call("nope")
    assert face.call("add", 5) == 5


def test_unix_socket(connect, tmp_path):
    path = str(tmp_path / "socket")
    with listening("newline", address=path, family=socket.AF_UNIX):
        assert connect(transport=TcpTransport(path)).call("add", 1, 2) == 3


def test_timeout_of_a_year(connect, transport):
    assert connect(transport=transport, timeout=365 * 24 * 3600).call("add", 1, 2) == 3


def test_threads_share_a_channel(transport):
    results = []

    def work(client, number):
        results.extend(client.add(number * 100, step) for step in range(20))

    with Client(transport=transport) as client:
        threads = [threading.Thread(target=work, args=[client, number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(results) == [number * 100 + step for number in range(8) for step in range(20)]


def test_large_messages(connect):
    text = "x" * 3_000_000
    with listening("newline", handle=echo) as (host, port):
        assert connect(transport=TcpTransport(host, port)).call("echo", text) == text


def echo(connected):
    """Answer each line with its first parameter."""
    for line in connected.makefile("rb"):
        message = json.loads(line)
        answer = {"jsonrpc": "2.0", "result": message["params"][0], "id": message["id"]}
        connected.sendall(json.dumps(answer).encode() + b"\n")


def test_late_answer_disturbs_no_other_call(connect, transport):
    face = connect(transport=transport)
    pid = face.call("pid")

    with pytest.raises(RequestTimeoutError):
        face.call("sleep", options={"timeout": 0.2})
    assert [face.call("add", number) for number in range(3)] == [0, 1, 2]
    assert face.call("pid") == pid


def test_messages_of_the_server_are_ignored(connect, transport):
    face = connect(transport=transport)

    assert face.call("ask") == "asked"
    assert face.call("ask", "id") == "asked"
    assert face.call("add", 1) == 1


def test_program_that_ends_is_started_again(connect):
    face = connect(transport=program(), timeout=20)
    first = face.call("pid")

    with pytest.raises(ConnectionLostError):
        face.call("die")
    assert face.call("pid") != first


def test_stale_channel_costs_a_safe_call_nothing(connect):
    connections = []

    def handle(connected):
        connections.append(connected)
        if len(connections) == 1:
            connected.recv(1000)
            connected.sendall(b'{"jsonrpc": "2.0", "result": 1, "id": 1}\n')
            connected.recv(1000)
        else:
            connected.recv(1000)
            connected.sendall(b'{"jsonrpc": "2.0", "result": 2, "id": 2}\n')
            connected.recv(1000)

    with listening("newline", handle) as (host, port):
        face = connect(transport=TcpTransport(host, port), retry=None, timeout=20)
        assert face.call("add") == 1
        assert face.call("add", options={"idempotent": True}) == 2
    assert len(connections) == 2


@pytest.mark.parametrize("key", ["k", True])
def test_idempotency_key_that_would_not_be_sent_is_refused(connect, key):
    face = connect(transport=TcpTransport("127.0.0.1", 9), retry=None)

    with pytest.raises(ValueError, match="idempotency_key"):
        face.call("add", options={"idempotency_key": key})


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"garbage\n", ProtocolError),
        (b'{"jsonrpc": "2.0", "error": {"code": -32700, "message": "m"}, "id": null}\n', JsonRpcParseError),
        (b'{"jsonrpc": "2.0", "res', ConnectionLostError),
        (b"", ConnectionLostError),
    ],
)
def test_fault_ends_in_its_exception(connect, data, error):
    def handle(connected):
        connected.recv(1000)
        connected.sendall(data)

    with listening("newline", handle) as (host, port):
        with pytest.raises(error):
            connect(transport=TcpTransport(host, port), timeout=20).call("add")


def test_peer_that_does_not_read(connect):
    done = threading.Event()
    with listening("newline", lambda connected: done.wait(30)) as (host, port):
        with pytest.raises(RequestTimeoutError):
            connect(transport=TcpTransport(host, port), timeout=0.3).call("add", "x" * 30_000_000)
        done.set()


def test_program_that_does_not_read_nor_end(connect, monkeypatch):
    monkeypatch.setattr(channels, "_GRACE_S", 0.1)
    began = time.monotonic()
    transport = StdioTransport([sys.executable, "-c", "import time; time.sleep(60)"])

    with pytest.raises(RequestTimeoutError):
        connect(transport=transport, timeout=0.3).call("add", "x" * 1_000_000)
    assert time.monotonic() - began < 20


def test_nobody_listens(connect):
    with pytest.raises(ConnectError):
        connect(transport=TcpTransport("127.0.0.1", 9), retry=None).call("add")
    with pytest.raises(ConnectError, match="cannot be started"):
        connect(transport=StdioTransport(["/no/such/program"]), retry=None).call("add")
    with pytest.raises(ConnectError, match="no program cannot be started"):
        connect(transport=StdioTransport([]), retry=None).call("add")


def test_close_ends_the_program(connect):
    transport = program()
    face = connect(transport=transport)
    face.call("add")
    process = transport._conversation._channel._process
    face.run(lambda client: client.close())

    assert process.returncode == 0
    with pytest.raises(ClientError, match="closed"):
        face.call("add")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_fork_has_a_channel_of_its_own():
    with listening("newline") as (host, port), Client(transport=TcpTransport(host, port), timeout=20) as client:
        assert client.add(1) == 1
        child = os.fork()
        if child == 0:
            status = 1
            with contextlib.suppress(BaseException):
                status = 0 if client.add(2) == 2 else 2
            os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert client.add(3) == 3
