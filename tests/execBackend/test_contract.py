"""What every exec backend keeps: to a client, and at start and stop, all are alike."""

import contextlib
import threading
from types import SimpleNamespace

import flask
import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, ServerStateError, flaskJSONRPCServer
from tests.execBackend.backends import MAKERS
from tests.helpers import call_socket, call_wsgi, get, post, rpc

PATIENCE_S = 20


def add(a, b=1):
    return a + b


add._alias = ["plus", "sum"]


def fail():
    raise ValueError("a secret")


def leave():
    raise SystemExit("a secret")


def chosen():
    raise JsonRpcApplicationError("chosen", code=5, data={"why": 1})


def type_error():
    return add()


def unserialisable():
    return object()


def describe(value, _connection):
    _connection.headersOut["X-Value"] = str(value)
    _connection.cookiesOut.append({"name": "value", "value": str(value)})
    _connection["mimeType"] = "text/plain"
    return {
        "path": _connection.path,
        "ip": _connection.ip,
        "notify": _connection.notify,
        "name": _connection.dispatcherName,
        "header": _connection.headers["X-Asked"],
        "cookie": _connection.cookies.get("c"),
        "server": _connection.serverName,
        "servedBy": _connection.servedBy[0],
        "native": _connection.nativeThread,
    }


def reformat(_connection):
    _connection.jsonp = "%(callback)s[%(data)s]"
    return 1


FUNCTIONS = (add, fail, leave, chosen, type_error, unserialisable, describe, reformat)


def make(backend, address=None, **options):
    server = flaskJSONRPCServer(address, name="theirs", log=False, dispatcherBackend=backend, **options)
    for function in FUNCTIONS:
        server.registerFunction(function, path="/api")
    return server


@contextlib.contextmanager
def serving(server):
    server.start()
    try:
        yield server.addresses[0]
    finally:
        server.stop()


@pytest.fixture(params=MAKERS, scope="module")
def backend(request):
    return MAKERS[request.param]


@pytest.fixture(scope="module")
def address(backend):
    with serving(make(backend(), ["127.0.0.1", 0], fallback=True)) as address:
        yield address


@pytest.fixture(scope="module")
def inline():
    with serving(make("simple", ["127.0.0.1", 0])) as address:
        yield address


ASKED = {"X-Asked": "yes", "Cookie": "c=d"}

REQUESTS = {
    "by position": post(rpc("add", [1, 2])),
    "by name": post(rpc("add", {"a": 1, "b": 2})),
    "default": post(rpc("add", [1])),
    "alias": post(rpc("plus", [1, 2])),
    "other alias": post(rpc("sum", [1, 2])),
    "id null": post(rpc("add", [1, 2], None)),
    "id of text": post(rpc("add", [1, 2], "é")),
    "unknown method": post(rpc("nothing")),
    "missing parameter": post(rpc("add")),
    "unexpected parameter": post(rpc("add", {"c": 1})),
    "magic by name": post(rpc("describe", {"value": 1, "_connection": 1})),
    "application error": post(rpc("chosen")),
    "magic variable": post(rpc("describe", [7]), headers=ASKED),
    "magic variable, by name": post(rpc("describe", {"value": 7}), headers=ASKED),
    "notification": post({"jsonrpc": "2.0", "method": "add", "params": [1]}),
    "failing notification": post({"jsonrpc": "2.0", "method": "fail"}),
    "get": get("/api/add?a=1&b=2"),
    "jsonp": get("/api/add?a=1&b=2&jsonp=show"),
    "jsonp error": get("/api/chosen?jsonp=show"),
    "jsonp format": get("/api/reformat?jsonp=show"),
    "jsonp magic": get("/api/describe?value=1&jsonp=show", ASKED),
    "batch": post([rpc("add", [number, 1], number) for number in range(20)]),
    "mixed batch": post(
        [
            rpc("add", [1, 2], 1),
            rpc("nothing", None, 2),
            {"jsonrpc": "2.0", "method": "add", "params": [1]},
            5,
            rpc("chosen", None, 3),
            {"jsonrpc": "2.0", "result": 1, "id": 4},
            rpc("add", {"x": 1}, 5),
            rpc("plus", [2, 2], 6),
        ]
    ),
    "batch of notifications": post([{"jsonrpc": "2.0", "method": "add", "params": [1]}] * 3),
    "batch of one": post([rpc("add", [1, 2])]),
    "empty batch": post([]),
    "batch that sets headers": post([rpc("describe", [number], number) for number in range(5)], headers=ASKED),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_answer_is_that_of_the_serving_thread(name, address, inline):
    assert call_socket(address, REQUESTS[name]) == call_socket(inline, REQUESTS[name])


@pytest.mark.parametrize("method", ["fail", "leave", "type_error", "unserialisable"])
def test_unexpected_exception_is_an_internal_error(method, address):
    answer = call_socket(address, post(rpc(method)))

    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (-32603, "Internal error")
    assert len(error["data"]["correlationId"]) == 40
    assert b"secret" not in answer.body


@pytest.mark.parametrize("use_flask", [False, True])
def test_unique_id_of_the_connection_is_the_correlation_id(backend, use_flask):
    server = make(backend(), flaskContext=use_flask)
    seen = []

    def dispatcher(_connection):
        seen.append(_connection.uniqueId)
        raise ValueError

    server.registerFunction(dispatcher, path="/api")
    answer = call_wsgi(server.getWSGI(), post(rpc("dispatcher"))).json()
    server.stop()

    assert [answer["error"]["data"]["correlationId"]] == seen


def test_notification_runs_and_gives_nothing_to_the_answer(backend):
    server = flaskJSONRPCServer(None, log=False, notifBackend=backend())
    seen = []
    ran = threading.Event()

    def tell(_connection):
        seen.append((_connection.notify, threading.get_ident()))
        ran.set()

    server.registerFunction(tell, path="/api")
    answer = call_wsgi(server.getWSGI(), post({"jsonrpc": "2.0", "method": "tell"}))

    assert ran.wait(PATIENCE_S)
    server.stop()
    assert (answer.code, answer.body) == (204, b"")
    assert seen[0][0] is True


@pytest.mark.parametrize("name", ["simple", "threaded", "threadedNative", "threaded object"])
def test_request_of_flask_is_there_for_a_call_through_flask(name):
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend=MAKERS[name](), flaskContext=True)
    server.registerFunction(lambda: flask.request.headers["X-Asked"], path="/api", name="asked")
    server.registerFunction(lambda: flask.session.get("a", "none"), path="/api", name="session")
    server.flaskApp.secret_key = "x"

    answers = [call_wsgi(server.getWSGI(), post(rpc(name), headers=ASKED)).json() for name in ("asked", "session")]
    server.stop()
    assert [answer["result"] for answer in answers] == ["yes", "none"]


def test_backend_is_chosen_for_each_dispatcher(backend):
    server = flaskJSONRPCServer(None, log=False)
    threads = {}

    def note(name):
        threads[name] = threading.get_ident()
        return name

    server.registerFunction(note, path="/here", name="note")
    chosen = backend()
    server.registerFunction(note, path="/there", name="note", dispatcherBackend=chosen)
    application = server.getWSGI()
    for path in ("here", "there"):
        assert call_wsgi(application, post(rpc("note", [path]), f"/{path}")).json()["result"] == path
    server.stop()

    assert threads["here"] == threading.get_ident()
    assert (threads["there"] == threading.get_ident()) is (chosen == "simple")


def test_instance_may_have_a_backend(backend):
    server = flaskJSONRPCServer(None, log=False)
    chosen = backend()
    server.registerInstance(SimpleMath(), path="/api", dispatcherBackend=chosen, notifBackend=chosen)
    answer = call_wsgi(server.getWSGI(), post(rpc("twice", [4]))).json()
    server.stop()

    assert answer["result"] == 8


class SimpleMath:
    def twice(self, number):
        return 2 * number


def test_lock_holds_the_calls(backend):
    server = make(backend())
    application = server.getWSGI()
    server.lock(add)
    answers = []
    held = threading.Thread(target=lambda: answers.append(call_wsgi(application, post(rpc("add", [1])))))
    held.start()

    assert call_wsgi(application, post(rpc("chosen"))).json()["error"]["code"] == 5
    assert answers == []
    server.unlock(add)
    held.join(PATIENCE_S)
    server.stop()
    assert answers[0].json()["result"] == 2


def test_start_and_stop_may_be_repeated(backend):
    server = make(backend(), ["127.0.0.1", 0])
    for _ in range(3):
        with serving(server) as address:
            assert call_socket(address, post(rpc("add", [1, 2]))).json()["result"] == 3


def test_stop_finishes_what_has_begun(backend):
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, dispatcherBackend=backend())
    begun, go_on = threading.Event(), threading.Event()

    def slow():
        begun.set()
        return go_on.wait(PATIENCE_S)

    server.registerFunction(slow, path="/api")
    server.start()
    answers = []
    calling = threading.Thread(target=lambda a=server.addresses[0]: answers.append(call_socket(a, post(rpc("slow")))))
    calling.start()
    assert begun.wait(PATIENCE_S)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    go_on.set()
    calling.join(PATIENCE_S)
    stopping.join(PATIENCE_S)

    assert answers[0].json()["result"] is True


def test_calls_are_counted(backend):
    server = make(backend())
    application = server.getWSGI()
    for method in ("add", "chosen", "fail"):
        call_wsgi(application, post(rpc(method, [1] if method == "add" else None)))
    stats = server.stats()
    server.stop()

    assert (stats["dispatcherCount"], stats["dispatcherErrorCount"]) == (3, 2)
    assert (stats["processingDispatcherCount"], stats["notificationLostCount"]) == (0, 0)


def test_stop_from_a_dispatcher_is_refused(backend):
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend=backend())
    seen = []

    def stop():
        for end, what in ((server.stop, r"^stop\(\)"), (server._stopExecBackends, "^exec backends")):
            with pytest.raises(ServerStateError, match=what + " cannot be .* from a dispatcher"):
                end()
            seen.append(what)

    server.registerFunction(stop, path="/api")
    call_wsgi(server.getWSGI(), post(rpc("stop")))
    server.stop()

    assert len(seen) == 2


def test_running_dispatchers_are_waited_for(backend):
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend=backend())
    begun, go_on = threading.Event(), threading.Event()
    state = SimpleNamespace(own=None)

    def slow():
        begun.set()
        state.own = server._waitProcessingDispatchers(timeout=0)  # its own call does not count
        go_on.wait(PATIENCE_S)

    server.registerFunction(slow, path="/api")
    application = server.getWSGI()
    calling = threading.Thread(target=call_wsgi, args=(application, post(rpc("slow"))))
    calling.start()
    assert begun.wait(PATIENCE_S)
    assert server._waitProcessingDispatchers(timeout=0) is False
    assert server._waitProcessingDispatchers(timeout=0, processingDispatcherCountMax=1) is True
    waited = []
    waiting = threading.Thread(target=lambda: waited.append(server._waitProcessingDispatchers(PATIENCE_S)))
    waiting.start()
    go_on.set()
    waiting.join(PATIENCE_S)
    calling.join(PATIENCE_S)
    server.stop()
    assert waited == [True]
    assert state.own is True
