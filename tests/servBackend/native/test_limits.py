"""The answers of the native front beyond its limits, over real sockets."""

import contextlib
import json
import re
import socket
import threading

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.docs.pages import rows
from tests.helpers import wait_until

LIMITS = rows("limits.md")
PATIENCE_S = 30


@pytest.fixture
def serve():
    """Return a function that starts a server with `echo`, `hold` and a page for uploads."""
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
    """A dispatcher whose calls wait until the test releases them."""

    def __init__(self):
        self.go_on = threading.Event()
        self.begun = []

    def __call__(self, name=""):
        self.begun.append(name)
        self.go_on.wait(PATIENCE_S)
        return name


def post(method, *params, path=b"/api", fields=b""):
    body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).encode()
    return (
        b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n%b"
        % (path, fields, len(body), body)
    )


def connect(server):
    return socket.create_connection(server.addresses[0], timeout=PATIENCE_S)


def answer(client):
    """Return the status of one answer, and the received bytes."""
    received = b""
    while b"\r\n\r\n" not in received and (chunk := client.recv(65536)):
        received += chunk
    return received[9:12].decode(), received


def ask(server, data):
    with connect(server) as client:
        client.sendall(data)
        return answer(client)


def text_of(received):
    return received.partition(b"\r\n\r\n")[2].decode().strip()


def test_request_refused_by_a_full_queue_gets_the_documented_answer(serve):
    server, held = serve(threads=1, max_waiting_requests=0)
    with connect(server) as running, connect(server) as refused:
        running.sendall(post("hold", "running"))
        wait_until(lambda: held.begun == ["running"])
        refused.sendall(post("hold", "refused"))
        status, received = answer(refused)
        held.go_on.set()
        assert answer(running)[0] == "200"

    row = LIMITS["max_waiting_requests"][2]
    assert status in row
    assert f"`{text_of(received).replace('(0)', '(1000)')}`" in row
    assert re.search(rb"\r\nRetry-After: [1-3]\r\n", received)
    assert held.begun == ["running"]


def test_connections_of_a_trusted_proxy_are_not_bounded(serve):
    server, _ = serve(max_connections_per_client=2, trusted_proxies=["127.0.0.1"])
    with contextlib.ExitStack() as stack:
        for client in [stack.enter_context(connect(server)) for _ in range(4)]:
            client.sendall(post("echo"))
            assert answer(client)[0] == "200"


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
        ("max_head_bytes", {}, post("echo", fields=b"X: " + b"x" * 33_000 + b"\r\n")),
        ("max_page_body_bytes", {}, b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 67108865\r\n\r\n"),
    ],
)
def test_request_beyond_a_limit_gets_the_documented_answer(serve, name, options, data):
    status, received = ask(serve(**options)[0], data)

    assert status in LIMITS[name][2]
    assert f"`{text_of(received)}`" in LIMITS[name][2]


def test_page_takes_a_larger_body_than_a_call(serve):
    server, _ = serve(max_body_bytes=1000, spool_body_bytes=500)
    upload = b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000

    assert ask(server, upload)[0] == "200"
    assert ask(server, post("echo", "x" * 2000))[0] == "413"
