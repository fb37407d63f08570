"""The connection manager, over real sockets."""

import contextlib
import hashlib
import http.client
import json
import math
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import weakref

import pytest

from flaskJSONRPCServer.runtime.resources import count_descriptors
from flaskJSONRPCServer.servBackend.native.connections import STOP_GRACE_S, ConnectionManager
from tests.helpers import wait_until
from tests.servBackend.native.conftest import PATIENCE_S
from tests.servBackend.native.samples import chunked, get, head, post, receive_all, receive_answer

MIB = 1 << 20


def ends(client):
    """Return whether the server closes the connection without a byte."""
    try:
        return client.recv(65536) == b""
    except ConnectionError:
        return True


def test_calls_are_answered_over_one_connection_in_order(serve, calls):
    client = serve(calls).connect(get("/1") + get("/2") + post(b"3", target=b"/body") + get("/4", b"Connection: close"))
    received = receive_all(client)

    bodies = [part.rpartition(b"\r\n")[2] for part in received.split(b"HTTP/1.1 200 OK")[1:]]
    assert bodies == [b"/1", b"/2", b"3", b"/4"]


def test_connections_of_a_client_beyond_its_limit_are_closed(serve, calls):
    front = serve(calls, max_connections=1000, max_connections_per_client=2)
    clients = [front.connect(get("/1")) for _ in range(2)]
    assert [receive_answer(client)[2] for client in clients] == [b"/1"] * 2
    assert ends(front.connect())
    clients[0].close()

    def is_served():
        client = front.connect()
        with client, contextlib.suppress(ConnectionError):
            client.sendall(get("/3"))
            return client.recv(9) == b"HTTP/1.1 "

    assert wait_until(is_served)


def test_requests_beyond_those_that_may_wait_are_refused_at_once(serve, calls, caplog):
    front = serve(calls, threads=2, max_waiting_requests=3)
    running = [front.connect(get("/slow")) for _ in range(2)]
    calls.wait_begun(2)
    others = [front.connect(get("/slow")) for _ in range(10)]
    # The refusals come while all threads are busy, so the manager has sent them.
    refused = []
    with selectors.DefaultSelector() as ready:
        for client in others:
            ready.register(client, selectors.EVENT_READ)
        while len(refused) < 7:
            for key, _ in ready.select(PATIENCE_S):
                ready.unregister(key.fileobj)
                refused.append(key.fileobj)
    for client in refused:
        status, fields, body = receive_answer(client)
        assert (status, fields["Retry-After"] in ("1", "2", "3")) == (503, True)
        assert b"max_waiting_requests (3)" in body
    warning = "no thread is free, within threads and max_waiting_requests: refused 127.0.0.1"
    assert caplog.messages[0] == warning
    assert all(text.startswith(warning) for text in caplog.messages)  # one in each ten seconds
    assert len(calls.begun) == 2
    calls.gate.set()
    waiting = [client for client in others if client not in refused]
    assert [receive_answer(client)[0] for client in running + waiting] == [200] * 5
    refused[0].sendall(get("/again"))  # a refusal for want of a thread does not end the connection
    assert receive_answer(refused[0])[2] == b"/again"


def test_head_request_refused_by_a_full_queue_gets_no_body(serve, calls):
    front = serve(calls, threads=1, max_waiting_requests=0)
    running = front.connect(get("/slow"))
    calls.wait_begun(1)
    client = front.connect(head(method=b"HEAD"))
    assert client.recv(65536).endswith(b"\r\n\r\n")  # bytes of a body would be read as the next answer
    calls.gate.set()
    assert receive_answer(running)[2] == b"/slow"
    wait_until(lambda: front.shared.pool.counts()["running"] == 0)
    client.sendall(get("/next", b"Connection: close"))
    assert receive_all(client).startswith(b"HTTP/1.1 200 ")


def test_call_whose_client_has_gone_does_not_begin_and_a_half_closed_one_is_answered(serve, calls):
    front = serve(calls, threads=1)
    running = front.connect(get("/slow"))
    calls.wait_begun(1)
    gone = [front.connect(get("/gone")) for _ in range(5)]
    half_closed = front.connect(get("/half"))
    wait_until(lambda: front.shared.pool.counts()["waiting"] == 6)
    half_closed.shutdown(socket.SHUT_WR)
    assert half_closed.recv(65536).startswith(b"HTTP/1.1 100 ")  # the probe
    for client in gone:
        client.close()
    wait_until(lambda: sum(connection.http.has_eof for connection in list(front.manager._connections)) == 6)
    calls.gate.set()

    assert receive_answer(running)[2] == b"/slow"
    assert receive_all(half_closed).endswith(b"/half")
    assert calls.begun == ["/slow", "/half"]


def test_connections_beyond_the_limit_wait_until_there_is_room(serve, calls):
    front = serve(calls, max_connections=2, trusted_proxies=["127.0.0.1"])
    clients = [front.connect(get("/1")) for _ in range(2)]
    assert [receive_answer(client)[2] for client in clients] == [b"/1"] * 2
    waiting = front.connect(get("/2"))  # accepted by the kernel alone
    clients[0].sendall(get("/3"))
    assert receive_answer(clients[0])[2] == b"/3"
    assert calls.begun == ["/1", "/1", "/3"]
    clients[0].close()
    assert receive_answer(waiting)[2] == b"/2"


def test_probe_waits_for_the_end_of_an_earlier_answer(serve, calls):
    front = serve(calls)
    ours, client = socket.socketpair()
    ours.setblocking(False)
    client.setblocking(False)
    connection = front.shared.make_connection(front.manager, ours, ("127.0.0.1", 1), "127.0.0.1")
    connection.http.receive_data(get(), 0.0)
    exchange = connection.take_request(0.0)
    connection.http.queue(b"rest of an earlier answer", 0.0)
    connection._probe(0.0)
    with pytest.raises(BlockingIOError):
        client.recv(1)
    connection.flush(0.0)
    assert client.recv(1000) == b"rest of an earlier answer"
    connection._probe(0.0)
    assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
    exchange.discard()
    connection.close()
    client.close()


@pytest.mark.parametrize(("runs", "status"), [(True, 504), (False, 503)])
def test_call_that_takes_too_long_is_refused(serve, calls, runs, status):
    front = serve(calls, threads=1, request_timeout_s=0.2)
    first = front.connect(get("/slow"))
    calls.wait_begun(1)
    client = first if runs else front.connect(get("/second"))
    answer_status, _, body = receive_answer(client)
    assert answer_status == status
    assert b"request_timeout_s" in body
    calls.gate.set()
    assert ends(client)
    assert receive_answer(front.connect(get("/next")))[2] == b"/next"
    assert calls.begun == ["/slow", "/next"]


def test_bodies_without_room_are_refused_and_the_others_accepted(serve, calls):
    front = serve(calls, max_buffered_bytes=250_000, spool_body_bytes=250_000)
    half_sent = [front.connect(head(b"Content-Length: 100001", target=b"/body") + b"x" * 100_000) for _ in range(2)]
    wait_until(lambda: front.manager._shedder.memory.used_bytes == 200_002)
    refused = front.connect(head(b"Content-Length: 100001", b"Expect: 100-continue", target=b"/body"))
    status, fields, body = receive_answer(refused)
    assert (status, fields["Retry-After"] in ("1", "2", "3")) == (503, True)
    assert b"max_buffered_bytes" in body
    for client in half_sent:
        client.sendall(b"x")
        assert receive_answer(client)[2] == b"x" * 100_001
    wait_until(lambda: front.manager._shedder.memory.used_bytes == 0)


def test_spooled_bodies_take_no_memory_and_leave_no_descriptor(serve):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [hashlib.sha256(environ["wsgi.input"].read()).digest()]

    front = serve(app, max_buffered_bytes=10_000, spool_body_bytes=1000)
    before = count_descriptors(None)
    body = os.urandom(500_000)
    for data in (post(body), chunked(body)):
        client = front.connect(data)
        assert receive_answer(client)[2] == hashlib.sha256(body).digest()
        client.close()
    wait_until(lambda: count_descriptors(None) <= before)


@pytest.mark.parametrize("size", [6 * MIB, 50 * MIB])
def test_refusal_reaches_clients_that_send_a_body_first(serve, calls, size):
    front = serve(calls, max_page_body_bytes=1000)
    host, port = front.listener.getsockname()
    body = b"x" * size
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
    connection.request("POST", "/", body)
    assert connection.getresponse().status == 413
    connection.close()
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"http://{host}:{port}/", body, timeout=PATIENCE_S)
    assert raised.value.code == 413
    raised.value.close()
    assert calls.begun == []


def test_request_hidden_in_a_refused_body_does_not_run(serve, calls):
    front = serve(calls, max_page_body_bytes=1000)
    client = front.connect(head(b"Content-Length: 20000"))
    for _ in range(400):
        client.sendall(get("/hidden"))
    client.shutdown(socket.SHUT_WR)
    assert receive_all(client).count(b"HTTP/1.1 ") == 1
    assert calls.begun == []


def test_request_hidden_in_the_body_of_an_upgrade_request_does_not_run(serve, calls):
    client = serve(calls).connect(post(get("/hidden"), b"Connection: upgrade, close", b"Upgrade: h2c", target=b"/body"))
    assert receive_all(client).endswith(get("/hidden"))
    assert calls.begun == ["/body"]


def test_requests_are_refused_where_no_thread_can_be_started(serve, calls, caplog):
    def refuse(target, name=""):
        raise RuntimeError("can't start new thread")

    front = serve(calls)
    front.shared.pool._start, start = refuse, front.shared.pool._start
    client = front.connect(get("/1"))
    assert receive_answer(client)[0] == 503
    front.shared.pool._start = start
    client.sendall(get("/2"))
    assert receive_answer(client)[2] == b"/2"
    assert calls.begun == ["/2"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_stop_finishes_calls_and_ends_idle_connections(serve, calls):
    front = serve(calls, threads=4)
    running = [front.connect(get("/slow")) for _ in range(4)]
    calls.wait_begun(4)
    waiting = front.connect(get("/waiting"))
    wait_until(lambda: front.shared.pool.counts()["waiting"] == 1)  # it has been received
    idle = front.connect()
    cut_off = []
    stopping = threading.Thread(target=lambda: cut_off.append(front.manager.stop(PATIENCE_S)))
    stopping.start()
    assert ends(idle)
    calls.gate.set()
    for client in running:
        assert receive_answer(client)[2] == b"/slow"
        assert ends(client)
    assert receive_answer(waiting)[2] == b"/waiting"
    stopping.join(PATIENCE_S)
    assert cut_off == [0]


def test_stop_waits_for_nothing_where_no_connection_is_left(serve, calls):
    front = serve(calls)
    manager, select = front.manager, front.manager._selector.select
    waits = []

    def recording_select(timeout_s):
        if manager._grace_ends_at < math.inf:  # the stop has begun
            waits.append(timeout_s)
        return select(timeout_s)

    manager._selector.select = recording_select
    client = front.connect(get("/1", b"Connection: close"))
    receive_all(client)
    client.close()
    wait_until(lambda: not manager._connections)
    assert manager.stop(PATIENCE_S) == 0
    assert waits == []


def test_stop_returns_how_many_calls_it_has_cut_off(serve, calls):
    front = serve(calls, threads=4)
    clients = [front.connect(get("/slow")) for _ in range(3)]
    calls.wait_begun(3)
    assert front.manager.stop(0.1) == 3
    assert all(ends(client) for client in clients)


def test_manager_sleeps_while_it_waits_for_the_last_call_of_a_stop(serve, calls, monkeypatch):
    monkeypatch.setattr("flaskJSONRPCServer.servBackend.native.connections.STOP_GRACE_S", 0.05)
    assert STOP_GRACE_S > 0.05
    front = serve(calls)
    client = front.connect(get("/slow"))
    calls.wait_begun(1)
    timeouts = []
    select = front.manager._selector.select
    front.manager._selector.select = lambda timeout_s: timeouts.append(timeout_s) or select(timeout_s)
    stopping = threading.Thread(target=front.manager.stop, args=(PATIENCE_S,))
    stopping.start()
    wait_until(lambda: timeouts and timeouts[-1] is not None and timeouts[-1] > 1)
    assert len(timeouts) < 20
    calls.gate.set()
    assert receive_answer(client)[2] == b"/slow"
    stopping.join(PATIENCE_S)
    assert not stopping.is_alive()


def test_clients_that_reset_in_the_middle_of_an_answer_leave_nothing_and_no_record(serve, caplog):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x" * 5_000_000]

    front = serve(app)
    for _ in range(20):
        client = front.connect(get())
        assert client.recv(1000)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    wait_until(lambda: not front.manager._connections)
    assert front.manager._shedder.memory.used_bytes == 0
    assert caplog.records == []


AT_THE_LIMIT = """
import resource, sys, threading, time
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from flaskJSONRPCServer import flaskJSONRPCServer
server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend="native", log=0, tweakDescriptors=False)
server.registerFunction(lambda: "answer", path="/api", name="call")
server.start()
print(server.addresses[0][1], flush=True)
sys.stdin.readline()
used = time.process_time()
print("ready", flush=True)
sys.stdin.readline()
print(time.process_time() - used, flush=True)
sys.stdin.readline()
server.stop()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_server_sleeps_at_the_descriptor_limit_and_recovers():
    with subprocess.Popen(
        [sys.executable, "-c", AT_THE_LIMIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        port = int(server.stdout.readline())
        clients = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) for _ in range(100)]
        server.stdin.write("begin\n")
        server.stdin.flush()
        assert server.stdout.readline() == "ready\n"
        threading.Event().wait(1)  # the time over which the load is measured
        server.stdin.write("end\n")
        server.stdin.flush()
        assert float(server.stdout.readline()) < 0.2
        for client in clients:
            client.close()
        body = b'{"jsonrpc":"2.0","method":"call","id":1}'
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request("POST", "/api", body, {"Content-Type": "application/json"})
        assert json.loads(connection.getresponse().read())["result"] == "answer"
        connection.close()
        server.stdin.write("stop\n")
        server.stdin.flush()
        assert server.wait(PATIENCE_S) == 0


def test_stop_ends_clients_that_send_one_request_after_the_other(serve, calls):
    front = serve(calls)
    late, begun = [], threading.Barrier(9)

    def call_on():
        client = front.connect()
        client.sendall(get("/short"))
        receive_answer(client)
        begun.wait(PATIENCE_S)
        with contextlib.suppress(OSError, AssertionError):  # the end of the connection
            while True:
                was_stopping = front.manager.is_stopping
                client.sendall(get("/short"))
                receive_answer(client)
                late.extend([client] * was_stopping)

    clients = [threading.Thread(target=call_on) for _ in range(8)]
    for client in clients:
        client.start()
    begun.wait(PATIENCE_S)
    assert front.manager.stop(PATIENCE_S) == 0
    for client in clients:
        client.join()
    assert len(late) <= 2 * len(clients)


def test_request_that_is_late_is_refused_once(serve, calls):
    front = serve(calls, threads=1, request_timeout_s=1000)
    client = front.connect(get("/slow"))
    calls.wait_begun(1)
    [connection] = front.manager._connections
    late = time.monotonic() + 2000
    connection.expire(late)
    connection.shed(front.shared.busy_refusal, late)  # as if the pool had refused it
    front.manager.schedule_update(connection)
    received = receive_all(client)
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.startswith(b"HTTP/1.1 504 ")


def test_late_request_is_refused_behind_an_answer_that_the_client_has_not_read(serve, calls):
    front = serve(calls, threads=1, request_timeout_s=1000)
    client = front.connect(get("/slow"))
    calls.wait_begun(1)
    [connection] = front.manager._connections
    connection.http.queue(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", time.monotonic())
    connection.expire(time.monotonic() + 2000)
    front.manager.schedule_update(connection)
    received = receive_all(client)
    assert received.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 504 ")


def test_connection_that_falls_silent_after_an_answer_ends_though_others_have_more_time(serve, calls):
    front = serve(calls, idle_timeout_s=0.2, head_timeout_s=1000)
    clients = [front.connect(get("/1")) for _ in range(8)]
    for client in clients:
        assert receive_answer(client)[2] == b"/1"
    assert [client.recv(1) for client in clients] == [b""] * 8


def test_stop_counts_a_stream_that_it_has_cut_off(serve):
    opened = threading.Event()

    def app(environ, start_response):
        environ["flaskJSONRPCServer.exchange"].open_stream("200 OK", [])
        opened.set()
        return []

    front = serve(app)
    client = front.connect(get("/stream"))
    assert opened.wait(PATIENCE_S)
    assert front.manager.stop(0.1) == 1
    assert not receive_all(client).endswith(b"0\r\n\r\n")


def test_body_of_a_page_is_limited_by_its_setting(serve, calls):
    client = serve(calls, max_page_body_bytes=50).connect(post(b"x" * 100, target=b"/body"))
    status, _, body = receive_answer(client)
    assert (status, body) == (413, b"the body is over max_page_body_bytes (50 bytes)\n")


def test_connection_that_has_ended_is_released_before_its_deadline(serve, calls):
    front = serve(calls, idle_timeout_s=1000, head_timeout_s=1000)
    client = front.connect(get("/1"))
    assert receive_answer(client)[2] == b"/1"
    [connection] = front.manager._connections
    gone = weakref.ref(connection.http)
    del connection
    client.close()
    wait_until(lambda: gone() is None)


def test_deadlines_in_years_are_waited_for(serve, calls, caplog):
    timeouts = ("head_timeout_s", "idle_timeout_s", "body_timeout_s", "read_timeout_s")
    client = serve(calls, **dict.fromkeys(timeouts, 1e9)).connect(get("/1"))
    assert receive_answer(client)[2] == b"/1"
    client.sendall(get("/2"))
    assert receive_answer(client)[2] == b"/2"
    assert caplog.records == []


def test_stop_waits_for_a_call_whose_client_has_gone(serve, calls):
    front = serve(calls)
    client = front.connect(get("/slow"))
    calls.wait_begun(1)
    client.close()
    wait_until(lambda: not front.manager._connections or all(one.http.has_eof for one in front.manager._connections))
    stop = threading.Thread(target=lambda: results.append(front.stop(PATIENCE_S)))
    results = []
    stop.start()
    wait_until(lambda: front.manager.is_stopping)
    calls.gate.set()
    stop.join()
    assert results == [0]
    assert front.shared.pool.counts()["running"] == 0


def test_answer_that_is_queued_when_a_stop_ends_is_sent(serve, calls):
    front = serve(calls)
    manager = ConnectionManager(front.shared, front.listener, "not-started")
    ours, client = socket.socketpair()
    connection = front.shared.make_connection(manager, ours, ("127.0.0.1", 1), "127.0.0.1")
    connection.http.receive_data(get(), 0.0)
    exchange = connection.take_request(0.0)
    manager.queue_answer(connection, b"answer", keeps_alive=True)
    manager._acceptor.close(manager._selector)
    manager._close()
    connection.close()
    assert receive_all(client) == b"answer"
    exchange.discard()
    client.close()


def test_forked_process_keeps_neither_the_address_nor_connections(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(FORKING)
    # Since 3.12, Python warns of a fork beside threads, which is the point here.
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("refused\nended\nstarted\n", "")


FORKING = """
import os, signal, socket
from flaskJSONRPCServer import flaskJSONRPCServer

CALL = b'{"jsonrpc":"2.0","method":"%b","params":[],"id":1}'
LINES = [b"POST /api HTTP/1.1", b"Host: 127.0.0.1", b"Content-Type: application/json", b"Content-Length: %d"]
HEAD = b"\\r\\n".join([*LINES, b"", b""])
ends = os.pipe()
children = []

def fork():
    child = os.fork()
    if child == 0:
        os.read(ends[0], 1)
        os._exit(0)
    children.append(child)

def ask(client, method):
    body = CALL % method
    client.sendall(HEAD % len(body) + body)
    assert client.recv(65536).startswith(b"HTTP/1.1 200 ")

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
server = flaskJSONRPCServer(["127.0.0.1", port], log=1)
server.registerFunction(fork, path="/api", name="fork")
server.registerFunction(lambda: None, path="/api", name="ping")
server.start()
try:
    stays = socket.create_connection(("127.0.0.1", port), timeout=60)
    ask(stays, b"ping")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        ask(client, b"fork")
    ask(stays, b"ping")  # the parent's connections are as they were
    server.stop()
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60)
    except ConnectionRefusedError:
        print("refused")
    if stays.recv(65536) == b"":
        print("ended")
    server.start()
    print("started")
    server.stop()
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
"""
