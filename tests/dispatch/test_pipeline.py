"""The one way of a request: which step answers it, and the order of the steps."""

import json
import threading

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.pipeline import METHOD_URL_METHODS, PATH_METHODS
from tests.helpers import Request, UnreadableStream, environ_of, get, post, rpc

JOIN_S = 20


def echo(value=None):
    return value


class Served:
    """A server without sockets, and its pipeline."""

    def __init__(self, **options):
        self.server = flaskJSONRPCServer(None, **{"log": False, **options})
        self.server.registerFunction(echo, path="/api")
        self.server.registerFunction(lambda: 1, path="/api", name="post_only", fallback=False)
        self.pipeline = self.server._engine.pipeline()

    def answer(self, request, **environ):
        return self.pipeline.answer({**environ_of(request), **environ})

    def count(self):
        return self.server.stats()["requestCount"]


def status_of(response):
    return None if response is None else int(response.status[:3])


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (post(rpc("echo", [1])), 200),
        (post(rpc("echo", [1]), "/api/"), 200),
        (post({"jsonrpc": "2.0", "method": "echo"}), 204),
        (get("/api/echo"), 200),
        (Request("HEAD", "/api/echo"), 200),
        (Request("OPTIONS", "/api"), 204),
        (Request("OPTIONS", "/api/echo"), 204),
        (get("/api/post_only"), 403),
        (get("/api"), None),
        (get("/api/nothing"), None),
        (post(rpc("echo"), "/other"), None),
        (post(rpc("echo"), "/api/echo"), None),
        (Request("PUT", "/api"), None),
        (Request("DELETE", "/api/echo"), None),
    ],
    ids=lambda value: f"{value.method} {value.target}" if isinstance(value, Request) else str(value),
)
def test_request_is_answered_or_is_no_rpc_request(request_, status):
    served = Served()

    assert status_of(served.answer(request_)) == status
    assert served.count() == (0 if status is None else 1)


@pytest.mark.parametrize(("path", "methods"), [("/api", PATH_METHODS), ("/api/echo", METHOD_URL_METHODS)])
def test_options_names_the_methods_of_the_url(path, methods):
    served = Served()

    assert served.answer(Request("OPTIONS", path)).headers == [("Allow", ", ".join(methods))]
    assert served.pipeline.allowed_methods(path) == methods


@pytest.mark.parametrize("path", ["/api/nothing", "/other", "/other/echo", "/api//echo"])
def test_unknown_url_allows_no_methods(path):
    assert Served().pipeline.allowed_methods(path) == ()


def test_get_has_its_query_as_params_and_must_not_be_cached():
    response = Served().answer(get("/api/echo?value=a&value=b&_=123&jsonp=show"))

    assert response.body == b'/**/show({"jsonrpc":"2.0","result":"b","id":null});'
    assert ("Cache-Control", "no-store") in response.headers


def test_underscore_in_a_query_is_a_parameter_of_a_function_that_takes_it():
    served = Served()
    served.server.registerFunction(lambda _: _, path="/api", name="cached")

    assert json.loads(served.answer(get("/api/cached?_=1")).body)["result"] == "1"


def unread(request, **headers):
    return {**environ_of(request), **headers, "wsgi.input": UnreadableStream()}


@pytest.mark.parametrize(
    ("options", "headers", "status"),
    [
        ({}, {"CONTENT_TYPE": "text/plain"}, 415),
        ({"auth": lambda *args: True}, {"CONTENT_TYPE": "text/plain"}, 415),
        ({"auth": lambda *args: False}, {}, 403),
        ({"auth": lambda *args: False, "max_body_bytes": 10}, {}, 413),
        ({"max_body_bytes": 10}, {}, 413),
    ],
)
def test_request_is_refused_before_its_body_is_read(options, headers, status):
    served = Served(**options)

    assert status_of(served.pipeline.answer(unread(post(rpc("echo", ["x"])), **headers))) == status
    assert served.count() == 1


def test_exception_outside_of_calls_is_500_with_the_id_of_the_log(caplog):
    class Failing(flaskJSONRPCServer):
        def _uncompressGZIP(self, data):
            raise ValueError("a secret")

    server = Failing(None)
    server.registerFunction(echo, path="/api")
    request = post(b"x", headers={"Content-Encoding": "gzip"})
    response = server._engine.pipeline().answer(environ_of(request))

    assert response.status == "500 Internal Server Error"
    (message,) = caplog.messages
    begin, unique_id, end = message.partition(message[message.index("[") + 1 : message.index("]")])
    assert (begin, end) == ("request failed [", "] POST /api")
    assert unique_id.encode() in response.body
    assert b"secret" not in response.body


def test_requests_are_held_until_the_locks_open():
    served, answers = Served(), []
    locks = served.server._engine.locks
    locks.deep_lock()
    thread = threading.Thread(target=lambda: answers.append(served.answer(post(rpc("echo", [1])))))
    thread.start()
    assert served.count() == 0
    locks.deep_unlock()
    thread.join(JOIN_S)

    assert [status_of(answer) for answer in answers] == [200]


def test_request_that_is_held_when_the_server_stops_is_503_with_cors_headers():
    served = Served(cors=True)
    locks = served.server._engine.locks
    locks.deep_lock()
    locks.end_period(0)
    response = served.answer(post(rpc("echo"), headers={"Origin": "https://a.test"}))

    assert response.status == "503 Service Unavailable"
    assert ("Access-Control-Allow-Origin", "*") in response.headers


@pytest.mark.parametrize(("blocking", "timeout_s", "together"), [(False, JOIN_S, True), (True, 0.05, False)])
def test_two_requests_run_together_unless_the_server_is_blocking(blocking, timeout_s, together):
    both, met = threading.Barrier(2), []

    def meet():
        try:
            both.wait(timeout_s)
            met.append(True)
        except threading.BrokenBarrierError:
            met.append(False)

    served = Served(blocking=blocking)
    served.server.registerFunction(meet, path="/api")
    threads = [threading.Thread(target=served.answer, args=(post(rpc("meet")),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)

    assert met == [together] * 2


def test_overrides_are_used_from_the_next_request_on():
    served = Served()
    assert served.pipeline.needs_flask is False
    served.server._calcMimeType = lambda request: "text/plain"
    served.server._requestProcess = lambda path, method=None: "mine"

    assert served.pipeline.needs_flask is True
    del served.server._requestProcess
    assert served.pipeline.needs_flask is False
    assert dict(served.answer(post(rpc("echo"))).headers)["Content-Type"] == "text/plain"


def test_body_limit_and_cors_headers_are_those_of_rpc_urls_only():
    pipeline = Served(cors=True, max_body_bytes=10).pipeline
    head = {**environ_of(post(b"")), "HTTP_ORIGIN": "https://a.test"}
    other = {**head, "PATH_INFO": "/other"}

    assert (pipeline.body_limit_bytes(head), pipeline.body_limit_bytes(other)) == (10, None)
    assert ("Access-Control-Allow-Origin", "*") in pipeline.refusal_headers(head)
    assert pipeline.refusal_headers(other) == []
