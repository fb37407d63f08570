"""Who makes room when the connections of an address hold too much, over real sockets of several addresses."""

import contextlib
import select
import socket
import struct
import threading

import pytest

from flaskJSONRPCServer import SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.http.request import EXCHANGE
from flaskJSONRPCServer.servBackend.native import shedding
from flaskJSONRPCServer.servBackend.native.memory import UNCOUNTED_BYTES, ByteBudget
from tests.helpers import wait_until
from tests.servBackend.native.samples import get, head, post, receive_all, receive_answer

LIMIT = 2_000_000
GREEDY, MODEST = "127.0.0.2", "127.0.0.1"


def large(environ, start_response):
    """Answer with as many bytes as the path says."""
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"x" * int(environ["PATH_INFO"][1:])]


def half_sent(front, count, size, host=GREEDY):
    """Connect clients that send all of their bodies but the last byte. Wait until the server has counted them."""
    before = front.manager._shedder.memory.used_bytes
    clients = [
        front.connect(head(b"Content-Length: %d" % (size + 1), target=b"/3") + b"x" * size, host) for _ in range(count)
    ]
    wait_until(lambda: front.manager._shedder.memory.used_bytes == before + count * (size + 1))
    return clients


def unread(front, size, host):
    """Connect a client that does not read its answer. Wait until the server holds most of that."""
    before = set(front.manager._connections)
    client = front.connect(get(f"/{size}", b"Connection: close"), host)
    (connection,) = wait_until(lambda: set(front.manager._connections) - before)
    wait_until(lambda: connection.is_counted and connection.unsent_bytes > size // 2)
    return client


def answered(clients):
    """Return the clients that have something to read."""
    return select.select(clients, [], [], 0)[0]


def test_half_sent_bodies_of_another_client_make_room_for_an_answer(serve, caplog):
    front = serve(large, max_buffered_bytes=LIMIT, max_response_bytes=LIMIT)
    front.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64_000)  # so that most of an answer waits
    greedy = half_sent(front, 4, 490_000)
    unread(front, 900_000, MODEST)  # the largest answer, which does not count
    modest = front.connect(get("/800000", b"Connection: close"))
    assert receive_all(modest).endswith(b"x" * 800_000)
    wait_until(lambda: answered(greedy))
    for client in answered(greedy):
        status, fields, body = receive_answer(client)
        assert (status, b"max_buffered_bytes" in body) == (503, True)
        assert "Retry-After" in fields
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_half_sent_bodies_of_another_client_make_room_for_a_body(serve, caplog):
    front = serve(large, max_buffered_bytes=LIMIT, max_response_bytes=LIMIT)
    greedy = half_sent(front, 4, 490_000)
    assert receive_answer(front.connect(post(b"x" * 400_000, target=b"/5"), MODEST))[2] == b"xxxxx"
    wait_until(lambda: answered(greedy))
    (refused,) = answered(greedy)
    assert receive_answer(refused)[0] == 503
    for client in set(greedy) - {refused}:
        client.sendall(b"x")
        assert receive_answer(client)[0] == 200
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said == [("WARNING", f"max_buffered_bytes is reached: refused a body of {GREEDY}")]


def test_body_that_comes_whole_finds_room_at_the_cost_of_another_client(serve):
    front = serve(large, max_buffered_bytes=LIMIT)
    greedy = half_sent(front, 4, 495_000)
    assert receive_answer(front.connect(post(b"x" * 50_000, target=b"/5"), MODEST))[2] == b"xxxxx"
    wait_until(lambda: answered(greedy))
    assert len(answered(greedy)) == 1


def test_unread_answers_of_another_client_make_room_for_bodies(serve, caplog):
    limits = {"max_buffered_bytes": 20_000_000, "max_response_bytes": 20_000_000, "spool_body_bytes": 1_000_000}
    front = serve(large, **limits, min_answer_rate=0)
    while front.manager._shedder.memory.used_bytes < 22_000_000:
        unread(front, 8_000_000, GREEDY)  # one of which does not count
    assert caplog.records == []
    modest = [client for _ in range(8) for client in half_sent_soon(front, 900_000)]
    for client in modest:
        client.sendall(b"x")
        assert receive_answer(client)[0] == 200
    said = {record.getMessage() for record in caplog.records}
    assert said == {f"max_buffered_bytes is reached: cut off an answer to {GREEDY}"}


def half_sent_soon(front, size):
    """Connect a client that sends all of its body but the last byte."""
    return [front.connect(head(b"Content-Length: %d" % (size + 1), target=b"/3") + b"x" * size, MODEST)]


@pytest.mark.parametrize("is_chunked", [False, True])
def test_as_many_bodies_as_fit_are_accepted_of_those_that_come_together(serve, is_chunked):
    front = serve(large, max_buffered_bytes=LIMIT, threads=1)
    field = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: 300000"
    clients = [front.connect(head(field, target=b"/3")) for _ in range(20)]
    for _ in range(10):
        part = b"7530\r\n" + b"x" * 30_000 + b"\r\n" if is_chunked else b"x" * 30_000
        for client in clients:
            client.sendall(part)
    if is_chunked:
        for client in clients:
            client.sendall(b"0\r\n\r\n")
    statuses = [receive_answer(client)[0] for client in clients]
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= LIMIT // 300_000


def test_body_without_room_is_refused_before_it_is_sent(serve):
    front = serve(large, max_buffered_bytes=LIMIT)
    half_sent(front, 1, 1_000_000, MODEST)
    fields = (b"Content-Length: 1000002", b"Expect: 100-continue")
    client = front.connect(head(*fields, target=b"/5"), MODEST)
    assert receive_all(client).startswith(b"HTTP/1.1 503 ")
    client = front.connect(head(*fields, target=b"/5"), GREEDY)  # no client holds more than this one would
    assert receive_all(client).startswith(b"HTTP/1.1 503 ")
    half_sent(front, 1, 900_000, MODEST)
    client = front.connect(head(*fields, target=b"/5"), GREEDY)
    assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"x" * 1_000_002)
    assert receive_answer(client)[2] == b"xxxxx"


def is_whole(received, size):
    return received.startswith(b"HTTP/1.1 200 OK\r\n") and received.count(b"x") >= size


@pytest.mark.parametrize("in_one_part", [False, True], ids=["list", "iterable"])
def test_answer_that_is_larger_than_the_limit_is_sent_to_a_lone_client(serve, in_one_part):
    def app(environ, start_response):
        body = large(environ, start_response)
        return iter(body) if in_one_part else body

    front = serve(app, max_buffered_bytes=LIMIT)
    assert is_whole(receive_all(front.connect(get("/9000000", b"Connection: close"))), 9_000_000)
    wait_until(lambda: front.manager._shedder.memory.used_bytes == 0)


def test_bodies_find_room_while_the_largest_answer_is_sent(serve):
    front = serve(large, max_buffered_bytes=LIMIT)
    client = unread(front, 9_000_000, GREEDY)
    memory = front.manager._shedder.memory
    held_bytes = memory.used_bytes
    for _ in range(3):
        assert receive_answer(front.connect(post(b"x" * 900_000, target=b"/5"), GREEDY))[2] == b"xxxxx"
        wait_until(lambda: memory.used_bytes <= held_bytes)  # the thread that answers may note the end of a body later
    assert is_whole(receive_all(client), 9_000_000)


def test_answer_that_has_just_begun_outlives_those_that_wait_already(serve):
    front = serve(large, max_buffered_bytes=LIMIT)
    first = unread(front, 9_000_000, MODEST)
    assert is_whole(receive_all(front.connect(get("/9000000", b"Connection: close"), MODEST)), 9_000_000)
    assert not is_whole(until_broken(first), 9_000_000)


def until_broken(client):
    """Return all bytes until the connection ends, in one way or another."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := client.recv(65536):
            received += data
    return received


def test_slowest_answer_of_a_client_makes_room(serve, monkeypatch):
    monkeypatch.setattr(shedding, "_JUDGED_AFTER_S", 0)
    front = serve(large, max_buffered_bytes=9_000_000)
    # However much the system buffers for a reader, the first remains the largest, which does not count.
    steady, slow = unread(front, 24_000_000, MODEST), unread(front, 8_000_000, MODEST)
    received = b""
    while len(received) < 8_000_000:
        received += steady.recv(1_000_000)
    last = unread(front, 9_000_000, MODEST)
    assert is_whole(received + receive_all(steady), 24_000_000)
    assert is_whole(receive_all(last), 9_000_000)
    assert not is_whole(until_broken(slow), 8_000_000)


def test_answer_without_progress_makes_room_for_any_other(serve, monkeypatch):
    front = serve(large, max_buffered_bytes=8_000_000)
    silent = unread(front, 3_000_000, GREEDY)
    first = unread(front, 7_000_000, MODEST)
    monkeypatch.setattr(shedding, "_SILENT_S", 0)
    second = unread(front, 7_500_000, MODEST)  # the client that holds most, but not the one that is silent for longest
    assert is_whole(receive_all(first), 7_000_000)
    assert is_whole(receive_all(second), 7_500_000)
    assert not is_whole(until_broken(silent), 3_000_000)


def test_lines_about_the_limit_are_bounded(serve, caplog):
    front = serve(large, max_buffered_bytes=100_000, spool_body_bytes=100_000)
    half_sent(front, 1, 60_000)
    for _ in range(30):
        assert receive_answer(front.connect(head(b"Content-Length: 90000"), GREEDY))[0] == 503
    assert 0 < len(caplog.records) < 10  # one in each ten seconds


def spooled(front, size, host):
    """Connect a client that announces a body for a file. Wait until the server has read the head."""
    before = front.manager._shedder.files.used_bytes
    client = front.connect(head(b"Content-Length: %d" % size, target=b"/5") + b"x" * 1000, host)
    wait_until(lambda: front.manager._shedder.files.used_bytes == before + size)
    return client


def test_temporary_files_are_bounded_and_the_client_with_most_makes_room(serve, caplog):
    front = serve(
        large,
        spool_body_bytes=100_000,
        max_spooled_bytes=2_000_000,
        max_page_body_bytes=1_500_000,
        max_body_bytes=1_500_000,
    )
    greedy = [spooled(front, 600_000, GREEDY) for _ in range(3)]
    status, _, body = receive_answer(front.connect(head(b"Content-Length: 600000", target=b"/5"), GREEDY))
    assert (status, body) == (503, b"the server is busy: max_spooled_bytes is reached\n")
    assert answered(greedy) == []
    assert receive_answer(front.connect(post(b"x" * 600_000, target=b"/5"), MODEST))[2] == b"xxxxx"
    wait_until(lambda: answered(greedy))
    (refused,) = answered(greedy)
    assert receive_answer(refused)[0] == 503
    for client in set(greedy) - {refused}:
        client.sendall(b"x" * 599_000)
        assert receive_answer(client)[2] == b"xxxxx"
    wait_until(lambda: front.manager._shedder.files.used_bytes == 0)
    assert front.manager._shedder.memory.used_bytes == 0
    assert {record.getMessage() for record in caplog.records} == {
        f"max_spooled_bytes is reached: refused a body of {GREEDY}"
    }


def test_chunked_bodies_in_files_are_bounded_as_they_grow(serve):
    front = serve(
        large,
        spool_body_bytes=1000,
        max_spooled_bytes=1_500_000,
        max_page_body_bytes=1_500_000,
        max_body_bytes=1_500_000,
    )
    first = spooled(front, 1_000_000, MODEST)
    second = front.connect(head(b"Transfer-Encoding: chunked", target=b"/5"), MODEST)
    second.sendall(b"10c8e0\r\n" + b"x" * 1_100_000)
    assert receive_answer(second)[0] == 503
    first.sendall(b"x" * 999_000)
    assert receive_answer(first)[2] == b"xxxxx"


def test_file_of_a_running_request_counts_until_its_answer(serve, calls):
    front = serve(calls, spool_body_bytes=1000)
    client = front.connect(post(b"x" * 100_000, target=b"/slow"))
    calls.wait_begun(1)
    wait_until(lambda: front.manager._shedder.files.used_bytes == 100_000)
    calls.gate.set()
    assert receive_answer(client)[0] == 200
    wait_until(lambda: front.manager._shedder.files.used_bytes == 0)
    client.sendall(get("/next"))
    assert receive_answer(client)[2] == b"/next"


@pytest.mark.parametrize("spool_body_bytes", [1000, 1_000_000], ids=["file", "memory"])
def test_bodies_of_waiting_requests_whose_clients_reset_are_dropped(serve, calls, spool_body_bytes):
    front = serve(calls, threads=1, spool_body_bytes=spool_body_bytes)
    running = front.connect(get("/slow"))
    calls.wait_begun(1)
    client = front.connect(post(b"x" * 100_000, target=b"/slow"))
    connections = front.manager._connections
    (exchange,) = wait_until(lambda: [one.exchange for one in list(connections) if one.is_counted and one.exchange])
    body = exchange.request.body
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()

    wait_until(lambda: body.memory_bytes == body.spooled_bytes == 0)
    calls.gate.set()
    assert receive_answer(running)[0] == 200
    assert calls.begun == ["/slow"]


def test_client_that_holds_most_gains_no_room_by_reading_ahead(serve, calls):
    front = serve(calls, max_buffered_bytes=1_000_000, spool_body_bytes=1_000_000)
    greedy = front.connect(post(b"x" * 890_000, target=b"/slow"), GREEDY)
    calls.wait_begun(1)
    (modest,) = half_sent_soon(front, 99_999)
    wait_until(lambda: front.manager._shedder.memory.used_bytes == 990_000)
    greedy.sendall(post(b"x" * 50_000))
    wait_until(lambda: front.manager._shedder.memory.is_exceeded)
    modest.sendall(b"x")
    calls.gate.set()
    assert receive_answer(modest)[0] == 200


def test_stream_does_not_keep_the_body_of_its_request(serve):
    opened = []

    def app(environ, start_response):
        opened.append(environ[EXCHANGE].open_stream("200 OK", [("Content-Type", "text/plain")]))
        return []

    front = serve(app, spool_body_bytes=1_000_000)
    front.connect(post(b"x" * 100_000))
    wait_until(lambda: opened)
    wait_until(lambda: front.manager._shedder.memory.used_bytes == 0)
    assert opened[0].send(b"part")


def test_body_that_is_silent_for_long_gives_its_room_to_any_other(serve, monkeypatch):
    front = serve(large, max_buffered_bytes=LIMIT)
    half_sent(front, 2, 990_000)
    monkeypatch.setattr(shedding, "_SILENT_S", 0)
    assert receive_answer(front.connect(post(b"x" * 995_000, target=b"/5"), MODEST))[2] == b"xxxxx"


def test_client_of_a_stream_that_ends_while_memory_is_short_is_noticed_later(serve, calls):
    closed = threading.Event()

    def app(environ, start_response):
        if environ["PATH_INFO"] != "/stream":
            return calls(environ, start_response)
        environ[EXCHANGE].open_stream("200 OK", [("Content-Type", "text/plain")], on_close=closed.set)
        return []

    front = serve(app, max_buffered_bytes=1_000_000, spool_body_bytes=1_000_000, idle_timeout_s=0)
    listening = front.connect(get("/stream"))
    assert b"200 OK" in listening.recv(1000)
    (stream_connection,) = list(front.manager._connections)
    greedy = front.connect(post(b"x" * 990_000, target=b"/slow"), GREEDY)
    calls.wait_begun(1)
    greedy.sendall(post(b"x" * 50_000))
    wait_until(lambda: front.manager._shedder.memory.is_exceeded)
    front.manager.schedule_update(stream_connection)
    wait_until(lambda: not stream_connection.registered)
    listening.close()
    calls.gate.set()
    assert closed.wait(60)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"max_buffered_bytes": 1_000_000}, "spool_body_bytes=1048576 .* max_buffered_bytes=1000000"),
        ({"max_spooled_bytes": 50_000_000}, "max_spooled_bytes=50000000 .* max_page_body_bytes=67108864"),
        ({"max_body_bytes": 2_000_000_000}, "max_spooled_bytes=1073741824 .* max_body_bytes=2000000000"),
    ],
    ids=["memory", "pages", "calls"],
)
def test_limits_that_contradict_each_other_are_refused_at_the_start(options, names):
    server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend="native", log=0, **options)
    with pytest.raises(SettingsError, match=names):
        server.start()
    assert server.addresses == []


class Holder:
    """What a budget knows of a connection."""

    def __init__(self, network):
        self.network = network


def test_budget_counts_by_client_and_begins_with_the_one_that_holds_most():
    budget = ByteBudget(200_000)
    first, second, third = Holder("a"), Holder("a"), Holder("b")
    assert not budget.count(first, 60_000)
    assert not budget.count(second, 60_000)
    assert budget.count(third, 100_000)
    assert (budget.used_bytes, budget.is_exceeded) == (220_000, True)
    assert list(budget.clients("b")) == ["a", "b"]
    assert set(budget.holders("a")) == {first, second}
    assert not budget.count(second, 40_000)
    assert list(budget.clients("a")) == ["a", "b"]
    assert list(budget.clients("b")) == ["b", "a"]  # among equals, the newcomer goes
    for holder in (first, second, third):
        assert not budget.count(holder, UNCOUNTED_BYTES)
    assert (budget.used_bytes, budget.is_exceeded, list(budget.clients("a"))) == (0, False, [])


def test_largest_answer_does_not_count():
    budget = ByteBudget(200_000)
    first, second, third = Holder("a"), Holder("b"), Holder("b")
    assert not budget.count(first, 900_000, 900_000)
    assert not budget.count(second, 150_000, 150_000)
    assert (budget.used_bytes, list(budget.clients("a"))) == (1_050_000, ["b", "a"])
    assert budget.count(third, 60_000, 10_000)  # the rest is a body
    assert not budget.count(first, 100_000, 100_000)  # the second one is the largest from now on
    assert budget.is_exceeded
    assert not budget.count(third, 0)
    assert not budget.is_exceeded
    assert budget.count(third, 101_000, 90_000)
    assert not budget.count(second, 0)
    assert (budget.used_bytes, budget.is_exceeded) == (201_000, False)
    assert set(budget.answers()) == {first, third}


def test_end_of_the_largest_answer_makes_room_when_another_takes_its_place():
    rooms = []
    budget = ByteBudget(100, lambda: rooms.append(True))
    holders = [Holder("a") for _ in range(3)]
    for holder in holders:
        budget.count(holder, 100_000, 100_000)
    assert budget.is_exceeded
    budget.count(holders[0], 0)
    budget.count(holders[1], 0)
    assert (budget.used_bytes, budget.is_exceeded, rooms) == (100_000, False, [True])


def test_limit_that_only_one_answer_at_a_time_can_reach_is_warned_of(caplog):
    options = {"max_buffered_bytes": 2_000_000, "max_response_bytes": 3_000_000}
    server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend="native", log=2, **options)
    server.registerFunction(len, path="/api")
    server.start()
    server.stop()
    assert "max_response_bytes=3000000 is above max_buffered_bytes=2000000" in caplog.text
