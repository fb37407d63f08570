"""The bytes of answers: single calls, batches, and the bound on their size."""

import json
import threading

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.answers import RESPONSE_TOO_LARGE, join_replies
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcApplicationError
from tests.dispatch.parts import make_exchange
from tests.helpers import rpc

TOO_LARGE = {"code": RESPONSE_TOO_LARGE, "message": "Response over max_response_bytes (200 bytes)"}
JOIN_S = 20


def note(value):
    return {"jsonrpc": "2.0", "method": "echo", "params": [value]}


def result(value, request_id=1):
    return {"jsonrpc": "2.0", "result": value, "id": request_id}


def error(code, message, request_id=1):
    return {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": request_id}


class Api:
    """The answerer of a server with a few dispatchers. `ran` are the arguments of `echo`, in their order."""

    def __init__(self, **options):
        self.ran = []
        server = flaskJSONRPCServer(None, log=False, **options)
        for function in (self.echo, self.fail):
            server.registerFunction(function)
        server.registerFunction(self.echo, name="pooled", dispatcherBackend="threaded", path="/pooled")
        server.registerFunction(self.echo, path="/pooled")
        self.server = server
        self.answerer = server._engine.pipeline().steps.answerer
        self.endpoints = server._engine.router.table.endpoints

    def echo(self, value):
        self.ran.append(value)
        return value

    def fail(self):
        raise JsonRpcApplicationError("failed", code=7)

    def answer(self, payload, path="/"):
        text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        answer = self.answerer.answer_text(text, self.endpoints[path], make_exchange())
        return json.loads(answer) if answer else answer


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (rpc("echo", [1]), result(1)),
        (rpc("echo", {"value": 1}, "a"), result(1, "a")),
        (rpc("fail"), error(7, "failed")),
        (rpc("nothing"), error(-32601, "Method not found")),
        (note(1), b""),
        ({**note(1), "method": "fail", "params": []}, b""),
        ({**note(1), "method": "nothing"}, b""),
        (b"{", error(-32700, "Parse error", None)),
        ([], error(-32600, "Invalid Request: the batch is empty", None)),
        (
            {"jsonrpc": "2.0", "result": 1, "id": 1},
            error(-32600, "Invalid Request: this is a response, and nothing was asked", None),
        ),
        ([rpc("echo", [1])], [result(1)]),
        ([note(1), note(2)], b""),
        ([rpc("echo", [1], 1), note(2), rpc("fail", None, 3)], [result(1), error(7, "failed", 3)]),
    ],
)
def test_answer(payload, answer):
    assert Api().answer(payload) == answer


@pytest.mark.parametrize("options", [{}, {"antifreeze_batchBreak": True, "antifreeze_batchMaxTime": 60_000}])
def test_batch_runs_in_its_order(options):
    api = Api(**options)
    api.answer([note(1), rpc("echo", [2]), note(3)])

    assert api.ran == [1, 2, 3]


@pytest.mark.parametrize("payload", [rpc("echo", ["x" * 200], "a"), rpc("nothing", None, "a" * 200)])
def test_reply_that_is_too_large_is_an_error_with_the_id(payload):
    answer = Api(max_response_bytes=200).answer(payload)

    assert answer == {"jsonrpc": "2.0", "error": TOO_LARGE, "id": payload["id"]}


def test_batch_ends_with_the_reply_that_does_not_fit():
    api = Api(max_response_bytes=200)
    answers = api.answer([rpc("echo", ["x" * 100], 1), rpc("echo", ["y" * 100], 2), note("z"), rpc("echo", ["z"], 3)])

    assert answers == [
        result("x" * 100),
        {"jsonrpc": "2.0", "error": TOO_LARGE, "id": 2},
        {"jsonrpc": "2.0", "error": TOO_LARGE, "id": 3},
    ]
    assert api.ran == ["x" * 100, "y" * 100]


def test_bound_of_a_batch_includes_the_replies_of_calls_on_backends():
    api = Api(max_response_bytes=200)
    calls = [("pooled", "x"), ("echo", "y"), ("echo", "y"), ("pooled", "z")]
    try:
        answers = api.answer([rpc(name, [value * 100]) for name, value in calls], "/pooled")
    finally:
        api.server.stop()

    assert [answer.get("error") for answer in answers] == [None, TOO_LARGE, TOO_LARGE, TOO_LARGE]


def test_replies_of_notifications_take_no_room():
    api = Api(max_response_bytes=200)

    assert api.answer([note("x" * 300), rpc("echo", [1])]) == [result(1)]


def test_call_on_a_backend_runs_while_the_others_of_its_batch_do():
    api = Api()
    began = threading.Event()
    api.server.registerFunction(began.set, path="/pooled", name="begin", dispatcherBackend="threaded")
    api.server.registerFunction(lambda: began.wait(JOIN_S), path="/pooled", name="wait", dispatcherBackend="threaded")
    api.endpoints = api.server._engine.router.table.endpoints
    try:
        answers = api.answer([rpc("wait", None, 1), rpc("begin", None, 2), rpc("echo", [3], 3)], "/pooled")
    finally:
        api.server.stop()

    assert answers == [result(True, 1), result(None, 2), result(3, 3)]


def test_only_endpoints_with_a_backend_answer_batches_that_way():
    endpoints = Api().endpoints

    assert {path: endpoint.has_backends for path, endpoint in endpoints.items()} == {
        "/": False,
        "/pooled": True,
        "/pooled/": True,
    }


def test_request_that_cannot_be_read_is_an_internal_error():
    class Unreadable(flaskJSONRPCServer):
        def _parseRequest(self, data):
            raise SystemExit("a secret")

    server = Unreadable(None, log=False)
    server.registerFunction(len)
    answerer = server._engine.pipeline().steps.answerer
    answer = answerer.answer_text(b"{}", server._engine.router.table.endpoints["/"], make_exchange(unique_id="an id"))

    assert json.loads(answer)["error"] == {
        "code": -32603,
        "message": "Internal error",
        "data": {"correlationId": "an id"},
    }


@pytest.mark.parametrize(
    ("replies", "joined"), [([], b""), ([b"", b""], b""), ([b"1"], b"[1]"), ([b"1", b"", b"2"], b"[1,2]")]
)
def test_joined_replies_are_an_array_without_the_empty_ones(replies, joined):
    assert join_replies(replies) == joined
