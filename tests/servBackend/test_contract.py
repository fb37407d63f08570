"""The contract of all serving backends, over real sockets. Under gevent, the same file runs with pywsgi."""

import asyncio
import contextlib
import functools
import http.client
import itertools
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import flask
import pytest

from flaskJSONRPCServer import ServerStateError, flaskJSONRPCServer
from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.client.node import find_node
from tests.execBackend.api import STRANGE, raise_strange
from tests.helpers import wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts and reloads

BACKENDS = ["pywsgi"] if is_patched() else ["native", "werkzeug", "granian"]


@dataclass(frozen=True)
class Abilities:
    """The abilities of a backend. Tests take their expectations from this table alone.

    Attributes:
        keeps_alive: It answers further requests over the same connection.
        bounds_threads: No more calls run at once than `threads`.
        spares_threads: Half-sent bodies occupy no thread that other calls need.
        ends_dripping_heads: A head has a deadline even if its bytes come steadily; else only silence has one.
        answers_half_closed: A client that ends its side before the answer gets it.
        refuses_raw_bytes: A raw byte in the target that is no UTF-8 is a bad request.
        takes_raw_utf_8: Raw UTF-8 in the target is read as if it were percent-encoded; else it is a bad request.
        delivers_refusals: A refusal always reaches a client that sends its whole body before it reads; else it may be
            lost when the connection ends.
        takes: The malformed requests that it neither refuses nor ends the connection for: the statuses of its answers,
            and the arguments of the dispatcher's calls.
    """

    keeps_alive: bool = True
    bounds_threads: bool = True
    spares_threads: bool = True
    ends_dripping_heads: bool = True
    answers_half_closed: bool = True
    refuses_raw_bytes: bool = True
    takes_raw_utf_8: bool = False
    delivers_refusals: bool = True
    takes: Mapping[str, tuple[list[int], list[str]]] = field(default_factory=dict)


ABILITIES = {
    "native": Abilities(),  # has all of them
    "pywsgi": Abilities(delivers_refusals=False),
    "werkzeug": Abilities(  # for development
        keeps_alive=False,
        bounds_threads=False,
        ends_dripping_heads=False,
        refuses_raw_bytes=False,
        takes_raw_utf_8=True,
        takes={
            "two lengths": ([200], []),
            "space before colon": ([200], []),
            "xchunked": ([411], []),
            "chunked, identity": ([200], []),
            "chunk size 0x5": ([200], []),
            "bare LF": ([200], [""]),
            "obs-fold": ([200], [""]),
            "NUL": ([200], [""]),
        },
    ),
    "granian": Abilities(  # for use behind a proxy
        spares_threads=False,
        answers_half_closed=False,
        takes_raw_utf_8=True,
        delivers_refusals=False,
        takes={"length and chunked": ([200], []), "chunk size 0x5": ([200], []), "bare LF": ([200], [""])},
    ),
}

HEAD = b"POST /api HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
ECHO = b'{"jsonrpc":"2.0","method":"echo","params":["a"],"id":1}'
ANSWER = b'{"jsonrpc":"2.0","result":"a","id":1}'
PATIENCE_S = 30


def whole(body=ECHO, *fields):
    return HEAD + b"".join(field + b"\r\n" for field in fields) + b"Content-Length: %d\r\n\r\n" % len(body) + body


LAST = functools.partial(whole, ECHO, b"Connection: close")


def rpc(method, *params):
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).encode()


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture
def able(backend):
    return ABILITIES[backend]


@pytest.fixture
def serve(backend):
    """Return a function that starts a server."""
    with contextlib.ExitStack() as stop:

        def start(*dispatchers, address=("127.0.0.1", 0), **options):
            server = flaskJSONRPCServer(list(address), servBackend=backend, **{"log": 0, **options})
            server.registerFunction(lambda text="": text, path="/api", name="echo")
            for dispatcher in dispatchers:
                server.registerFunction(dispatcher, path="/api")
            server.start()
            stop.callback(server.stop)
            return server

        yield start


def connect(server):
    return socket.create_connection(server.addresses[0], timeout=PATIENCE_S)


def receive_all(client):
    """Return all bytes until EOF. A reset after an answer counts as EOF."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while chunk := client.recv(65536):
            received += chunk
    return bytes(received)


def exchange(server, data):
    with connect(server) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(data)
        return receive_all(client)


def statuses(answer):
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", answer)]


def post(server, body=ECHO):
    with contextlib.closing(http.client.HTTPConnection(*server.addresses[0], timeout=PATIENCE_S)) as connection:
        connection.request("POST", "/api", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()


def test_calls_batches_and_notifications(serve):
    server = serve()
    notification = b'{"jsonrpc":"2.0","method":"echo"}'

    assert post(server) == (200, ANSWER)
    assert post(server, b"[" + ECHO + b"," + notification + b"]") == (200, b"[" + ANSWER + b"]")
    assert post(server, notification) == (204, b"")


def test_coroutines_of_several_clients_wait_at_the_same_time(serve):
    async def meet():
        event = events.setdefault("everyone", asyncio.Event())
        arrived.append(asyncio.get_running_loop())
        if len(arrived) == 8:
            event.set()
        await event.wait()
        return len(set(arrived))

    events, arrived = {}, []
    server = serve(meet)
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: json.loads(post(server, rpc("meet"))[1]), range(8)))

    assert [answer["result"] for answer in answers] == [1] * 8


RAW_UTF_8 = "é".encode()


@pytest.mark.parametrize(
    "target", [b"/api/echo?text=\xff", b"/api/echo?\xff=1", b"/page?\xff", b"/api/echo?text=\xc3", b"/api/ech\xff"]
)
def test_raw_byte_that_is_no_utf_8_is_a_bad_request(serve, able, target):
    server = serve()
    answer = exchange(server, b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")

    assert (statuses(answer) == [400]) is able.refuses_raw_bytes
    assert post(server) == (200, ANSWER)


def test_raw_utf_8_in_a_query_is_a_bad_request_or_read_as_if_it_were_percent_encoded(serve, able):
    if able.takes_raw_utf_8:
        status, end = 200, b'"result":"' + RAW_UTF_8 + b'","id":null}'
    else:
        status, end = 400, b""
    answer = exchange(
        serve(), b"GET /api/echo?text=" + RAW_UTF_8 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )

    assert statuses(answer) == [status]
    assert answer.endswith(end)


@pytest.mark.parametrize("strange", STRANGE)
def test_exception_of_any_kind_fails_its_call_alone(serve, strange):
    server = serve(raise_strange)
    failing = rpc("raise_strange", strange)
    batch = b"[" + ECHO + b"," + failing + b"," + ECHO + b"]"

    assert [post(server, failing)[0], post(server, batch)[0], post(server)] == [200, 200, (200, ANSWER)]
    assert [item.get("result") for item in json.loads(post(server, batch)[1])] == ["a", None, "a"]
    assert b'"code":-32603' in post(server, failing)[1]


@pytest.mark.parametrize("strange", STRANGE)
def test_page_of_flask_that_raises_any_exception_is_a_server_error(serve, strange):
    server = serve()
    server.flaskApp.add_url_rule("/page", "page", functools.partial(raise_strange, strange))

    answer = exchange(server, b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert statuses(answer) == [500]
    assert b"secret" not in answer
    assert post(server) == (200, ANSWER)


@pytest.mark.parametrize("strange", STRANGE)
def test_page_of_flask_that_raises_while_it_is_sent_takes_no_thread(serve, backend, strange, capfd):
    def parts():
        yield "begun"
        raise_strange(strange)

    server = serve(threads=2)
    server.flaskApp.add_url_rule("/page", "page", parts)

    for _ in range(4):  # more requests than threads
        answer = exchange(server, b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        # Granian may end the connection before it has sent what has come before the exception.
        assert statuses(answer) == [200] or (backend == "granian" and answer == b"")
    assert post(server) == (200, ANSWER)
    assert "Exception in thread" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("line", "status", "end"),
    [
        (b"GET /api/echo?text=a%20b HTTP/1.1", 200, b'"result":"a b","id":null}'),
        (b"GET /api/echo?text=1&jsonp=cb HTTP/1.1", 200, b");"),
        (b"GET /api%2Fecho?text=1 HTTP/1.1", 200, b'"result":"1","id":null}'),
        (b"OPTIONS /api HTTP/1.1", 204, b""),
        (b"GET /nothing HTTP/1.1", 404, b""),
    ],
)
def test_other_methods_and_urls(serve, line, status, end):
    answer = exchange(serve(), line + b"\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")

    assert statuses(answer) == [status]
    assert answer.endswith(end)


def test_connection_is_kept_alive_or_announces_its_end(serve, able):
    server = serve()
    with connect(server) as client:
        client.sendall(whole() + whole() + LAST())
        answers = receive_all(client)

    assert statuses(answers) == [200] * (3 if able.keeps_alive else 1)
    assert answers.lower().count(b"connection: close") == 1


def test_head_that_comes_in_pieces(serve):
    data = LAST()
    with connect(serve()) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(data), 7):
            client.sendall(data[start : start + 7])
        assert receive_all(client).endswith(ANSWER)


def test_chunked_body_is_read_under_the_limit(serve):
    server = serve(max_body_bytes=100)
    chunked = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole_body = b"5\r\n" + ECHO[:5] + b"\r\n%x\r\n" % len(ECHO[5:]) + ECHO[5:] + b"\r\n0\r\n\r\n"

    assert exchange(server, chunked + whole_body).endswith(ANSWER)
    assert statuses(exchange(server, chunked + b"65\r\n" + b" " * 101 + b"\r\n0\r\n\r\n")) == [413]


def test_large_bodies_both_ways(serve):
    text = "x" * 5_000_000
    status, body = post(serve(), rpc("echo", text))

    assert status == 200
    assert json.loads(body)["result"] == text


def test_body_that_is_declared_too_long_is_refused_unread(serve):
    server = serve(max_body_bytes=100)
    with connect(server) as client:
        client.sendall(HEAD + b"Content-Length: 101\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_refusal_reaches_a_client_that_sends_its_whole_body_first_or_the_connection_ends(serve, able):
    server = serve(max_body_bytes=100)
    received = exchange(server, whole(ECHO + b" " * 6_000_000))

    assert statuses(received) in ([[413]] if able.delivers_refusals else [[413], []])
    assert b"result" not in received
    assert post(server) == (200, ANSWER)


def test_client_that_half_closes_is_answered(serve, able):
    with connect(serve()) as client:
        client.sendall(whole())
        client.shutdown(socket.SHUT_WR)
        answer = receive_all(client)
    assert answer.endswith(ANSWER) or (answer == b"" and not able.answers_half_closed)


STALLS = [b"", b"POST /api HTTP/1.1\r\nHost: a\r\n", whole()[:-1]]


def test_stalled_requests_block_no_other_request(serve, able):
    server = serve(threads=2)
    kinds = STALLS if able.spares_threads else STALLS[:2]
    with contextlib.ExitStack() as stack:
        for number in range(30):
            stack.enter_context(connect(server)).sendall(kinds[number % len(kinds)])
        assert [post(server) for _ in range(5)] == [(200, ANSWER)] * 5


def test_client_that_expects_100_continue_gets_it_once(serve):
    request = LAST(b"Expect: 100-continue")
    with connect(serve()) as client:
        client.sendall(request.removesuffix(ECHO))
        interim = client.recv(1, socket.MSG_PEEK)  # it comes before the body
        client.sendall(ECHO)
        answer = receive_all(client)

    assert interim == b"H"
    assert statuses(answer) == [100, 200]
    assert answer.endswith(ANSWER)


def test_expectation_of_http_1_0_is_ignored(serve):
    request = LAST(b"Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")

    assert statuses(exchange(serve(), request)) == [200]  # RFC 9110, section 10.1.1


def test_silent_head_has_a_deadline(serve):
    with connect(serve(read_timeout_s=0.2, head_timeout_s=0.2)) as client:
        client.sendall(HEAD)
        assert statuses(receive_all(client)) in ([], [408], [400])


def test_connection_without_a_head_has_a_deadline(serve):
    with connect(serve(read_timeout_s=0.2, head_timeout_s=0.2)) as client:
        assert receive_all(client) == b""


def test_dripping_head_has_a_deadline_or_is_answered_when_it_is_complete(serve, able):
    server = serve(read_timeout_s=0.5, head_timeout_s=0.2)
    if able.ends_dripping_heads:
        drops, expected = itertools.repeat(b"x"), ([], [408], [400])
    else:
        drops, expected = [*[b"x"] * 35, b"\r\n" + whole().removeprefix(HEAD)], ([200],)
    with connect(server) as client, dripping(client, drops):
        client.sendall(HEAD + b"X: ")
        assert statuses(receive_all(client)) in expected


@contextlib.contextmanager
def dripping(client, drops, pause_s=0.02):
    """Send drop by drop in the background, for longer than the timeouts of the test."""
    stop = threading.Event()

    def drip():
        with contextlib.suppress(OSError):
            for drop in drops:
                if stop.wait(pause_s):
                    return
                client.sendall(drop)

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


SECOND = b"GET /api/hear?text=smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
GET = b"GET /api/hear HTTP/1.1\r\nHost: 127.0.0.1\r\n"

MALFORMED = {
    "two lengths": HEAD + b"Content-Length: 58\r\nContent-Length: 0\r\n\r\n" + SECOND,
    "space before colon": HEAD + b"Content-Length : 58\r\n\r\n" + SECOND,
    "xchunked": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + SECOND,
    "chunked, identity": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SECOND,
    "length and chunked": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "+5": HEAD + b"Content-Length: +5\r\n\r\nabcde",
    "1_0": HEAD + b"Content-Length: 1_0\r\n\r\n0123456789",
    "-5": HEAD + b"Content-Length: -5\r\n\r\n",
    "5, 5": HEAD + b"Content-Length: 5, 5\r\n\r\nabcde",
    "chunk size 0x5": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n",
    "bare LF": GET.replace(b"\r", b"") + b"\n",
    "obs-fold": GET + b"X: a\r\n b\r\n\r\n",
    "NUL": GET + b"X: a\x00b\r\n\r\n",
    "no host": b"GET /api/hear HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: 127.0.0.1\r\n\r\n",
    "version": GET.replace(b"1.1", b"9.9") + b"\r\n",
    "no version": b"GET /api/hear\r\n\r\n",
    "method": b"G T /api/hear HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_malformed_request_runs_nothing_and_ends_the_connection(serve, able, kind):
    ran = []

    def hear(text=""):
        ran.append(text)

    server = serve(hear, read_timeout_s=0.5)
    answered = statuses(exchange(server, MALFORMED[kind]))

    if kind in able.takes:
        assert (answered, ran) == able.takes[kind]
    else:
        assert ran == []
        assert answered in ([], [400], [501], [505])


class HeldCalls:
    """A dispatcher that holds its calls until the test releases them, and counts them."""

    def __init__(self, most):
        self._lock = threading.Lock()
        self.now = self.maximum = 0
        self._most = most
        self.release = threading.Event()

    def wait(self):
        with self._lock:
            self.now += 1
            self.maximum = max(self.maximum, self.now)
        try:
            return self.release.wait(PATIENCE_S)
        finally:
            with self._lock:
                self.now -= 1


def many(count, function, *args):
    pool = ThreadPoolExecutor(count)
    return pool, [pool.submit(function, *args) for _ in range(count)]


def test_calls_beyond_the_threads_wait_where_these_are_bounded(serve, able):
    inside = HeldCalls(8)
    server = serve(threads=8, max_concurrent_calls=8)
    server.registerFunction(inside.wait, path="/api", name="wait")
    pool, calls = many(32, post, server, rpc("wait"))
    wait_until(lambda: inside.now == (8 if able.bounds_threads else 32))
    inside.release.set()
    with pool:
        assert [call.result()[0] for call in calls] == [200] * 32
    assert inside.maximum == (8 if able.bounds_threads else 32)


def test_200_calls_run_64_at_once(serve, able):
    inside = HeldCalls(64)
    server = serve(threads=64, max_concurrent_calls=64)
    server.registerFunction(inside.wait, path="/api", name="wait")
    pool, calls = many(200, post, server, rpc("wait"))
    wait_until(lambda: inside.now >= 64)
    inside.release.set()
    with pool:
        assert [call.result()[0] for call in calls] == [200] * 200
    assert inside.maximum == 64 or not able.bounds_threads


def test_stop_answers_the_calls_in_flight_and_ends_idle_connections(serve):
    inside = HeldCalls(5)
    server = serve()
    server.registerFunction(inside.wait, path="/api", name="wait")
    with connect(server) as idle, connect(server) as kept:
        kept.sendall(whole())
        assert kept.recv(65536)
        pool, calls = many(5, post, server, rpc("wait"))
        wait_until(lambda: inside.now == 5)
        address = server.addresses[0]
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        wait_until(lambda: is_refused(address))
        inside.release.set()
        stopper.join()
        with pool:
            assert [call.result()[0] for call in calls] == [200] * 5
        assert receive_all(idle) == b""


def is_refused(address):
    with socket.socket() as probe:
        return probe.connect_ex(address) != 0


def test_restart_under_load_refuses_no_call(serve):
    server = serve()
    done = threading.Event()

    def load():
        answers = []
        while not done.is_set():
            answers.append(post(server))
        return answers

    pool, loads = many(4, load)
    for _ in range(5):
        server.restart()
    done.set()
    with pool:
        answers = [answer for load in loads for answer in load.result()]
    assert set(answers) == {(200, ANSWER)}


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "granian"])  # see test_granian.py
@pytest.mark.usefixtures("frozen_heap")
def test_starts_and_stops_leave_no_thread_and_no_descriptor(serve, backend):
    server = serve()
    post(server)
    server.stop()
    before = threading.active_count(), server._countFileDescriptor()
    for _ in range(10):
        server.start()
        assert post(server) == (200, ANSWER)
        server.stop()
    wait_until(lambda: threading.active_count() <= before[0] and server._countFileDescriptor() <= before[1])


def test_held_call_is_released_by_another_call_over_http(serve):
    server = serve()

    def free(_connection):
        _connection.server.unlock()

    server.registerFunction(free, path="/api")
    server.lock()
    server.unlock(free, exclusive=True)
    pool, calls = many(1, post, server)
    wait_until(lambda: server.stats()["processingRequestCount"] >= 1)
    assert post(server, rpc("free"))[0] == 200
    with pool:
        assert calls[0].result() == (200, ANSWER)


def test_blocking_runs_one_at_a_time(serve):
    lock = threading.Lock()

    def alone():
        is_alone = lock.acquire(blocking=False)
        try:
            return is_alone
        finally:
            if is_alone:
                lock.release()

    server = serve(alone, blocking=True)
    pool, calls = many(20, post, server, rpc("alone"))
    with pool:
        assert all(json.loads(call.result()[1])["result"] for call in calls)


SIGNALLED = """
import sys, threading
from flaskJSONRPCServer import flaskJSONRPCServer
server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend=sys.argv[1])
inside, lock, all_in = [], threading.Lock(), threading.Event()

def slow():
    with lock:
        inside.append(1)
        if len(inside) == 20:
            print("full", flush=True)
    threading.Event().wait(0.5)
    return True

server.registerFunction(slow, path="/api")
server.serveForever(on_start=lambda server: print(server.addresses[0][1], flush=True))
print("stopped", flush=True)
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_signal_finishes_20_calls_in_flight(backend):
    with subprocess.Popen([sys.executable, "-c", SIGNALLED, backend], stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline())

        def call():
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
                connection.request("POST", "/api", rpc("slow"), {"Content-Type": "application/json"})
                return connection.getresponse().status

        pool, calls = many(20, call)
        assert process.stdout.readline() == "full\n"
        process.terminate()
        with pool:
            assert [call.result() for call in calls] == [200] * 20
        assert process.stdout.readline() == "stopped\n"
        assert process.wait(PATIENCE_S) == 0


# OpenRPC documents, and the clients that are made from them


def ask(server, method, target, **headers):
    """Send a request without a body, and return status, headers and body."""
    host, port = server.addresses[0]
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request(method, target, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


@pytest.mark.parametrize("target", ["/openrpc.json", "/api/openrpc.json"])
def test_documents_are_served(serve, target):
    server = serve()
    host, port = server.addresses[0]
    status, headers, body = ask(server, "GET", target)

    assert status == 200
    assert headers["Content-Type"] == "application/json"
    document = json.loads(body)
    assert document["methods"][0]["name"] == "echo"
    urls = [document["servers"][0]["url"], *(server["url"] for server in document["methods"][0].get("servers", ()))]
    assert urls[-1] == f"http://{host}:{port}/api"
    assert ask(server, "GET", target)[2] == body


@pytest.mark.parametrize("target", ["/openrpc.json", "/api/openrpc.json"])
def test_document_that_the_client_has_is_not_sent(serve, target):
    server = serve()
    _, headers, body = ask(server, "GET", target)
    status, head, nothing = ask(server, "HEAD", target)
    known = ask(server, "GET", target, If_None_Match=headers["ETag"])

    assert (status, nothing, head["ETag"]) == (200, b"", headers["ETag"])
    assert int(head["Content-Length"]) == len(body)
    assert (known[0], known[2], known[1]["ETag"]) == (304, b"", headers["ETag"])
    assert ask(server, "GET", target)[2] == body


def test_discover_is_answered_in_a_batch(serve):
    server = serve()
    body = json.dumps([json.loads(rpc("rpc.discover")), json.loads(ECHO)]).encode()
    _, _, answer = exchange(server, whole(body, b"Connection: close")).partition(b"\r\n\r\n")
    first, second = json.loads(answer)

    assert first["result"] == json.loads(ask(server, "GET", "/api/openrpc.json", Host="127.0.0.1")[2])
    assert second["result"] == "a"


def test_connection_lasts_after_a_document_that_is_not_sent(serve, able):
    if not able.keeps_alive:
        return
    server = serve()
    host, port = server.addresses[0]
    tag = ask(server, "GET", "/api/openrpc.json")[1]["ETag"]
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        for _ in range(3):
            connection.request("GET", "/api/openrpc.json", headers={"If-None-Match": tag})
            with connection.getresponse() as answer:
                assert (answer.status, answer.read()) == (304, b"")


@pytest.mark.parametrize("target", ["/client.js", "/api/client.js", "/api/client.js/"])
def test_client_for_javascript_is_served(serve, target):
    server = serve(client_js=True)
    status, headers, body = ask(server, "GET", target)
    assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert b" async call(" in body

    status, head, nothing = ask(server, "HEAD", target)
    assert (status, nothing, head["ETag"]) == (200, b"", headers["ETag"])
    assert int(head["Content-Length"]) == len(body)

    known = ask(server, "GET", target, If_None_Match=headers["ETag"])
    assert (known[0], known[2], known[1]["ETag"]) == (304, b"", headers["ETag"])
    assert ask(server, "GET", target)[2] == body


def test_client_for_javascript_calls_the_server_that_has_made_it(serve, tmp_path):
    server = serve(client_js=True)
    host, port = server.addresses[0]
    module = tmp_path / "client.mjs"
    module.write_bytes(ask(server, "GET", "/api/client.js")[2])
    program = """
        const { Api } = await import(process.argv[1]);
        const api = new Api(process.argv[2], { timeoutMs: 30000, idempotencyKey: true });
        const batch = api.batch();
        const first = batch.echo("b");
        await batch.send();
        console.log(await api.echo("a"), await first);
    """
    arguments = ["--input-type=module", "-e", program, module.as_uri(), f"http://{host}:{port}/api"]
    done = subprocess.run([find_node(), *arguments], capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    assert (done.stdout, done.stderr) == ("a b\n", "")


@pytest.mark.parametrize("where", ["part", "close"])
@pytest.mark.parametrize("call", ["stop", "restart"])
def test_stop_within_an_answer_is_refused_and_a_restart_comes_later(call, where, serve):
    server = serve()
    outcomes = []

    def attempt():
        try:
            outcomes.append(getattr(server, call)())
        except ServerStateError as exc:
            outcomes.append(str(exc))

    @server.flaskApp.get("/parts")
    def parts():
        def generate():
            yield "a"
            if where == "part":
                attempt()
            yield "b"

        response = flask.Response(generate())
        if where == "close":
            response.call_on_close(attempt)
        return response

    answer = exchange(server, b"GET /parts HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")

    assert statuses(answer) == [200]
    wait_until(lambda: outcomes)
    assert ["within a request" in outcome if outcome else outcome for outcome in outcomes] == [call == "stop" or None]
    assert post(server) == (200, ANSWER)


def test_answer_of_one_server_may_stop_another(serve):
    server, other = serve(), serve()

    @server.flaskApp.get("/parts")
    def parts():
        def generate():
            yield "a"
            other.stop()
            yield "b"

        return flask.Response(generate())

    exchange(server, b"GET /parts HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")

    wait_until(lambda: not other.addresses)
