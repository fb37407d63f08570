"""Requests whose deadlines pass while calls without a timeout occupy all threads.

The call that occupies the thread runs until the test lets it go, after the other answers have come.
"""

import contextlib
import gzip
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.runtime.thread_pool import ThreadPool
from flaskJSONRPCServer.servBackend.native.buffers import ReceiveBuffer
from flaskJSONRPCServer.servBackend.native.expiry import Expiry
from tests.helpers import wait_until

PATIENCE_S = 30
TIMEOUT_S = 0.2


class Calls:
    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.noted = []

    def hold(self):
        self.begun.release()
        return self.go.wait(PATIENCE_S)

    def note(self, text="noted"):
        self.noted.append(text)
        return text


@pytest.fixture
def calls():
    calls = Calls()
    yield calls
    calls.go.set()


@pytest.fixture
def serve(calls):
    """Return a function that starts a server, all threads of which are occupied."""
    with contextlib.ExitStack() as undo:

        def start(**options):
            server = flaskJSONRPCServer(
                ["127.0.0.1", 0], servBackend="native", log=0, **{"threads": 1, "timeout": TIMEOUT_S, **options}
            )
            server.registerFunction(calls.note, path="/api")
            server.registerFunction(calls.note, path="/api", name="untimed", timeout=float("inf"))
            server.registerFunction(calls.note, path="/api", name="later", timeout=2 * TIMEOUT_S)
            server.registerFunction(calls.hold, path="/api", timeout=float("inf"))
            server.start()
            undo.callback(server.stop)
            threads = undo.enter_context(ThreadPoolExecutor(50))
            undo.callback(calls.go.set)
            holding = [threads.submit(ask, server, rpc("hold")) for _ in range(server.settings.threads)]
            for _ in holding:
                assert calls.begun.acquire(timeout=PATIENCE_S)
            return server, lambda *args, **more: threads.submit(ask, server, *args, **more)

        yield start


def rpc(method, *params, request_id=1):
    return {"jsonrpc": "2.0", "method": method, "params": params, "id": request_id}


NOTIFICATION = {"jsonrpc": "2.0", "method": "note"}


def ask(server, payload=None, *, target="/api", headers=None, encode=bytes):
    connection = http.client.HTTPConnection(*server.addresses[0], timeout=PATIENCE_S)
    with contextlib.closing(connection):
        if payload is None:
            connection.request("GET", target)
        else:
            body = encode(json.dumps(payload).encode())
            connection.request("POST", target, body, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        return json.loads(response.read() or "null")


def late(request_id=1):
    error = {"code": -32006, "message": "Deadline exceeded", "data": {"work": "not started"}}
    return {"jsonrpc": "2.0", "error": error, "id": request_id}


@pytest.mark.parametrize(
    ("request_args", "reply"),
    [
        ({"payload": rpc("note")}, late()),
        ({"payload": [rpc("note"), NOTIFICATION, rpc("later", request_id=2)]}, [late(), late(2)]),
        ({"payload": NOTIFICATION}, None),
        ({"target": "/api/note"}, late(None)),
    ],
    ids=["call", "batch", "notification", "GET"],
)
def test_expired_request_is_answered_while_all_threads_are_occupied(serve, calls, request_args, reply):
    _, ask_later = serve()

    assert ask_later(**request_args).result(PATIENCE_S) == reply
    assert calls.noted == []
    assert not calls.go.is_set()


def test_expired_notifications_are_counted_as_lost(serve):
    server, ask_later = serve()

    ask_later([NOTIFICATION] * 3).result(PATIENCE_S)
    assert server.stats()["notificationLostCount"] == 3


def test_many_expired_requests_are_answered(serve, calls):
    _, ask_later = serve(threads=2)

    replies = [ask_later(rpc("note", request_id=number)) for number in range(40)]
    assert [reply.result(PATIENCE_S) for reply in replies] == [late(number) for number in range(40)]
    assert calls.noted == []


@pytest.mark.parametrize(
    "request_args",
    [
        {"payload": rpc("untimed")},
        {"payload": [rpc("note"), rpc("untimed", request_id=2)]},
        {"payload": [rpc("note"), rpc("missing", request_id=2)]},
        {"payload": rpc("note"), "encode": gzip.compress, "headers": {"Content-Encoding": "gzip"}},
        {"payload": [1]},
        {"payload": []},
        {"payload": rpc("note"), "encode": lambda body: body[:-1]},
        {"payload": rpc("note"), "headers": {"Content-Type": "text/plain"}, "target": "/api/missing"},
        {"target": "/api/untimed"},
    ],
    ids=["untimed", "mixed", "missing", "gzip", "invalid member", "empty", "no JSON", "no RPC", "untimed GET"],
)
def test_request_that_could_run_something_keeps_its_turn(serve, calls, request_args):
    _, ask_later = serve()
    with contextlib.suppress(ValueError):  # a page is no JSON
        waiting = ask_later(**request_args)
        expired = ask_later(rpc("note", "expired"))
        assert expired.result(PATIENCE_S) == late()
        assert not wait([waiting], TIMEOUT_S).done
        calls.go.set()
        waiting.result(PATIENCE_S)
    assert "expired" not in calls.noted


def test_body_in_a_file_keeps_its_turn(serve, calls):
    _, ask_later = serve(spool_body_bytes=0)
    waiting = ask_later(rpc("note", "in a file"))

    assert not wait([waiting], 2 * TIMEOUT_S).done
    calls.go.set()
    assert waiting.result(PATIENCE_S) == late()
    assert calls.noted == []


def test_request_that_gets_its_turn_in_time_runs(serve, calls):
    server, ask_later = serve(timeout=1000)
    waiting = ask_later(rpc("note", "in time"))
    wait_until(lambda: server.stats()["requestCount"] == 1)
    calls.go.set()

    assert waiting.result(PATIENCE_S)["result"] == "in time"


def test_stop_ends_the_threads_and_answers_what_has_expired(serve, calls):
    server, ask_later = serve()
    waiting = [ask_later(rpc("note", request_id=number)) for number in range(5)]
    assert [reply.result(PATIENCE_S) for reply in waiting] == [late(number) for number in range(5)]
    far = ask_later(rpc("untimed"))
    calls.go.set()
    assert far.result(PATIENCE_S)["result"] == "noted"
    server.stop()

    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.endswith("-expiry")])


def test_auth_is_asked_for_an_expired_request_too(serve):
    asked = []

    def auth(server, path, request, method):
        asked.append(path)
        return True

    _, ask_later = serve(auth=auth)
    assert ask_later(rpc("note")).result(PATIENCE_S) == late()
    assert len(asked) == 2


class App:
    """Says that requests never expire, and counts how often it is asked when."""

    def __init__(self, *, has_deadlines):
        self.has_deadlines = lambda: has_deadlines
        self.asked = threading.Semaphore(0)
        self.askers = set()

    def expires_at(self, _exchange):
        self.askers.add(threading.current_thread())
        self.asked.release()


def make_expiry(app):
    return Expiry(ThreadPool(1, 1, "pool"), app, "test-expiry")


def waiting_request():
    return SimpleNamespace(has_begun=False, request=SimpleNamespace(body=ReceiveBuffer(100, b"{}")))


def expiry_threads():
    return [thread for thread in threading.enumerate() if thread.name == "test-expiry"]


def test_no_thread_looks_after_requests_that_cannot_expire():
    app = App(has_deadlines=False)
    make_expiry(app).watch([waiting_request()])

    assert not expiry_threads()
    assert not app.asked.acquire(blocking=False)


def test_one_thread_looks_after_requests_that_come_one_after_the_other(monkeypatch):
    monkeypatch.setattr("flaskJSONRPCServer.servBackend.native.expiry._IDLE_S", PATIENCE_S)
    app = App(has_deadlines=True)
    expiry = make_expiry(app)
    for _ in range(50):
        expiry.watch([waiting_request()])
        assert app.asked.acquire(timeout=PATIENCE_S)
    threads = expiry_threads()
    expiry.stop()

    assert len(app.askers) == len(threads) == 1
    threads[0].join(PATIENCE_S)
    assert not threads[0].is_alive()


def test_thread_ends_when_no_more_requests_come(monkeypatch):
    monkeypatch.setattr("flaskJSONRPCServer.servBackend.native.expiry._IDLE_S", 0.01)
    app = App(has_deadlines=True)
    make_expiry(app).watch([waiting_request()])

    assert app.asked.acquire(timeout=PATIENCE_S)
    wait_until(lambda: not expiry_threads())
