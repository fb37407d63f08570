"""Coroutine functions as dispatchers."""

import asyncio
import contextlib
import contextvars
import decimal
import functools
import gc
import itertools
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import flask
import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, RegistrationError, ServerStateError, flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.coroutines import is_asynchronous
from flaskJSONRPCServer.runtime import running_loop
from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.helpers import call, call_socket, call_wsgi, get, post, result_of, rpc, wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

PATIENCE_S = 30
VARIABLE = contextvars.ContextVar("variable", default="unset")


async def add(a, b=2):
    await asyncio.sleep(0)
    return a + b


add._alias = ["plus", "sum"]


def passing_on(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


def asynchronously(function):
    @functools.wraps(function)
    async def inner(*args, **kwargs):
        return await function(*args, **kwargs)

    return inner


def synchronously(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return asyncio.run(function(*args, **kwargs))

    return inner


@asynchronously
async def decorated(a, b=2):
    return a + b


@passing_on
async def passed_on(a, b=2):
    return a + b


@synchronously
async def run_by_its_decorator(a, b=2):
    return a + b


class Api:
    async def method(self, a, b=2):
        return a + b

    @staticmethod
    async def static(a, b=2):
        return a + b

    @classmethod
    async def of_class(cls, a, b=2):
        return a + b

    partial_method = functools.partialmethod(method)


class Callable:
    async def __call__(self, a, b=2):
        return a + b


class PassingOn:
    @passing_on
    async def __call__(self, a, b=2):
        return a + b


@functools.singledispatch
def chosen_by_type(a, /, b=2):
    return a + b


@chosen_by_type.register
async def _(a: str, /, b=2):
    return int(a) + b


class AsynchronousCache:
    """As libraries make one: it looks like functools.cache, and is asynchronous itself."""

    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.cache_info = dict

    async def __call__(self, *args, **kwargs):
        return await self.__wrapped__(*args, **kwargs)


def plain(a, b=2):
    return a + b


KINDS = {
    "function": add,
    "partial": functools.partial(add, b=2),
    "method": Api().method,
    "static method": Api().static,
    "class method": Api.of_class,
    "partial method": Api().partial_method,
    "callable object": Callable(),
    "partial of a callable object": functools.partial(Callable(), b=2),
    "callable object with a decorated call": PassingOn(),
    "decorated": decorated,
    "passed on": passed_on,
    "decorated twice": passing_on(passing_on(add)),
    "run by its decorator": run_by_its_decorator,
    "asynchronous cache": AsynchronousCache(add),
}


@pytest.fixture
def server():
    server = flaskJSONRPCServer(["127.0.0.1", 0], name="theirs", log=1)
    yield server
    server.unlock()
    server.stop()


@pytest.fixture
def address(server):
    server.start()
    return server.addresses[0]


@pytest.mark.parametrize("kind", KINDS)
def test_coroutine_function_of_any_kind_is_called(server, kind):
    function = KINDS[kind]
    server.registerFunction(function, path="/api", name="add")
    application = server.getWSGI()

    assert is_asynchronous(function)
    assert [result_of(application, "add", params) for params in ([1], {"a": 3})] == [3, 5]
    assert call(application, "add", {"a": 1, "c": 1})["error"]["message"] == "Invalid params: unexpected 'c'"
    assert call(application, "add", [])["error"]["message"] == "Invalid params: missing 'a'"


def test_function_that_is_asynchronous_for_some_arguments_is_called(server):
    server.registerFunction(chosen_by_type, path="/api")
    application = server.getWSGI()

    assert [result_of(application, "chosen_by_type", [value]) for value in (1, "2")] == [3, 4]


def test_plain_function_is_called_as_it_is(server):
    server.registerFunction(plain, path="/api")

    assert not is_asynchronous(plain)
    assert server._engine.router.table.find("/api/", "plain").target is plain
    assert result_of(server.getWSGI(), "plain", [1]) == 3
    assert not server._engine.event_loop.is_running


def test_methods_of_an_instance_are_called_under_all_names(server):
    server.registerInstance(Api(), path="/api")
    server.registerFunction(add, path="/api")
    application = server.getWSGI()

    for name in ("method", "static", "of_class", "partial_method", "add", "plus", "sum"):
        assert result_of(application, name, [1]) == 3


def test_cached_coroutine_function_is_refused(server):
    for cached in (functools.cache(add), functools.lru_cache(passed_on)):
        with pytest.raises(RegistrationError, match="caches coroutines, and each can be awaited only once"):
            server.registerFunction(cached, path="/api")


REQUESTS = {
    "post": (post(rpc("add", [1])), {"jsonrpc": "2.0", "result": 3, "id": 1}),
    "batch": (
        post([rpc("add", [1], 1), rpc("plain", [2], 2), rpc("add", [3], 3)]),
        [{"jsonrpc": "2.0", "result": result, "id": call_id} for call_id, result in ((1, 3), (2, 4), (3, 5))],
    ),
    "get": (get("/api/sum?a=x&b=y"), {"jsonrpc": "2.0", "result": "xy", "id": None}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_coroutine_is_called_over_http(server, address, name):
    request, expected = REQUESTS[name]
    server.registerFunction(add, path="/api")
    server.registerFunction(plain, path="/api")

    assert call_socket(address, request).json() == expected


def test_coroutine_is_called_by_jsonp(server, address):
    server.registerFunction(add, path="/api")

    assert b'show({"jsonrpc":"2.0","result":"xy"' in call_socket(address, get("/api/add?a=x&b=y&jsonp=show")).body


def test_notification_is_awaited_in_the_serving_thread(server, address):
    async def note(value):
        await asyncio.sleep(0)
        noted.append(value)

    noted = []
    server.registerFunction(note, path="/api")
    answer = call_socket(address, post({"jsonrpc": "2.0", "method": "note", "params": [5]}))

    assert (answer.code, noted) == (204, [5])


def test_many_clients_wait_at_once_on_one_loop(server, address):
    async def meet():
        waiting.append(asyncio.get_running_loop())
        if len(waiting) == 20:
            everyone.set_result(True)
        return await everyone

    async def make_future():
        return asyncio.get_running_loop().create_future()

    waiting = []
    everyone = server._engine.event_loop.submit(make_future()).result()
    server.registerFunction(meet, path="/api")
    answers = []
    clients = [
        threading.Thread(target=lambda: answers.append(call_socket(address, post(rpc("meet"))).json()["result"]))
        for _ in range(20)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join(PATIENCE_S)

    assert answers == [True] * 20
    assert len(set(waiting)) == 1


def test_connection_works_inside(server, address):
    async def describe(value, _connection):
        await asyncio.sleep(0)
        _connection.headersOut["X-Value"] = value
        _connection.mimeType = "text/plain"
        _connection.call.log(4, "described")
        return [_connection.headers["X-Asked"], _connection.dispatcherName, _connection.dispatcher is describe]

    server.registerFunction(describe, path="/api")
    answer = call_socket(address, post(rpc("describe", ["seven"]), headers={"X-Asked": "yes"}))

    assert (answer.header("X-Value"), answer.header("Content-Type")) == ("seven", "text/plain")
    assert answer.json()["result"] == ["yes", "describe", True]


class Panic(BaseException):
    """As a Rust extension raises it."""


STRANGE = [ValueError, KeyboardInterrupt, GeneratorExit, SystemExit, asyncio.CancelledError, Panic, StopIteration]


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("how", ["itself", "gathered"])
def test_exception_of_any_kind_fails_its_call_alone(server, caplog, strange, how):
    async def fail():
        await asyncio.sleep(0)
        raise strange("a secret")

    async def gathered():
        await asyncio.gather(fail(), asyncio.sleep(0))

    server.registerFunction({"itself": fail, "gathered": gathered}[how], path="/api", name="fail")
    server.registerFunction(add, path="/api")
    application = server.getWSGI()
    batch = [rpc("add", [1], 1), rpc("fail", None, 2), {"jsonrpc": "2.0", "method": "fail"}, rpc("add", [2], 3)]
    answers = call_wsgi(application, post(batch)).json()

    assert [(answer["id"], answer.get("result")) for answer in answers] == [(1, 3), (2, None), (3, 4)]
    error = answers[1]["error"]
    assert (error["code"], error["message"]) == (-32603, "Internal error")
    assert "secret" not in str(answers)
    correlation_id = error["data"]["correlationId"]
    assert [correlation_id in record.getMessage() for record in caplog.records if record.exc_info] == [True, True]
    assert strange.__name__ in caplog.text
    assert call_wsgi(application, post({"jsonrpc": "2.0", "method": "fail"})).code == 204


def test_json_rpc_exception_is_the_answer(server, caplog):
    async def fail():
        await asyncio.sleep(0)
        raise JsonRpcApplicationError("chosen", code=5, data={"why": 1})

    server.registerFunction(fail, path="/api")

    assert call(server.getWSGI(), "fail")["error"] == {"code": 5, "message": "chosen", "data": {"why": 1}}
    assert caplog.records == []


def test_type_error_inside_is_no_wrong_call(server):
    async def fail():
        return await add()

    server.registerFunction(fail, path="/api")

    assert call(server.getWSGI(), "fail")["error"]["code"] == -32603


def test_http_error_is_the_answer(server):
    async def forbid():
        flask.abort(403)

    server.registerFunction(forbid, path="/api")

    assert call(server.getWSGI(), "forbid")["error"]["data"]["status"] == 403


@pytest.mark.parametrize("batch", [False, True], ids=["calls", "batch"])
def test_context_variables_of_a_call_end_with_it(server, batch):
    async def read_and_set(value):
        decimal.getcontext().prec, precision = 5, decimal.getcontext().prec
        before = VARIABLE.get()
        VARIABLE.set(value)
        await asyncio.sleep(0)
        return before, precision, VARIABLE.get()

    decimal.getcontext().prec = 28
    server.registerFunction(read_and_set, path="/api")
    calls = [rpc("read_and_set", [value], value) for value in ("a", "b", "c")]
    application = server.getWSGI()
    if batch:
        answers = call_wsgi(application, post(calls)).json()
    else:
        answers = [call_wsgi(application, post(payload)).json() for payload in calls]

    assert [answer["result"] for answer in answers] == [["unset", 28, value] for value in ("a", "b", "c")]
    assert (VARIABLE.get(), decimal.getcontext().prec) == ("unset", 28)


def test_context_variables_of_auth_are_there():
    def auth(server, path, request, method):
        VARIABLE.set(request["headers"]["User"])
        return True

    async def user():
        return VARIABLE.get()

    server = flaskJSONRPCServer(None, auth=auth)
    server.registerFunction(user, path="/api")
    application = server.getWSGI()

    assert [result_of(application, "user", headers={"User": name}) for name in ("ada", "bob")] == ["ada", "bob"]
    server.stop()


def test_request_of_flask_is_there():
    async def agent():
        await asyncio.sleep(0)
        return flask.request.headers["User-Agent"]

    server = flaskJSONRPCServer(None, flaskContext=True)
    server.registerFunction(agent, path="/api")

    assert result_of(server.getWSGI(), "agent", headers={"User-Agent": "tests"}) == "tests"
    server.stop()


def test_waiting_counts_as_the_time_of_the_call(server, address):
    async def hold():
        begun.set()
        await asyncio.to_thread(go_on.wait, PATIENCE_S)

    begun, go_on = threading.Event(), threading.Event()
    server.registerFunction(hold, path="/api")
    client = threading.Thread(target=call_socket, args=(address, post(rpc("hold"))))
    client.start()
    assert begun.wait(PATIENCE_S)
    began = time.perf_counter()
    stats = server.stats()
    idle = server._waitProcessingDispatchers(timeout=0)
    waited_s = time.perf_counter() - began
    go_on.set()
    client.join(PATIENCE_S)

    assert (stats["processingRequestCount"], stats["processingDispatcherCount"], idle) == (1, 1, False)
    after = server.stats()["dispatchers"]["/api/hold"]
    assert (after["calls"], after["processing"]) == (1, 0)
    assert after["max"] > waited_s


def test_lock_holds_a_coroutine_under_all_its_names(server):
    server.registerFunction(add, path="/api")
    application = server.getWSGI()
    server.lock(add)
    answers = []
    held = threading.Thread(target=lambda: answers.append(result_of(application, "plus", [1])))
    held.start()
    wait_until(lambda: server.stats()["processingRequestCount"] == 1)

    assert server.wait(add, returnStatus=True) is True
    assert answers == []
    server.unlock(add)
    held.join(PATIENCE_S)
    assert answers == [3]


def test_reload_replaces_a_coroutine_and_keeps_the_loop(server, tmp_path):
    script = tmp_path / "script.py"
    application = server.getWSGI()
    results = []
    for version in ("old", "new"):
        script.write_text(
            "import asyncio\n"
            "async def tell():\n"
            "    await asyncio.sleep(0)\n"
            f"    return [{version!r}, id(asyncio.get_running_loop())]\n"
        )
        server.reload({"dispatcher": "tell", "scriptPath": str(script), "path": "/api"}, safely=False)
        results.append(result_of(application, "tell"))

    assert [version for version, _ in results] == ["old", "new"]
    assert results[0][1] == results[1][1]


def test_reload_may_replace_a_plain_function_by_a_coroutine(server):
    server.registerFunction(plain, path="/api", name="add")
    application = server.getWSGI()
    plain_result = result_of(application, "add", [1])
    server.reload({"dispatcher": add, "name": "add", "path": "/api"}, safely=False)

    assert (plain_result, result_of(application, "add", [2])) == (3, 4)
    assert server._engine.event_loop.is_running


async def end_server(_connection):
    ends = (_connection.server.stop, _connection.server._stopExecBackends)
    return [[is_refused(end), await asyncio.to_thread(is_refused, end)] for end in ends]


def is_refused(end):
    try:
        end()
    except ServerStateError:
        return True
    return False


def test_end_of_the_server_in_a_coroutine_is_refused(server):
    server.registerFunction(end_server, path="/api")

    assert result_of(server.getWSGI(), "end_server") == [[True, True], [True, True]]


def test_own_call_of_a_coroutine_is_not_waited_for(server):
    async def is_alone(_connection):
        wait = _connection.server._waitProcessingDispatchers
        return [wait(timeout=0), await asyncio.to_thread(wait, 0)]

    server.registerFunction(is_alone, path="/api")

    assert result_of(server.getWSGI(), "is_alone") == [True, True]


async def running_loop_id():
    return id(asyncio.get_running_loop())


def test_restart_keeps_the_loop_also_from_inside(server, address):
    async def restart(_connection):
        _connection.server.restart()
        return id(asyncio.get_running_loop())

    server.registerFunction(restart, path="/api")
    server.registerFunction(running_loop_id, path="/api")
    messages = []
    server._logger = lambda level, *args: messages.append(args)
    before = call_socket(address, post(rpc("restart"))).json()["result"]
    wait_until(lambda: any("has restarted" in str(args) for args in messages))
    server.restart()

    assert call_socket(address, post(rpc("running_loop_id"))).json()["result"] == before


@pytest.mark.usefixtures("frozen_heap")
def test_restarts_lose_no_call_of_a_coroutine(server, address):
    async def echo(number):
        await asyncio.sleep(0.001)
        return [number, id(asyncio.get_running_loop())]

    def hammer(numbers):
        while not done.is_set():
            number = next(numbers)
            answers.append((number, call_socket(address, post(rpc("echo", [number]))).json().get("result")))

    server.registerFunction(echo, path="/api")
    done, answers = threading.Event(), []
    clients = [threading.Thread(target=hammer, args=(itertools.count(first, 4),)) for first in range(4)]
    for client in clients:
        client.start()
    for restarts in range(1, 11):
        server.restart()
        wait_until(functools.partial(has_more_than, answers, 4 * restarts))
    done.set()
    for client in clients:
        client.join(PATIENCE_S)

    assert all(result[0] == number for number, result in answers)
    assert len({loop for _, (_, loop) in answers}) == 1


def has_more_than(answers, count):
    return len(answers) > count


def threads_of_the_loop():
    return [thread for thread in threading.enumerate() if thread.name == "theirs-event-loop"]


def test_stop_ends_the_loop_and_a_start_makes_another(server):
    server.registerFunction(add, path="/api")
    for _ in range(3):
        server.start()
        assert threads_of_the_loop() == []
        assert call_socket(server.addresses[0], post(rpc("add", [1]))).json()["result"] == 3
        assert len(threads_of_the_loop()) == 1
        server.stop()
        assert threads_of_the_loop() == []


def test_stop_of_a_mounted_server_ends_the_loop():
    server = flaskJSONRPCServer(None, name="theirs")
    server.registerFunction(add, path="/api")
    result_of(server.getWSGI(), "add", [1])
    server.stop()

    assert threads_of_the_loop() == []


def test_dropped_server_ends_its_loop():
    server = flaskJSONRPCServer(None, name="theirs")
    server.registerFunction(add, path="/api")
    result_of(server.getWSGI(), "add", [1])
    (thread,) = threads_of_the_loop()
    del server
    gc.collect()
    thread.join(PATIENCE_S)

    assert not thread.is_alive()


class Holding:
    """A coroutine that waits for the test, and a client that waits for its answer."""

    def __init__(self, server, backend=None):
        self.answers = []
        self._begun = threading.Event()
        server.registerFunction(self.hold, path="/api", dispatcherBackend=backend)
        server.start()
        self.client = threading.Thread(target=self._call, args=(server.addresses[0],))
        self.client.start()
        assert self._begun.wait(PATIENCE_S)

    async def hold(self):
        self.event, self.loop = asyncio.Event(), asyncio.get_running_loop()
        self._begun.set()
        return await self.event.wait()

    def go_on(self):
        self.loop.call_soon_threadsafe(self.event.set)

    def _call(self, address):
        self.answers.append(call_socket(address, post(rpc("hold"))).json())


@pytest.mark.parametrize("backend", ["simple", "threaded", "threadedNative"])
def test_stop_waits_for_running_coroutines(server, backend):
    holding = Holding(server, backend)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    wait_until(lambda: not server._lifecycle.is_running)
    holding.go_on()
    stopping.join(PATIENCE_S)
    holding.client.join(PATIENCE_S)

    assert holding.answers[0]["result"] is True
    assert threads_of_the_loop() == []


@pytest.mark.parametrize("backend", ["simple", "threaded", "threadedNative"])
def test_coroutine_that_outlasts_the_stop_is_cancelled_and_answered(server, backend):
    holding = Holding(server, backend)
    server.stop(timeout=1)
    holding.client.join(PATIENCE_S)

    assert holding.answers[0]["error"] == {"code": -32005, "message": "The server has stopped in the call"}
    assert threads_of_the_loop() == []


NOT_PATCHED = [("native", "threaded"), ("werkzeug", "simple"), ("granian", "simple")]
ON_BACKENDS = [("pywsgi", "threaded")] if is_patched() else NOT_PATCHED


@pytest.mark.parametrize(("serv_backend", "backend"), ON_BACKENDS)
def test_coroutine_that_blocks_the_loop_is_answered_by_the_end_of_the_stop(serv_backend, backend):
    async def block():
        begun.append(True)
        while not go:
            time.sleep(0.001)

    begun, go = [], []
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend=serv_backend)
    server.registerFunction(block, path="/api", dispatcherBackend=backend)
    server.start()
    try:
        with ThreadPoolExecutor() as clients:
            answer = clients.submit(call_socket, server.addresses[0], post(rpc("block")))
            wait_until(lambda: begun)
            server.stop(timeout=1)
            error = answer.result(PATIENCE_S).json()["error"]
    finally:
        go.append(True)

    assert error == {"code": -32005, "message": "The server has stopped in the call"}
    wait_until(lambda: threads_of_the_loop() == [])


def test_coroutine_that_goes_on_after_its_cancellation_is_answered_by_the_end_of_the_stop(monkeypatch):
    async def insist():
        begun.append(True)
        while not go:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)

    begun, go = [], []
    monkeypatch.setattr(running_loop, "_CLEANUP_S", 0.01)
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0)
    server.registerFunction(insist, path="/api")
    server.start()
    with ThreadPoolExecutor() as clients:
        answer = clients.submit(call_socket, server.addresses[0], post(rpc("insist")))
        wait_until(lambda: begun)
        server.stop(timeout=1)
        error = answer.result(PATIENCE_S).json()["error"]

    assert error == {"code": -32005, "message": "The server has stopped in the call"}


def test_server_that_is_replaced_finishes_its_coroutines(server):
    holding = Holding(server)
    newer = flaskJSONRPCServer(["127.0.0.1", 0], name="newer", log=0)
    newer.registerFunction(plain, path="/api")
    server._lifecycle.replace_server(newer._engine, newer, timeout_s=0)
    (thread,) = threads_of_the_loop()
    holding.go_on()
    holding.client.join(PATIENCE_S)
    thread.join(PATIENCE_S)
    newer.stop()

    assert holding.answers[0]["result"] is True
    assert not thread.is_alive()


def test_client_pool_lives_as_long_as_the_loop(server, address):
    async def ask():
        if not pools:
            pools.append(httpx.AsyncClient(base_url="http://{}:{}".format(*address)))
        answer = await pools[0].post("/api", json=rpc("plain", [1]))
        return answer.json()["result"]

    async def close():
        await pools[0].aclose()

    httpx, pools = pytest.importorskip("httpx"), []
    for function in (ask, close, plain):
        server.registerFunction(function, path="/api")

    assert [call_socket(address, post(rpc("ask"))).json()["result"] for _ in range(3)] == [3] * 3
    assert "error" not in call_socket(address, post(rpc("close"))).json()


def test_signal_that_interrupts_the_wait_cancels_the_coroutine(server):
    interrupted, cancelled = [], threading.Event()

    def interrupt(number, frame):
        if not interrupted:
            interrupted.append(number)
            raise KeyboardInterrupt

    async def hold():
        try:
            while True:  # the main thread, which waits, misses a signal that comes just before its wait
                os.kill(os.getpid(), signal.SIGUSR1)
                await asyncio.sleep(0.02)
        finally:
            cancelled.set()

    server.registerFunction(hold, path="/api")
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            call(server.getWSGI(), "hold")
    finally:
        cancelled.wait(PATIENCE_S)  # no signal comes after that
        signal.signal(signal.SIGUSR1, before)

    assert cancelled.wait(PATIENCE_S)
    assert server.stats()["processingDispatcherCount"] == 0
