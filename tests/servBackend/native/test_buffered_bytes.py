"""What happens where unsent answers find no room."""

import http.client
import json
import socket

from flaskJSONRPCServer import flaskJSONRPCServer


def ask(server, size):
    connection = http.client.HTTPConnection(*server.addresses[0], timeout=20)
    body = json.dumps({"jsonrpc": "2.0", "method": "big", "params": [size], "id": 1})
    connection.request("POST", "/api", body, {"Content-Type": "application/json"})
    return connection


def test_client_whose_own_answer_finds_no_room_is_cut_off_and_the_others_go_on(caplog):
    server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend="native", log=2, max_buffered_bytes=100_000)
    server.registerFunction(lambda size: "x" * size, path="/api", name="big")
    server.start()
    try:
        host, port = server.addresses[0]
        request = b'{"jsonrpc":"2.0","method":"big","params":[9000000],"id":1}'
        for _ in range(3):
            with socket.create_connection((host, port), timeout=20) as client:
                client.sendall(
                    b"POST /api HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (len(request), request)
                )
                received = 0
                try:
                    while chunk := client.recv(65536):
                        received += len(chunk)
                except ConnectionResetError:
                    pass
                assert received < 9_000_000
        connection = ask(server, 10)
        assert json.loads(connection.getresponse().read())["result"] == "x" * 10
        connection.close()
    finally:
        server.stop()
    assert caplog.records == []
