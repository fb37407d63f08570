"""``GET /metrics`` of one process, over real sockets."""

import gzip
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import flask
import pytest

from flaskJSONRPCServer import SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcApplicationError
from flaskJSONRPCServer.telemetry.collection import BOUNDS_S
from tests.helpers import call_wsgi, rpc, wait_until
from tests.helpers import get as get_request
from tests.telemetry.scraping import OPENMETRICS, WAIT_S, ask, calls, errors, get, samples_in, scrape, send, value

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections


def fail(code=7):
    raise JsonRpcApplicationError("no", code=code)


def crash():
    raise SystemExit(3)


class Busy:
    """A dispatcher that runs until it is let go."""

    def __init__(self):
        self.entered, self.may_leave = threading.Event(), threading.Event()

    def __call__(self):
        self.entered.set()
        assert self.may_leave.wait(WAIT_S)


@pytest.fixture(scope="module")
def server():
    """A server for all tests; each test counts methods of its own."""
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, metrics=True, max_body_bytes=100_000)
    server.registerFunction(abs, path="/first", name="abs")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def address(server):
    return server.addresses[0]


@pytest.mark.parametrize("backend", ["simple", "threaded", "parallel"])
def test_calls_are_counted_by_method_and_code(server, address, backend):
    path = f"/{backend}"
    for function, name in ((abs, "abs"), (fail, "fail"), (crash, "crash")):
        server.registerFunction(function, path=path, name=name, dispatcherBackend=backend, notifBackend=backend)
    for number in range(3):
        assert ask(address, "abs", [-number], path)["result"] == number
    send(address, [rpc("abs", [1]), rpc("fail"), rpc("nothing")], path)
    ask(address, "crash", None, path)
    send(address, {"jsonrpc": "2.0", "method": "abs", "params": [1]}, path)
    assert ask(address, "abs", None, path)["error"]["code"] == -32602

    wait_until(lambda: calls(scrape(address), f"{path}/abs") == 5)
    samples = scrape(address)
    by_code = {code: calls(samples, f"{path}/fail", code) for code in (0, 7)}
    assert by_code == {0: None, 7: 1}
    assert (calls(samples, f"{path}/crash"), calls(samples, f"{path}/crash", -32603)) == (None, 1)
    assert calls(samples, f"{path}/abs", -32602) is None  # the function was not called
    assert errors(samples, f"{path}/abs", -32602) == errors(samples, f"{path}/fail", 7) == 1
    assert value(samples, "calls_in_progress", method=f"{path}/abs") == 0
    assert value(samples, "call_duration_seconds_bucket", method=f"{path}/abs", le="+Inf") == 5
    assert 0 < value(samples, "call_duration_seconds_sum", method=f"{path}/abs") < WAIT_S


def test_counts_are_those_of_the_statistics(server, address):
    server.registerFunction(fail, path="/same")
    server.registerFunction(abs, path="/same", name="abs")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: ask(address, ("abs", "fail")[number % 2], [number], "/same"), range(40)))

    samples, dispatchers = scrape(address), server.stats()["dispatchers"]
    assert calls(samples, "/same/abs") == dispatchers["/same/abs"]["calls"] == 20
    failed = {code: calls(samples, "/same/fail", code) for code in range(1, 40, 2)}
    assert failed == dict.fromkeys(range(1, 40, 2), 1)
    assert dispatchers["/same/fail"]["errors"] == dispatchers["/same/fail"]["calls"] == 20


def test_ten_thousand_unknown_methods_are_one_series(server, address):
    server.registerFunction(abs, path="/known", name="abs")
    before = scrape(address)
    for start in range(0, 10_000, 1000):
        status, answers = send(address, [rpc(f"nothing{start + number}") for number in range(1000)], "/known")
        assert (status, len(answers)) == (200, 1000)

    samples = scrape(address)
    assert errors(samples, "_OTHER", -32601) - (errors(before, "_OTHER", -32601) or 0) == 10_000
    assert not any("nothing" in text for _, labels in samples for _, text in labels)


def test_messages_that_are_no_calls_are_errors_of_no_method(server, address):
    server.registerFunction(abs, path="/wrong", name="abs")
    before = scrape(address)
    for message in ([], {"jsonrpc": "2.0", "method": 5, "id": 1}, {"jsonrpc": "2.0", "result": 5, "id": 1}):
        assert send(address, message, "/wrong")[1]["error"]["code"] == -32600
    samples = scrape(address)
    assert errors(samples, "_OTHER", -32600) - (errors(before, "_OTHER", -32600) or 0) == 3


def test_result_that_cannot_be_written_is_an_error_of_its_method(server, address):
    server.registerFunction(lambda: fail, path="/unwritable", name="object")
    server.registerFunction(lambda: fail, path="/unwritable", name="pooled", dispatcherBackend="threaded")
    send(address, [rpc("object"), rpc("pooled")], "/unwritable")

    samples = scrape(address)
    for name in ("object", "pooled"):
        url = f"/unwritable/{name}"
        assert (calls(samples, url), errors(samples, url, -32603)) == (1, 1)


def test_requests_batches_notifications_and_refusals_are_counted(server, address):
    server.registerFunction(abs, path="/counted", name="abs")
    before = scrape(address)
    notification = {"jsonrpc": "2.0", "method": "abs", "params": [1]}
    send(address, [notification, {**notification, "method": "nothing"}, rpc("abs", [1])], "/counted")
    send(address, notification, "/counted")
    assert send(address, "x" * 100_001, "/counted")[0] == 413
    assert send(address, notification, "/counted", Host="evil.test")[0] == 421

    samples = scrape(address)

    def grown(name, /, **labels):
        return value(samples, name, **labels) - (value(before, name, **labels) or 0)

    assert (grown("batches_total"), grown("notifications_total")) == (1, 3)
    assert (grown("http_refusals_total", status="413"), grown("http_refusals_total", status="421")) == (1, 1)
    assert grown("requests_total", transport="http") == 3  # the serving backend itself has refused the long one
    assert value(samples, "requests_in_progress") == 0


def test_calls_in_progress_are_shown(server, address):
    busy = Busy()
    server.registerFunction(busy, path="/busy", name="busy")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, address, "busy", None, "/busy")
        assert busy.entered.wait(WAIT_S)
        samples = scrape(address)
        busy.may_leave.set()
        assert answer.result()["result"] is None

    assert value(samples, "calls_in_progress", method="/busy/busy") == 1
    assert value(samples, "requests_in_progress") == 1
    assert calls(samples, "/busy/busy") is None
    assert value(scrape(address), "calls_in_progress", method="/busy/busy") == 0


def test_locks_reloads_backends_and_durations_are_shown(server, address, tmp_path):
    server.registerFunction(abs, path="/state", name="abs", dispatcherBackend="threaded")
    ask(address, "abs", [1], "/state")
    before = scrape(address)
    server.lock(abs)
    locked = scrape(address)
    server.unlock(abs)
    server.reload({"path": "/state", "dispatcher": abs, "dispatcherName": "abs", "name": "abs"}, timeout=WAIT_S)
    broken = tmp_path / "broken.py"
    broken.write_text("raise ValueError", encoding="utf-8")
    assert not server.reload({"path": "/state", "scriptPath": str(broken), "dispatcherName": "abs"}, timeout=WAIT_S)
    server._speedStatsAdd("parse", [500.0, 250.0])
    samples = scrape(address)

    assert [value(state, "locked_dispatchers") for state in (before, locked, samples)] == [0, 1, 0]
    for outcome in ("success", "failure"):
        assert value(samples, "reloads_total", outcome=outcome) - value(before, "reloads_total", outcome=outcome) == 1
    assert value(samples, "exec_backend_pool_size", backend="threaded") == 32
    assert value(samples, "exec_backend_done_calls_total", backend="threaded") >= 1
    assert value(samples, "recorded_duration_seconds_count", name="parse") == 2
    assert value(samples, "recorded_duration_seconds_sum", name="parse") == 0.75
    assert value(samples, "limit", setting="threads") == 64
    assert value(samples, "build_info") == 1
    assert value(samples, "connections") >= 1
    assert samples["process_threads", ()] > 1
    assert ("process_resident_memory_bytes", ()) in samples


@pytest.mark.parametrize("backend", ["native", "werkzeug", "granian"])
def test_request_that_the_serving_backend_refuses_is_counted(backend):
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, servBackend=backend)
    server.registerFunction(abs, path="/api", name="abs")
    server.start()
    try:
        coded = b"POST /api HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
        long = b"GET /" + 70_000 * b"a" + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        with socket.create_connection(server.addresses[0], WAIT_S) as client:
            client.sendall(coded if backend == "granian" else long)
            status = client.recv(65536).split()[1].decode()
        assert status in ("400", "414", "431")
        wait_until(lambda: server._engine.stats.totals().refusals == {status: 1})
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html, text/plain", "text/plain; version=0.0.4; charset=utf-8"),
        (OPENMETRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (f"{OPENMETRICS};q=0.8,text/plain;version=0.0.4;q=0.5", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text;version=none", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=1..2", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_format_is_the_one_that_the_client_accepts(address, accept, media_type):
    status, headers, body = get(address, Accept=accept)

    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert headers["Content-Type"].startswith(media_type)
    assert body.endswith(b"# EOF\n") == ("openmetrics" in media_type)
    assert ("jsonrpc_server_batches_total", ()) in samples_in(body.decode())


def test_answer_is_compressed_if_the_client_accepts_it(address):
    _, headers, body = get(address, **{"Accept-Encoding": "gzip"})

    assert (headers["Content-Encoding"], headers["Vary"]) == ("gzip", "Accept, Accept-Encoding")
    assert ("jsonrpc_server_batches_total", ()) in samples_in(gzip.decompress(body).decode())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("HEAD", "/metrics", 200), ("POST", "/metrics", 405), ("GET", "/metrics/", 404), ("GET", "/metrics/x", 404)],
)
def test_only_gets_of_its_url_are_answered(server, address, method, path, status):
    server.registerFunction(abs, path="/any", name="abs")
    answered, _, body = get(address, path, method)

    assert answered == status
    assert b"jsonrpc_server" not in body


def test_buckets_end_with_the_longest_bound():
    assert list(BOUNDS_S) == sorted(set(BOUNDS_S))


def mounted(**options):
    server = flaskJSONRPCServer(None, log=False, **{"metrics": True, **options})
    server.registerFunction(abs, path="/api", name="abs")
    return server


def status_of(server, **headers):
    return call_wsgi(server.getWSGI(), get_request("/metrics", **headers)).code


def test_metrics_are_off_by_default():
    assert status_of(mounted(metrics=False)) == 404


@pytest.mark.parametrize("auth", ["auth", "metrics_auth"])
def test_metrics_ask_for_authorisation(auth):
    asked = []

    def decide(server, path, request, method):
        asked.append((path, method))
        return request["headers"].get("Authorization") == "Bearer sesame"

    server = mounted(**{auth: decide})
    assert status_of(server) == 403
    assert call_wsgi(server.getWSGI(), get_request("/metrics", headers={"Authorization": "Bearer sesame"})).code == 200
    assert asked == [("/metrics/", None)] * 2


def test_authorisation_of_metrics_is_asked_instead_of_that_of_calls():
    server = mounted(auth=lambda server, path, request, method: False, metrics_auth=lambda *_, **__: True)
    assert status_of(server) == 200


class OwnBackend:
    """A custom exec backend without its statistics."""

    _id = "own"

    def add(self, *args):
        return True, None, None

    def check(self, unique_id, ticket):
        return True, {}, 5


def test_failing_exec_backend_leaves_the_other_metrics():
    class Backend(OwnBackend):
        def stats(self, inMS):
            raise RuntimeError("no statistics")

    server = flaskJSONRPCServer(None, log=False, metrics=True)
    server.registerFunction(abs, path="/api", name="abs", dispatcherBackend=Backend())
    server._startExecBackends()
    answer = call_wsgi(server.getWSGI(), get_request("/metrics"))
    server.stop()

    assert answer.code == 200
    assert value(samples_in(answer.body.decode()), "batches_total") == 0


def test_statistics_of_a_custom_exec_backend_are_shown():
    class Backend(OwnBackend):
        def stats(self, inMS):
            strange = {"own_huge": 10**400, "own_nothing": float("nan"), "own_text": "no number", "own_flag": True}
            return {"own_waiting": 3, "own_depth": 4.5, "own_share": Fraction(1, 2), **strange}

    server = flaskJSONRPCServer(None, log=False, metrics=True)
    server.registerFunction(abs, path="/api", name="abs", dispatcherBackend=Backend())
    server._startExecBackends()
    samples = samples_in(call_wsgi(server.getWSGI(), get_request("/metrics")).body.decode())
    server.stop()

    assert value(samples, "exec_backend_waiting_calls", backend="own") == 3
    assert value(samples, "exec_backend_statistic", backend="own", name="depth") == 4.5
    assert value(samples, "exec_backend_statistic", backend="own", name="share") == 0.5
    assert value(samples, "exec_backend_statistic", backend="own") == 5.0


@pytest.mark.parametrize("options", [{}, {"flaskContext": True}])
def test_metrics_are_below_the_prefix_of_a_mounted_server(options):
    app = flask.Flask("pages")
    server = mounted(**options)
    server.init_app(app, url_prefix="/rpc")
    client = app.test_client()
    client.post("/rpc/api", json=rpc("abs", [-1]))

    assert client.get("/metrics").status_code == 404
    answer = client.get("/rpc/metrics", headers={"Accept": OPENMETRICS})
    assert calls(samples_in(answer.text), "/api/abs") == 1


def test_page_of_the_application_at_the_same_url_wins():
    app = flask.Flask("pages")
    app.add_url_rule("/metrics", "own", lambda: "own page")
    server = flaskJSONRPCServer(None, log=False, metrics=True)
    server.flaskApp = app
    server.registerFunction(abs, path="/api", name="abs")

    assert call_wsgi(server.getWSGI(), get_request("/metrics")).body == b"own page"


@pytest.mark.parametrize(
    "options",
    [
        {"metrics": "yes"},
        {"metrics_auth": "yes"},
        {"metrics_address": ["127.0.0.1", 0]},
        {"metrics": True, "metrics_address": "./metrics.sock"},
        {"metrics": True, "metrics_address": 9464},
    ],
)
def test_wrong_settings_are_refused(options):
    with pytest.raises(SettingsError):
        flaskJSONRPCServer(None, log=False, **options)
