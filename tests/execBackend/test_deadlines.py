"""Deadlines: on every exec backend, a call with a timeout is answered when it is over, and late calls do not begin.

The calls run until the test creates a file. It does so after the answers have come, so these prove the deadlines.
"""

import asyncio
import contextlib
import functools
import logging
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import flask
import pytest

from flaskJSONRPCServer import RegistrationError, SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.deadlines import deadline_error
from flaskJSONRPCServer.execBackend import ParallelBackend, ThreadedBackend, deadline, pool_calls
from flaskJSONRPCServer.runtime.abandoning_pool import AbandoningPool
from flaskJSONRPCServer.runtime.concurrency import is_patched
from flaskJSONRPCServer.runtime.stats import Stats
from tests.execBackend.api import TIMEOUT_S, make_timed
from tests.execBackend.backends import OwnBackend, maker_of
from tests.helpers import call_socket, call_wsgi, get, post, result_of, rpc, wait_until

PATIENCE_S = 30
# One backend of each kind: each call waits for its deadline.
KINDS = ("simple", "threaded", "threadedNative", "parallel", "own object", "celery")
IN_GREENLETS = ("simple", "threaded", "threaded object") if is_patched() else ()


def work_of(backend):
    """Return what happens to the work of a call that runs at its deadline."""
    if backend in IN_GREENLETS:
        return "cancelled"
    return "killed" if backend.startswith("parallel") or backend == "celery" else "abandoned"


def late(work, request_id=1):
    error = {"code": -32006, "message": "Deadline exceeded", "data": {"work": work}}
    return {"jsonrpc": "2.0", "error": error, "id": request_id}


def timed(payload):
    return post(payload, "/timed")


def notification(method, *params):
    return {"jsonrpc": "2.0", "method": method, "params": params}


@pytest.fixture(params=KINDS, scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def server(name):
    with maker_of(name, make="make_timed_for_worker") as make_backend:
        server = make_timed(make_backend(), ["127.0.0.1", 0])
        server.start()
        try:
            # A process starts before a deadline depends on it.
            assert call_socket(server.addresses[0], post(rpc("add", [1, 2]))).json()["result"] == 3
            yield server
        finally:
            server.stop()


@pytest.fixture
def ask(name, server, monkeypatch):
    if name == "celery":  # on a busy machine, its broker may not say in time how far a call has come
        monkeypatch.setattr(deadline, "_GRACE_S", PATIENCE_S)
    return lambda request: call_socket(server.addresses[0], request)


@pytest.fixture
def folder(tmp_path):
    """A folder for `hold`, whose calls end with the test."""
    yield tmp_path
    (tmp_path / "go").touch()


def test_call_within_its_timeout_is_answered_as_without(ask):
    assert ask(timed(rpc("add", [1, 2]))).body == ask(post(rpc("add", [1, 2]))).body
    assert ask(timed(rpc("add"))).json()["error"]["code"] == -32602
    assert ask(timed(rpc("fail"))).json()["error"]["code"] == -32603
    assert ask(get("/timed/add?a=x&b=y")).json()["result"] == "xy"
    assert ask(timed(notification("add", 1))).code == 204


def test_call_is_answered_at_its_deadline_while_it_runs(name, ask, folder):
    assert ask(timed(rpc("hold", [str(folder)]))).json() == late(work_of(name))
    assert (folder / "begun").exists()


def test_get_is_answered_at_its_deadline(name, ask, folder):
    assert ask(get(f"/timed/hold?folder={folder}")).json() == late(work_of(name), None)


def test_deadlines_of_a_batch_count_from_the_arrival_of_its_request(name, ask, folder):
    batch = [rpc("add", [1], 1), rpc("hold", [str(folder)], 2), rpc("note", [str(folder)], 3), rpc("add", [2], 4)]

    replies = ask(timed(batch)).json()

    assert (replies[0]["result"], replies[1]) == (2, late(work_of(name), 2))
    if name == "simple":  # one after the other, so the last two expired behind the second
        assert replies[2:] == [late("not started", 3), late("not started", 4)]
        assert not (folder / "noted").exists()
    elif not name.startswith("parallel"):  # one with a single process runs them one after the other too
        assert [reply.get("result", reply) for reply in replies[2:]] == [None, 3]


def test_call_that_a_lock_holds_expires(server, ask, folder):
    server.lock()
    try:
        assert ask(timed(rpc("note", [str(folder)]))).json() == late("not started")
        lost = server.stats()["notificationLostCount"]
        assert ask(timed(notification("note", str(folder)))).code == 204
        assert server.stats()["notificationLostCount"] == lost + 1
    finally:
        server.unlock()
    assert ask(post(rpc("add", [1, 2]))).json()["result"] == 3
    assert not (folder / "noted").exists()


def test_call_knows_its_deadline(ask):
    left_s, remaining_s = ask(timed(rpc("time_left"))).json()["result"]

    assert 0 < remaining_s <= left_s <= TIMEOUT_S
    assert ask(post(rpc("time_left"))).json()["result"] == [None, None]


def test_notification_is_answered_by_its_deadline(ask, folder):
    assert ask(timed(notification("hold", str(folder)))).code == 204


# A pool with one place, so that a second call waits.


@contextlib.contextmanager
def serving(backend, **options):
    server = make_timed(backend, ["127.0.0.1", 0], **options)
    server.start()
    try:
        yield server, lambda request: call_socket(server.addresses[0], request)
    finally:
        server.stop()


@contextlib.contextmanager
def holding(ask, folder):
    """Let a call without a timeout run meanwhile."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(ask(post(rpc("hold", [str(folder)])))))
    thread.start()
    wait_until((folder / "begun").exists)
    try:
        yield
    finally:
        (folder / "go").touch()
        thread.join(PATIENCE_S)
    assert answers[0].json()["result"] is True


ONE_PLACE = {
    "threaded": lambda: ThreadedBackend(pool_threads=1, backend_id="one"),
    "parallel": lambda: ParallelBackend(poolSize=1, id="one"),
}


@pytest.mark.parametrize("kind", ONE_PLACE)
def test_call_that_waits_for_its_turn_expires_and_never_runs(kind, folder):
    with serving(ONE_PLACE[kind]()) as (server, ask):
        with holding(ask, folder):
            assert ask(timed(rpc("note", [str(folder)]))).json() == late("not started")
            assert server.stats()["one_waiting"] == 0
        assert ask(post(rpc("add", [1, 2]))).json()["result"] == 3
        assert not (folder / "noted").exists()


@pytest.mark.parametrize("kind", ONE_PLACE)
def test_notification_that_expires_in_the_queue_is_lost(kind, folder, caplog):
    with serving(ONE_PLACE[kind]()) as (server, ask):
        server.log.set_level(2)
        with holding(ask, folder):
            assert ask(timed(notification("note", str(folder)))).code == 204
            begun_at = time.monotonic()
            wait_until(lambda: time.monotonic() > begun_at + TIMEOUT_S)
        wait_until(lambda: server.stats()["notificationLostCount"] == 1)
        assert not (folder / "noted").exists()
    assert "notification /timed/note is lost: Deadline exceeded" in caplog.text


def test_killed_process_is_replaced(folder):
    with serving(ParallelBackend(poolSize=1, id="one")) as (server, ask):
        assert ask(post(rpc("add", [1, 2]))).json()["result"] == 3
        assert ask(timed(rpc("hold", [str(folder)]))).json() == late("killed")
        assert ask(post(rpc("add", [1, 2]))).json()["result"] == 3
        stats = server.stats()
    assert (stats["one_killed"], stats["one_restarted"], stats["abandonedCallCount"]) == (1, 1, 0)


def test_running_notification_is_killed_at_its_deadline(folder):
    with serving(ParallelBackend(poolSize=1, id="one")) as (server, ask):
        assert ask(post(rpc("add", [1, 2]))).json()["result"] == 3
        assert ask(timed(notification("hold", str(folder)))).code == 204
        wait_until(lambda: server.stats()["one_killed"] == 1)


def test_own_timeout_of_a_backend_stays_when_it_is_shorter(folder):
    with serving(ParallelBackend(poolSize=1, timeout=0.3, id="one"), timeout=1000) as (_, ask):
        error = ask(post(rpc("hold", [str(folder)]))).json()["error"]
    assert error == {"code": -32006, "message": "The call took longer than 0.3 s, and was ended"}


class SlowToAccept(OwnBackend):
    """A custom backend whose `add` blocks."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()

    def add(self, *arguments):
        if arguments[1] == "/timed/":
            self.go.wait(PATIENCE_S)
        return super().add(*arguments)


def test_custom_backend_that_blocks_holds_up_no_answer():
    backend = SlowToAccept()
    with serving(backend) as (_, ask):
        assert ask(timed(rpc("add", [1, 2]))).json() == late("abandoned")
        backend.go.set()
        assert ask(timed(rpc("add", [1, 2]))).json()["result"] == 3


# Threads that are left behind.


class Gate:
    def __init__(self):
        self.begun = threading.Semaphore(0)
        self._open = threading.Event()

    def held(self, outcome="done"):
        self.begun.release()
        self._open.wait(PATIENCE_S)
        if outcome == "raise":
            raise ValueError("nobody hears this")
        return outcome

    def open(self):
        self._open.set()


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open()


def gated(gate, backend="simple", **options):
    options = {"log": False, "timeout": 0.5, "dispatcherBackend": backend, **options}
    server = flaskJSONRPCServer(options.pop("bindAdress", None), **options)
    server.registerFunction(gate.held, path="/api")
    server.registerFunction(lambda: "quick", path="/api", name="quick")
    return server


@pytest.mark.parametrize("backend", ["simple", "threaded", "threadedNative"])
def test_abandoned_calls_are_counted_until_they_end(gate, backend):
    server = gated(gate, backend)
    app = server.getWSGI()

    assert call_wsgi(app, post([rpc("held", None, number) for number in range(2)])).code == 200
    stats = server.stats()
    abandoned = 1 if backend == "simple" else 2  # the second one of a batch waits for the first one
    assert (stats["abandonedCallCount"], stats["processingAbandonedCallCount"]) == (abandoned, abandoned)
    assert stats["processingDispatcherCount"] == abandoned

    gate.open()
    wait_until(lambda: server.stats()["processingAbandonedCallCount"] == 0)
    stats = server.stats()
    assert (stats["abandonedCallCount"], stats["processingDispatcherCount"]) == (abandoned, 0)
    server.stop()


@pytest.mark.parametrize("backend", ["simple", "threaded"])
def test_beyond_max_abandoned_calls_calls_with_a_deadline_are_refused(gate, backend):
    server = gated(gate, backend, max_abandoned_calls=2)
    server.registerFunction(lambda: "free", path="/api", name="free", timeout=float("inf"))
    app = server.getWSGI()
    for _ in range(2):
        assert call_wsgi(app, post(rpc("held"))).json() == late("abandoned")

    error = call_wsgi(app, post(rpc("quick"))).json()["error"]
    own_id = "deadline" if backend == "simple" else backend
    assert error["code"] == -32002
    assert error["message"] == f"Server busy: 2 calls on exec backend '{own_id}' still run after their deadlines"
    assert result_of(app, "free") == "free"

    gate.open()
    assert wait_until(lambda: "result" in call_wsgi(app, post(rpc("quick"))).json())
    server.stop()


def test_abandoned_call_gives_its_place_to_another(gate):
    server = gated(gate, ThreadedBackend(pool_threads=1, backend_id="one"))
    app = server.getWSGI()

    assert call_wsgi(app, post(rpc("held"))).json() == late("abandoned")
    assert result_of(app, "quick") == "quick"
    server.stop()


@pytest.mark.parametrize("outcome", ["done", "raise"])
def test_outcome_of_an_abandoned_call_is_dropped_and_logged_at_level_debug(gate, outcome, caplog):
    server = gated(gate, log=4)
    app = server.getWSGI()
    assert call_wsgi(app, post(rpc("held", [outcome]))).json() == late("abandoned")

    gate.open()
    wait_until(lambda: server.stats()["processingAbandonedCallCount"] == 0)
    server.stop()
    levels = [record.levelno for record in caplog.records if "held" in record.getMessage()]
    assert levels == ([logging.DEBUG] if outcome == "raise" else [])
    assert ("nobody hears this" in caplog.text) == (outcome == "raise")


def test_queued_call_does_not_begin_once_too_many_calls_are_left_behind(gate, caplog):
    one = ThreadedBackend(pool_threads=1, backend_id="one")
    server = gated(gate, one, notifBackend=one, max_abandoned_calls=1, log=2)
    for name, timeout in (("patient", 1000), ("free", math.inf)):
        server.registerFunction(lambda: "ran", path="/api", name=name, timeout=timeout)
    app = server.getWSGI()
    with ThreadPoolExecutor() as clients:
        held = clients.submit(call_wsgi, app, post(rpc("held")))
        assert gate.begun.acquire(timeout=PATIENCE_S)
        queued = clients.submit(call_wsgi, app, post([rpc("patient"), notification("patient")]))
        assert held.result(PATIENCE_S).json() == late("abandoned")
        error = queued.result(PATIENCE_S).json()[0]["error"]

    assert error == {
        "code": -32002,
        "message": "Server busy: 1 calls on exec backend 'one' still run after their deadlines",
    }
    wait_until(lambda: server.stats()["notificationLostCount"] == 1)
    wait_until(lambda: "notification /api/patient is lost: Server busy: 1 calls" in caplog.text)
    assert result_of(app, "free") == "ran"
    server.stop()


@pytest.mark.parametrize("backend", ["simple", "threaded", "threadedNative"])
def test_result_that_comes_after_the_deadline_is_dropped(backend, monkeypatch):
    pause_s = PATIENCE_S if backend in IN_GREENLETS else 0.001

    def ends_late(_connection):
        try:
            while _connection.remaining:
                time.sleep(pause_s)
        except BaseException:  # noqa: BLE001  the one that ends a greenlet
            return "late"
        return "late"

    monkeypatch.setattr(pool_calls, "_GRACE_S", PATIENCE_S)
    monkeypatch.setattr(pool_calls, "CANCEL_S", PATIENCE_S)
    server = flaskJSONRPCServer(None, log=False, timeout=0.5, dispatcherBackend=backend)
    server.registerFunction(ends_late, path="/api")
    app = server.getWSGI()
    work = work_of(backend)

    assert call_wsgi(app, post(rpc("ends_late"))).json() == late(work)
    stats = server.stats()
    assert (stats["abandonedCallCount"], stats["processingAbandonedCallCount"]) == (int(work == "abandoned"), 0)
    server.stop()


def test_stop_restart_and_reload_do_not_wait_for_abandoned_calls(gate):
    server = gated(gate, bindAdress=["127.0.0.1", 0])
    server.start()
    assert call_socket(server.addresses[0], post(rpc("held"))).json() == late("abandoned")

    # Each would wait for its whole timeout, which is longer than that of the test.
    assert server.reload({"dispatcher": lambda: "new", "name": "quick", "path": "/api"}, timeout=1000)
    assert call_socket(server.addresses[0], post(rpc("quick"))).json()["result"] == "new"
    server.restart(timeout=1000)
    assert call_socket(server.addresses[0], post(rpc("quick"))).json()["result"] == "new"
    server.stop(timeout=1000)


def test_late_answer_of_an_abandoned_call_changes_no_response(gate):
    def slow(_connection):
        gate.held()
        _connection.headersOut["X-Late"] = "yes"

    server = gated(gate)
    server.registerFunction(slow, path="/api", name="slow")
    app = server.getWSGI()

    answer = call_wsgi(app, post([rpc("slow"), rpc("missing")]))
    gate.open()
    wait_until(lambda: server.stats()["processingAbandonedCallCount"] == 0)
    assert answer.header("X-Late") is None
    server.stop()


# Registration.


def test_timeout_of_a_registration_takes_precedence_over_that_of_the_server(gate):
    server = gated(gate)
    server.registerFunction(lambda _connection: _connection.remaining, path="/api", name="own", timeout=100)
    server.registerFunction(lambda _connection: _connection.remaining, path="/api", name="none", timeout=float("inf"))
    server.registerFunction(lambda _connection: _connection.remaining, path="/api", name="default")
    app = server.getWSGI()

    assert 90 < result_of(app, "own") <= 100
    assert result_of(app, "none") is None
    assert 0 < result_of(app, "default") <= 0.5
    server.stop()


class Methods:
    def left(self, _connection):
        return _connection.remaining


def test_instance_has_a_timeout():
    server = flaskJSONRPCServer(None, log=False)
    server.registerInstance(Methods(), path="/api", timeout=100)
    assert 90 < result_of(server.getWSGI(), "left") <= 100
    server.stop()


def test_timeout_may_be_registered_while_the_server_is_in_use():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda: 1, path="/api", name="one")
    app = server.getWSGI()
    assert result_of(app, "one") == 1

    server.registerFunction(lambda _connection: _connection.remaining, path="/api", name="left", timeout=100)
    assert 90 < result_of(app, "left") <= 100
    server.stop()


def test_reload_keeps_the_timeout():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda: None, path="/api", name="left", timeout=100)
    new = {"dispatcher": lambda _connection: _connection.remaining, "name": "left", "path": "/api"}
    assert server.reload(new)
    assert 90 < result_of(server.getWSGI(), "left") <= 100
    server.stop()


def test_timeout_that_no_thread_could_wait_for_is_no_limit():
    server = flaskJSONRPCServer(None, log=False, timeout=10**12)
    server.registerFunction(lambda _connection: _connection.remaining, path="/api", name="left")
    assert result_of(server.getWSGI(), "left") is None


def test_call_whose_deadline_passed_long_ago_is_not_waited_for(monkeypatch, gate):
    monkeypatch.setattr(pool_calls, "_GRACE_S", 500)  # a thread that waits for a batch may come to its last call late
    stats = Stats()
    pool = AbandoningPool(1, 0, "test-pool", stats=stats, max_abandoned=1)
    call = pool_calls.TimedCall(
        gate.held,
        is_notification=False,
        deadline=time.monotonic() + 1000,
        pool=pool,
        stats=stats,
        on_lost=gate.open,
    )
    assert pool.submit(call)
    assert gate.begun.acquire(timeout=PATIENCE_S)
    call._deadline -= 2000

    assert call.wait()[2] == deadline_error("abandoned")
    gate.open()
    pool.stop(PATIENCE_S)


@pytest.mark.parametrize("timeout", [0, -1, True, "1", float("nan"), [1]])
def test_unusable_timeout_is_refused(timeout):
    server = flaskJSONRPCServer(None, log=False)
    with pytest.raises(RegistrationError, match="it takes a number of seconds above 0, or None"):
        server.registerFunction(lambda: 1, name="one", timeout=timeout)
    with pytest.raises(SettingsError, match="it takes a number of seconds above 0, or None: no limit"):
        flaskJSONRPCServer(None, timeout=timeout)


# The context of the request.


def test_call_with_a_timeout_has_the_context_of_its_request():
    server = flaskJSONRPCServer(None, log=False, flaskContext=True)
    server.registerFunction(lambda: flask.request.path, path="/api", name="path", timeout=100)
    assert result_of(server.getWSGI(), "path") == "/api"
    server.stop()


def test_context_variables_of_auth_are_there():
    from contextvars import ContextVar

    user = ContextVar("user", default=None)

    def auth(server, path, request, method):
        user.set("me")
        return True

    server = flaskJSONRPCServer(None, log=False, auth=auth)
    server.registerFunction(user.get, path="/api", name="user", timeout=100)
    server.registerFunction(user.get, path="/api", name="plain")
    app = server.getWSGI()
    assert result_of(app, "user") == result_of(app, "plain") == "me"
    server.stop()


def test_overridden_call_dispatcher_makes_calls_with_a_timeout():
    class Recording(flaskJSONRPCServer):
        def _callDispatcher(self, uniqueId, path, data, *args, **kwargs):
            recorded.append(data)
            return super()._callDispatcher(uniqueId, path, data, *args, **kwargs)

    recorded = []
    server = Recording(None, log=False)
    server.registerFunction(lambda: 1, path="/api", name="one", timeout=100)
    assert result_of(server.getWSGI(), "one") == 1
    assert recorded[0]["deadline"] > time.monotonic()
    server.stop()


@pytest.fixture
def patient(monkeypatch):
    """Wait as long as it takes for what has been cancelled."""
    monkeypatch.setattr(pool_calls, "CANCEL_S", PATIENCE_S)


def serving_coroutine(coroutine_function, backend, **options):
    server = flaskJSONRPCServer(["127.0.0.1", 0], **{"log": False, "timeout": 0.5, **options})
    server.registerFunction(coroutine_function, path="/later", dispatcherBackend=backend)
    server.start()
    return server


@pytest.mark.parametrize("backend", ["simple", "threaded", "threadedNative"])
def test_coroutine_is_cancelled_at_its_deadline(backend, patient):
    ended = threading.Event()

    async def wait():
        try:
            await asyncio.sleep(PATIENCE_S)
        finally:
            ended.set()

    server = serving_coroutine(wait, backend)
    try:
        answer = call_socket(server.addresses[0], post(rpc("wait"), "/later")).json()
    finally:
        server.stop()

    assert answer == late("cancelled")
    assert ended.is_set()
    assert server.stats()["processingAbandonedCallCount"] == 0


def counted(server):
    stats = server.stats()
    names = ("abandonedCallCount", "processingAbandonedCallCount", "processingDispatcherCount")
    return tuple(stats[name] for name in names)


@pytest.mark.parametrize("backend", ["simple", "threaded", "threadedNative"])
def test_coroutine_that_ignores_its_cancellation_is_abandoned_counted_and_bounded(backend):
    go = []

    async def insist():
        while not go:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    server = serving_coroutine(insist, backend, max_abandoned_calls=2, timeout=1)  # on a loaded machine it must begin
    try:
        answers = [call_socket(server.addresses[0], post(rpc("insist"), "/later")).json() for _ in range(3)]
        assert answers[:2] == [late("abandoned")] * 2
        assert answers[2]["error"]["code"] == -32002
        assert counted(server) == (2, 2, 2)
        go.append(True)
        wait_until(lambda: counted(server) == (2, 0, 0))
    finally:
        go.append(True)
        server.stop()


@pytest.mark.parametrize("work", ["cancelled", "abandoned"])
def test_exception_of_a_coroutine_after_its_cancellation_is_logged_at_level_debug(work, caplog, monkeypatch):
    go = []
    if work == "cancelled":
        monkeypatch.setattr(pool_calls, "CANCEL_S", PATIENCE_S)

    async def clean_up():
        try:
            await asyncio.sleep(PATIENCE_S)
        finally:
            while work == "abandoned" and not go:
                await asyncio.sleep(0.001)
            raise ValueError("nobody hears this")

    server = serving_coroutine(clean_up, "simple", log=4)
    try:
        assert call_socket(server.addresses[0], post(rpc("clean_up"), "/later")).json() == late(work)
        go.append(True)
        wait_until(lambda: counted(server)[1:] == (0, 0))
    finally:
        go.append(True)
        server.stop()

    levels = [record.levelno for record in caplog.records if "dispatcher /later/clean_up raised" in record.getMessage()]
    assert levels == [logging.DEBUG]
    assert "ValueError: nobody hears this" in caplog.text


@pytest.mark.parametrize("backend", ["simple", "threaded"])
def test_coroutine_behind_a_blocked_loop_does_not_begin(backend, caplog, monkeypatch):
    go, ran = [], []

    async def block():
        ran.append("block")
        while not go:
            time.sleep(0.001)

    async def mark():
        ran.append("mark")

    server = serving_coroutine(block, backend, log=2, timeout=1)  # on a loaded machine it must begin
    server.registerFunction(mark, path="/later", dispatcherBackend=backend, notifBackend=backend)
    address = server.addresses[0]
    try:
        with ThreadPoolExecutor() as clients:
            blocking = clients.submit(call_socket, address, post(rpc("block"), "/later"))
            wait_until(lambda: ran)
            monkeypatch.setattr(pool_calls, "CANCEL_S", PATIENCE_S)  # for the next calls: their threads may be late too
            assert call_socket(address, post(rpc("mark"), "/later")).json() == late("not started")
            assert call_socket(address, post(notification("mark"), "/later")).code == 204
            wait_until(lambda: server.stats()["notificationLostCount"] == 1)
            assert blocking.result(PATIENCE_S).json() == late("abandoned")
            go.append(True)
        wait_until(lambda: counted(server) == (1, 0, 0))
    finally:
        go.append(True)
        server.stop()

    assert ran == ["block"]
    assert "notification /later/mark is lost: Deadline exceeded" in caplog.text


def test_functions_of_coroutines_that_hang_in_threads_are_counted_and_bounded(patient):
    go = []

    def hang():
        while not go:
            time.sleep(0.001)

    async def hang_in_thread():
        await asyncio.to_thread(hang)

    async def use_thread():
        return await asyncio.to_thread(int, "7")

    server = serving_coroutine(hang_in_thread, "simple", max_abandoned_calls=1)
    server.registerFunction(use_thread, path="/api", timeout=math.inf)
    address = server.addresses[0]
    try:
        assert call_socket(address, post(rpc("hang_in_thread"), "/later")).json() == late("cancelled")
        assert counted(server) == (1, 1, 0)
        error = call_socket(address, post(rpc("hang_in_thread"), "/later")).json()["error"]
        assert error["code"] == -32002
        assert error["message"].startswith("Server busy: 1 functions in threads of coroutines still run after")
        assert call_socket(address, post(rpc("use_thread"))).json()["result"] == 7
        server.stop(timeout=1000)  # which is longer than the test may last
    finally:
        go.append(True)
        server.stop()
    wait_until(lambda: counted(server) == (1, 0, 0))


def test_late_result_of_a_coroutine_that_its_decorator_runs_is_dropped(patient):
    def synchronously(function):
        @functools.wraps(function)
        def run(_connection):
            while _connection.remaining:
                time.sleep(0.001)
            return asyncio.run(function())

        return run

    @synchronously
    async def late_one():
        return "late"

    server = flaskJSONRPCServer(None, log=False, timeout=0.1)
    server.registerFunction(late_one, path="/api", name="late_one", dispatcherBackend="threadedNative")
    assert call_wsgi(server.getWSGI(), post(rpc("late_one"))).json() == late("abandoned")
    server.stop()


def test_coroutine_within_its_deadline_is_answered():
    async def soon(_connection):
        await asyncio.sleep(0)
        return _connection.remaining > 0

    server = serving_coroutine(soon, "simple", timeout=PATIENCE_S)
    try:
        assert call_socket(server.addresses[0], post(rpc("soon"), "/later")).json()["result"] is True
    finally:
        server.stop()
