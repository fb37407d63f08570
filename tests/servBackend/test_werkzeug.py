"""The Werkzeug backend over real sockets."""

import contextlib
import errno
import http.client
import socket
import threading

import pytest

from flaskJSONRPCServer import BindError, SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.servBackend import find_serv_backend
from tests.helpers import wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

CALL = b'{"jsonrpc":"2.0","method":"echo","params":["a"],"id":1}'


@pytest.fixture
def server():
    new_server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend="werkzeug")
    new_server.registerFunction(lambda text: text, path="/api", name="echo")
    new_server.start()
    yield new_server
    new_server.stop()


def post(address, body=CALL):
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=30)) as connection:
        connection.request("POST", "/api", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()


HEAD = b"POST /api HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


def head(length):
    return HEAD + b"Content-Length: %d\r\n\r\n" % length


def receive_all(sock):
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_port_0_is_shown_as_the_real_port(server):
    [(host, port)] = server.addresses
    assert host == "127.0.0.1"
    assert port > 0
    assert post((host, port)) == (200, b'{"jsonrpc":"2.0","result":"a","id":1}')


def test_port_may_be_a_string():
    server = flaskJSONRPCServer(["127.0.0.1", "0"], servBackend="werkzeug", log=0)
    server.start()
    assert server.addresses[0][1] > 0
    server.stop()


def test_localhost_and_ipv6_are_served():
    for host in ("localhost", "::1"):
        server = flaskJSONRPCServer([host, 0], servBackend="werkzeug", log=0)
        server.registerFunction(lambda text: text, path="/api", name="echo")
        server.start()
        assert post((host, server.addresses[0][1]))[0] == 200
        server.stop()


def test_taken_port_is_one_clear_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = flaskJSONRPCServer(["127.0.0.1", port], servBackend="werkzeug", log=0)
        with pytest.raises(
            BindError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use; another"
        ) as caught:
            server.start()
    assert caught.value.errno == errno.EADDRINUSE
    server.start()  # nothing of the failed start is left
    server.stop()


@pytest.mark.parametrize("address", ["198.51.100.1", "host.invalid"])
def test_foreign_address_is_one_clear_error(address):
    with pytest.raises(BindError, match=f"cannot listen on {address}:0: .*; "):
        flaskJSONRPCServer([address, 0], servBackend="werkzeug", log=0).start()


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", ["127.0.0.1"], ["127.0.0.1", -1], ["127.0.0.1", 65536], ["", 1], [1, 2], 5, ["a/b", 1], ["", None]],
)
def test_invalid_address_is_refused_at_construction(address):
    with pytest.raises(SettingsError, match="bindAdress"):
        flaskJSONRPCServer(address, log=0)


def test_werkzeug_is_found_by_name():
    assert find_serv_backend("werkzeug")._id == "werkzeug"


def test_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match="unknown serving backend 'werkzug'; did you mean 'werkzeug'"):
        flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend="werkzug")


def test_each_connection_is_closed_after_its_answer(server):
    with socket.create_connection(server.addresses[0], timeout=30) as client:
        client.sendall(head(len(CALL)) + CALL)
        answer = receive_all(client)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in answer


def test_input_after_a_request_is_neither_answered_nor_awaited(server):
    with socket.create_connection(server.addresses[0], timeout=30) as client:
        client.sendall(head(len(CALL)) + CALL + head(100))
        assert receive_all(client).count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(("sent", "status"), [(b"", b""), (HEAD, b""), (head(len(CALL)) + CALL[:-1], b"HTTP/1.1 408 ")])
def test_silent_client_is_ended_after_the_read_timeout(sent, status):
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend="werkzeug", read_timeout_s=0.05)
    server.registerFunction(lambda text: text, path="/api", name="echo")
    server.start()
    with socket.create_connection(server.addresses[0], timeout=30) as client:
        client.sendall(sent)
        assert receive_all(client)[: len(status) or None] == status
    server.stop()


def test_stop_answers_a_request_whose_body_is_still_coming(server):
    with socket.create_connection(server.addresses[0], timeout=30) as client:
        client.sendall(head(len(CALL)) + CALL[:-1])
        wait_until(lambda: server.stats()["processingRequestCount"] == 1)
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        client.sendall(CALL[-1:])
        assert receive_all(client).endswith(b'"result":"a","id":1}')
        stopper.join()


def test_body_that_ends_early_is_400(server):
    with socket.create_connection(server.addresses[0], timeout=30) as client:
        client.sendall(head(100) + CALL)
        client.shutdown(socket.SHUT_WR)
        assert receive_all(client).startswith(b"HTTP/1.1 400 Bad Request\r\n")


def test_stop_gives_up_on_a_call_after_its_timeout(caplog):
    entered, proceed = threading.Event(), threading.Event()

    def slow():
        entered.set()
        return proceed.wait(30)

    server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend="werkzeug", log=3)
    server.registerFunction(slow, path="/api")
    server.start()
    address = server.addresses[0]
    caller = threading.Thread(target=post, args=(address, b'{"jsonrpc":"2.0","method":"slow","id":1}'))
    caller.start()
    assert entered.wait(30)
    server.stop(timeout=0)
    assert "1 connection was still being answered after 0.0 s" in caplog.text
    proceed.set()
    caller.join()


@pytest.mark.parametrize(("debug", "level"), [(True, "INFO"), (False, "DEBUG")])
def test_backend_messages_are_logged_as_debug_says(caplog, debug, level):
    server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend="werkzeug", log=4, debug=debug)
    server.start()
    with socket.create_connection(server.addresses[0], timeout=30) as client:
        client.sendall(b"GET /%1b[31m HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        receive_all(client)
    server.stop()
    [record] = [record for record in caplog.records if "GET /" in record.getMessage()]
    assert record.levelname == level
    assert record.getMessage().isprintable()
