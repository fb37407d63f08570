"""A server whose log fails goes on."""

import contextlib
import socket
import struct

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call_socket, post, wait_until


class Mute(flaskJSONRPCServer):
    """A server whose log fails at once."""

    failure = OSError("no space left")

    def _logger(self, level, *args):
        raise self.failure


@contextlib.contextmanager
def started(**options):
    server = Mute(["127.0.0.1", 0], servBackend="native", log=4, **options)
    server.registerFunction(lambda: 1, path="/api", name="one")
    server.registerFunction(lambda: 1 / 0, path="/api", name="fail")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def result_from(server, method):
    return call_socket(server.addresses[0], post({"jsonrpc": "2.0", "id": 1, "method": method})).json()


def test_call_that_fails_is_answered_and_logged_all_the_same(caplog):
    with started() as server:
        assert result_from(server, "fail")["error"]["code"] == -32603
    assert "ZeroDivisionError" in caplog.text
    assert "_logger failed" in caplog.text
    assert "no space left" in caplog.text


def send_garbage(address):
    with socket.create_connection(address) as client:
        client.sendall(b"GARBAGE\r\n\r\n")
        assert b" 400 " in client.recv(1000)


def reset(address):
    with socket.create_connection(address) as client:
        client.sendall(b"POST /api HTTP/1.1\r\nHo")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("failure", [OSError("no space left"), SystemExit(1)], ids=["error", "exit"])
@pytest.mark.parametrize(("act", "message"), [(send_garbage, "refused:"), (reset, "a connection broke:")])
def test_connection_that_breaks_ends_alone(act, message, failure, monkeypatch, caplog):
    monkeypatch.setattr(Mute, "failure", failure)
    with started() as server:
        act(server.addresses[0])
        wait_until(lambda: message in caplog.text)
        assert result_from(server, "one")["result"] == 1


def test_handshake_that_fails_ends_alone(certificates, caplog):
    with started(ssl=certificates.files) as server:
        send_plain_http(server.addresses[0])
        wait_until(lambda: "no TLS with" in caplog.text)
        send_plain_http(server.addresses[0])


def send_plain_http(address):
    """Send a request without TLS, and wait for the end of the connection."""
    with socket.create_connection(address, timeout=10) as client, contextlib.suppress(ConnectionResetError):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while client.recv(1000):
            pass
