"""Middleware around calls in the serving thread: its order, its powers, and its failures."""

import contextvars
import decimal
import functools
import gc
import signal
import threading
import weakref

import pytest
import werkzeug.exceptions
from flask import got_request_exception

from flaskJSONRPCServer import Call, JsonRpcApplicationError, RegistrationError, flaskJSONRPCServer
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcException
from tests.helpers import call, call_socket, call_wsgi, get, post, result_of, rpc

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

SECRET = "a secret"


def echo(*args, **kwargs):
    return {"args": list(args), "kwargs": kwargs}


def fail():
    raise KeyError(SECRET)


def refuse():
    raise JsonRpcApplicationError("refused", code=5)


def make(**options):
    server = flaskJSONRPCServer(None, **{"log": False, **options})
    for function in (echo, fail, refuse):
        server.registerFunction(function, path="/api")
    server.registerFunction(echo, path="/other")
    return server


def notification(method, params=None):
    return {"jsonrpc": "2.0", "method": method, "params": params or []}


def passes(call, proceed):
    return proceed()


@pytest.fixture
def seen():
    """Return a list, and a middleware that records each call in it."""
    calls = []

    def record(call, proceed):
        calls.append((call.path + call.method, call.params, call.is_notification, call.id))
        return proceed()

    return calls, record


def test_use_returns_the_middleware():
    server = make()

    @server.use
    def middleware(call, proceed):
        return [proceed()]

    assert result_of(server.getWSGI(), "echo", [1]) == [{"args": [1], "kwargs": {}}]
    assert server.use(passes, path="/api") is passes


def test_first_used_is_the_outermost_whether_it_is_for_the_server_or_a_path():
    server = make()
    events = []

    def make_middleware(name):
        def middleware(call, proceed):
            events.append(f"{name} begins")
            result = proceed()
            events.append(f"{name} ends")
            return [name, result]

        return middleware

    server.use(make_middleware("path"), path="api")
    server.use(make_middleware("server"))
    server.use(make_middleware("other"), path="/other/")

    assert result_of(server.getWSGI(), "echo")[:2] == ["path", ["server", {"args": [], "kwargs": {}}]]
    assert events == ["path begins", "server begins", "server ends", "path ends"]
    assert result_of(server.getWSGI(), "echo", target="/other")[1][0] == "other"


def test_each_call_is_seen(seen):
    calls, record = seen
    server = make()
    server.use(record)
    application = server.getWSGI()

    call_wsgi(application, post(rpc("echo", [1], "a")))
    call_wsgi(application, post(rpc("echo", {"a": 1}, None)))
    call_wsgi(application, post({"jsonrpc": "2.0", "method": "echo", "id": 1}))
    call_wsgi(application, post(notification("echo", [2])))
    call_wsgi(application, post([rpc("echo", [3], 3), notification("fail"), rpc("echo", [4], 4)]))
    call_wsgi(application, get("/api/echo?a=5"))
    call_wsgi(application, get("/other/echo?a=6&jsonp=show"))

    assert calls == [
        ("/api/echo", [1], False, "a"),
        ("/api/echo", {"a": 1}, False, None),
        ("/api/echo", None, False, 1),
        ("/api/echo", [2], True, None),
        ("/api/echo", [3], False, 3),
        ("/api/fail", [], True, None),
        ("/api/echo", [4], False, 4),
        ("/api/echo", {"a": "5"}, False, None),
        ("/other/echo", {"a": "6"}, False, None),
    ]


def test_call_with_wrong_parameters_is_seen_and_one_without_a_method_is_not(seen):
    calls, record = seen
    server = make()
    server.use(record)

    assert call(server.getWSGI(), "fail", [1])["error"]["code"] == -32602
    assert call(server.getWSGI(), "nothing")["error"]["code"] == -32601
    assert [path for path, *_ in calls] == ["/api/fail"]


def test_call_shows_its_function_request_and_client():
    server = make()
    shown = []

    @server.use
    def middleware(call, proceed):
        shown.append((call.function, call.unique_id, call.ip, repr(call), type(call)))
        return proceed()

    call_wsgi(server.getWSGI(), post([rpc("echo", None, 1), rpc("fail", None, 2)]))
    (first, unique_id, ip, text, kind), (second, same_id, *_) = shown
    assert (first, second, kind, text) == (echo, fail, Call, "<Call /api/echo>")
    assert unique_id == same_id
    assert len(unique_id) == 40
    assert ip == "127.0.0.1"


@pytest.mark.parametrize("changed", [[7], {"a": 7}, None])
@pytest.mark.parametrize("assign", [False, True])
def test_parameters_may_be_changed(changed, assign):
    server = make()
    inner_params = []

    @server.use
    def change(call, proceed):
        if not assign:
            return proceed(changed)
        call.params = changed
        return proceed()

    @server.use
    def inner(call, proceed):
        inner_params.append(call.params)
        return proceed()

    expected = {
        "args": changed if isinstance(changed, list) else [],
        "kwargs": changed if type(changed) is dict else {},
    }
    assert result_of(server.getWSGI(), "echo", [1, 2]) == expected
    assert inner_params == [changed]


def test_parameters_may_be_changed_in_place():
    server = make()
    server.use(lambda call, proceed: call.params.update(user="ann") or proceed())

    assert result_of(server.getWSGI(), "echo", {"a": 1}) == {"args": [], "kwargs": {"a": 1, "user": "ann"}}


def test_changed_parameters_are_checked():
    server = make()
    server.use(lambda call, proceed: proceed([1]))

    assert call(server.getWSGI(), "fail")["error"]["code"] == -32602


@pytest.mark.parametrize("wrong", [(1,), "text", 5])
def test_parameters_of_another_kind_fail_the_call(wrong, caplog):
    server = make(log=3)
    server.use(lambda call, proceed: proceed(wrong))

    assert call(server.getWSGI(), "echo")["error"]["code"] == -32603
    assert "are a list, a dict or None" in caplog.text


def test_middleware_may_answer_itself():
    server = make()
    server.use(lambda call, proceed: {"cached": call.params})

    assert result_of(server.getWSGI(), "fail", [1]) == {"cached": [1]}
    assert server.stats()["dispatcherCount"] == 0


def test_middleware_may_proceed_several_times():
    server = make()
    attempts = []

    def flaky():
        attempts.append(1)
        if len(attempts) == 1:
            raise JsonRpcApplicationError("busy", code=7)
        return len(attempts)

    server.registerFunction(flaky, path="/api")

    @server.use
    def retry(call, proceed):
        try:
            return proceed()
        except JsonRpcApplicationError as exc:
            if exc.code != 7:
                raise
        return [proceed(), proceed()]

    assert result_of(server.getWSGI(), "flaky") == [2, 3]
    stats = server.stats()["dispatchers"]["/api/flaky"]
    assert (stats["calls"], stats["errors"]) == (3, 1)


def test_proceed_raises_the_error_that_the_client_would_get(caplog):
    server = make(log=3)
    errors = []

    @server.use
    def record(call, proceed):
        try:
            return proceed()
        except Exception as exc:
            errors.append(exc)
            raise

    application = server.getWSGI()
    answers = [call(application, method, [] if method != "echo" else None)["error"] for method in ("refuse", "fail")]
    answers.append(call(application, "fail", [1])["error"])

    assert all(isinstance(error, JsonRpcException) for error in errors)
    assert [error.code for error in errors] == [answer["code"] for answer in answers] == [5, -32603, -32602]
    assert isinstance(errors[1].__cause__, KeyError)
    assert len(caplog.records) == 1, "the exception of the function is logged once"


def test_middleware_may_raise_an_error():
    server = make()

    def deny(call, proceed):
        raise JsonRpcApplicationError("denied", code=403, data={"method": call.method})

    server.use(passes)
    server.use(deny)

    assert call(server.getWSGI(), "echo")["error"] == {"code": 403, "message": "denied", "data": {"method": "echo"}}
    assert server.stats()["dispatcherCount"] == 0
    assert call_wsgi(server.getWSGI(), post(notification("echo"))).code == 204


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration])
@pytest.mark.parametrize("after", [False, True])
def test_exception_of_middleware_is_an_internal_error_that_is_logged_once(kind, after, caplog):
    server = make(log=3)
    passed = []

    @server.use
    def outer(call, proceed):
        try:
            return proceed()
        except BaseException as exc:
            passed.append(exc)
            raise

    @server.use
    def failing(call, proceed):
        if after:
            proceed()
        raise kind(SECRET)

    answers = call_wsgi(
        server.getWSGI(), post([rpc("echo", None, 1), notification("echo"), rpc("echo", None, 2)])
    ).json()

    assert [(answer["id"], answer["error"]["code"]) for answer in answers] == [(1, -32603), (2, -32603)]
    assert SECRET not in str(answers)
    assert len(caplog.records) == 3
    message = caplog.records[0].getMessage()
    assert answers[0]["error"]["data"]["correlationId"] in message
    assert "failing raised in a call of /api/echo" in message
    assert {type(exc).__name__ for exc in passed} == {"JsonRpcInternalError"}


def test_exceptions_of_middleware_are_mapped():
    server = make()
    server.mapException(KeyError, code=8, message="mapped", path="/api")

    @server.use
    def failing(call, proceed):
        raise KeyError(SECRET)

    assert call(server.getWSGI(), "echo")["error"] == {"code": 8, "message": "mapped"}
    assert call(server.getWSGI(), "echo", target="/other")["error"]["code"] == -32603


def test_http_exceptions_of_middleware_keep_their_meaning():
    server = make()

    @server.use
    def forbid(call, proceed):
        raise werkzeug.exceptions.Forbidden

    assert call(server.getWSGI(), "echo")["error"]["code"] == -32008


class Unsendable(JsonRpcApplicationError):
    def get_error(self):
        raise RuntimeError(SECRET)


def test_error_of_middleware_that_cannot_be_sent_is_an_internal_error():
    server = make()

    @server.use
    def failing(call, proceed):
        raise Unsendable("m")

    assert call(server.getWSGI(), "echo")["error"]["code"] == -32603


def test_middleware_may_replace_an_error_by_a_result_or_another_error():
    server = make()

    @server.use
    def replace(call, proceed):
        try:
            return proceed()
        except JsonRpcException as exc:
            if call.is_notification or call.id == 1:
                return "replaced"
            raise JsonRpcApplicationError("other", code=9) from exc

    answers = call_wsgi(server.getWSGI(), post([rpc("fail", None, 1), rpc("fail", None, 2)])).json()
    assert answers[0]["result"] == "replaced"
    assert answers[1]["error"] == {"code": 9, "message": "other"}


def test_result_without_a_json_form_is_an_internal_error():
    server = make()
    server.use(lambda call, proceed: object())

    assert call(server.getWSGI(), "echo")["error"]["code"] == -32603


def test_signal_to_the_program_passes_all_middleware():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda: signal.raise_signal(signal.SIGINT), path="/api", name="interrupted")
    server.mapException(BaseException, code=1, message="m")
    server.use(passes)
    server.use(passes)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            call(server.getWSGI(), "interrupted")
    finally:
        signal.signal(signal.SIGINT, before)


def signals_for_a_failing_call(server):
    """Return how often Flask's signal is sent for an exception that propagates."""
    server.flaskApp.config["PROPAGATE_EXCEPTIONS"] = True
    sent = []

    def receive(sender, exception, **extra):
        sent.append(exception)

    with got_request_exception.connected_to(receive, server.flaskApp), pytest.raises(KeyError):
        call(server.getWSGI(), "fail")
    return len(sent)


def test_flask_is_asked_once_about_an_exception_that_propagates():
    plain, covered = make(flaskContext=True), make(flaskContext=True)
    covered.use(passes)
    covered.use(passes)

    assert signals_for_a_failing_call(covered) == signals_for_a_failing_call(plain) == 1


VARIABLE = contextvars.ContextVar("variable", default="unset")


def read_and_set():
    before = VARIABLE.get()
    VARIABLE.set("by the function")
    return before


@pytest.mark.parametrize("batch", [False, True])
def test_middleware_and_function_share_the_context_of_the_call(batch):
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(read_and_set, path="/api")

    @server.use
    def outer(call, proceed):
        before = VARIABLE.get()
        VARIABLE.set("by the middleware")
        return [before, proceed(), VARIABLE.get()]

    server.use(passes)
    calls = [rpc("read_and_set", None, number) for number in range(3)]
    if batch:
        answers = call_wsgi(server.getWSGI(), post(calls)).json()
    else:
        answers = [call_wsgi(server.getWSGI(), post(single)).json() for single in calls]

    assert [answer["result"] for answer in answers] == [["unset", "by the middleware", "by the function"]] * 3
    assert VARIABLE.get() == "unset"


def test_decimal_context_of_a_call_with_middleware_ends_with_it():
    decimal.getcontext().prec = 28
    server = flaskJSONRPCServer(None, log=False)

    def set_precision():
        decimal.getcontext().prec = 3
        return decimal.getcontext().prec

    server.registerFunction(set_precision, path="/api")
    server.use(passes)

    assert result_of(server.getWSGI(), "set_precision") == 3
    assert decimal.getcontext().prec == 28


def whoami(_connection):
    return getattr(_connection, "user", None)


@pytest.mark.parametrize("backend", ["simple", "threaded"])
def test_each_call_has_a_connection_of_its_own_and_its_function_gets_it_in_the_serving_thread(backend):
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(whoami, path="/api")
    server.registerFunction(whoami, path="/api", name="other", dispatcherBackend=backend)
    names = []

    @server.use
    def identify(call, proceed):
        if call.id != 2:
            assert call.connection is call.connection
            names.append(call.connection.dispatcherName)
            call.connection.user = f"{getattr(call.connection, 'user', 'user')} {call.id}"
        return proceed()

    batch = [rpc(name, None, number) for number, name in enumerate(("whoami", "whoami", "whoami", "other"), 1)]
    answers = call_wsgi(server.getWSGI(), post(batch)).json()
    server.stop()
    other = "user 4" if backend == "simple" else None
    assert [answer["result"] for answer in answers] == ["user 1", None, "user 3", other]
    assert names == ["whoami", "whoami", "other"]


def test_middleware_sets_headers_and_cookies():
    server = make()

    @server.use
    def sign(call, proceed):
        call.connection.headersOut["X-Signed"] = call.connection.dispatcherName
        call.connection.cookiesOut.append({"name": "seen", "value": "yes"})
        return proceed()

    headers = dict(call_wsgi(server.getWSGI(), post(rpc("echo"))).headers)
    assert (headers["X-Signed"], headers["Set-Cookie"].partition(";")[0]) == ("echo", "seen=yes")


def test_connection_of_a_notification_says_so():
    server = make()
    notified = []
    server.use(lambda call, proceed: notified.append(call.connection.notify))

    call_wsgi(server.getWSGI(), post([notification("echo"), rpc("echo")]))
    assert notified == [True, False]


def test_use_takes_effect_for_the_next_request():
    server = make()
    application = server.getWSGI()
    marked = []

    def use_now():
        server.use(lambda call, proceed: marked.append(call.method) or proceed())
        return 1

    server.registerFunction(use_now, path="/api")
    answer = call_wsgi(application, post([rpc("use_now", None, 1), rpc("echo", None, 2)]))
    assert (len(answer.json()), marked) == (2, [])
    result_of(application, "echo")
    assert marked == ["echo"]


def test_calls_registered_later_are_seen(seen):
    calls, record = seen
    server = flaskJSONRPCServer(None, log=False)
    server.use(record, path="/api")
    application = server.getWSGI()
    server.registerFunction(echo, path="/api")
    result_of(application, "echo")
    server.registerFunction(echo, path="/later")
    server.use(record, path="/later")
    result_of(application, "echo", target="/later")

    assert [path for path, *_ in calls] == ["/api/echo", "/later/echo"]


def test_reload_restart_and_overriding_keep_the_middleware(seen, tmp_path):
    calls, record = seen
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False)
    server.registerFunction(echo, path="/api")
    server.use(record)
    server.start()
    try:
        server.restart()
        script = tmp_path / "script.py"
        script.write_text("def echo():\n    return 'new'\n")
        server.reload({"dispatcher": "echo", "scriptPath": str(script), "path": "/api"}, safely=False)
        server._prepResponse = lambda data, isError=False: {"jsonrpc": "2.0", **data}
        assert call_socket(server.addresses[0], post(rpc("echo"))).json()["result"] == "new"
    finally:
        server.stop()
    server.start()
    try:
        assert call_socket(server.addresses[0], post(rpc("echo"))).json()["result"] == "new"
    finally:
        server.stop()
    assert [path for path, *_ in calls] == ["/api/echo"] * 2


def test_uses_of_several_threads_are_all_kept_while_calls_run():
    server = make()
    application = server.getWSGI()
    counted = []
    ready = threading.Barrier(5)

    def use_many():
        ready.wait()
        for _ in range(20):
            server.use(lambda call, proceed: counted.append(1) or proceed())

    def call_many():
        ready.wait()
        for _ in range(50):
            assert result_of(application, "echo")["args"] == []

    threads = [threading.Thread(target=target) for target in (use_many, use_many, use_many, use_many, call_many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted.clear()
    result_of(application, "echo")

    assert len(counted) == 80


def test_overridden_call_dispatcher_runs_inside_the_middleware(seen):
    calls, record = seen

    class Server(flaskJSONRPCServer):
        def _callDispatcher(self, *args, **kwargs):
            calls.append("overridden")
            return super()._callDispatcher(*args, **kwargs)

    server = Server(None, log=False)
    server.registerFunction(echo, path="/api")
    server.use(record)

    assert result_of(server.getWSGI(), "echo", [1])["args"] == [1]
    assert [entry if entry == "overridden" else entry[0] for entry in calls] == ["/api/echo", "overridden"]


def test_lock_holds_a_call_inside_its_middleware():
    server = make()
    server.lock(echo)
    entered = threading.Event()

    @server.use
    def middleware(call, proceed):
        entered.set()
        return proceed()

    answers = []
    held = threading.Thread(target=lambda: answers.append(result_of(server.getWSGI(), "echo")))
    held.start()
    assert entered.wait(30)
    assert answers == []
    server.unlock(echo)
    held.join(30)
    assert answers == [{"args": [], "kwargs": {}}]


def test_two_clients_at_once_have_calls_of_their_own():
    server = make()
    meeting = threading.Barrier(2, timeout=30)

    @server.use
    def middleware(call, proceed):
        call.params = [*call.params, "seen"]
        meeting.wait()
        return [call.id, proceed(), call.params]

    answers = {}

    def ask(number):
        answers[number] = call_wsgi(server.getWSGI(), post(rpc("echo", [number], number))).json()["result"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {
        number: [number, {"args": [number, "seen"], "kwargs": {}}, [number, "seen"]] for number in (1, 2)
    }


class FailureError(Exception):
    def __init__(self, references):
        references.append(weakref.ref(self))


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("swallow", [False, True])
@pytest.mark.parametrize("layers", [0, 2])
def test_failed_call_leaves_no_garbage(mapped, swallow, layers):
    server = flaskJSONRPCServer(None, log=False)
    references = []

    def fail():
        raise FailureError(references)

    def tolerate(call, proceed):
        try:
            return proceed()
        except JsonRpcException:
            if swallow:
                return None
            raise

    server.registerFunction(fail, path="/api")
    if mapped:
        server.mapException(FailureError, code=1, message="m")
    for _ in range(layers):
        server.use(tolerate)
    application = server.getWSGI()
    call(application, "fail")
    gc.collect()
    gc.disable()
    try:
        call(application, "fail")
        alive = [reference for reference in references if reference() is not None]
    finally:
        gc.enable()
    assert alive == []


class Counter:
    def __init__(self):
        self.calls = 0

    def __call__(self, call, proceed):
        self.calls += 1
        return proceed()

    def method(self, call, proceed):
        return self(call, proceed)


def test_every_kind_of_callable_may_be_middleware():
    server, counter = make(), Counter()
    for middleware in (counter, counter.method, functools.partial(lambda extra, call, proceed: proceed(), 1)):
        server.use(middleware)
    server.use(lambda *args: args[1]())

    assert result_of(server.getWSGI(), "echo", [1])["args"] == [1]
    assert counter.calls == 2


class Asynchronous:
    async def __call__(self, call, proceed):
        return proceed()


async def coroutine(call, proceed):
    return proceed()


async def async_generator(call, proceed):
    yield proceed()


def generator(call, proceed):
    yield proceed()


@pytest.mark.parametrize(
    ("middleware", "text"),
    [
        (coroutine, "is asynchronous; use a plain function, without async"),
        (functools.partial(coroutine), "is asynchronous"),
        (async_generator, "is asynchronous"),
        (Asynchronous(), "is asynchronous"),
        (generator, "is a generator function; call proceed\\(\\) in place of yield"),
        (Counter, "is a class; use an instance"),
        (None, "is no middleware: use takes a function of \\(call, proceed\\)"),
        ("passes", "is no middleware"),
        (lambda call: None, "takes \\(call, proceed\\), not \\(call\\)"),
        (lambda call, proceed, more: None, "takes \\(call, proceed\\), not \\(call, proceed, more\\)"),
        (lambda *, call, proceed: None, "takes \\(call, proceed\\)"),
    ],
)
def test_what_is_no_middleware_is_refused(middleware, text):
    server = make()
    with pytest.raises(RegistrationError, match=text):
        server.use(middleware)

    assert result_of(server.getWSGI(), "echo")["args"] == []


@pytest.mark.parametrize("path", [5, "/a?b", "/a/../b"])
def test_path_that_no_client_can_call_is_refused(path):
    with pytest.raises(RegistrationError, match="path="):
        make().use(passes, path=path)


def test_path_or_name_that_is_not_registered_is_warned_of_at_the_start(caplog):
    server = make(log=2)
    server.use(passes, path="/apu")
    server.use(passes, path="/api")
    server.mapException(KeyError, code=1, message="m", path="/apu")
    server.mapException(KeyError, code=1, message="m", path="/api", name="eco")
    server.mapException(KeyError, code=1, message="m", path="/api", name="echo")
    server.getWSGI()

    assert sorted(record.getMessage() for record in caplog.records) == [
        "mapException maps nothing on /api/eco: nothing is registered there",
        "mapException maps nothing on /apu/: nothing is registered there",
        "middleware passes sees nothing on /apu/: nothing is registered there",
    ]
