"""What the native front does beyond its limits, over real sockets."""

import contextlib
import json
import re
import socket
import threading

import psutil
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.docs.pages import rows
from tests.helpers import wait_until

LIMITS = rows("limits.md")
PATIENCE_S = 30


@pytest.fixture
def serve():
    """Return a function that starts a server with `echo`, `hold` and a page that takes uploads."""
    with contextlib.ExitStack() as stop:

        def start(**options):
            server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend="native", log=0, **options)
            server.registerFunction(lambda text="": text, path="/api", name="echo")
            held = Held()
            stop.callback(held.go_on.set)
            server.registerFunction(held, path="/api", name="hold")
            server.flaskApp.add_url_rule("/upload", "upload", lambda: "taken", methods=["POST"])
            server.start()
            stop.callback(server.stop)
            return server, held

        yield start


class Held:
    """A dispatcher whose calls wait until they are told to go on."""

    def __init__(self):
        self.go_on = threading.Event()
        self.begun = []

    def __call__(self, name=""):
        self.begun.append(name)
        self.go_on.wait(PATIENCE_S)
        return name


def post(method, *params, path=b"/api", more=b""):
    body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).encode()
    return (
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b"
        % (path, more, len(body), body)
    )


def connect(server):
    return socket.create_connection(server.addresses[0], timeout=PATIENCE_S)


def answer(client):
    """Return the status of one answer, and what came."""
    received = b""
    while b"\r\n\r\n" not in received and (chunk := client.recv(65536)):
        received += chunk
    return received[9:12].decode(), received


def ask(server, data):
    with connect(server) as client:
        client.sendall(data)
        return answer(client)


def test_requests_that_find_no_place_in_the_queue_are_refused_at_once_and_the_others_run(serve):
    server, held = serve(threads=2, max_waiting_requests=3)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(9)]
        for number, client in enumerate(clients[:5]):
            client.sendall(post("hold", str(number)))
        wait_until(lambda: len(held.begun) == 2)
        for client in clients[5:]:
            client.sendall(post("hold"))
        refused = [answer(client) for client in clients[5:]]
        held.go_on.set()
        answered = [answer(client)[0] for client in clients[:5]]
        clients[8].sendall(post("echo"))  # the connection went on

        assert [status for status, _ in refused] == ["503"] * 4
        assert all(b"\r\nRetry-After: 1\r\n" in received for _, received in refused)
        assert answered == ["200"] * 5
        assert answer(clients[8])[0] == "200"
    text = refused[0][1].partition(b"\r\n\r\n")[2].decode().strip()
    assert text.replace("(3)", "(1000)") in LIMITS["max_waiting_requests"][2]


def test_waiting_call_of_a_client_that_has_gone_does_not_begin_and_a_half_closed_one_is_answered(serve):
    server, held = serve(threads=1)
    with connect(server) as first, connect(server) as half_closed:
        first.sendall(post("hold", "first"))
        wait_until(lambda: held.begun == ["first"])
        gone = connect(server)
        [_, port] = gone.getsockname()
        gone.sendall(post("hold", "gone"))
        gone.close()
        half_closed.sendall(post("hold", "half closed"))
        half_closed.shutdown(socket.SHUT_WR)
        with connect(server) as last:
            last.sendall(post("hold", "last"))
            # What tells the two apart is an interim answer: when it is here, the other one has been sent too.
            assert half_closed.recv(25, socket.MSG_WAITALL) == b"HTTP/1.1 100 Continue\r\n\r\n"
            wait_until(lambda: is_reset(port))
            held.go_on.set()
            assert answer(last)[0] == "200"
            assert answer(half_closed)[0] == "200"
    assert sorted(held.begun) == ["first", "half closed", "last"]


def test_connections_of_one_client_are_bounded_and_those_of_a_trusted_proxy_are_not(serve):
    server, _ = serve(max_connections_per_client=3)
    trusting, _ = serve(max_connections_per_client=3, trusted_proxies=["127.0.0.1"])
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(3)]
        others = [stack.enter_context(connect(trusting)) for _ in range(5)]
        for client in [*clients, *others]:
            client.sendall(post("echo"))
            assert answer(client)[0] == "200"
        with connect(server) as beyond, contextlib.suppress(ConnectionError):
            assert beyond.recv(1) == b""
        clients[0].close()
        wait_until(lambda: is_answered(server))


def is_reset(port):
    """Return whether the system has reset the connection of a client's port."""
    return not any(
        each.raddr and each.raddr.port == port and each.status in (psutil.CONN_ESTABLISHED, psutil.CONN_CLOSE_WAIT)
        for each in psutil.Process().net_connections("tcp4")
    )


def is_answered(server):
    with contextlib.suppress(ConnectionError):
        return ask(server, post("echo"))[0] == "200"


def test_connections_beyond_the_most_wait_until_one_has_ended(serve):
    server, _ = serve(max_connections=2, max_connections_per_client=2, trusted_proxies=["127.0.0.1"])
    first, second = connect(server), connect(server)
    with second, connect(server) as third:
        for client in (first, second):
            client.sendall(post("echo"))
            assert answer(client)[0] == "200"
        third.sendall(post("echo"))
        first.close()
        assert answer(third)[0] == "200"


def test_connection_ends_after_its_last_request(serve):
    server, _ = serve(max_requests_per_connection=2)
    with connect(server) as client:
        client.sendall(post("echo") * 3)
        received = b""
        while chunk := client.recv(65536):
            received += chunk
    assert len(re.findall(rb"HTTP/1\.1 200 ", received)) == 2
    assert received.count(b"Connection: close") == 1


@pytest.mark.parametrize(
    ("name", "options", "data"),
    [
        ("max_head_bytes", {}, post("echo", more=b"X: " + b"x" * 33_000 + b"\r\n")),
        ("max_page_body_bytes", {}, b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 67108865\r\n\r\n"),
    ],
)
def test_request_beyond_a_limit_gets_what_the_table_says(serve, name, options, data):
    status, received = ask(serve(**options)[0], data)
    text = received.partition(b"\r\n\r\n")[2].decode().strip()

    assert status in LIMITS[name][2]
    assert f"`{text}`" in LIMITS[name][2]


def test_page_takes_a_larger_body_than_a_call(serve):
    server, _ = serve(max_body_bytes=1000, spool_body_bytes=500)
    upload = b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000

    assert ask(server, upload)[0] == "200"
    assert ask(server, post("echo", "x" * 2000))[0] == "413"


def test_call_that_takes_too_long_is_504_and_one_that_finds_no_thread_503(serve):
    server, held = serve(threads=1, request_timeout_s=0.5)
    with connect(server) as running, connect(server) as waiting:
        running.sendall(post("hold", "running"))
        wait_until(lambda: held.begun == ["running"])
        waiting.sendall(post("hold", "waiting"))
        assert (answer(running)[0], answer(waiting)[0]) == ("504", "503")
        held.go_on.set()
    assert ask(server, post("echo"))[0] == "200"
    assert held.begun == ["running"]
