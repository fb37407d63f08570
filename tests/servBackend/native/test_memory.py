"""The bound on bodies and unsent answers, over real sockets."""

import http.client
import json
import select

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import wait_until
from tests.servBackend.native.samples import post, receive_answer


def ask(server, size):
    connection = http.client.HTTPConnection(*server.addresses[0], timeout=20)
    body = json.dumps({"jsonrpc": "2.0", "method": "big", "params": [size], "id": 1})
    connection.request("POST", "/api", body, {"Content-Type": "application/json"})
    return connection


def test_client_that_does_not_read_is_cut_off_alone(caplog):
    server = flaskJSONRPCServer(
        ["127.0.0.1", 0],
        servBackend="native",
        log=2,
        max_buffered_bytes=100_000,
        spool_body_bytes=100_000,
        max_response_bytes=100_000,
    )
    server.registerFunction(lambda size: "x" * size, path="/api", name="big")
    server.flaskApp.get("/<int:size>")(lambda size: b"x" * size)
    server.start()
    try:
        clients = [http.client.HTTPConnection(*server.addresses[0], timeout=20) for _ in range(4)]
        for client in clients:
            client.request("GET", "/9000000")
            client.answer = client.getresponse()  # so that it has begun
        assert len(clients[-1].answer.read()) == 9_000_000
        for client in clients[:-1]:
            with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                client.answer.read()
        for client in clients:
            client.close()
        connection = ask(server, 10)
        assert json.loads(connection.getresponse().read())["result"] == "x" * 10
        connection.close()
    finally:
        server.stop()
    said = [record.getMessage() for record in caplog.records]
    assert said  # of three, one in each ten seconds
    assert all(text.startswith("max_buffered_bytes is reached: cut off an answer to 127.0.0.1") for text in said)
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_bodies_that_come_whole_are_refused_where_there_is_no_room(serve, calls):
    front = serve(calls, threads=1, max_buffered_bytes=1_000_000, spool_body_bytes=1_000_000)
    body = b"x" * 60_000
    clients = [front.connect(post(body, target=b"/slow") * 2) for _ in range(60)]

    def readable():
        return [client for client in clients if select.select([client], [], [], 0)[0]]

    wait_until(lambda: len(readable()) >= 60 - 1_000_000 // len(body))
    refused = readable()
    assert {receive_answer(client)[0] for client in refused} == {503}
    # The server may have read 64 KiB of each client before it ran out of room.
    assert front.manager._shedder.memory.used_bytes < 1_000_000 + 2 * 65536
    calls.gate.set()
    waiting = [client for client in clients if client not in refused]
    assert waiting
    for client in waiting:
        status, fields, _ = receive_answer(client)
        assert status == 200 or "Retry-After" in fields
