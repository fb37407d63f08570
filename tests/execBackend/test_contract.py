"""The contract of exec backends: to a client, and at start and stop, all of them behave the same."""

import contextlib
import decimal
import http.client
import os
import threading
from pathlib import Path

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.dispatch import middleware_chains
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcException
from tests.execBackend.api import PATIENCE_S, STRANGE, add, make
from tests.execBackend.backends import IN_PROCESS, KINDS, MAKERS, NAMES, maker_of
from tests.helpers import call_socket, call_wsgi, get, post, rpc, wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts and reloads


@contextlib.contextmanager
def serving(server):
    server.start()
    try:
        yield server.addresses[0]
    finally:
        server.stop()


@contextlib.contextmanager
def calling_hold(server, folder, *, method="hold", expects_answer=True):
    """Call `hold` over a socket and run the block meanwhile; wait for the answer at the end of the block."""
    answers = []

    def call():
        with contextlib.nullcontext() if expects_answer else contextlib.suppress(OSError, http.client.HTTPException):
            answers.append(call_socket(address, post(rpc(method, [str(folder)]))))

    address = server.addresses[0]
    calling = threading.Thread(target=call)
    calling.start()
    wait_until((Path(folder) / "begun").exists)
    try:
        yield answers
    finally:
        calling.join(PATIENCE_S)


def notification_of(method, params):
    return {"jsonrpc": "2.0", "method": method, "params": params or []}


def notification(method, params):
    return post(notification_of(method, params))


@pytest.fixture(params=NAMES, scope="module")
def backend(request):
    with maker_of(request.param) as make_backend:
        yield make_backend


of_each_kind = pytest.mark.parametrize("backend", KINDS, indirect=True)


@pytest.fixture(scope="module")
def address(backend):
    with serving(make(backend(), ["127.0.0.1", 0], fallback=True)) as address:
        yield address


@pytest.fixture(scope="module")
def inline():
    with serving(make("simple", ["127.0.0.1", 0])) as address:
        yield address


HEADERS = {"X-Asked": "yes", "Cookie": "c=d"}

REQUESTS = {
    "by position": post(rpc("add", [1, 2])),
    "by name": post(rpc("add", {"a": 1, "b": 2})),
    "default": post(rpc("add", [1])),
    "alias": post(rpc("plus", [1, 2])),
    "other alias": post(rpc("sum", [1, 2])),
    "id null": post(rpc("add", [1, 2], None)),
    "id of text": post(rpc("add", [1, 2], "é")),
    "id that a float rounds": post(b'{"jsonrpc":"2.0","method":"add","params":[1,2],"id":1234567890123456789.5}'),
    "error with an id that a float rounds": post(b'{"jsonrpc":"2.0","method":"chosen","id":1e-400}'),
    "unknown method": post(rpc("nothing")),
    "missing parameter": post(rpc("add")),
    "unexpected parameter": post(rpc("add", {"c": 1})),
    "magic by name": post(rpc("describe", {"value": 1, "_connection": 1})),
    "application error": post(rpc("chosen")),
    "magic variable": post(rpc("describe", [7]), headers=HEADERS),
    "magic variable, by name": post(rpc("describe", {"value": 7}), headers=HEADERS),
    "notification": post({"jsonrpc": "2.0", "method": "add", "params": [1]}),
    "failing notification": post({"jsonrpc": "2.0", "method": "fail"}),
    "get": get("/api/add?a=1&b=2"),
    "jsonp": get("/api/add?a=1&b=2&jsonp=show"),
    "jsonp error": get("/api/chosen?jsonp=show"),
    "jsonp format": get("/api/reformat?jsonp=show"),
    "jsonp magic": get("/api/describe?value=1&jsonp=show", HEADERS),
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
    "coroutine": post(rpc("add_later", [1, 2])),
    "coroutine, by name": post(rpc("plus_later", {"a": 1})),
    "coroutine, wrong parameters": post(rpc("add_later", {"c": 1})),
    "coroutine, magic variable": post(rpc("describe_later", [7]), headers=HEADERS),
    "coroutine, notification": post({"jsonrpc": "2.0", "method": "add_later", "params": [1]}),
    "coroutine, get": get("/api/add_later?a=1&b=2"),
    "coroutine, jsonp": get("/api/add_later?a=1&b=2&jsonp=show"),
    "coroutines in a batch": post([rpc("add_later", [1, number], number) for number in range(20)] + [rpc("add", [1])]),
    "batch that sets headers": post([rpc("describe", [number], number) for number in range(5)], headers=HEADERS),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_answer_is_that_of_the_serving_thread(name, address, inline):
    assert comparable(call_socket(address, REQUESTS[name])) == comparable(call_socket(inline, REQUESTS[name]))


def comparable(answer):
    return answer.status, sorted(answer.headers), answer.body


@pytest.mark.parametrize("method", ["fail", "fail_later", "leave", "type_error", "unserialisable", "panicking"])
def test_unexpected_exception_is_an_internal_error(method, address):
    answer = call_socket(address, post(rpc(method)))

    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (-32603, "Internal error")
    assert len(error["data"]["correlationId"]) == 40
    assert b"secret" not in answer.body


MAPPED = {
    "server": ("/api", "fail_mapped", [5], 2001, "Library", {"detail": 5, "class": "LibraryChildError"}),
    "path": ("/mapped", "fail_on_path", [5], 2002, "library: 5", ["fixed"]),
    "method": ("/mapped", "fail_by_name", {"detail": 5}, 2003, "By name", None),
    "alias of the method": ("/mapped", "fail_by_alias", [5], 2003, "By name", None),
    "no Exception": ("/api", "fail_with", ["Halt"], 2006, "Halt", None),
}


@pytest.mark.parametrize("name", MAPPED)
def test_mapped_exception_is_its_error(name, address):
    path, method, params, code, message, data = MAPPED[name]
    expected = {"code": code, "message": message} | ({} if data is None else {"data": data})

    single = call_socket(address, post(rpc(method, params), path))
    batch = [rpc(method, params, 1), notification_of(method, params), rpc(method, params, 2)]
    answers = call_socket(address, post(batch, path)).json()

    assert single.json()["error"] == expected
    assert [(answer["id"], answer["error"]) for answer in answers] == [(1, expected), (2, expected)]
    assert call_socket(address, post(notification_of(method, params), path)).code == 204


@pytest.mark.parametrize("name", ["KeyError", "IndexError"])
def test_mapping_that_fails_is_an_internal_error(name, address):
    answer = call_socket(address, post(rpc("fail_with", [name])))

    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (-32603, "Internal error")
    assert len(error["data"]["correlationId"]) == 40
    assert b"secret" not in answer.body


@of_each_kind
def test_mapped_exception_counts_as_an_error(backend):
    server = make(backend())
    error = call_wsgi(server.getWSGI(), post(rpc("fail_mapped", [1]))).json()["error"]
    stats = server.stats()
    server.stop()

    assert error["code"] == 2001
    assert (stats["dispatcherCount"], stats["dispatcherErrorCount"]) == (1, 1)


@pytest.mark.parametrize("method", ["raise_strange", "raise_strange_later"])
@pytest.mark.parametrize("strange", STRANGE)
def test_exception_of_any_kind_fails_its_call_alone(strange, method, address):
    failing = rpc(method, [strange], 2)
    batch = [rpc("add", [1], 1), failing, notification_of(method, [strange]), rpc("add_later", [2], 3)]

    single = call_socket(address, post(failing)).json()
    answers = call_socket(address, post(batch)).json()

    assert (single["error"]["code"], single["error"]["message"]) == (-32603, "Internal error")
    assert [answer.get("result") for answer in answers] == [2, None, 3]
    assert answers[1]["error"]["code"] == -32603
    assert call_socket(address, post(notification_of(method, [strange]))).code == 204


@pytest.mark.parametrize("method", ["read_and_set", "read_and_set_later"])
def test_context_variables_of_a_call_end_with_it(method, address):
    calls = [rpc(method, [number], number) for number in range(20)]
    batch = call_socket(address, post(calls)).json()
    singles = [call_socket(address, post(single)).json() for single in calls[:4]]

    assert [answer["result"] for answer in [*batch, *singles]] == [["unset", decimal.DefaultContext.prec]] * 24


def test_coroutines_of_a_process_share_one_loop_in_a_thread_of_its_own(address):
    batch = [rpc(("where_later", "where")[number % 2], None, number) for number in range(20)]
    places = [answer["result"] for answer in call_socket(address, post(batch)).json()]
    loops, threads = {tuple(place) for place in places[::2]}, {tuple(place) for place in places[1::2]}

    assert len(loops) == len({process for process, _, _ in loops})
    assert threads.isdisjoint((process, thread) for process, thread, _ in loops)


@of_each_kind
@pytest.mark.parametrize("use_flask", [False, True])
def test_unique_id_of_the_connection_is_the_correlation_id(backend, use_flask, tmp_path):
    server = make(backend(), flaskContext=use_flask)
    answer = call_wsgi(server.getWSGI(), post(rpc("note_and_fail", [str(tmp_path)]))).json()
    server.stop()

    assert (tmp_path / "noted").read_text() == f"False {answer['error']['data']['correlationId']}"


@of_each_kind
def test_notification_runs_and_has_no_answer(backend, tmp_path):
    server = make("simple", notifBackend=backend())
    answer = call_wsgi(server.getWSGI(), notification("note", [str(tmp_path)]))

    wait_until((tmp_path / "noted").exists)
    server.stop()
    assert (answer.code, answer.body) == (204, b"")
    assert (tmp_path / "noted").read_text().startswith("True ")


@of_each_kind
def test_invalid_notification_does_not_count_as_lost(backend):
    server = make("simple", notifBackend=backend())
    answers = [call_wsgi(server.getWSGI(), notification(*call)) for call in (("add", []), ("nothing", None))]
    stats = server.stats()
    server.stop()

    assert [answer.code for answer in answers] == [204, 204]
    assert (stats["notificationLostCount"], stats["dispatcherCount"]) == (0, 0)


@pytest.mark.parametrize("name", IN_PROCESS)
def test_request_of_flask_works_in_a_call_through_flask(name):
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend=MAKERS[name](), flaskContext=True)
    server.registerFunction(lambda: flask.request.headers["X-Asked"], path="/api", name="asked")
    server.registerFunction(lambda: flask.session.get("a", "none"), path="/api", name="session")
    server.flaskApp.secret_key = "x"

    answers = [call_wsgi(server.getWSGI(), post(rpc(name), headers=HEADERS)).json() for name in ("asked", "session")]
    server.stop()
    assert [answer["result"] for answer in answers] == ["yes", "none"]


def served_with(make_backend, *middleware, **options):
    server = make(make_backend(), **options)
    for function in middleware:
        server.use(function, path="/api")
    return server


@of_each_kind
def test_middleware_surrounds_each_call(backend):
    seen = []

    def change(call, proceed):
        seen.append((call.is_notification, os.getpid()))
        return [call.id, proceed([*call.params, 10])]

    server = served_with(backend, change)
    application = server.getWSGI()
    single = call_wsgi(application, post(rpc("add", [1], "a"))).json()["result"]
    batch = [rpc("add", [number], number) for number in range(3)]
    answers = call_wsgi(application, post([*batch, notification_of("add", [5])])).json()
    elsewhere = call_wsgi(application, post(rpc("twice", [4]), "/math")).json()["result"]
    server.stop()

    assert single == ["a", 11]
    assert [answer["result"] for answer in answers] == [[0, 10], [1, 11], [2, 12]]
    assert sorted(seen) == [(False, os.getpid())] * 4 + [(True, os.getpid())]
    assert elsewhere == 8


@of_each_kind
def test_middleware_gets_the_error_of_the_call_and_may_try_again(backend):
    errors = []

    def repeat(call, proceed):
        try:
            return proceed()
        except JsonRpcException as exc:
            errors.append((exc.code, exc.message, exc.data))
            return proceed({"a": 1}) if call.method == "add" else proceed()

    server = served_with(backend, repeat)
    application = server.getWSGI()
    repaired = call_wsgi(application, post(rpc("add", {"b": 1}))).json()["result"]
    failed = call_wsgi(application, post([rpc("chosen", None, 1), rpc("fail_mapped", [2], 2)])).json()
    server.stop()

    assert repaired == 2
    assert [answer["error"]["code"] for answer in failed] == [5, 2001]
    assert errors[0][0] == -32602
    mapped = (2001, "Library", {"detail": 2, "class": "LibraryChildError"})
    assert sorted(errors[1:]) == [(5, "chosen", {"why": 1}), mapped]


@of_each_kind
def test_middleware_that_does_not_proceed_runs_nothing(backend, tmp_path):
    def refuse(call, proceed):
        if call.id == 1:
            return "kept"
        raise KeyError

    chosen = backend()
    server = served_with(lambda: chosen, refuse, notifBackend=chosen)
    folder = str(tmp_path)
    batch = [rpc("note", [folder], 1), rpc("note", [folder], 2), notification_of("note", [folder])]
    kept, mapped = call_wsgi(server.getWSGI(), post(batch)).json()
    stats = server.stats()
    server.stop()

    assert kept["result"] == "kept"
    assert mapped["error"]["code"] == -32603, "the message function of KeyError fails"
    assert list(tmp_path.iterdir()) == []
    assert (stats["dispatcherCount"], stats["notificationLostCount"]) == (0, 0)


@of_each_kind
def test_fields_of_a_batch_with_middleware_are_applied_in_its_order(backend):
    server = served_with(backend, passes)
    request = REQUESTS["batch that sets headers"]
    answers = [call_wsgi(server.getWSGI(), request) for _ in range(5)]
    server.stop()

    for answer in answers:
        fields = [(name, value) for name, value in answer.headers if name in ("X-Value", "Set-Cookie", "Content-Type")]
        cookies = [("Set-Cookie", f"value={number}; Path=/") for number in range(5)]
        assert sorted(fields) == [("Content-Type", "text/plain"), *cookies, ("X-Value", "4")]
        assert [field for field in fields if field[0] == "Set-Cookie"] == cookies


@of_each_kind
def test_batch_has_all_its_answers_when_no_thread_is_left_for_its_middleware(backend):
    server = served_with(backend, passes, exec_pool_threads=1)
    application = server.getWSGI()
    batch = [rpc("add", [number], number) for number in range(20)]
    answers = [call_wsgi(application, post(batch)).json() for _ in range(3)]
    server.stop()

    assert [[answer["result"] for answer in answers_of_batch] for answers_of_batch in answers] == [[*range(1, 21)]] * 3


def refuse_thread(*args, **kwargs):
    raise RuntimeError("can't start new thread")


def test_batch_has_all_its_answers_when_the_system_has_no_thread_for_its_middleware(monkeypatch):
    server = served_with(lambda: "threaded", passes)
    application = server.getWSGI()
    batch = post([rpc("add", [number], number) for number in range(40)])
    call_wsgi(application, post(rpc("add", [1])))  # the pool of the backend has its thread
    with monkeypatch.context() as patch:
        patch.setattr(middleware_chains, "start_thread", refuse_thread)
        answers = [answer["result"] for answer in call_wsgi(application, batch).json()]
    again = [answer["result"] for answer in call_wsgi(application, batch).json()]
    server.stop()

    assert answers == again == [*range(1, 41)]


def test_copy_of_a_request_that_fails_takes_no_thread_of_the_batches(tmp_path):
    server = served_with(MAKERS["threaded object"], passes, exec_pool_threads=1)
    application = server.getWSGI()
    batch = [rpc("meet", [str(tmp_path), "left", "right"], 1), rpc("meet", [str(tmp_path), "right", "left"], 2)]
    standard = server._copyRequestContext
    server._copyRequestContext = lambda request: 1 / 0
    failed = call_wsgi(application, post(batch)).code
    server._copyRequestContext = standard
    answers = call_wsgi(application, post(batch)).json()
    server.stop()

    assert failed == 500
    assert [answer["result"] for answer in answers] == [True, True], "one in the thread, one in the serving thread"


@pytest.mark.parametrize("name", IN_PROCESS)
def test_request_of_flask_works_in_middleware_of_a_batch(name):
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend=MAKERS[name](), flaskContext=True)
    server.registerFunction(lambda: flask.request.headers["X-Asked"], path="/api", name="asked")
    server.use(lambda call, proceed: [flask.request.headers["X-Asked"], proceed()])

    batch = [rpc("asked", None, number) for number in range(5)]
    answers = call_wsgi(server.getWSGI(), post(batch, headers=HEADERS)).json()
    server.stop()
    assert [answer["result"] for answer in answers] == [["yes", "yes"]] * 5


@of_each_kind
@pytest.mark.parametrize("ending", ["stop", "restart"])
def test_end_of_a_period_finishes_the_calls_of_a_batch_with_middleware(backend, ending, tmp_path):
    server = make(backend(), ["127.0.0.1", 0])
    server.use(passes)
    answers = []
    batch = [rpc("hold", [str(tmp_path)], 1), rpc("add", [1], 2), rpc("hold", [str(tmp_path)], 3)]
    with serving(server) as address:
        calling = threading.Thread(target=lambda: answers.append(call_socket(address, post(batch)).json()))
        calling.start()
        wait_until((tmp_path / "begun").exists)
        end = threading.Thread(target=getattr(server, ending))
        end.start()
        (tmp_path / "go").touch()
        end.join(PATIENCE_S)
        calling.join(PATIENCE_S)

    assert [answer["result"] for answer in answers[0]] == [True, 2, True]


@of_each_kind
def test_middleware_of_a_notification_returns_when_the_backend_has_it(backend, tmp_path):
    results = []
    server = make("simple", notifBackend=backend())
    server.use(lambda call, proceed: results.append(proceed()))
    answer = call_wsgi(server.getWSGI(), notification("note", [str(tmp_path)]))

    wait_until((tmp_path / "noted").exists)
    server.stop()
    assert (answer.code, results) == (204, [None])


@of_each_kind
def test_magic_variable_and_middleware_set_fields_of_one_answer(backend):
    def sign(call, proceed):
        call.connection.headersOut["X-Signed"] = "yes"
        return proceed()

    server = served_with(backend, sign)
    answer = call_wsgi(server.getWSGI(), post(rpc("describe", [7]), headers=HEADERS))
    server.stop()

    headers = dict(answer.headers)
    assert (headers["X-Signed"], headers["X-Value"]) == ("yes", "7")


def test_backend_is_chosen_for_each_dispatcher(backend):
    chosen = backend()
    server = make(chosen)
    application = server.getWSGI()
    here, there = (call_wsgi(application, post(rpc("where"), path)).json()["result"] for path in ("/here", "/there"))
    own = call_wsgi(application, post(rpc("where"), "/here")).json()["result"]
    server.stop()

    assert here == own
    assert (there == own) is (chosen == "simple")


def test_instance_may_have_a_backend(backend):
    server = make(backend())
    answer = call_wsgi(server.getWSGI(), post(rpc("twice", [4]), "/math")).json()
    server.stop()

    assert answer["result"] == 8


def passes(call, proceed):
    return proceed()


@pytest.mark.parametrize("middleware", [(), (passes, passes)], ids=["plain", "middleware"])
@pytest.mark.parametrize("backend", [name for name in KINDS if name != "simple"], indirect=True)
def test_calls_of_a_batch_run_at_the_same_time(backend, middleware, tmp_path):
    server = served_with(backend, *middleware)
    batch = [rpc("meet", [str(tmp_path), "left", "right"], 1), rpc("meet", [str(tmp_path), "right", "left"], 2)]
    answer = call_wsgi(server.getWSGI(), post(batch))
    server.stop()

    assert [(member["id"], member["result"]) for member in answer.json()] == [(1, True), (2, True)]


@of_each_kind
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


@of_each_kind
@pytest.mark.parametrize("method", ["hold", "hold_later"])
def test_stop_finishes_running_calls(method, backend, tmp_path):
    server = make(backend(), ["127.0.0.1", 0])
    server.start()
    with calling_hold(server, tmp_path, method=method) as answers:
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        (tmp_path / "go").touch()
    stopping.join(PATIENCE_S)

    assert answers[0].json()["result"] is True


@of_each_kind
def test_stop_gives_up_after_its_timeout(backend, tmp_path):
    server = make(backend(), ["127.0.0.1", 0])
    server.start()
    with calling_hold(server, tmp_path, expects_answer=False):
        stopping = threading.Thread(target=server.stop, kwargs={"timeout": 0.1})
        stopping.start()
        stopping.join(PATIENCE_S)
        has_stopped = not stopping.is_alive()
        (tmp_path / "go").touch()

    assert has_stopped


def test_restart_finishes_running_calls_and_serves_again(backend, tmp_path):
    server = make(backend(), ["127.0.0.1", 0])
    with serving(server) as address:
        with calling_hold(server, tmp_path) as answers:
            restarting = threading.Thread(target=server.restart)
            restarting.start()
            (tmp_path / "go").touch()
        restarting.join(PATIENCE_S)
        after = call_socket(address, post(rpc("add", [1, 2]))).json()["result"]

    assert answers[0].json()["result"] is True
    assert after == 3


def test_calls_are_counted(backend):
    server = make(backend())
    application = server.getWSGI()
    for method in ("add", "chosen", "fail"):
        call_wsgi(application, post(rpc(method, [1] if method == "add" else None)))
    stats = server.stats()
    server.stop()

    assert (stats["dispatcherCount"], stats["dispatcherErrorCount"]) == (3, 2)
    assert (stats["processingDispatcherCount"], stats["notificationLostCount"]) == (0, 0)


@of_each_kind
@pytest.mark.parametrize("method", ["end_server", "end_server_later"])
def test_end_of_the_server_from_a_dispatcher_is_refused(method, backend):
    server = make(backend())
    refusals = call_wsgi(server.getWSGI(), post(rpc(method))).json()["result"]
    server.stop()

    assert all(refusals), "it was done"


REACHING = [name for name in NAMES if name != "celery"]
"""The backends whose dispatchers reach the server and run reloaded code. A Celery worker has its own server."""


@pytest.mark.parametrize("backend", REACHING, indirect=True)
def test_reload_replaces_what_runs(backend, tmp_path):
    script = tmp_path / "script.py"
    server = make(backend())
    application = server.getWSGI()
    versions = []
    for version in ("old", "new"):
        script.write_text(f"def tell():\n    return {version!r}\n")
        server.reload({"dispatcher": "tell", "scriptPath": str(script), "path": "/api"}, safely=False)
        versions.append(call_wsgi(application, post(rpc("tell"))).json()["result"])
    server.stop()

    assert versions == ["old", "new"]


@pytest.mark.parametrize("method", ["is_alone", "is_alone_later"])
@pytest.mark.parametrize("backend", REACHING, indirect=True)
def test_own_call_of_a_dispatcher_is_not_waited_for(method, backend):
    server = make(backend())
    answer = call_wsgi(server.getWSGI(), post(rpc(method))).json()
    server.stop()

    assert answer["result"] is True


@of_each_kind
def test_running_dispatchers_are_waited_for(backend, tmp_path):
    server = make(backend(), ["127.0.0.1", 0])
    with serving(server):
        waited = []
        with calling_hold(server, tmp_path) as answers:
            assert server._waitProcessingDispatchers(timeout=0) is False
            assert server._waitProcessingDispatchers(timeout=0, processingDispatcherCountMax=1) is True
            waiting = threading.Thread(target=lambda: waited.append(server._waitProcessingDispatchers(PATIENCE_S)))
            waiting.start()
            (tmp_path / "go").touch()
        waiting.join(PATIENCE_S)

    assert waited == [True]
    assert answers[0].json()["result"] is True
