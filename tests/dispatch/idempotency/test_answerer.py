"""The answers to requests and calls with idempotency keys, on every way to a server."""

import gzip
import json
import threading

import flask
import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, flaskJSONRPCServer
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcException, JsonRpcInvalidParamsError
from tests.helpers import Request, call_wsgi, get, post, rpc, wait_until


class Functions:
    """Functions that record their runs."""

    def __init__(self):
        self.ran = []

    def count(self, value=None):
        self.ran.append(value)
        return len(self.ran)

    def fail(self):
        self.count()
        raise ValueError("a secret")

    def leave(self):
        self.count()
        raise SystemExit

    def choose(self, code):
        self.count()
        raise JsonRpcApplicationError("chosen", code=code)

    def misfit(self):
        self.count()
        raise JsonRpcInvalidParamsError

    def describe(self, _connection):
        run = self.count()
        _connection.headersOut["X-Run"] = str(run)
        _connection.cookiesOut.append({"name": "run", "value": str(run)})
        return run

    def add(self, a: int, b: int = 0):
        self.count()
        return a + b


def make(**options):
    """Return a server with these functions, and the list of their runs."""
    server = flaskJSONRPCServer(None, **{"log": False, **options})
    functions = Functions()
    server.registerInstance(functions, path="/api")
    server.registerFunction(functions.count, path="/other")
    server.ran = functions.ran
    return server


def direct(server):
    return server.getWSGI()


def through_flask(server):
    server.settings.flaskContext = True
    return server.getWSGI()


def mounted(server):
    application = flask.Flask("theirs")
    server.init_app(application)
    return application


@pytest.fixture(params=[direct, through_flask, mounted], ids=lambda way: way.__name__)
def way(request):
    return request.param


def keyed(payload, key="k", target="/api", **headers):
    return post(payload, target, headers={"Idempotency-Key": key, **headers})


def with_key(call, key="k"):
    return {**call, "idempotencyKey": key}


def notification(method="count", params=None):
    return {"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})}


PAYLOADS = {
    "call": rpc("count", [1]),
    "notification": notification(),
    "error": rpc("fail"),
    "SystemExit": rpc("leave"),
    "application error": rpc("choose", [5]),
    "own invalid params": rpc("misfit"),
    "headers and cookies": rpc("describe"),
    "batch": [rpc("count"), rpc("fail", None, 2), notification()],
    "batch of notifications": [notification()],
    "batch with a refused call": [rpc("count"), rpc("add", ["x"], 2), rpc("none", None, 3)],
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_request_with_a_key_runs_once(way, payload):
    server = make()
    application = way(server)

    first = call_wsgi(application, keyed(payload))
    runs = len(server.ran)
    assert runs
    assert call_wsgi(application, keyed(payload)) == first
    assert len(server.ran) == runs
    assert call_wsgi(application, keyed(payload, "other")).code == first.code
    assert len(server.ran) == 2 * runs


CALLS = {name: PAYLOADS[name] for name in ("call", "notification", "error", "SystemExit", "own invalid params")}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("is_batch", [False, True], ids=["single", "batch"])
def test_call_with_a_key_runs_once(way, call, is_batch):
    server = make()
    application = way(server)
    payload = [with_key(call)] if is_batch else with_key(call)

    first = call_wsgi(application, post(payload))
    assert call_wsgi(application, post(payload)) == first
    assert len(server.ran) == 1
    assert call_wsgi(application, post(with_key(call, "other"))).code == first.code
    assert len(server.ran) == 2


NOT_RUN = {
    "invalid params": rpc("count", [1, 2, 3]),
    "invalid checked params": rpc("add", ["x"]),
    "unknown method": rpc("none"),
    "no JSON-RPC": {"method": "count", "id": 1},
}


@pytest.mark.parametrize("payload", NOT_RUN.values(), ids=NOT_RUN)
def test_refusal_before_the_run_is_not_stored(payload):
    server = make()
    application = server.getWSGI()

    for form in (keyed(payload), post(with_key(payload)), keyed([payload]), post([with_key(payload)])):
        assert call_wsgi(application, form).code == 200
    assert not server.ran
    for form in (keyed(rpc("count")), post(with_key(rpc("count"))), keyed([rpc("count")], "b")):
        assert "result" in call_wsgi(application, form).body.decode()
    assert len(server.ran) == 3


def test_text_that_is_not_json_is_not_stored():
    server = make()
    application = server.getWSGI()

    assert call_wsgi(application, keyed(b"{")).json()["error"]["code"] == -32700
    assert call_wsgi(application, keyed(rpc("count"))).json()["result"] == 1


def test_other_payload_is_422(way):
    server = make()
    application = way(server)
    call_wsgi(application, keyed(rpc("count")))

    refused = call_wsgi(application, keyed(rpc("count", None, 2)))
    assert refused.status.upper().startswith("422 ")
    assert refused.body == b"Idempotency-Key has been sent with another payload already\n"
    assert call_wsgi(application, keyed(rpc("count"), target="/other")).code == 422
    assert len(server.ran) == 1


def test_other_payload_of_a_call_is_the_error_422():
    server = make()
    application = server.getWSGI()
    call_wsgi(application, post(with_key(rpc("count"))))

    error = {"code": 422, "message": "idempotencyKey has been sent with another payload already"}
    refused = {"jsonrpc": "2.0", "error": error, "id": 2}
    assert call_wsgi(application, post(with_key(rpc("count", None, 2)))).json() == refused
    assert call_wsgi(application, post([with_key(rpc("count", None, 2))])).json() == [refused]
    assert call_wsgi(application, post(with_key(notification()))).code == 204
    assert len(server.ran) == 1


def test_id_that_a_float_rounds_is_part_of_the_payload():
    application = make().getWSGI()
    text = json.dumps(with_key(rpc("count", None, 7))).replace("7", "%s").encode()

    assert b'"result"' in call_wsgi(application, post(text % b"1.00000000000000000001")).body
    assert b"422" in call_wsgi(application, post(text % b"1.00000000000000000002")).body


def test_order_of_members_is_not_part_of_the_payload_of_a_call():
    server = make()
    application = server.getWSGI()
    call = with_key(rpc("count", {"value": 1}))

    first = call_wsgi(application, post(call))
    assert call_wsgi(application, post(dict(reversed(call.items())))) == first
    assert len(server.ran) == 1


MALFORMED = ["", "a" * 256, "a,b", '"', "\xe9"]


@pytest.mark.parametrize("key", MALFORMED)
def test_malformed_header_is_400_that_names_it(way, key):
    server = make()

    refused = call_wsgi(way(server), keyed(rpc("count"), key))
    assert refused.code == 400
    assert refused.body.startswith(b"Idempotency-Key ")
    assert not server.ran


@pytest.mark.parametrize("key", ["", "a" * 256, "\u0430", "\x00", 1, None, ["a"]])
def test_malformed_member_is_an_invalid_request(key):
    server = make()
    application = server.getWSGI()

    for payload in (with_key(rpc("count"), key), [with_key(rpc("count"), key)]):
        answer = call_wsgi(application, post(payload)).json()
        error = (answer[0] if isinstance(payload, list) else answer)["error"]
        assert error["code"] == -32600
        assert error["message"].startswith("Invalid Request: idempotencyKey ")
    assert call_wsgi(application, post(with_key(notification(), key))).code == 204
    assert not server.ran


def test_member_with_escaped_letters_is_a_key():
    server = make()
    application = server.getWSGI()
    text = json.dumps(with_key(rpc("count"))).replace("Key", "\\u004bey").encode()

    assert call_wsgi(application, post(text)) == call_wsgi(application, post(with_key(rpc("count"))))
    assert len(server.ran) == 1


def test_members_of_a_batch_have_keys_of_their_own():
    server = make()
    application = server.getWSGI()
    a, b = with_key(rpc("count", None, "a"), "a"), with_key(rpc("count", None, "b"), "b")

    assert [reply["result"] for reply in call_wsgi(application, post([a, rpc("count"), b])).json()] == [1, 2, 3]
    again = call_wsgi(application, post([b, rpc("count"), a, with_key(notification(), "n")])).json()
    assert [(reply["id"], reply["result"]) for reply in again] == [("b", 3), (1, 4), ("a", 1)]
    assert len(server.ran) == 5


def test_batch_that_repeats_a_key_runs_it_once():
    server = make()
    application = server.getWSGI()
    call = with_key(rpc("count"))

    replies = call_wsgi(application, post([call, call, with_key(rpc("count", None, 2))])).json()
    assert replies[0] == replies[1]
    assert replies[0]["result"] == 1
    assert replies[2]["error"]["code"] == 422
    assert len(server.ran) == 1


def test_header_and_member_are_keys_of_their_own():
    server = make()
    application = server.getWSGI()
    call = with_key(rpc("count"))

    first = call_wsgi(application, keyed(call))
    assert call_wsgi(application, keyed(call)) == call_wsgi(application, post(call)) == first
    assert call_wsgi(application, keyed(rpc("count"), "other")).json()["result"] == 2


def test_callers_do_not_share_keys():
    server = make()
    application = server.getWSGI()

    def result(**headers):
        return call_wsgi(application, keyed(rpc("count"), **headers)).json()["result"]

    assert [result(), result(Cookie="s=1"), result(Cookie="s=2"), result(Authorization="Bearer a")] == [1, 2, 3, 4]
    assert [result(), result(Cookie="s=1"), result(Cookie="s=2"), result(Authorization="Bearer a")] == [1, 2, 3, 4]


@pytest.mark.parametrize("option", ["idempotency", "rateLimit"])
def test_identity_tells_callers_apart(option):
    identity = {"identity": lambda request: request.headers.get("X-Name")}
    values = {"rateLimit": {"limits": "1000/day", **identity}, "idempotency": identity}
    server = make(**{option: values[option]}, auth=lambda *arguments: True)
    application = server.getWSGI()

    def result(name):
        return call_wsgi(application, keyed(rpc("count"), **{"X-Name": name})).json()["result"]

    assert [result("ann"), result("bob"), result("ann"), result("bob")] == [1, 2, 1, 2]


def test_auth_by_an_unknown_header_refuses_keys():
    server = make(auth=lambda server, path, request, method: request.headers.get("X-Token") == "t")
    application = server.getWSGI()
    token = {"X-Token": "t"}

    assert call_wsgi(application, keyed(rpc("count"), **token)).code == 400
    error = call_wsgi(application, post(with_key(rpc("count")), headers=token)).json()["error"]
    assert (error["code"], "identity" in error["message"]) == (-32600, True)
    assert not server.ran
    assert call_wsgi(application, post(rpc("count"), headers=token)).code == 200


def test_refused_caller_gets_no_stored_answer():
    is_allowed = [True]
    server = make(auth=lambda *arguments: is_allowed[0])
    application = server.getWSGI()
    request = keyed(rpc("count"), Authorization="Basic YTpi")

    is_allowed[0] = False
    assert call_wsgi(application, request).code == 403
    is_allowed[0] = True
    assert call_wsgi(application, request).json()["result"] == 1
    is_allowed[0] = False
    assert call_wsgi(application, request).code == 403


def test_rate_limit_refuses_before_the_run_and_counts_each_request():
    server = make(rateLimit="3/day")
    application = server.getWSGI()

    answers = [call_wsgi(application, keyed(rpc("count"))) for _ in range(4)]
    assert [answer.code for answer in answers] == [200, 200, 200, 429]
    assert len(server.ran) == 1


def test_batch_over_the_rate_limit_is_not_stored():
    server = make(rateLimit={"methods": {"count": "1/day"}})
    application = server.getWSGI()

    call_wsgi(application, post(rpc("count")))
    assert call_wsgi(application, keyed([rpc("count")])).code == 429
    mixed = call_wsgi(application, keyed([rpc("count"), with_key(rpc("add", [1]))])).json()
    assert [reply.get("result", reply.get("error", {}).get("code")) for reply in mixed] == [429, 1]


def test_answer_is_compressed_for_each_client_alone():
    server = make(allowCompress=True, compressMinSize=10, cors={"origin": ["https://a.test", "https://b.test"]})
    application = server.getWSGI()

    for_a = keyed(rpc("count"), **{"Accept-Encoding": "gzip", "Origin": "https://a.test"})
    zipped = call_wsgi(application, for_a)
    plain = call_wsgi(application, keyed(rpc("count"), Origin="https://b.test"))
    assert zipped.header("Content-Encoding") == "gzip"
    assert plain.header("Content-Encoding") is None
    assert gzip.decompress(zipped.body) == plain.body
    assert {answer.header("Access-Control-Allow-Origin") for answer in (zipped, plain)} == {
        "https://a.test",
        "https://b.test",
    }
    assert (
        call_wsgi(application, keyed(rpc("count"), **{"Accept-Encoding": "gzip", "Origin": "https://a.test"})) == zipped
    )
    assert len(server.ran) == 1


def test_compressed_body_is_the_same_payload():
    server = make()
    application = server.getWSGI()
    body = json.dumps(rpc("count")).encode()

    first = call_wsgi(application, keyed(gzip.compress(body), **{"Content-Encoding": "gzip"}))
    assert call_wsgi(application, keyed(body)) == first
    assert len(server.ran) == 1


def test_get_has_no_key():
    server = make(fallback=True)
    application = server.getWSGI()

    for _ in range(2):
        call_wsgi(application, get("/api/count", {"Idempotency-Key": "k"}))
    assert len(server.ran) == 2


def test_without_the_option_keys_mean_nothing():
    server = make(idempotency=False)
    application = server.getWSGI()

    for _ in range(2):
        assert call_wsgi(application, keyed(rpc("count"), "malformed,")).code == 200
        assert call_wsgi(application, post(with_key(rpc("count")))).code == 200
    assert len(server.ran) == 4


def test_header_that_cannot_be_sent_fails_once():
    server = make()

    def break_header(_connection):
        server.ran.append(None)
        _connection.headersOut["X"] = "\n"

    server.registerFunction(break_header, path="/api")
    application = server.getWSGI()

    first = call_wsgi(application, keyed(rpc("break_header")))
    assert first.code == 500
    assert call_wsgi(application, keyed(rpc("break_header"))) == first
    assert len(server.ran) == 1


def test_answer_over_the_bound_is_410_and_does_not_run_again():
    server = make(max_idempotency_bytes=200)
    server.registerFunction(lambda: server.ran.append(None) or "x" * 500, path="/api", name="huge")
    application = server.getWSGI()

    assert len(call_wsgi(application, keyed(rpc("huge"))).json()["result"]) == 500
    gone = call_wsgi(application, keyed(rpc("huge")))
    assert gone.code == 410
    why = b"Idempotency-Key has been answered already; max_idempotency_bytes (200 bytes) had no room for the answer\n"
    assert gone.body == why
    assert len(call_wsgi(application, post(with_key(rpc("huge")))).json()["result"]) == 500
    assert call_wsgi(application, post(with_key(rpc("huge")))).json()["error"]["code"] == 410
    assert len(server.ran) == 2


def test_reply_over_max_response_bytes_has_run():
    server = make(max_response_bytes=200)
    server.registerFunction(lambda: server.ran.append(None) or "x" * 500, path="/api", name="huge")
    application = server.getWSGI()

    for request in (keyed(rpc("huge")), post(with_key(rpc("huge"))), post([with_key(rpc("huge"), "b")])):
        first = call_wsgi(application, request)
        assert b"-32001" in first.body
        assert call_wsgi(application, request) == first
    assert len(server.ran) == 3


def test_stored_replies_of_a_batch_count_towards_max_response_bytes():
    server = make(max_response_bytes=200)
    server.registerFunction(lambda: "x" * 100, path="/api", name="half")
    application = server.getWSGI()
    a, b = with_key(rpc("half", None, "a"), "a"), with_key(rpc("half", None, "b"), "b")
    call_wsgi(application, post(a))
    call_wsgi(application, post(b))

    replies = call_wsgi(application, post([a, b])).json()
    assert ["result" in reply for reply in replies] == [True, False]
    assert replies[1]["error"]["code"] == -32001


def test_store_without_room_is_503(monkeypatch):
    server = make(max_idempotency_keys=1)
    application = server.getWSGI()
    refusals = []

    def nested():
        refusals.append(call_wsgi(application, keyed(rpc("count"), "b")))
        refusals.append(call_wsgi(application, post(with_key(rpc("count")))).json()["error"])
        return 1

    server.registerFunction(nested, path="/api")
    assert call_wsgi(application, keyed(rpc("nested"), "a")).json()["result"] == 1
    message = "Not run: the calls of max_idempotency_keys (1) keys are under way"
    assert (refusals[0].code, refusals[0].body.decode().strip()) == (503, message)
    assert refusals[1] == {"code": 503, "message": message}
    assert call_wsgi(application, keyed(rpc("count"), "b")).json()["result"] == 1


def test_wait_that_takes_too_long_is_409():
    server = make(idempotency_timeout_s=0)
    application = server.getWSGI()
    answers = []

    def nested():
        answers.append(call_wsgi(application, keyed(rpc("nested"), "a")))
        return 1

    def nested_call():
        answers.append(call_wsgi(application, post(with_key(rpc("nested_call")))).json()["error"])
        return 1

    server.registerFunction(nested, path="/api")
    server.registerFunction(nested_call, path="/api")
    assert call_wsgi(application, keyed(rpc("nested"), "a")).json()["result"] == 1
    assert call_wsgi(application, post(with_key(rpc("nested_call")))).json()["result"] == 1
    conflict, error = answers
    assert (conflict.code, conflict.header("Retry-After")) == (409, "1")
    message = "the first call with this Idempotency-Key is still under way; try again later"
    assert conflict.body.decode().strip() == message
    assert error == {"code": 409, "message": message.replace("Idempotency-Key", "idempotencyKey")}


def refuse_every_other(seen):
    def middleware(call, proceed):
        seen.append(call.method)
        if len(seen) % 2:
            raise JsonRpcApplicationError("not now", code=7)
        return proceed()

    return middleware


def test_refusal_of_middleware_is_not_stored():
    server, seen = make(), []
    server.use(refuse_every_other(seen))
    application = server.getWSGI()

    for request in (keyed(rpc("count")), post(with_key(rpc("count"))), keyed([rpc("count")], "b")):
        runs, calls = len(server.ran), len(seen)
        assert b'"code":7' in call_wsgi(application, request).body
        assert len(server.ran) == runs
        first = call_wsgi(application, request)
        assert b'"result"' in first.body
        assert call_wsgi(application, request) == first
        assert (len(server.ran), len(seen)) == (runs + 1, calls + 2)


def test_answer_of_middleware_without_the_function_is_stored():
    server, seen = make(), []
    server.use(lambda call, proceed: seen.append(call.method) or len(seen))
    application = server.getWSGI()

    for request in (keyed(rpc("count")), post(with_key(rpc("count"))), keyed(notification(), "n")):
        assert call_wsgi(application, request) == call_wsgi(application, request)
    assert len(seen) == 3
    assert not server.ran


def test_middleware_that_fails_after_the_function_has_run_it():
    server = make()

    def middleware(call, proceed):
        proceed()
        raise ValueError

    server.use(middleware)
    application = server.getWSGI()

    first = call_wsgi(application, keyed(rpc("count")))
    assert first.json()["error"]["code"] == -32603
    assert call_wsgi(application, keyed(rpc("count"))) == first
    assert len(server.ran) == 1


class Overriding(flaskJSONRPCServer):
    def _callDispatcher(self, *arguments, **options):
        self.ran.append("overridden")
        return super()._callDispatcher(*arguments, **options)

    def _parseRequest(self, data):
        return super()._parseRequest(bytes(data)[::-1])


def test_overridden_methods_see_keyed_calls():
    server = Overriding(None, log=False)
    server.ran = []
    server.registerFunction(lambda: len(server.ran), path="/api", name="count")
    application = server.getWSGI()

    for number, payload in enumerate((with_key(rpc("count")), [with_key(rpc("count"), "b")]), 1):
        text = json.dumps(payload).encode()[::-1]
        assert call_wsgi(application, post(text)) == call_wsgi(application, post(text))
        assert len(server.ran) == number


def test_locked_call_that_the_stop_ends_is_not_stored():
    server = make()
    application = server.getWSGI()
    server.lock()
    answers = []

    def call(request):
        answers.append(call_wsgi(application, request))

    requests = (keyed(rpc("count")), post(with_key(rpc("count"))))
    threads = [threading.Thread(target=call, args=[request]) for request in requests]
    for thread in threads:
        thread.start()
    wait_until(lambda: server._engine.locks.held().waiting == 2)
    server._engine.locks.end_period(0)
    for thread in threads:
        thread.join()
    assert [answer.json()["error"]["code"] for answer in answers] == [-32003, -32003]
    server.unlock()
    for request in requests:
        assert "result" in call_wsgi(application, request).json()


def test_stop_ends_the_wait_for_a_call_under_way():
    server = make()
    application = server.getWSGI()
    begun, may_end = threading.Event(), threading.Event()

    def hold():
        begun.set()
        return may_end.wait(60)

    server.registerFunction(hold, path="/api")
    answers = {}

    def call(name, request):
        answers[name] = call_wsgi(application, request)

    first = threading.Thread(target=call, args=["first", keyed(with_key(rpc("hold")))])
    first.start()
    assert begun.wait(60)
    others = [
        threading.Thread(target=call, args=["request", keyed(with_key(rpc("hold")))]),
        threading.Thread(target=call, args=["call", post(with_key(rpc("hold")))]),
    ]
    for thread in others:
        thread.start()
    wait_until(lambda: server._engine.locks.held().waiting == 2)
    server._engine.locks.end_period(0)
    for thread in others:
        thread.join()
    assert (answers["request"].code, answers["request"].body) == (503, b"the server has stopped\n")
    assert answers["call"].json()["error"] == {"code": 503, "message": "the server has stopped"}
    may_end.set()
    first.join()
    assert answers["first"].json()["result"] is True
    assert call_wsgi(application, post(with_key(rpc("hold")))) == answers["first"]


def test_waiter_runs_the_call_if_the_first_was_not_run():
    server, begun, may_end = make(), threading.Event(), threading.Event()
    seen = []

    def middleware(call, proceed):
        seen.append(call)
        if len(seen) == 1:
            begun.set()
            may_end.wait(60)
            raise JsonRpcException.exc_from_error(JsonRpcApplicationError("not now", code=7).get_error())
        return proceed()

    server.use(middleware)
    application = server.getWSGI()
    answers = []

    def call():
        answers.append(call_wsgi(application, keyed(rpc("count"))).json())

    threads = [threading.Thread(target=call) for _ in range(3)]
    threads[0].start()
    assert begun.wait(60)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: server._engine.locks.held().waiting == 2)
    may_end.set()
    for thread in threads:
        thread.join()
    assert sorted("result" in answer for answer in answers) == [False, True, True]
    assert len(server.ran) == 1


@pytest.mark.parametrize("serves", ["accessLog", "tracing"])
def test_recorded_and_traced_requests_have_the_same_answers(serves):
    if serves == "tracing":
        pytest.importorskip("opentelemetry")
    server = make(**{serves: True})
    application = server.getWSGI()

    for request in (
        keyed(rpc("count")),
        post(with_key(rpc("count"))),
        post([with_key(rpc("fail"), "b"), rpc("count")]),
    ):
        assert call_wsgi(application, request).code == 200
    assert call_wsgi(application, keyed(rpc("count"))).json()["result"] == 1
    assert call_wsgi(application, post(with_key(rpc("count")))).json()["result"] == 2


def test_store_outlives_a_restart_of_the_pipeline():
    server = make()
    first = call_wsgi(server.getWSGI(), keyed(rpc("count")))
    server._engine.release()

    assert call_wsgi(server.getWSGI(), keyed(rpc("count"))) == first
    assert len(server.ran) == 1


def test_key_beside_a_long_integer_and_a_rounded_id():
    server = make()
    application = server.getWSGI()
    call, other = with_key(rpc("count", [7], 8)), rpc("count", [9], 8)
    text = json.dumps([call, other]).replace("9", "9" * 5000).replace("8", "1.00000000000000000001").encode()

    first = call_wsgi(application, post(text))
    assert first.body.count(b'"id":1.00000000000000000001') == 2
    assert b"-32602" in first.body
    assert call_wsgi(application, post(text)) == first
    assert server.ran == [7]


def test_preflight_allows_the_headers_of_keys_and_of_the_time():
    asked = "idempotency-key,request-timeout"
    headers = {"Origin": "https://a.test", "Access-Control-Request-Headers": asked}

    answer = call_wsgi(make(cors=True).getWSGI(), Request("OPTIONS", "/api", headers))
    assert answer.header("Access-Control-Allow-Headers") == asked


def test_statistics_count_keys_and_stored_answers():
    server = make()
    application = server.getWSGI()
    assert "idempotencyKeyCount" not in server.stats()

    for request in (keyed(rpc("count")), post(with_key(rpc("count"))), keyed(rpc("count", [1, 2, 3]), "b")):
        for _ in range(3):
            call_wsgi(application, request)
    stats = server.stats()
    assert (stats["idempotencyKeyCount"], stats["idempotencyReplayCount"]) == (2, 4)
    assert stats["dispatchers"]["/api/count"]["calls"] == 2


def test_identity_is_asked_once_for_a_batch():
    asked = []
    application = make(idempotency={"identity": lambda request: asked.append(request) or "ann"}).getWSGI()

    batch = [with_key(rpc("count"), "a"), with_key(rpc("count"), "b")]
    call_wsgi(application, post(batch, headers={"Idempotency-Key": "k"}))
    assert len(asked) == 1


class Propagating(Exception):
    pass


@pytest.mark.parametrize("is_batch", [False, True])
def test_exception_that_propagates_leaves_no_key_under_way(is_batch):
    server = make()

    def fail_hard():
        server.ran.append(None)
        raise Propagating

    server.registerFunction(fail_hard, path="/api")
    application = flask.Flask("theirs")
    application.testing = True  # Flask propagates exceptions
    server.init_app(application)
    call = with_key(rpc("fail_hard"))
    payload = [rpc("count"), call] if is_batch else call

    with pytest.raises(Propagating):
        call_wsgi(application, keyed(payload))
    assert call_wsgi(application, keyed(payload)).code == 500  # it has run, and its outcome is unknown
    assert call_wsgi(application, post(call)).json()["error"]["code"] == -32603
    assert len(server.ran) == 1 + is_batch
    assert not server._engine.claims._under_way
