"""The parts of a call that travel to a worker."""

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend.celery.calls import DispatcherSignatures, context_of, request_of, signature_of
from tests.execBackend.celery.servers import server_for
from tests.helpers import call_wsgi, post, rpc


def test_only_allowed_headers_and_cookies_travel(broker, worker):
    request = post(
        rpc("read_fields", [["headers", "cookies"]]),
        headers={"Authorization": "Bearer a", "Cookie": "a=1; b=2", "X-Trace": "7"},
    )
    with server_for(broker, worker.queue) as server:
        by_default = call_wsgi(server.getWSGI(), request).json()["result"]
    with server_for(broker, worker.queue, headers=["x-trace", "authorization"], cookies=["b"]) as server:
        allowed = call_wsgi(server.getWSGI(), request).json()["result"]

    assert by_default == {"headers": {"Content-Type": "application/json", "Host": "127.0.0.1:8080"}, "cookies": {}}
    assert allowed == {"headers": {"Authorization": "Bearer a", "X-Trace": "7"}, "cookies": {"b": "2"}}


NOT_THE_SAME_IN_TWO_PROCESSES = object()


def with_defaults(a, b=NOT_THE_SAME_IN_TWO_PROCESSES, *, c: "int" = 1, _connection=None) -> "str":
    return ""


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda: 1, "()"),
        (lambda a, *rest, b, **others: 1, "(a, *rest, b, **others)"),
        (with_defaults, "(a, b=..., *, c=..., _connection=...)"),
    ],
)
def test_signature_has_neither_annotations_nor_values_of_defaults(function, text):
    assert signature_of(function) == text


def test_signatures_follow_the_routes():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda a: a, path="/api", name="one")
    signatures = DispatcherSignatures(server._engine.router)
    before = signatures.fingerprint

    assert (signatures.signature("/api/one"), signatures.signature("/api/two")) == ("(a)", None)
    server.registerFunction(lambda a, b: a, path="/api", name="two")
    assert signatures.signature("/api/two") == "(a, b)"
    assert signatures.fingerprint != before


def test_fingerprint_does_not_depend_on_the_order_of_registration():
    fingerprints = set()
    for names in (("one", "two"), ("two", "one")):
        server = flaskJSONRPCServer(None, log=False)
        for name in names:
            server.registerFunction(lambda a: a, path="/api", name=name)
        fingerprints.add(DispatcherSignatures(server._engine.router).fingerprint)

    assert len(fingerprints) == 1


def test_request_of_a_worker_has_the_parts_that_travelled():
    request = {"remote_addr": "1.2.3.4", "headers": {"X-A": "1", "X-B": "2"}, "cookies": None, "environ": {"a": 1}}

    assert request_of(context_of(request, {"x-b"}, {"c"})) == {
        "headers": {"X-B": "2"},
        "cookies": {},
        "remote_addr": "1.2.3.4",
        "environ": {},
    }
