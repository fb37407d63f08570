"""Statistics and garbage control of a running server, as clients and users see them."""

import gc
import http.client
import itertools
import json
import subprocess
import sys
import textwrap
import threading
import weakref

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.runtime import ticker
from tests.helpers import call, call_wsgi, post, result_of, rpc, wait_until

WAIT_S = 30
# Python 3.12 itself freezes some hundred objects.
FEW_FROZEN = 1000


@pytest.fixture
def fast_ticker(monkeypatch):
    """Make every ticker tick a hundred times a second."""
    init = ticker.Ticker.__init__
    monkeypatch.setattr(ticker.Ticker, "__init__", lambda self, *args: init(self, *args, every_s=0.01))


@pytest.fixture
def make():
    servers = []

    def make_server(kind=flaskJSONRPCServer, address=("127.0.0.1", 0), **options):
        server = kind(list(address), **{"log": 0, **options})
        servers.append(server)
        return server

    yield make_server
    for server in servers:
        server.stop()
    assert gc.isenabled()


def ask(server, method, params=None, path="/api"):
    connection = http.client.HTTPConnection(*server.addresses[0], timeout=WAIT_S)
    try:
        connection.request("POST", path, json.dumps(rpc(method, params)), {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_client_sees_the_figures_of_each_dispatcher(make):
    server = make()

    def fail():
        raise ValueError

    fail._alias = "fault"
    server.registerFunction(fail, path="/api")
    server.registerFunction(server.stats, path="/admin/deep", name="stats")
    server.start()
    for name in ("fail", "fail", "fault", "no_such"):
        assert "error" in ask(server, name)
    dispatchers = ask(server, "stats", [True], path="/admin/deep")["result"]["dispatchers"]

    assert list(dispatchers) == ["/admin/deep/stats", "/api/fail", "/api/fault"]
    assert [dispatchers[f"/api/{name}"][key] for name in ("fail", "fault") for key in ("calls", "errors")] == [
        2,
        2,
        1,
        1,
    ]
    asking = dispatchers["/admin/deep/stats"]
    assert asking == {"calls": 1, "errors": 0, "processing": 1, "mean": 0, "max": 0, "p50": 0, "p90": 0, "p99": 0}


@pytest.mark.parametrize(("in_ms", "factor"), [(True, 1000), (False, 1)])
def test_durations_of_dispatchers_are_those_of_their_functions(in_ms, factor, monkeypatch):
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda: 1, path="/", name="one")
    ticks = itertools.chain.from_iterable((0, 10**9 * seconds) for seconds in (1, 1, 1, 1, 1, 1, 1, 1, 3, 9))
    monkeypatch.setattr("flaskJSONRPCServer.dispatch.invoker.perf_counter_ns", lambda: next(ticks))
    for _ in range(10):
        result_of(server.getWSGI(), "one", target="/")
    (figures,) = server.stats(inMS=in_ms)["dispatchers"].values()

    assert figures == {
        "calls": 10,
        "errors": 0,
        "processing": 0,
        "mean": pytest.approx(2 * factor),
        "max": pytest.approx(9 * factor),
        "p50": pytest.approx(1 * factor, rel=1 / 16),
        "p90": pytest.approx(3 * factor, rel=1 / 16),
        "p99": pytest.approx(9 * factor, rel=1 / 16),
    }


def test_duration_excludes_waiting_for_a_lock():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda: 1, path="/api", name="one")
    application = server.getWSGI()
    server.lock()
    waiting = threading.Thread(target=result_of, args=(application, "one"))
    waiting.start()
    wait_until(lambda: server.stats()["processingRequestCount"])
    assert server.stats()["dispatchers"] == {}
    server.unlock()
    waiting.join(WAIT_S)

    assert server.stats()["dispatchers"]["/api/one"]["calls"] == 1


@pytest.mark.parametrize("backend", ["simple", "threaded"])
def test_calls_and_notifications_of_exec_backends_are_counted(backend, make):
    server = make(dispatcherBackend=backend, notifBackend=backend)
    server.registerFunction(lambda: 1, path="/api", name="one")
    server.start()
    assert ask(server, "one")["result"] == 1
    call_wsgi(server.getWSGI(), post({"jsonrpc": "2.0", "method": "one"}))
    server._waitProcessingDispatchers()
    wait_until(lambda: server.stats()["dispatchers"]["/api/one"]["calls"] == 2)

    assert server.stats()["dispatchers"]["/api/one"]["errors"] == 0


def test_calls_from_threads_that_have_ended_are_all_there(make):
    server = make()
    server.registerFunction(lambda: 1, path="/api", name="one")
    server.start()
    threads = [threading.Thread(target=lambda: [ask(server, "one") for _ in range(10)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    figures = wait_until(lambda: (report := server.stats())["processingRequestCount"] == 0 and report)

    assert figures["dispatchers"]["/api/one"]["calls"] == figures["requestCount"] == 80


def test_unknown_names_from_clients_are_not_counted():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda: 1, path="/api", name="one")
    for number in range(50):
        call(server.getWSGI(), f"no_such_{number}")
    call(server.getWSGI(), "one", [1, 2, 3])

    assert server.stats()["dispatchers"] == {}


def test_running_server_samples_the_rate(make, fast_ticker, monkeypatch):
    now = [6000.0]
    looked = threading.Event()

    def clock():
        looked.set()
        return now[0]

    monkeypatch.setattr("flaskJSONRPCServer.runtime.stats.time", type("clock", (), {"time": staticmethod(clock)}))
    server = make(controlGC=False)
    server.registerFunction(lambda: 1, path="/api", name="one")
    server.start()
    for _ in range(3):
        ask(server, "one")
    now[0] = 6001.0
    rate = server._engine.stats._rate
    wait_until(lambda: rate.report()["connPerSec_now"] == 3)
    now[0] = 6002.0
    wait_until(lambda: rate.report()["connPerSec_old"] == 3)

    report = server.stats()
    assert (report["connPerSec_now"], report["connPerSec_max"]) == (0, 3)
    assert report["connPerSec_history"] == [{"minute": 6000, "mean": 1.5, "max": 3}]


def test_statistics_are_json(make):
    server = make()
    server.registerFunction(server.stats, path="/api")
    server._speedStatsAdd(["a", "b"], [1, 2])
    server.start()
    ask(server, "stats")
    server._controlGC(force=True)

    assert ask(server, "stats")["result"]["gc"]["count"] == 1


class Counting(flaskJSONRPCServer):
    """A server whose user replaces the collection."""

    def _controlGC(self, force=False):
        self.asked = getattr(self, "asked", 0) + 1
        if self.asked == 2:
            raise ValueError("my own mistake")
        return super()._controlGC(force)


def test_garbage_is_collected_by_the_documented_method(make, fast_ticker, caplog):
    server = make(Counting, log=1)
    server.start()
    wait_until(lambda: getattr(server, "asked", 0) >= 3)
    server.stop()

    assert "my own mistake" in caplog.text


def test_documented_method_collects_when_it_is_due(make):
    server = make(controlGC_everyDispatcherCount=2)
    server.registerFunction(lambda: 1, path="/api", name="one")
    server.start()
    ask(server, "one")
    before = server._controlGC()
    ask(server, "one")

    assert (before, server._controlGC(), server._controlGC(), server._controlGC(force=True)) == (
        False,
        True,
        False,
        True,
    )
    report = server.stats(inMS=True)["gc"]
    assert report["count"] == 2
    assert 0 < report["last"] <= report["max"] <= report["total"]


def test_automatic_collection_is_on_after_the_ticker_has_died(make, fast_ticker, monkeypatch):
    died = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda args: died.set())
    server = make()

    def leave(force=False):
        raise SystemExit

    server._controlGC = leave
    server.start()
    assert died.wait(WAIT_S)

    assert gc.isenabled()


def test_restart_keeps_automatic_collection_off(make):
    server = make()
    server.start()
    server.restart()
    assert not gc.isenabled()
    assert gc.get_freeze_count() > FEW_FROZEN
    server.stop()

    assert gc.get_freeze_count() < FEW_FROZEN


def test_replaced_code_dies_with_a_forced_collection(make):
    class Service:
        def __init__(self):
            self.itself = self

    service = Service()
    server = make()
    server.start()
    seen = weakref.ref(service)
    del service, Service
    server._controlGC(force=True)

    assert seen() is None


def test_memory_of_calls_that_make_cycles_reaches_a_plateau():
    # In a separate interpreter: the memory of this one depends on the other tests.
    program = """
        import gc, psutil
        from flaskJSONRPCServer import flaskJSONRPCServer
        from tests.helpers import call_wsgi, post, rpc

        class Node:
            def __init__(self):
                self.itself, self.ballast = self, bytes(1000)

        server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, controlGC_everyDispatcherCount=5_000)
        server.registerFunction(lambda: Node() and 1, path="/api", name="make")
        server.start()
        application, request = server.getWSGI(), post([rpc("make")] * 1_000)
        used = []
        for number in range(100):
            assert call_wsgi(application, request).code == 200
            server._controlGC()
            if number % 5 == 4:
                used.append(psutil.Process().memory_info().rss)
        assert not gc.isenabled()
        print(server.stats()["gc"]["count"] >= 20, max(used[15:]) / max(used[5:10]))
        server.stop()
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    collected, growth = run.stdout.split()

    assert collected == "True"
    assert float(growth) < 1.1
