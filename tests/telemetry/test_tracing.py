import functools
import json
import logging
import queue
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import flask
import pytest
from opentelemetry import propagate, trace
from opentelemetry.propagators.textmap import TextMapPropagator

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.dispatch import trace_context
from flaskJSONRPCServer.errors import MissingExtraError, SettingsError
from flaskJSONRPCServer.execBackend import ParallelBackend
from flaskJSONRPCServer.runtime.log_limits import LimitedLog
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcApplicationError
from tests.helpers import call, call_socket, call_wsgi, get, post, result_of, rpc, wait_until
from tests.protocol_calls import Client
from tests.telemetry import api

TRACE, REMOTE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTINUED = {"traceparent": f"00-{TRACE}-{REMOTE}-01", "tracestate": "vendor=1", "baggage": "user=7"}
SECRET = "s3cr3t"

BACKENDS = ("simple", "threaded", "parallel")


def make_server(backend="simple", **options):
    chosen = ParallelBackend(poolSize=1) if backend == "parallel" else backend
    options = {"bindAdress": None, "log": False, "tracing": True, "name": "test", **options}
    return api.populate(flaskJSONRPCServer(**options, dispatcherBackend=chosen, notifBackend=chosen))


@pytest.fixture(scope="module")
def apps():
    servers = {backend: make_server(backend) for backend in BACKENDS}
    for server in servers.values():
        server.registerFunction(api.wait, path="/timed", name="late", timeout=0.5)
    yield {backend: server.getWSGI() for backend, server in servers.items()}
    for server in servers.values():
        server.stop(timeout=0)


@pytest.fixture
def app(apps):
    return apps["simple"]


@pytest.fixture(autouse=True)
def _no_spans(apps):
    api.SPANS.clear()
    api.GATE.clear()
    result_of(apps["parallel"], "finished")
    api.SPANS.clear()


def spans(count):
    """Return the spans of this process once there are so many."""
    wait_until(lambda: len(api.SPANS.get_finished_spans()) >= count)
    found = api.finished()
    assert len(found) == count, [span["name"] for span in found]
    return found


def named(found, name):
    [span] = [span for span in found if span["name"] == name]
    return span


def tree(found):
    """Return the names of the spans as a tree: of each span, its name and the trees of those below, sorted."""
    ids = {span["span_id"] for span in found}

    def below(parent_id):
        return sorted((span["name"], below(span["span_id"])) for span in found if span["parent_id"] == parent_id)

    roots = [span for span in found if span["parent_id"] not in ids]
    return sorted((span["name"], below(span["span_id"])) for span in roots)


def test_call_has_a_span_below_that_of_its_request(app):
    result_of(app, "add", [1])

    found = spans(2)
    request, called = named(found, "POST /api"), named(found, "add")
    assert (request["parent_id"], called["parent_id"]) == (None, request["span_id"])
    assert called["trace_id"] == request["trace_id"]
    assert (request["kind"], called["kind"]) == ("SERVER", "SERVER")
    assert (request["status"], called["status"]) == ("UNSET", "UNSET")
    assert request["attributes"] == {
        "http.request.method": "POST",
        "http.route": "/api",
        "url.scheme": "http",
        "url.path": "/api",
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "server.address": "127.0.0.1",
        "server.port": 8080,
        "http.response.status_code": 200,
    }
    assert called["attributes"] == {
        "rpc.system.name": "jsonrpc",
        "rpc.method": "add",
        "jsonrpc.protocol.version": "2.0",
        "jsonrpc.request.id": "1",
    }


def chosen():
    raise JsonRpcApplicationError("chosen", code=5)


def test_call_of_another_protocol_has_a_span():
    server = make_server()
    server.registerFunction(chosen, path="/api")
    client = Client(server)

    assert client.call(None, "add", 1) == 2
    assert client.error(None, "chosen").code == 5
    server.stop(timeout=0)

    found = spans(2)
    assert [(span["name"], span["status"]) for span in found] == [("add", "UNSET"), ("chosen", "ERROR")]
    assert named(found, "chosen")["attributes"]["rpc.response.status_code"] == "5"


@pytest.mark.parametrize("request_id", [None, "x" * 1000])
def test_id_is_recorded_unless_it_is_null_and_it_is_bounded(app, request_id):
    call_wsgi(app, post(rpc("add", [1], request_id)))

    recorded = named(spans(2), "add")["attributes"].get("jsonrpc.request.id")
    assert recorded == (request_id and "x" * 256)


@pytest.mark.parametrize("backend", BACKENDS)
def test_trace_of_the_client_goes_on_where_the_call_runs(apps, backend):
    trace_id, span_id, baggage = result_of(apps[backend], "seen", headers=CONTINUED)

    found = spans(3 if backend == "simple" else 4 if backend == "threaded" else 2)
    if backend == "parallel":
        found += result_of(apps[backend], "finished")
    inner = [("inner", [])]
    run = inner if backend == "simple" else [("run seen", inner)]
    assert tree(found) == [("POST /api", [("seen", run)])]
    assert named(found, "POST /api")["parent_id"] == REMOTE
    assert {span["trace_id"] for span in found} == {TRACE} == {trace_id}
    assert span_id == named(found, "inner")["parent_id"]
    assert {span["state"] for span in found} == {"vendor=1"}
    assert baggage == {"user": "7"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_coroutine_has_the_span_of_its_call(apps, backend):
    trace_id, span_id, _ = result_of(apps[backend], "seen_by_coroutine", headers=CONTINUED)

    found = [*api.finished(), *(result_of(apps[backend], "finished") if backend == "parallel" else ())]
    current = "seen_by_coroutine" if backend == "simple" else "run seen_by_coroutine"
    assert (trace_id, span_id) == (TRACE, named(found, current)["span_id"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_notification_keeps_its_parent(apps, backend):
    answer = call_wsgi(apps[backend], post({"jsonrpc": "2.0", "method": "seen"}, headers=CONTINUED))

    assert answer.code == 204
    found = spans(3 if backend == "simple" else 4 if backend == "threaded" else 2)
    if backend == "parallel":  # its only process runs one call after the other
        found += result_of(apps[backend], "finished")
    inner = [("inner", [])]
    assert tree(found) == [("POST /api", [("seen", inner if backend == "simple" else [("run seen", inner)])])]
    assert {span["trace_id"] for span in found} == {TRACE}
    assert "jsonrpc.request.id" not in named(found, "seen")["attributes"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_batch_has_a_span_around_those_of_its_calls(apps, backend):
    batch = [rpc("add", [1]), {"jsonrpc": "2.0", "method": "add", "params": [2]}, rpc("nothing"), 1, rpc("refuse", [0])]

    answer = call_wsgi(apps[backend], post(batch, headers=CONTINUED))

    assert len(answer.json()) == 4
    found = spans(10 if backend == "threaded" else 7)
    if backend == "parallel":
        found += result_of(apps[backend], "finished")
    run = {name: [] if backend == "simple" else [(f"run {name}", [])] for name in ("add", "refuse")}
    calls = [("add", run["add"]), ("add", run["add"]), ("jsonrpc", []), ("jsonrpc", []), ("refuse", run["refuse"])]
    assert tree(found) == [("POST /api", [("jsonrpc batch", calls)])]
    assert named(found, "jsonrpc batch")["attributes"] == {
        "rpc.system.name": "jsonrpc",
        "flaskjsonrpcserver.batch.size": 5,
    }
    assert named(found, "jsonrpc batch")["status"] == "UNSET"
    assert [span["attributes"].get("error.type") for span in found if span["name"] == "add"] == [None, None]
    assert named(found, "refuse")["attributes"]["error.type"] == "5"


def test_get_has_spans_without_its_query():
    app = make_server(fallback=True).getWSGI()

    assert call_wsgi(app, get(f"/api/add?a={SECRET}&b=x")).code == 200

    found = spans(2)
    assert tree(found) == [("GET /api/add", [("add", [])])]
    assert SECRET not in str(found)
    assert named(found, "GET /api/add")["attributes"]["http.route"] == "/api/add"


def test_document_has_a_span_with_its_url(app):
    assert call_wsgi(app, get("/api/openrpc.json")).code == 200

    [request] = spans(1)
    assert (request["name"], request["attributes"]["http.route"]) == ("GET /api/openrpc.json", "/api/openrpc.json")


def test_exception_that_propagates_leaves_no_text(apps):
    server = make_server(flaskContext=True)
    outer = flask.Flask("outer")
    outer.testing = True
    server.init_app(outer)

    with pytest.raises(LookupError):
        call_wsgi(outer.wsgi_app, post([rpc("crash", [SECRET])]))

    found = spans(3)
    assert SECRET not in str(found)
    assert named(found, "crash")["attributes"]["error.type"] == "LookupError"
    assert named(found, "POST /api")["attributes"]["error.type"] == "LookupError"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "no",
        f"00-{'0' * 32}-{REMOTE}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{REMOTE}-01",
        f"00-{TRACE}-{REMOTE}",
        f"00-{TRACE.upper()}-{REMOTE}-01",
        f"00-{TRACE}-{REMOTE}-01-more",
        f"00-{TRACE}-{REMOTE}-01,00-{TRACE}-{REMOTE}-01",
        "\xff" * 100,
    ],
)
def test_malformed_trace_of_a_client_is_ignored(app, header):
    fields = {"traceparent": header, "tracestate": "=,=;\xff" * 50, "baggage": "%zz=%,;;=\xff"}

    assert result_of(app, "add", [1], headers=fields) == 2

    found = spans(2)
    assert named(found, "POST /api")["parent_id"] is None
    assert {TRACE} != {span["trace_id"] for span in found}


PARENT = f"00-{TRACE}-{REMOTE}-01"

TROUBLESOME = [
    {"traceparent": "0" * 1000},
    {"tracestate": "no"},
    {"tracestate": "A=1"},
    {"tracestate": "a=1,a=2"},
    {"tracestate": ",".join(f"k{number}=1" for number in range(33))},
    {"tracestate": "a=1," * 2100},
    {"tracestate": " " * 8000 + "a"},
    {"baggage": "no"},
    {"baggage": "=1"},
    {"baggage": "%20=1"},
    {"baggage": "a b=1"},
    {"baggage": 'a="1"'},
    {"baggage": "a=1;;"},
    {"baggage": "ä," * 2700},
    {"baggage": "a," * 4000},
    {"baggage": "a=1," * 2000},
    {"baggage": ",".join(f"k{number}=1" for number in range(181))},
    {"baggage": "a=" + "1" * 5000},
    {"baggage": "a=" + "1" * 9000},
    {"baggage": "a=" + "!" * 4000},
    {"baggage": ",".join(f"k{number}=" + "!" * 900 for number in range(8))},
    {"baggage": "a=" + " " * 8000 + "b c"},
]


@pytest.mark.parametrize("backend", ["simple", "threaded"])
@pytest.mark.parametrize("fields", TROUBLESOME, ids=lambda fields: str(fields)[:40])
def test_client_cannot_make_the_library_log(apps, backend, fields, caplog):
    trace_id, _, _ = result_of(apps[backend], "seen", headers={"traceparent": PARENT, **fields})

    assert (trace_id == TRACE) is ("traceparent" not in fields)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("field", "seen"),
    [
        ("a = 1 , b=2", {"a": "1", "b": "2"}),
        ("a=1,no,b=2", {"a": "1", "b": "2"}),
        ("a=1;public;ttl=5", {"a": "1;public;ttl=5"}),
        ("a%20b=%C3%A4%2C+x", {"a b": "ä, x"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
        ("a=1,a=2", {"a": "2"}),
        ("", {}),
    ],
)
@pytest.mark.parametrize("backend", ["simple", "threaded"])
def test_baggage_that_is_well_formed_is_read(apps, backend, field, seen):
    _, _, baggage = result_of(apps[backend], "seen", headers={"traceparent": PARENT, "baggage": field})

    assert baggage == seen


@pytest.mark.parametrize("state", ["a=1", "a=1, b@c=2", "a/b=x y,1a@b=~"])
def test_state_that_is_well_formed_goes_on(app, state):
    result_of(app, "seen", headers={"traceparent": PARENT, "tracestate": state})

    assert {span["state"] for span in spans(3)} == {state.replace(", ", ",")}


def test_client_may_choose_not_to_be_recorded(app):
    fields = {"traceparent": f"00-{TRACE}-{REMOTE}-00"}

    trace_id, _, _ = result_of(app, "seen", headers=fields)

    assert trace_id == TRACE
    assert api.finished() == []


ERRORS = {
    "unknown": (rpc(f"no {SECRET}"), "jsonrpc", -32601),
    "no request": ({"jsonrpc": "2.0", "id": SECRET}, "jsonrpc", -32600),
    "wrong parameters": (rpc("add", {SECRET: 1}), "add", -32602),
    "its own": (rpc("refuse", [SECRET]), "refuse", 5),
    "unexpected": (rpc("crash", [SECRET]), "crash", -32603),
    "unwritable": (rpc("unwritable"), "unwritable", -32603),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_error_marks_the_span_by_its_code(apps, backend, name):
    sent, span_name, code = ERRORS[name]

    answer = call_wsgi(apps[backend], post(sent)).json()

    found = api.finished()
    called = named(found, span_name)
    assert answer["error"]["code"] == code
    assert (called["status"], called["text"]) == ("ERROR", None)
    assert called["attributes"]["rpc.response.status_code"] == called["attributes"]["error.type"] == str(code)
    assert named(found, "POST /api")["status"] == "UNSET"
    if name == "unknown":
        assert called["attributes"]["rpc.method"] == "_OTHER"
        assert called["attributes"]["rpc.method_original"] == sent["method"]
    else:
        assert SECRET not in str(found)


@pytest.mark.parametrize("backend", BACKENDS)
def test_unexpected_exception_is_recorded_by_its_class_alone(apps, backend):
    call(apps[backend], "crash", [SECRET])

    found = api.finished() + (result_of(apps[backend], "finished") if backend == "parallel" else [])
    where = named(found, "crash" if backend == "simple" else "run crash")
    assert where["events"] == [["exception", {"exception.type": "LookupError"}]]
    assert where["status"] == "ERROR"
    assert SECRET not in str(found)


def test_error_before_any_call_marks_the_span_of_the_request(app):
    answer = call_wsgi(app, post(b"{"))

    [request] = spans(1)
    assert answer.json()["error"]["code"] == -32700
    assert (request["status"], request["attributes"]["error.type"]) == ("ERROR", "-32700")


def test_parameters_and_messages_are_recorded_if_asked(apps):
    app = make_server(tracing={"params": True, "messages": True}).getWSGI()

    call(app, "refuse", {"secret": SECRET})
    call(app, "refuse", [SECRET * 1000])

    first, second = [span for span in spans(4) if span["name"] == "refuse"]
    assert first["attributes"]["flaskjsonrpcserver.params"] == json.dumps({"secret": SECRET})
    assert first["text"] == f"no: {SECRET}"
    assert len(second["attributes"]["flaskjsonrpcserver.params"]) == 1025


def test_message_that_utf_8_cannot_write_is_recorded_without_it():
    server = make_server(tracing={"messages": True})

    def refuse_file():
        raise JsonRpcApplicationError("no \udcff", code=5)

    server.registerFunction(refuse_file, path="/api")
    call(server.getWSGI(), "refuse_file")

    failed = named(spans(2), "refuse_file")
    assert failed["status"] == "ERROR"
    assert failed["text"].encode()


class QueueBackend:
    """An exec backend of the user's: its calls travel as JSON."""

    _id = "queue"

    def start(self, server):
        self._server = server

    def add(self, uniqueId, path, dataIn, request, isJSONP=False):
        answers = queue.Queue()
        text = json.dumps(dataIn)

        def run():
            answers.put(self._server._callDispatcher(uniqueId, path, json.loads(text), request, isJSONP))

        threading.Thread(target=run).start()
        return True, None, answers

    def check(self, uniqueId, ticket):
        return ticket.get(timeout=30)


def test_trace_goes_on_through_an_exec_backend_of_the_users():
    server = make_server(QueueBackend())

    trace_id, _, _ = result_of(server.getWSGI(), "seen", headers=CONTINUED)

    assert trace_id == TRACE
    assert tree(spans(4)) == [("POST /api", [("seen", [("run seen", [("inner", [])])])])]
    server.stop(timeout=10)


@pytest.mark.parametrize(
    ("headers", "status"), [({"Content-Type": "text/plain"}, 415), ({"Authorization": SECRET, "Cookie": SECRET}, 403)]
)
def test_refused_request_has_a_span_with_its_status(headers, status):
    app = make_server(auth=lambda server, path, request, method: False).getWSGI()

    assert call_wsgi(app, post(rpc("add", [1]), headers=headers)).code == status

    [request] = spans(1)
    assert (request["status"], request["attributes"]["http.response.status_code"]) == ("UNSET", status)
    assert SECRET not in str(request)


def test_failed_request_marks_its_span():
    server = make_server()
    server._calcMimeType = lambda request: 1 / 0

    assert call_wsgi(server.getWSGI(), post(rpc("add", [1]))).code == 500

    [request] = spans(1)
    assert (request["status"], request["text"]) == ("ERROR", None)
    assert request["attributes"]["http.response.status_code"] == 500
    assert request["attributes"]["error.type"] == "ZeroDivisionError"


def test_unknown_names_make_one_name_of_spans_and_one_series(app):
    for number in range(50):
        call(app, f"unknown{number}")

    assert {span["name"] for span in spans(100)} == {"POST /api", "jsonrpc"}
    unknown = {key: count for key, count in durations().items() if ("error.type", "-32601") in key}
    assert [dict(key)["rpc.method"] for key in unknown] == ["_OTHER"]


def durations():
    """Return how many durations were recorded, by their attributes."""
    [points] = [
        metric.data.data_points
        for resource in api.METRICS.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "rpc.server.call.duration" and metric.unit == "s"
    ]
    return {tuple(sorted(point.attributes.items())): point.count for point in points}


def series(method, code=None):
    failed = {} if code is None else {"rpc.response.status_code": code, "error.type": code}
    return tuple(sorted({"rpc.system.name": "jsonrpc", "rpc.method": method, **failed}.items()))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("headers", [{}, {"traceparent": f"00-{TRACE}-{REMOTE}-00"}])
def test_durations_are_recorded_by_method_and_code(apps, backend, headers):
    call(apps[backend], "add", [1])
    call(apps[backend], "crash", [1])
    before = durations()

    notification = {"jsonrpc": "2.0", "method": "add", "params": [1]}
    call_wsgi(apps[backend], post([rpc("add", [1]), rpc("crash", [1]), notification], headers=headers))
    call(apps[backend], "add", [1], headers=headers)

    after = durations()
    assert after[series("add")] - before[series("add")] == 3
    assert after[series("crash", "-32603")] - before[series("crash", "-32603")] == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_deadline_ends_the_span_of_the_call(apps, backend):
    def begun():  # on a busy machine, a call may not begin before its deadline
        api.SPANS.clear()
        answer = call(apps[backend], "late", target="/timed")
        assert answer["error"]["code"] == -32006
        return "not started" not in str(answer)

    wait_until(begun)
    found = spans(2)
    assert tree(found) == [("POST /timed", [("late", [])])]
    assert (named(found, "late")["status"], named(found, "late")["attributes"]["error.type"]) == ("ERROR", "-32006")
    if backend == "parallel":  # its process was killed
        assert result_of(apps[backend], "finished") == []
        return
    api.GATE.set()
    [run] = spans(1)
    assert (run["name"], run["parent_id"], run["status"]) == ("run late", named(found, "late")["span_id"], "UNSET")


def test_call_with_a_deadline_in_the_serving_thread_keeps_its_trace():
    server = make_server(timeout=60)

    trace_id, _, baggage = result_of(server.getWSGI(), "seen", headers=CONTINUED)

    assert (trace_id, baggage) == (TRACE, {"user": "7"})
    assert tree(spans(4)) == [("POST /api", [("seen", [("run seen", [("inner", [])])])])]
    server.stop(timeout=10)


@pytest.mark.parametrize("backend", ["simple", "threaded"])
def test_middleware_runs_within_the_span_of_the_call(backend):
    server = make_server(backend)

    def in_span(called, proceed):
        with trace.get_tracer("api").start_as_current_span("middleware"):
            return proceed()

    server.use(in_span)
    app = server.getWSGI()
    inner = [("inner", [])]
    below = inner if backend == "simple" else [("run seen", inner)]

    result_of(app, "seen", headers=CONTINUED)
    assert tree(api.finished()) == [("POST /api", [("seen", [("middleware", below)])])]

    call_wsgi(app, post([rpc("seen"), rpc("seen")], headers=CONTINUED))
    calls = [("seen", [("middleware", below)])] * 2
    assert tree(api.finished()) == [("POST /api", [("jsonrpc batch", calls)])]
    server.stop(timeout=10)


@pytest.mark.parametrize("headers", [{}, CONTINUED, {"traceparent": "malformed"}])
def test_span_of_an_instrumentation_around_the_server_is_the_parent(app, headers):
    with trace.get_tracer("outer").start_as_current_span("outer", propagate.extract(headers)):
        result_of(app, "add", [1], headers=headers)

    found = spans(3)
    assert tree(found) == [("outer", [("POST /api", [("add", [])])])]
    assert named(found, "POST /api")["kind"] == "INTERNAL"


def test_span_around_the_server_is_no_parent_of_the_trace_of_a_client(app):
    with trace.get_tracer("outer").start_as_current_span("outer"):
        result_of(app, "add", [1], headers=CONTINUED)

    request = named(spans(3), "POST /api")
    assert (request["parent_id"], request["trace_id"], request["kind"]) == (REMOTE, TRACE, "SERVER")


def test_span_around_the_start_of_the_server_is_no_parent_of_requests():
    server = make_server(bindAdress=["127.0.0.1", 0])
    with trace.get_tracer("outer").start_as_current_span("outer"):
        server.start(joinLoop=False)
    try:
        call_socket(server.addresses[0], post(rpc("add", [1])))
    finally:
        server.stop(timeout=10)

    assert tree(spans(3)) == [("POST /api", [("add", [])]), ("outer", [])]


def test_span_that_has_ended_is_no_parent(app):
    with trace.get_tracer("outer").start_as_current_span("outer") as outer:
        pass
    with trace.use_span(outer, end_on_exit=False):
        result_of(app, "add", [1])

    assert tree(spans(3)) == [("POST /api", [("add", [])]), ("outer", [])]


def test_request_through_flask_has_the_same_spans():
    server = make_server(flaskContext=True)
    outer = flask.Flask("outer")
    server.init_app(outer, url_prefix="/v1")

    result_of(server.getWSGI(), "add", [1], headers=CONTINUED)
    result_of(outer.wsgi_app, "add", [1], target="/v1/api", headers=CONTINUED)

    direct, mounted = [span for span in spans(4) if span["name"] == "POST /api"]
    assert direct["attributes"]["url.path"] == "/api"
    assert mounted["attributes"]["url.path"].rstrip("/") == "/v1/api"
    assert direct["parent_id"] == mounted["parent_id"] == REMOTE


def test_overridden_steps_keep_the_trace():
    server = make_server()
    plain_dispatcher, plain_process = server._callDispatcher, server._requestProcess
    server._callDispatcher = functools.partial(plain_dispatcher)
    server._requestProcess = functools.partial(plain_process)

    trace_id, _, _ = result_of(server.getWSGI(), "seen", headers=CONTINUED)

    assert trace_id == TRACE
    assert tree(spans(4)) == [("POST /api", [("seen", [("run seen", [("inner", [])])])])]


def test_request_of_a_dispatcher_to_its_own_server_has_errors_of_its_own(app):
    server = make_server()
    server.registerFunction(lambda: call_wsgi(server.getWSGI(), post(b"{")).code, path="/api", name="ask")

    assert result_of(server.getWSGI(), "ask") == 200

    failed, asking, outer = spans(3)
    assert (asking["name"], asking["status"]) == ("ask", "UNSET")
    assert failed["attributes"]["error.type"] == "-32700"
    assert outer["status"] == "UNSET"


def test_clients_at_the_same_time_have_traces_of_their_own():
    server = make_server("threaded", bindAdress=["127.0.0.1", 0])
    server.start(joinLoop=False)
    try:
        address = server.addresses[0]
        together = threading.Barrier(4)

        def ask(number):
            trace_id = f"{number:032x}"
            fields = {"traceparent": f"00-{trace_id}-{REMOTE}-01", "baggage": f"user={number}"}
            together.wait(30)
            for _ in range(10):
                answer = call_socket(address, post(rpc("seen"), headers=fields)).json()["result"]
                assert [answer[0], answer[2]] == [trace_id, {"user": str(number)}]

        with ThreadPoolExecutor(4) as clients:
            list(clients.map(ask, range(1, 5)))
        attributes = [span["attributes"] for span in api.finished() if span["name"] == "POST /api"]
        assert {(names["server.address"], names["server.port"]) for names in attributes} == {address}
        server.restart(joinLoop=False)
        assert call_socket(address, post(rpc("seen"), headers=CONTINUED)).json()["result"][0] == TRACE
    finally:
        server.stop(timeout=10)
    assert all(span["status"] == "UNSET" for span in api.finished())


def test_server_without_tracing_makes_no_spans():
    assert result_of(make_server(tracing=False).getWSGI(), "add", [1], headers=CONTINUED) == 2
    assert api.finished() == []


def test_server_without_tracing_does_not_load_the_library():
    program = (
        "import sys\n"
        "from flaskJSONRPCServer import flaskJSONRPCServer\n"
        "server = flaskJSONRPCServer(None, log=False)\n"
        "server.registerFunction(len, path='/api')\n"
        "server.getWSGI()\n"
        "sys.exit('opentelemetry' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_calls_are_answered_if_no_sdk_is_set():
    program = (
        "from flaskJSONRPCServer import flaskJSONRPCServer\n"
        "from opentelemetry import trace\n"
        "from tests.helpers import call_wsgi, post, result_of, rpc\n"
        "def seen(): return f'{trace.get_current_span().get_span_context().trace_id:x}'\n"
        "for backend in ('simple', 'threaded'):\n"
        "    server = flaskJSONRPCServer(None, log=False, tracing=True, dispatcherBackend=backend)\n"
        "    server.registerFunction(seen, path='/api')\n"
        "    app = server.getWSGI()\n"
        "    assert result_of(app, 'seen') == '0'\n"
        f"    assert result_of(app, 'seen', headers={CONTINUED}) == '{int(TRACE, 16):x}'\n"
        "    for headers in ({}, {'traceparent': '00-%s-%s-01' % ('a' * 32, 'b' * 16)}):\n"
        "        batch = [rpc('seen'), rpc('unknown'), 1]\n"
        "        assert len(call_wsgi(app, post(batch, headers=headers)).json()) == 3\n"
        "    server.stop(timeout=10)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_missing_library_is_an_error_with_the_remedy(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "flaskJSONRPCServer.telemetry.tracing", raising=False)
    monkeypatch.delitem(sys.modules, "flaskJSONRPCServer.dispatch.trace_context", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)

    with pytest.raises(MissingExtraError, match="tracing needs opentelemetry-api; install it: pip install '"):
        flaskJSONRPCServer(None, tracing=True)


@pytest.mark.parametrize("backend", ["simple", "threaded"])
@pytest.mark.parametrize("when", ["start", "end"])
def test_failing_processor_of_spans_is_logged_and_fails_no_call(apps, monkeypatch, caplog, backend, when):
    monkeypatch.setattr(api.FAULTY, "fails", when)

    answers = call_wsgi(apps[backend], post([rpc("add", [1]), rpc("add", [2])], headers=CONTINUED)).json()

    assert [answer["result"] for answer in answers] == [2, 3]
    logged = [record for record in caplog.records if record.name == "flaskJSONRPCServer.tracing"]
    assert len(logged) == (4 if backend == "simple" else 6)
    assert all(record.exc_info for record in logged)


@pytest.fixture(autouse=True)
def _no_lines_left_out(monkeypatch):
    """Let no earlier test have used up the lines of a window."""
    monkeypatch.setattr(trace_context, "_FAILURES", LimitedLog(trace_context._FAILURES._write, clock=lambda: 1))


class FailingPropagator(TextMapPropagator):
    fields = frozenset({"traceparent"})

    def extract(self, *arguments, **options):
        raise LookupError("a propagator of the user's")

    inject = extract


@pytest.mark.parametrize("backend", ["simple", "threaded"])
def test_failing_propagator_is_logged_and_fails_no_call(apps, caplog, backend):
    usual = propagate.get_global_textmap()
    propagate.set_global_textmap(FailingPropagator())
    try:
        assert result_of(apps[backend], "add", [1], headers=CONTINUED) == 2
    finally:
        propagate.set_global_textmap(usual)

    assert "a trace cannot be read" in [record.message for record in caplog.records]
    assert named(api.finished(), "POST /api")["parent_id"] is None


def test_client_cannot_fill_the_log_by_a_propagator_that_fails(app, caplog):
    usual = propagate.get_global_textmap()
    propagate.set_global_textmap(FailingPropagator())
    try:
        for _ in range(40):
            result_of(app, "add", [1], headers=CONTINUED)
    finally:
        propagate.set_global_textmap(usual)

    assert 0 < len(caplog.records) <= 20


@pytest.mark.parametrize("value", ["yes", 1, None, {"tokens": True}, {"params": "yes"}, ["params"]])
def test_other_values_of_the_setting_are_refused(value):
    with pytest.raises(SettingsError, match="tracing="):
        flaskJSONRPCServer(None, tracing=value)


def test_nothing_is_logged_by_the_library(app, caplog):
    with caplog.at_level(logging.WARNING):
        call_wsgi(app, post([rpc("add", [1]), rpc("crash", [1]), 1], headers=CONTINUED))

    assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []
