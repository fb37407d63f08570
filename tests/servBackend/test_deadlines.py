"""Deadlines behind each serving backend, over real sockets."""

import contextlib
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.helpers import wait_until
from tests.servBackend.test_contract import BACKENDS, PATIENCE_S

TIMEOUT_S = 0.3


class Calls:
    """Dispatchers that block until the test lets them go, and record that they ran."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.noted = []

    def hold(self):
        self.begun.release()
        return self.go.wait(PATIENCE_S)

    def note(self, text):
        self.noted.append(text)
        return text

    def left(self, _connection):
        return _connection.remaining


@pytest.fixture
def calls():
    calls = Calls()
    yield calls
    calls.go.set()


@pytest.fixture(params=BACKENDS)
def serve(request, calls):
    with contextlib.ExitStack() as stop:

        def start(**options):
            server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend=request.param, log=0, **options)
            for name in ("hold", "note", "left"):
                server.registerFunction(getattr(calls, name), path="/api", timeout=TIMEOUT_S)
            server.registerFunction(calls.hold, path="/untimed", name="hold")
            server.start()
            stop.callback(server.stop)
            return server

        yield start


def rpc(method, *params, request_id=1):
    return {"jsonrpc": "2.0", "method": method, "params": params, "id": request_id}


def ask(server, payload, path="/api"):
    connection = http.client.HTTPConnection(*server.addresses[0], timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request("POST", path, json.dumps(payload), {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())


def works(replies):
    return [reply["error"]["data"]["work"] for reply in replies]


RUNNING = "cancelled" if is_patched() else "abandoned"


def test_blocked_calls_are_all_answered(serve):
    server = serve()
    with ThreadPoolExecutor(20) as threads:
        replies = list(threads.map(lambda _: ask(server, rpc("hold")), range(20)))

    assert works(replies) == [RUNNING] * 20


def test_connection_goes_on_after_a_late_call(serve):
    server = serve()
    connection = http.client.HTTPConnection(*server.addresses[0], timeout=PATIENCE_S)
    with contextlib.closing(connection):
        for payload in (rpc("hold"), rpc("note", "after")):
            connection.request("POST", "/api", json.dumps(payload), {"Content-Type": "application/json"})
            reply = json.loads(connection.getresponse().read())

    assert reply["result"] == "after"


def test_deadline_counts_from_the_arrival_of_the_request(serve):
    left_s = ask(serve(), rpc("left"))["result"]
    assert 0 < left_s < TIMEOUT_S


def test_call_that_a_deep_lock_has_held_for_too_long_does_not_run(serve, calls):
    server = serve()
    server._deepLock()
    with ThreadPoolExecutor() as threads:
        held = threads.submit(ask, server, rpc("note", "late"))
        assert not wait([held], 2 * TIMEOUT_S).done
        server._deepUnlock()
        assert works([held.result(PATIENCE_S)]) == ["not started"]
    assert calls.noted == []


@pytest.mark.parametrize("serve", sorted({"native", "pywsgi"} & set(BACKENDS)), indirect=True)
def test_call_that_waits_for_a_place_does_not_run_after_its_deadline(serve, calls):
    server = serve(threads=1, max_concurrent_calls=1)
    with ThreadPoolExecutor() as threads:
        running = threads.submit(ask, server, rpc("hold"), "/untimed")
        assert calls.begun.acquire(timeout=PATIENCE_S)
        waiting = threads.submit(ask, server, rpc("note", "late"))
        wait([waiting], 2 * TIMEOUT_S)
        calls.go.set()
        assert running.result(PATIENCE_S)["result"] is True
        assert works([waiting.result(PATIENCE_S)]) == ["not started"]
    assert calls.noted == []


@pytest.mark.parametrize("serve", [name for name in BACKENDS if name != "werkzeug"], indirect=True)
def test_late_calls_free_their_serving_threads(serve, calls):
    server = serve(threads=2, max_concurrent_calls=2)
    with ThreadPoolExecutor(10) as threads:
        late = [threads.submit(ask, server, rpc("hold")) for _ in range(6)]
        wait_until(lambda: all(future.done() for future in late))
        assert ask(server, rpc("note", "next"))["result"] == "next"

    assert set(works(future.result() for future in late)) <= {RUNNING, "not started"}


def test_requests_of_a_stopping_server_are_answered_by_their_deadlines(serve, calls):
    server = serve()
    with ThreadPoolExecutor() as threads:
        late = threads.submit(ask, server, rpc("hold"))
        assert calls.begun.acquire(timeout=PATIENCE_S)
        server.stop(timeout=1000)
        assert works([late.result(PATIENCE_S)]) == [RUNNING]
