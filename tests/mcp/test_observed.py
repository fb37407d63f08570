"""Calls of tools in the access log, the statistics, the metrics and the traces, over real sockets."""

import contextlib
import logging

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call_socket, get, post, wait_until
from tests.mcp.judged import request_of
from tests.mcp.served_stream import Stream
from tests.telemetry import api

TRACE, REMOTE, OTHER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "b7ad6b7169203332"
META = {"traceparent": f"00-{TRACE}-{REMOTE}-01"}


def add(a: int, b: int) -> int:
    return a + b


def fail() -> int:
    raise ValueError


@pytest.fixture
def served():
    options = {"log": 0, "accessLog": True, "tracing": True, "metrics": True}
    server = flaskJSONRPCServer(["127.0.0.1", 0], allowed_origins=["https://good.test"], **options)
    server.registerFunction(add, path="/api", mcp=True)
    server.registerFunction(fail, path="/api", mcp=True)
    server.registerFunction(add, path="/api", name="threaded", mcp=True, dispatcherBackend="threaded")
    server.start()
    api.SPANS.clear()
    yield server
    server.stop()


def call_request(name, arguments, **options):
    return request_of("tools/call", {"name": name, "arguments": arguments}, **options)


def spans(count):
    wait_until(lambda: len(api.SPANS.get_finished_spans()) >= count)
    found = {span["name"]: span for span in api.finished()}
    assert len(found) == count
    return found


def test_call_of_a_tool_is_counted_and_logged_as_its_method(served, caplog):
    caplog.set_level(logging.INFO)

    call_socket(served.addresses[0], call_request("add", {"a": 1, "b": 2}))
    call_socket(served.addresses[0], call_request("fail", {}))
    refused = call_socket(served.addresses[0], post({}, "/mcp", headers={"Origin": "https://evil.test"}))

    assert refused.code == 403
    stats = served.stats()
    assert (stats["requestCount"], stats["processingRequestCount"], stats["dispatcherCount"]) == (3, 0, 2)
    assert stats["dispatchers"].keys() == {"/api/add", "/api/fail"}
    metrics = call_socket(served.addresses[0], get("/metrics")).body.decode()
    assert 'jsonrpc_server_requests_total{transport="http"} 3.0' in metrics
    assert 'jsonrpc_server_http_refusals_total{status="403"} 1.0' in metrics
    wait_until(lambda: len(access_lines(caplog)) >= 4)
    lines = access_lines(caplog)
    assert [(line["target"], line["method"], line["code"]) for line in lines[:2]] == [
        ("/mcp", "add", "0"),
        ("/mcp", "fail", "-32603"),
    ]


def access_lines(caplog):
    return [record.msg.fields for record in caplog.records if record.name.endswith(".access")]


def test_span_of_a_call_has_the_parent_that_its_message_names(served):
    call_socket(served.addresses[0], call_request("threaded", {"a": 1, "b": 2}, meta=META))

    found = spans(2)
    called, run = found["threaded"], found["run threaded"]
    assert (called["trace_id"], called["parent_id"], called["kind"]) == (TRACE, REMOTE, "SERVER")
    assert (run["trace_id"], run["parent_id"]) == (TRACE, called["span_id"])


def test_stream_has_the_parent_too(served):
    params = {"name": "add", "arguments": {"a": 1, "b": 2}}
    with contextlib.closing(Stream(served, "tools/call", params, meta={**META, "progressToken": 1})) as stream:
        stream.next()
    assert spans(1)["add"]["parent_id"] == REMOTE


def test_header_field_precedes_the_message(served):
    request = call_request("add", {"a": 1, "b": 2}, meta=META)
    request.headers["traceparent"] = f"00-{TRACE}-{OTHER}-01"
    call_socket(served.addresses[0], request)
    assert spans(1)["add"]["parent_id"] == OTHER


@pytest.mark.parametrize("value", [7, "nonsense", ["x"], "0" * 10_000], ids=["number", "text", "list", "long"])
def test_malformed_parent_begins_a_trace(served, caplog, value):
    answer = call_socket(served.addresses[0], call_request("fail", {}, meta={"traceparent": value}))

    assert answer.json()["result"]["isError"]
    called = spans(1)["fail"]
    assert (called["parent_id"], called["status"]) == (None, "ERROR")
    assert called["attributes"]["rpc.response.status_code"] == "-32603"
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
