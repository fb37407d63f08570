"""Answers whose heads are no HTTP, from servers that wait for the client to go on: they are refused at once."""

import pytest

from flaskJSONRPCServer.client import Client, ProtocolError

TIMEOUT_S = 60


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"220 mail.example ESMTP\r\n",
        b"\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\n\n",
    ],
)
def test_head_that_is_not_http_is_refused_before_its_end(raw, data):
    def send(connection):
        connection.read()
        connection.send(data)
        connection.wait()

    with Client(raw(send).url, timeout=TIMEOUT_S) as client, pytest.raises(ProtocolError, match="not HTTP: it begins"):
        client.add(1, 2)


def test_head_has_a_limit(raw):
    def send(connection):
        connection.read()
        connection.send(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 65_536)
        connection.wait()

    with (
        Client(raw(send).url, timeout=TIMEOUT_S) as client,
        pytest.raises(ProtocolError, match="more than 65536 bytes"),
    ):
        client.add(1, 2)
