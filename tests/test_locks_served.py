"""Locks over real sockets: under load, with clients that go away, and at the stop."""

import itertools
import socket
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.locks import Locks
from tests.helpers import call_socket, get, post, rpc, wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts and reloads

PATIENCE_S = 60
CLIENTS = 8


def one():
    return 1


def two():
    return 2


class Instance:
    def method(self):
        return 3


def threads_in(function):
    """Count the threads that are inside a function."""
    return sum(is_inside(frame, function.__code__) for frame in sys._current_frames().values())


def is_inside(frame, code):
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None


def held():
    return threads_in(Locks._block_while)


@pytest.fixture
def instance():
    return Instance()


@pytest.fixture
def make_server(instance):
    servers = []

    def make(**options):
        server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, threads=64, **options)  # a held call occupies one
        for path in ("/api", "/again"):
            server.registerFunction(one, path=path)
            server.registerFunction(one, path=path, name="alias")
            server.registerFunction(two, path=path)
            server.registerInstance(instance, path=path)
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.stop(timeout=0)


@pytest.fixture
def server(make_server):
    server = make_server()
    server.start()
    return server


@pytest.fixture
def in_threads():
    """Run calls in threads: `in_threads(function, ...)` returns a future."""
    with ThreadPoolExecutor(64) as pool:
        yield pool.submit


def ask(server, method="one", target="/api"):
    """Return the response object of one call, over a new connection."""
    return call_socket(server.addresses[0], post(rpc(method), target)).json()


def result_of(server, method, target="/api"):
    return ask(server, method, target)["result"]


def notify(server, method):
    return call_socket(server.addresses[0], post({"jsonrpc": "2.0", "method": method})).code


def results(futures):
    return [future.result(PATIENCE_S) for future in futures]


def test_thousands_of_lock_pairs_under_load_lose_no_wake_up(server, instance, in_threads):
    expected = {"one": 1, "alias": 1, "two": 2, "method": 3}
    started, answered, ended = [], [], threading.Event()

    def lock_and_unlock(target):
        for number in range(1000):
            server.lock(target)
            if number % 10 == 0:  # now and then, see to it that the unlock has somebody to wake
                wait_until(held)
            server.unlock(target)
            if number % 10 == 0:  # and that it wakes somebody
                enough = len(answered) + CLIENTS // 2
                wait_until(lambda enough=enough: len(answered) >= enough)

    def call_in_a_loop():
        for name in itertools.takewhile(lambda name: not ended.is_set(), itertools.cycle(expected)):
            started.append(name)
            answered.append((name, result_of(server, name)))

    clients = [in_threads(call_in_a_loop) for _ in range(CLIENTS)]
    try:
        results([in_threads(lock_and_unlock, target) for target in (one, two, instance.method, None)])
    finally:
        ended.set()
    results(clients)

    assert [name for name, _ in sorted(answered)] == sorted(started)
    assert all(result == expected[name] for name, result in answered)
    assert not any(server.wait(target, returnStatus=True) for target in (one, two, instance.method, None))
    assert not server._engine.locks.engaged
    wait_until(lambda: server.stats()["processingRequestCount"] == 0)
    assert server.stats()["dispatcherCount"] == len(started)


def test_lock_holds_a_function_under_all_names_and_paths(server, in_threads):
    server.lock(one)
    calls = [in_threads(result_of, server, name, path) for name in ("one", "alias") for path in ("/api", "/again")]
    wait_until(lambda: held() == 4)

    assert result_of(server, "two") == 2
    assert result_of(server, "method") == 3
    server.unlock(one)
    assert results(calls) == [1] * 4


def test_lock_holds_a_bound_method_of_that_object(server, instance, in_threads):
    server.lock(instance.method)
    calls = [in_threads(result_of, server, "method", path) for path in ("/api", "/again")]
    wait_until(lambda: held() == 2)
    server.lock(Instance().method)
    server.unlock(Instance().method)

    assert held() == 2
    assert result_of(server, "one") == 1
    server.unlock(instance.method)
    assert results(calls) == [3, 3]


def test_exclusive_dispatcher_runs_while_the_server_is_locked(server, in_threads):
    server.lock()
    call = in_threads(result_of, server, "one")
    wait_until(lambda: held() == 1)
    server.unlock(two, exclusive=True)

    assert result_of(server, "two") == 2
    server.unlock()
    assert results([call]) == [1]


def test_dispatcher_locks_and_unlocks_from_inside(make_server, in_threads):
    go_on = threading.Event()

    def hold_others(_connection):
        call = _connection.call
        call.lockThis()
        call.lock(one)
        go_on.wait(PATIENCE_S)
        states = call.waitThis(returnStatus=True), call.wait(one, returnStatus=True), call.wait(returnStatus=True)
        call.unlock(one)
        call.unlockThis()
        return states

    server = make_server()
    server.registerFunction(hold_others, path="/api")
    server.start()
    holder = in_threads(result_of, server, "hold_others")
    wait_until(lambda: server.wait(one, returnStatus=True))
    others = [in_threads(result_of, server, name) for name in ("hold_others", "one")]
    wait_until(lambda: held() == 2)
    go_on.set()

    assert holder.result(PATIENCE_S) == [True, True, False]
    assert others[0].result(PATIENCE_S) == [True, True, False]
    assert others[1].result(PATIENCE_S) == 1


@pytest.mark.parametrize("flask_context", [False, True])
def test_deep_lock_holds_calls_and_pages(make_server, in_threads, flask_context):
    server = make_server(flaskContext=flask_context)
    server.flaskApp.add_url_rule("/page", view_func=lambda: "page")
    server.start()
    server._deepLock()
    calls = [in_threads(result_of, server, "one", target) for target in ("/api", "/again")]
    page = in_threads(call_socket, server.addresses[0], get("/page"))
    wait_until(lambda: held() == 3)
    server.unlock()

    assert server.stats()["processingRequestCount"] == 0
    assert held() == 3
    server._deepUnlock()
    assert results(calls) == [1, 1]
    assert page.result(PATIENCE_S).body == b"page"


def test_dispatcher_that_takes_the_deep_lock_is_answered(make_server, in_threads):
    server = make_server()
    server.registerFunction(server._deepLock, path="/api", name="close")
    server.start()

    assert result_of(server, "close") is None
    call = in_threads(result_of, server, "one")
    wait_until(lambda: held() == 1)
    server._deepUnlock()
    assert results([call]) == [1]


def test_blocking_processes_one_request_at_a_time(make_server, in_threads):
    running, most = itertools.count(), []
    inside = []

    def enter():
        inside.append(next(running))
        # It leaves only when another one is waiting or, if the lock failed, has entered too.
        wait_until(lambda: len(most) >= 9 or server.stats()["processingRequestCount"] > 1 or len(inside) > 1)
        most.append(len(inside))
        inside.pop()

    server = make_server(blocking=True)
    server.registerFunction(enter, path="/api")
    server.start()
    results([in_threads(ask, server, "enter") for _ in range(10)])

    assert most == [1] * 10


def send_and_go_away(server, *, reset):
    """Send a call and close the connection once the call is held; with RST instead of FIN if requested."""
    before = held()
    connection = socket.create_connection(server.addresses[0], timeout=PATIENCE_S)
    body = b'{"jsonrpc":"2.0","method":"one","id":1}'
    head = "POST /api HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    connection.sendall(head.format(len(body)).encode() + body)
    wait_until(lambda: held() == before + 1)
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize("lock", [lambda server: server.lock(one), flaskJSONRPCServer._deepLock], ids=["lock", "deep"])
def test_client_that_goes_away_while_held_leaves_nothing_behind(server, lock):
    assert result_of(server, "one") == 1
    wait_until(lambda: server.stats()["processingRequestCount"] == 0)
    before = server._countFileDescriptor()
    lock(server)
    for number in range(50):
        send_and_go_away(server, reset=number % 2 == 0)
    assert held() == 50
    server.unlock(one)
    server._deepUnlock()

    wait_until(lambda: server.stats()["dispatcherCount"] == 51)
    wait_until(lambda: server._countFileDescriptor() <= before and server.stats()["processingRequestCount"] == 0)
    assert server.stats()["processingDispatcherCount"] == 0
    assert result_of(server, "one") == 1


NOT_RUN = {"code": -32003, "message": "Not run: the server has stopped"}


@pytest.mark.parametrize("backend", ["simple", "threaded"])
@pytest.mark.parametrize("target", [one, None], ids=["dispatcher", "server"])
def test_stop_answers_held_calls_and_keeps_the_locks(make_server, in_threads, backend, target):
    server = make_server(dispatcherBackend=backend, notifBackend=backend)
    server.start()
    server.lock(target)
    calls = [in_threads(ask, server) for _ in range(3)]
    notification = in_threads(notify, server, "one")
    wait_until(lambda: held() == 4)
    server.stop(timeout=1)

    assert [answer["error"] for answer in results(calls)] == [NOT_RUN] * 3
    assert notification.result(PATIENCE_S) == 204
    assert server.stats()["notificationLostCount"] == 1
    wait_until(lambda: held() == 0)
    server.start()
    assert server.wait(target, returnStatus=True) is True
    call = in_threads(ask, server)
    wait_until(lambda: held() == 1)
    server.unlock(target)
    assert call.result(PATIENCE_S)["result"] == 1


def test_stop_answers_deeply_held_requests_and_keeps_the_deep_lock(make_server, in_threads):
    server = make_server()
    server.start()
    server._deepLock()
    requests = [post(rpc("one")), get("/page")]
    sent = [in_threads(call_socket, server.addresses[0], request) for request in requests]
    wait_until(lambda: held() == 2)
    server.stop(timeout=1)

    assert [(answer.code, answer.body) for answer in results(sent)] == [(503, b"the server has stopped\n")] * 2
    server.start()
    call = in_threads(ask, server)
    wait_until(lambda: held() == 1)
    server._deepUnlock()
    assert call.result(PATIENCE_S)["result"] == 1


def test_stop_answers_deeply_held_pages_behind_flask(make_server, in_threads):
    server = make_server(flaskContext=True)
    server.start()
    server._deepLock()
    page = in_threads(call_socket, server.addresses[0], get("/page"))
    wait_until(lambda: held() == 1)
    server.stop(timeout=1)

    assert page.result(PATIENCE_S).code == 503


def test_stop_waits_for_a_held_call_that_is_released(server, in_threads):
    server.lock(one)
    call = in_threads(ask, server)
    wait_until(lambda: held() == 1)
    stop = in_threads(server.stop, PATIENCE_S)
    wait_until(lambda: threads_in(flaskJSONRPCServer.stop) == 1)
    server.unlock(one)

    assert call.result(PATIENCE_S)["result"] == 1
    stop.result(PATIENCE_S)


def test_stop_that_need_not_wait_for_held_calls_releases_them(server, in_threads):
    server.lock(one)
    call = in_threads(ask, server)
    wait_until(lambda: held() == 1)
    server.stop(PATIENCE_S, processingDispatcherCountMax=1)

    assert call.result(PATIENCE_S)["error"] == NOT_RUN


def test_calls_held_since_before_a_restart_are_answered_by_the_next_stop(server, in_threads):
    server.lock(one)
    call = in_threads(ask, server)
    wait_until(lambda: held() == 1)
    server.restart(timeout=0)
    assert held() == 1
    server.stop(timeout=1)

    assert call.result(PATIENCE_S)["error"] == NOT_RUN


def test_stop_answers_a_call_that_is_held_in_a_pool(make_server, in_threads):
    entered, leave = threading.Event(), threading.Event()

    def occupy():
        entered.set()
        leave.wait(PATIENCE_S)

    server = make_server(dispatcherBackend="threaded", exec_pool_threads=1)
    server.registerFunction(occupy, path="/api")
    server.start()
    first = in_threads(ask, server, "occupy")
    entered.wait(PATIENCE_S)
    call = in_threads(ask, server)
    wait_until(lambda: server.stats()["threaded_waiting"] == 1)
    server.lock(one)
    leave.set()
    wait_until(lambda: held() == 1)
    server.stop(timeout=1)

    assert first.result(PATIENCE_S)["result"] is None
    assert call.result(PATIENCE_S)["error"] == NOT_RUN


def test_stop_ends_the_wait_of_a_dispatcher(make_server, in_threads):
    caught = []

    def wait_for_one(_connection):
        try:
            _connection.call.wait(one)
        except RuntimeError as exc:
            caught.append(str(exc))

    server = make_server()
    server.registerFunction(wait_for_one, path="/api")
    server.start()
    server.lock(one)
    call = in_threads(ask, server, "wait_for_one")
    wait_until(lambda: held() == 1)
    server.stop(timeout=1)

    assert call.result(PATIENCE_S)["result"] is None
    assert caught == ["the server stops, and what this dispatcher waits for is still locked"]
