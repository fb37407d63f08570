"""Clients that read slowly, over real sockets with small buffers. The test says when a window ends."""

import socket

import pytest

from flaskJSONRPCServer.servBackend.native.protocol import CLOSED
from tests.helpers import wait_until
from tests.servBackend.native.samples import get

MOST_BYTES = 10_000  # that a window asks for
SIZE = 3_000_000


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"x" * SIZE]


def small(family, address):
    """Connect a client whose system takes little."""
    client = socket.socket(family)
    client.settimeout(60)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    if family == socket.AF_INET:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
    client.connect(address)
    return client


@pytest.fixture
def ask(serve, certificates, tmp_path):
    """Return a function that asks for an answer by a transport. It returns the client, and its connection."""
    clients = []

    def connected(transport):
        listener, options = None, {}
        if transport == "unix":
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(tmp_path / "server"))
            listener.listen()
        if transport == "tls":
            options["ssl"] = certificates.files
        # A window lasts for so long that it ends only when the test says so.
        front = serve(app, listener, min_answer_rate=1, rate_grace_s=MOST_BYTES, **options)
        client = small(front.listener.family, front.listener.getsockname())
        clients.append(client)
        if transport == "tls":
            client = certificates.client().wrap_socket(client, server_hostname="127.0.0.1")
            clients.append(client)
        client.sendall(get("/", b"Connection: close"))
        (connection,) = wait_until(lambda: list(front.manager._connections))
        wait_until(lambda: connection.unsent_bytes > SIZE // 2)
        return client, connection

    yield connected
    for client in reversed(clients):
        client.close()


def windows(client, connection, count, in_bytes):
    """Let windows end, and have the client read so many bytes in each. Return how many the connection outlives."""
    for number in range(count):
        left = in_bytes
        while left:
            left -= len(client.recv(left))
        connection.expire(connection.http.deadline)
        if connection.http.phase is CLOSED:
            return number
    return count


@pytest.mark.parametrize("transport", ["tcp", "tls", "unix"])
def test_even_reader_above_the_minimum_rate_is_never_cut_off(ask, transport):
    assert windows(*ask(transport), 60, MOST_BYTES * 6 // 5) == 60


@pytest.mark.parametrize(("transport", "most"), [("tcp", 5), ("tls", 8), ("unix", 16)])
def test_reader_at_half_the_minimum_rate_is_cut_off_within_some_windows(ask, transport, most):
    assert windows(*ask(transport), 60, MOST_BYTES // 2) <= most


@pytest.mark.parametrize(("transport", "most"), [("tcp", 2), ("tls", 4), ("unix", 8)])
def test_client_that_reads_nothing_is_cut_off_within_some_windows(ask, transport, most):
    assert windows(*ask(transport), 60, 0) <= most


def test_cut_off_is_one_warning_that_names_the_limit(ask, caplog):
    windows(*ask("tcp"), 60, 0)

    [warning] = caplog.records
    assert warning.levelname == "WARNING"
    assert warning.getMessage() == "min_answer_rate is not reached: cut off an answer to 127.0.0.1"
