"""Calls in Celery workers: real ones, with a real broker."""

import base64
import contextlib
import json
import os
import re
import signal
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import kombu
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.errors import ServerStateError, SettingsError
from flaskJSONRPCServer.execBackend.celery import CeleryBackend
from tests.examples.processes import ROOT, running
from tests.execBackend.celery import api
from tests.execBackend.celery.processes import broker_running, files, new_queue, wait_for_files, worker_running
from tests.gevent.processes import PRELUDE, lines_of
from tests.helpers import NOTHING, call, call_wsgi, get, post, result_of, rpc, wait_until


@pytest.fixture(scope="module")
def broker():
    with broker_running() as broker:
        yield broker


@pytest.fixture(scope="module")
def worker(broker):
    """A worker with one process, for the tests that leave it as it was."""
    queue = new_queue()
    with worker_running(broker, queue, "-c", "1") as program:
        program.queue = queue
        yield program


@contextlib.contextmanager
def server_for(broker, queue, settings=NOTHING, **options):
    """Make a server whose calls go to the workers of a queue."""
    backend = CeleryBackend(**{"broker": broker.url, "queue": queue, **options})
    backends = {"dispatcherBackend": backend, "notifBackend": backend}
    server = api.populate(
        flaskJSONRPCServer(**{"bindAdress": None, "log": False, "name": "test", **backends, **settings})
    )
    try:
        yield server
    finally:
        server.stop(timeout=0)


@pytest.fixture(scope="module")
def server(broker, worker):
    with server_for(broker, worker.queue) as server:
        yield server


@pytest.fixture
def app(server):
    return server.getWSGI()


@pytest.fixture(scope="module")
def inline():
    server = flaskJSONRPCServer(None, log=False, name="test")
    return api.populate(server).getWSGI()


def notify(app, method, *params):
    answer = call_wsgi(app, post({"jsonrpc": "2.0", "method": method, "params": params}))
    assert (answer.code, answer.body) == (204, b""), answer


CALLS = [
    *(rpc("value", [name]) for name in api.VALUES),
    *(rpc("echo", [value]) for value in ("ä\u2028", [], {}, {"a": [1, {"b": None}]}, 1.5, -0.0, 2**70, True, None)),
    rpc("echo"),
    rpc("echo", {"value": {"__type__": "datetime", "__value__": "2020-01-01"}}),
    rpc("echo", {"value": {"bytes": "AA==", "__decimal__": "1"}}),
    rpc("deep", [150]),
    rpc("add", [1]),
    rpc("add", [1, 2, 3, 4]),
    rpc("add", {"a": 1, "b": 2, "scale": 3}),
    rpc("add", {}),
    rpc("add", {"a": 1, "c": 2}),
    rpc("echo", ["a"], request_id="text"),
    rpc("refuse"),
    rpc("refuse", [{"why": [1, "ä"]}]),
    rpc("refuse", [None]),
    rpc("nothing"),
    rpc("say"),
    rpc("tell", [["path", "dispatcherName", "notify", "serverName", "ip"]]),
    [rpc("add", [n], request_id=n) for n in range(5)],
    [rpc("say"), rpc("refuse", request_id=2), rpc("nothing", request_id=3)],
]


@pytest.mark.parametrize("asked", CALLS, ids=str)
def test_answer_is_the_same_as_inline(app, inline, asked):
    assert call_wsgi(app, post(asked)) == call_wsgi(inline, post(asked))


@pytest.mark.parametrize(
    "target", ["/api/echo?value=1&jsonp=show", "/api/say?jsonp=show", "/api/wrap?jsonp=show", "/api/wrap"]
)
def test_answer_to_a_get_is_the_same_as_inline(app, inline, target):
    assert call_wsgi(app, get(target)) == call_wsgi(inline, get(target))


def test_unexpected_exception_is_an_internal_error_with_its_traceback_in_the_workers_log(app, worker):
    error = call(app, "crash")["error"]

    assert (error["code"], error["message"]) == (-32603, "Internal error")
    worker.line_with(rf"dispatcher /api/crash raised \[{error['data']['correlationId']}\]")
    worker.line_with("KeyError: 'a secret of the worker'")


def test_result_that_is_no_json_is_an_internal_error(app, worker):
    error = call(app, "no_json")["error"]

    assert error["code"] == -32603
    why = "result: a object has no JSON form; convert it, or override _fixJSON"
    worker.line_with(rf"cannot be sent as JSON: /api/no_json: {why} \[{error['data']['correlationId']}\]")
    assert [worker.line_with("^  (Traceback|TypeError)")[1] for _ in range(2)] == ["Traceback", "TypeError"]


def test_the_magic_variable_has_its_data_in_a_worker(app):
    names = ["ip", "path", "dispatcherName", "notify", "serverName", "parallelType", "parallelPoolSize", "jsonp"]
    names += ["nativeThread", "servedBy"]

    told = result_of(app, "tell", [names])

    assert told == {
        "ip": "127.0.0.1",
        "path": "/api/",
        "dispatcherName": "tell",
        "notify": False,
        "serverName": "test",
        "parallelType": "celery",
        "parallelPoolSize": 1,
        "jsonp": False,
        "nativeThread": True,
        "servedBy": [False, "127.0.0.1", 8080],
    }


def test_the_id_of_the_request_and_that_of_the_worker_are_told(app):
    asked = [
        rpc("tell", [["uniqueId", "parallelId"]]),
        rpc("tell", [["uniqueId", "parallelId"]], 2),
        rpc("pid", None, 3),
    ]
    first, second, pid = (answer["result"] for answer in call_wsgi(app, post(asked)).json())

    assert first == second  # the calls of a batch share the id
    assert first["uniqueId"]
    assert first["parallelId"].endswith(f":{pid}")


@pytest.mark.parametrize("name", ["lock", "unlock", "wait", "lockThis", "unlockThis", "waitThis"])
def test_lock_of_the_server_is_refused_in_a_worker(app, worker, name):
    assert call(app, "use_call", [name])["error"]["code"] == -32603
    worker.line_with(rf"ServerStateError: _connection\.call\.{name}\(\) cannot work in a celery worker; ")


@pytest.mark.parametrize("name", ["lock", "unlock", "wait", "_deepLock"])
def test_lock_of_the_server_object_is_refused_in_a_worker(app, worker, name):
    assert call(app, "use_server", [name])["error"]["code"] == -32603
    worker.line_with(rf"ServerStateError: server\.{name}\(\) cannot work in a celery worker; ")


def test_log_and_sleep_of_a_call_work_in_a_worker(app, worker):
    result_of(app, "log_and_sleep", ["written by a call"])

    worker.line_with("written by a call")


def test_call_is_held_by_a_lock_before_it_is_queued(server, app, broker):
    with ThreadPoolExecutor() as pool:
        server.lock(api.echo)
        held = pool.submit(result_of, app, "echo", [1])
        assert result_of(app, "add", [1]) == 2  # others go their way meanwhile
        assert not held.done()
        server.unlock(api.echo)
        assert held.result(20) == 1


def test_only_allowed_headers_and_cookies_travel(broker, worker):
    asked = post(
        rpc("tell", [["headers", "cookies"]]),
        headers={"Authorization": "Bearer a", "Cookie": "a=1; b=2", "X-Trace": "7"},
    )
    with server_for(broker, worker.queue) as server:
        usual = call_wsgi(server.getWSGI(), asked).json()["result"]
    with server_for(broker, worker.queue, headers=["x-trace", "authorization"], cookies=["b"]) as server:
        wanted = call_wsgi(server.getWSGI(), asked).json()["result"]

    assert usual == {"headers": {"Content-Type": "application/json", "Host": "127.0.0.1:8080"}, "cookies": {}}
    assert wanted == {"headers": {"Authorization": "Bearer a", "X-Trace": "7"}, "cookies": {"b": "2"}}


def test_lost_worker_is_an_error_at_once_and_the_next_call_works(app):
    assert call(app, "die")["error"]["code"] == -32005
    assert result_of(app, "echo", [1]) == 1


def test_call_whose_worker_is_lost_runs_again_where_that_is_wanted(broker, tmp_path):
    queue = new_queue()
    with worker_running(broker, queue, "-c", "1", make="make_repeating"):
        with server_for(broker, queue, repeat_lost_calls=True) as server:
            app = server.getWSGI()
            assert result_of(app, "die_once", [str(tmp_path)]) == "lived"
            assert call(app, "die")["error"] == {"code": -32005, "message": "Worker lost: this has happened 5 times"}


@pytest.mark.parametrize(("pool", "is_ended"), [("prefork", True), ("threads", False)])
def test_call_that_takes_too_long_is_an_error_and_ends_where_the_pool_can_end_it(broker, tmp_path, pool, is_ended):
    queue = new_queue()
    with worker_running(broker, queue, "-P", pool, "-c", "1"), server_for(broker, queue, timeout=1) as server:
        app = server.getWSGI()
        error = call(app, "note_both", [str(tmp_path), "slow", "gate"])["error"]
        if not is_ended:
            (tmp_path / "gate").touch()
        # Its place is free again: the process has been ended, or the dispatcher has come to its end.
        wait_until(lambda: call(app, "echo", [1]).get("result") == 1)
        (tmp_path / "gate").touch()

    assert error == {"code": -32006, "message": "Call timed out after 1 s; it may have been run"}
    assert files(tmp_path) == ["begun.slow", "gate"] if is_ended else ["begun.slow", "ended.slow", "gate"]


def test_call_that_timed_out_in_the_queue_never_runs(broker, tmp_path):
    queue = new_queue()
    with server_for(broker, queue, timeout=0.3) as server:
        app = server.getWSGI()
        assert call(app, "note", [str(tmp_path), "late"])["error"]["code"] == -32006
        with worker_running(broker, queue, "-c", "1"):
            notify(app, "note", str(tmp_path), "next")
            wait_for_files(tmp_path, 1)

    assert [name.partition(".")[0] for name in files(tmp_path)] == ["next"]


def test_call_that_is_delivered_twice_runs_once(broker, tmp_path):
    queue = new_queue()
    client = broker.client()
    with server_for(broker, queue) as server, ThreadPoolExecutor() as threads:
        app = server.getWSGI()
        asked = threads.submit(call, app, "note", [str(tmp_path), "once"])
        wait_until(lambda: client.llen(queue))
        client.lpush(queue, *client.lrange(queue, 0, -1))
        with worker_running(broker, queue, "-c", "1"):
            assert asked.result(20) == {"jsonrpc": "2.0", "result": None, "id": 1}
            assert result_of(app, "echo", [1]) == 1  # behind the second one in the queue

    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])
def test_every_pool_of_workers_runs_calls(broker, pool):
    queue = new_queue()
    with worker_running(broker, queue, "-P", pool, "-c", "2"), server_for(broker, queue) as server:
        with ThreadPoolExecutor(8) as threads:
            asked = [threads.submit(result_of, server.getWSGI(), "add", [n]) for n in range(50)]
            assert [each.result(30) for each in asked] == [n + 1 for n in range(50)]


def test_accepted_notifications_all_run_though_workers_are_killed(broker, tmp_path):
    queue = new_queue()
    names = [f"n{number}" for number in range(40)]
    with server_for(broker, queue, redeliver_after=1) as server, ExitStack() as workers:
        app = server.getWSGI()

        def start():
            return workers.enter_context(worker_running(broker, queue, "-c", "2", make="make_impatient"))

        running = start()
        for name in names:
            notify(app, "note", str(tmp_path), name, 0.02)
        for runs in (4, 12):  # in the middle of it, again and again
            wait_for_files(tmp_path, runs)
            os.killpg(running.process.pid, signal.SIGKILL)
            running = start()
        wait_until(lambda: {name.partition(".")[0] for name in files(tmp_path)} == set(names))
        assert server.stats()["notificationLostCount"] == 0


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_notification_that_takes_longer_than_redis_waits_runs_once(broker, tmp_path, pool):
    queue = new_queue()
    with ExitStack() as workers:
        for _ in range(2):  # one that runs it, and one that would take it over
            workers.enter_context(worker_running(broker, queue, "-P", pool, "-c", "1", make="make_impatient"))
        with server_for(broker, queue, redeliver_after=1) as server:
            app = server.getWSGI()
            notify(app, "note_begin", str(tmp_path), "long", 4)
            wait_until(lambda: server.stats()["celery_done"] == 1)

    assert len(files(tmp_path)) == 1


def test_notification_that_kills_its_workers_ends_among_the_dead(broker, caplog):
    queue = new_queue()
    with worker_running(broker, queue, "-c", "1", make="make_impatient") as program:
        with server_for(broker, queue, {"log": 3}, tries=3) as server:
            app = server.getWSGI()
            notify(app, "die")
            program.line_with(r"notification /api/die \[\w+\] was begun 3 times and never finished; it is in the queue")
            wait_until(lambda: server.stats()["celery_dead"] == 1)
            assert result_of(app, "echo", [1]) == 1
            stats = server.stats()
    (dead,) = broker.client().lrange(f"{queue}.dead", 0, -1)

    assert (stats["celery_retried"], stats["celery_failed"], stats["celery_queue"]) == (3, 1, 0)
    assert len(re.findall(r"exited with .signal 9", program.output)) == 3
    assert json.loads(base64.b64decode(json.loads(dead)["body"]))["method"] == "die"
    assert "notification /api/die was begun 3 times" in caplog.text


def test_pickle_on_the_queue_is_refused_and_never_loaded(broker, worker, app, tmp_path):
    canary = tmp_path / "canary"

    class Canary:
        def __reduce__(self):
            return canary.touch, ()

    from celery import Celery

    attacker = Celery("attacker", broker=broker.url, set_as_current=False)
    attacker.conf.update(task_default_queue=worker.queue, task_serializer="pickle", accept_content=["pickle"])
    with attacker:
        attacker.send_task("flaskJSONRPCServer.call", [Canary()], serializer="pickle")
        attacker.send_task("flaskJSONRPCServer.notify", kwargs={"message": Canary()}, serializer="pickle")
    worker.line_with("cannot be run: its body cannot be read: ContentDisallowed")
    worker.line_with("cannot be run: its body cannot be read: ContentDisallowed")

    assert result_of(app, "echo", [1]) == 1
    assert not canary.exists()


def test_pickle_among_the_answers_is_refused_and_never_loaded(broker, worker, tmp_path, caplog):
    canary = tmp_path / "canary"

    class Canary:
        def __reduce__(self):
            return canary.touch, ()

    with server_for(broker, worker.queue, {"log": 3}) as server:
        app = server.getWSGI()
        assert result_of(app, "echo", [1]) == 1
        with kombu.Connection(broker.url) as connection:
            name = server._engine.exec_backends._by_id["celery"].backend._run._replies.name
            producer = kombu.Producer(connection)
            producer.publish({"a": Canary()}, exchange="", routing_key=name, serializer="pickle")
            producer.publish({"no": "answer"}, exchange="", routing_key=name, serializer="json")
        wait_until(lambda: caplog.text.count("dropped an answer that cannot be read") == 2)
        assert result_of(app, "echo", [2]) == 2

    assert not canary.exists()


def polling(clients):
    return [client for client in clients if client["cmd"] == "brpop"]


def test_200_calls_in_flight_share_connections_and_one_thread(broker):
    queue = new_queue()
    client = broker.client()
    before = client.client_list()
    with server_for(broker, queue, timeout=50) as server, ThreadPoolExecutor(200) as threads:
        app = server.getWSGI()
        asked = [threads.submit(result_of, app, "add", [n]) for n in range(200)]
        wait_until(lambda: client.llen(queue) == 200)
        now = client.client_list()
        stats = server.stats()
        with worker_running(broker, queue, "-P", "threads", "-c", "4"):
            assert [each.result(40) for each in asked] == [n + 1 for n in range(200)]

    assert len(now) - len(before) <= 25  # two for each of 10 that send, and two that receive
    assert len(polling(now)) - len(polling(before)) == 1
    assert (stats["celery_running"], stats["celery_queue"], stats["processingDispatcherCount"]) == (200, 200, 200)


def test_secrets_are_neither_in_messages_nor_in_logs(caplog):
    with broker_running(password="pa55word") as broker:
        queue = new_queue()
        with server_for(broker, queue, {"log": 4}, timeout=0.5) as server:
            app = server.getWSGI()
            headers = {"Authorization": "Bearer t0ken", "Cookie": "session=c00kie"}
            assert call(app, "echo", ["param5"], headers=headers)["error"]["code"] == -32006
            queued = " ".join(broker.client().lrange(queue, 0, -1))
            seen = json.loads(broker.client().lindex(queue, 0))
            broker.kill()
            answers = [call(app, "echo", ["param5"], headers=headers)["error"] for _ in range(3)]

    body = base64.b64decode(seen["body"]).decode()
    assert "param5" in body
    assert "param5" not in json.dumps(seen["headers"])
    for secret in ("t0ken", "c00kie", "pa55word"):
        assert secret not in queued + body + caplog.text + str(answers)
    assert "redis://:**@127.0.0.1" in answers[0]["message"]
    assert "param5" not in caplog.text


def test_the_workers_log_has_neither_the_password_nor_what_clients_send_and_get():
    with broker_running(password="pa55word") as broker:
        queue = new_queue()
        with worker_running(broker, queue, "-c", "1") as program, server_for(broker, queue) as server:
            result_of(server.getWSGI(), "echo", ["param5"])
            program.line_with("succeeded")
            broker.kill()
            program.line_with("Cannot connect to|Connection to broker lost")

    assert "pa55word" not in program.output
    assert "param5" not in program.output


def test_worker_with_other_functions_is_told_apart(broker):
    queue = new_queue()
    with worker_running(broker, queue, "-c", "1", make="make_other") as program, server_for(broker, queue) as server:
        app = server.getWSGI()
        assert result_of(app, "echo", [1]) == 1
        missing, different = call(app, "pid")["error"], call(app, "add", [1])["error"]
        program.line_with(r"the dispatchers of this worker \(\w{12}\) are not those of a server \(\w{12}\); start both")

    assert (missing["code"], different["code"]) == (-32007, -32007)
    assert re.fullmatch(
        r"Worker differs: the server calls pid\(\) on /api/, and the worker w\w+@\S+ has no such dispatcher; "
        r"start the worker again with the server's code",
        missing["message"],
    )
    assert re.search(
        r"calls add\(a, b=\.\.\., \*rest, scale=\.\.\.\) on /api/, and the worker \S+ has add\(a\);",
        different["message"],
    )


def test_notification_for_which_a_worker_has_other_functions_is_kept(broker):
    queue = new_queue()
    with worker_running(broker, queue, "-c", "1", make="make_other") as program, server_for(broker, queue) as server:
        notify(server.getWSGI(), "pid")
        program.line_with(
            r"notification /api/pid \[\w+\] was not run: Worker differs: .*; it is in the queue '\w+.dead' now"
        )
        wait_until(lambda: server.stats()["celery_dead"] == 1)


def test_stop_waits_for_the_answers_within_its_timeout(broker, worker, tmp_path):
    with server_for(broker, worker.queue) as server, ThreadPoolExecutor() as threads:
        app = server.getWSGI()
        asked = threads.submit(result_of, app, "note_both", [str(tmp_path), "last", "gate"])
        wait_for_files(tmp_path, 1)
        stopping = threads.submit(server.stop)
        assert not stopping.done()
        (tmp_path / "gate").touch()
        assert asked.result(20) is None
        stopping.result(20)


def test_stop_answers_the_calls_that_it_does_not_wait_for(broker):
    with server_for(broker, new_queue()) as server, ThreadPoolExecutor() as threads:
        app = server.getWSGI()
        asked = threads.submit(call, app, "echo")
        wait_until(lambda: server.stats()["processingDispatcherCount"] == 1)
        server.stop(timeout=0)

        assert asked.result(20)["error"] == {
            "code": -32006,
            "message": "The server has stopped before the call's answer came; it may have been run",
        }
        assert server.stats()["processingDispatcherCount"] == 0


def test_call_on_its_way_when_the_backend_stops_is_refused_and_not_waited_for(broker, monkeypatch, caplog):
    with server_for(broker, new_queue(), {"log": 2}, timeout=0.1) as server, ThreadPoolExecutor() as threads:
        app = server.getWSGI()
        assert call(app, "echo")["error"]["code"] == -32006
        run = server._engine.exec_backends._by_id["celery"].backend._run
        on_its_way, gate = threading.Event(), threading.Event()
        begin = run._calls.begin

        def begin_slowly(*arguments):
            on_its_way.set()
            assert gate.wait(40)
            return begin(*arguments)

        monkeypatch.setattr(run._calls, "begin", begin_slowly)
        asked = [threads.submit(call, app, "echo"), threads.submit(notify, app, "echo")]
        assert on_its_way.wait(40)
        run.stop(0, 0)
        gate.set()

        assert asked[0].result(40)["error"] == {"code": -32002, "message": "the exec backend has stopped"}
        asked[1].result(40)
        assert server.stats()["processingDispatcherCount"] == 0
        assert "does not take messages" not in caplog.text


def test_stop_leaves_neither_threads_nor_connections():
    with broker_running() as broker, server_for(broker, new_queue(), timeout=0.1) as server:
        client = broker.client()
        before, threads = len(client.client_list()), set(threading.enumerate())
        for _ in range(5):
            app = server.getWSGI()
            assert call(app, "echo")["error"]["code"] == -32006
            server.stats()
            server.stop(timeout=0)

        wait_until(lambda: len(client.client_list()) == before)
        wait_until(lambda: set(threading.enumerate()) <= threads)


def test_connections_of_before_a_restart_of_the_broker_are_not_used_again(restless):
    broker, server, app, _ = restless
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda n: result_of(app, "add", [n]), range(50))) == list(range(1, 51))
    link = server._engine.exec_backends._by_id["celery"].backend._run._link
    before = link._producers
    broker.kill()

    wait_until(lambda: link._producers is not before)  # though nothing was sent
    broker.restart()


def test_server_can_be_used_again_after_a_stop(broker, worker):
    with server_for(broker, worker.queue) as server:
        assert result_of(server.getWSGI(), "echo", [1]) == 1
        server.stop()
        assert result_of(server.getWSGI(), "echo", [2]) == 2


def test_answers_may_travel_by_another_broker(broker):
    queue = new_queue()
    with broker_running() as other:
        with worker_running(broker, queue, "-c", "1", FLASKJSONRPC_CELERY_BACKEND=other.url):
            with server_for(broker, queue, backend=other.url, timeout=20) as server:
                app = server.getWSGI()
                assert result_of(app, "echo", [1]) == 1
                other.kill()
                wait_until(lambda: call(app, "echo", [2]).get("error", {}).get("code") == -32002)
                other.restart()
                wait_until(lambda: call(app, "echo", [3]).get("result") == 3)
        assert broker.client().keys(f"{queue}.answers.*") == []


def test_stats_tell_of_queue_and_workers_and_how_old_that_is(server, app, worker):
    result_of(app, "echo", [1])
    stats = wait_until(lambda: (told := server.stats())["celery_workers"] and told)

    assert stats["celery_queue"] == 0
    assert len(stats["celery_workers"]) == 1
    assert 0 <= stats["celery_age"] < 60
    assert stats["celery_done"] >= 1


def fails_with_refusal(app):
    """Call until it is refused; return the error."""
    return wait_until(lambda: (error := call(app, "echo", [1]).get("error")) and error["code"] == -32002 and error)


@pytest.fixture
def restless():
    """A broker of its own, which a test may kill or freeze, with a worker and a server."""
    with broker_running() as broker:
        queue = new_queue()
        with worker_running(broker, queue, "-c", "1") as program:
            with server_for(broker, queue, timeout=2, enqueue_timeout=1) as server:
                server.registerFunction(api.add, path="/inline", dispatcherBackend="simple")
                app = server.getWSGI()
                assert result_of(app, "echo", [1]) == 1
                yield broker, server, app, program


def test_killed_broker_is_a_clear_error_and_all_recovers_with_it(restless):
    broker, server, app, _ = restless
    broker.kill()
    error = fails_with_refusal(app)
    answer = call_wsgi(app, post({"jsonrpc": "2.0", "method": "echo"}))
    inline = result_of(app, "add", [1], target="/inline")
    stats = server.stats()
    broker.restart()

    assert broker.address in error["message"]
    assert (answer.code, inline) == (204, 2)
    assert stats["notificationLostCount"] == 1
    assert (stats["celery_queue"], stats["celery_workers"]) == (None, [])
    wait_until(lambda: call(app, "echo", [2]).get("result") == 2)
    wait_until(lambda: server.stats()["celery_workers"])


def test_frozen_broker_is_a_clear_error_and_all_recovers_with_it(restless):
    broker, server, app, _ = restless
    broker.freeze()
    try:
        begun = time.monotonic()
        error = fails_with_refusal(app)
        took_s = time.monotonic() - begun
        inline = result_of(app, "add", [1], target="/inline")
        assert server.stats()["celery_queue"] is None
    finally:
        broker.thaw()

    assert f"broker {broker.address} does not take messages" in error["message"]
    assert inline == 2
    assert took_s < 10  # it is bounded: by the timeout of one second, and the machine's load
    wait_until(lambda: call(app, "echo", [2]).get("result") == 2)


def test_threads_do_not_gather_in_front_of_a_frozen_broker(restless):
    broker, _, app, _ = restless
    broker.freeze()
    try:
        first = fails_with_refusal(app)
        with ThreadPoolExecutor(100) as threads:
            begun = time.monotonic()
            errors = [each.result() for each in [threads.submit(call, app, "echo", [1]) for _ in range(300)]]
            took_s = time.monotonic() - begun
    finally:
        broker.thaw()

    assert {each["error"]["code"] for each in errors} == {first["code"]}
    assert took_s < 30  # 300 of them one after the other would wait for 150 seconds at least


def test_call_in_flight_when_the_broker_goes_is_an_error_at_its_timeout(restless, tmp_path):
    broker, _, app, _ = restless
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(call, app, "note_both", [str(tmp_path), "one", "gate"])
        wait_for_files(tmp_path, 1)
        broker.kill()
        assert asked.result(20)["error"]["code"] == -32006
    (tmp_path / "gate").touch()


def test_server_starts_without_its_broker_and_finds_it_later():
    with broker_running() as broker:
        broker.kill()
        queue = new_queue()
        with server_for(broker, queue, {"bindAdress": ["127.0.0.1", 0]}, enqueue_timeout=1) as server:
            server.start()
            assert call(server.getWSGI(), "echo")["error"]["code"] == -32002
            broker.restart()
            with worker_running(broker, queue, "-c", "1"):
                wait_until(lambda: call(server.getWSGI(), "echo", [1]).get("result") == 1)


def test_worker_starts_without_its_broker_and_finds_it_later():
    with broker_running() as broker:
        broker.kill()
        queue = new_queue()
        with worker_running(broker, queue, "-c", "1", ready=False) as program:
            program.line_with("Cannot connect to")
            broker.restart()
            program.line_with(r"ready\.$")


def module(folder, name, source):
    (folder / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")


SERVER = """
    from flaskJSONRPCServer import flaskJSONRPCServer
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, name="test", dispatcherBackend={backend!r})
    server.registerFunction(lambda value: value, path="/api", name="echo")
"""


@pytest.mark.parametrize("name", ["own", "own:server.celery"])
def test_celerys_own_command_runs_calls_too(broker, tmp_path, name):
    # With the second line, Celery finds the server by the name of the module alone.
    last = "" if ":" in name else "    celery = server.celery\n"
    module(tmp_path, "own", SERVER.format(backend="celery") + last)
    queue = new_queue()
    command = [sys.executable, "-m", "celery", "--workdir", str(tmp_path), "-A", name, "worker"]
    with worker_running(broker, queue, "-c", "1", command=command) as program:
        with server_for(broker, queue) as server:
            server.reload({"dispatcher": lambda value: value, "name": "echo", "path": "/api"})
            assert result_of(server.getWSGI(), "echo", [1]) == 1
        assert program.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("name", ["own:nothing.celery", "own:server.nothing", "own:nothing"])
def test_name_that_celerys_own_command_cannot_find_is_an_error(broker, tmp_path, name):
    module(tmp_path, "own", SERVER.format(backend="celery"))
    status, output = run_worker(tmp_path, f"{name} -A", broker)

    assert status != 0
    assert "Unable to load celery application" in output


def run_worker(folder, target, broker, command="worker"):
    command = [sys.executable, "-m", "flaskJSONRPCServer", "worker", target]
    if target.endswith("-A"):
        command = [sys.executable, "-m", "celery", "-A", target.removesuffix(" -A"), "worker"]
    environment = {"FLASKJSONRPC_CELERY_BROKER": broker.url, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
    with running(command, cwd=folder, **environment) as program:
        return program.wait(), program.output


@pytest.mark.parametrize("suffix", ["", " -A"], ids=["worker", "celery"])
def test_module_that_serves_at_its_import_is_refused(broker, tmp_path, suffix):
    module(tmp_path, "serving", SERVER.format(backend="celery") + "    server.serveForever()\n")
    status, output = run_worker(tmp_path, f"serving{suffix}", broker)

    assert status != 0
    assert "server 'test' does not serve in a celery worker" in output
    assert 'behind  if __name__ == "__main__":' in output


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("without", "worker: error: server 'test' has no celery backend; give it dispatcherBackend='celery'"),
        ("missing", "worker: error: there is no module 'missing'"),
        ("without:nothing", "worker: error: unknown name 'nothing'"),
    ],
)
def test_what_cannot_work_is_one_clear_line(broker, tmp_path, target, said):
    module(tmp_path, "without", SERVER.format(backend="simple"))
    status, output = run_worker(tmp_path, target, broker)

    assert status == 2
    assert said in output
    assert len(output.splitlines()) == 1


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("celery", "exec backend 'celery' needs celery; install it: pip install 'celery>=5.7,<5.8' 'kombu"),
        ("vine", "exec backend 'celery' needs the module 'vine', which is missing: pip install vine\n"),
    ],
)
def test_missing_module_is_told_with_the_command_that_installs_it(missing, told):
    script = f"""
        import sys
        sys.modules["{missing}"] = None
        from flaskJSONRPCServer import flaskJSONRPCServer
        from flaskJSONRPCServer.errors import MissingExtraError
        try:
            flaskJSONRPCServer(None, dispatcherBackend="celery")
        except MissingExtraError as exc:
            print(exc)
    """
    [line] = lines_of(script, prelude="")
    assert f"{line}\n".startswith(told)


def test_nobody_pays_for_celery_who_does_not_use_it():
    script = """
        import sys
        from flaskJSONRPCServer import flaskJSONRPCServer
        flaskJSONRPCServer(None)
        print(sorted({name.partition(".")[0] for name in sys.modules} & {"celery", "kombu", "redis"}))
    """
    assert lines_of(script, prelude="") == ["[]"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"broker": ""}, "needs a broker: CeleryBackend(broker='redis://127.0.0.1:6379/0'), or the environment"),
        ({"broker": "sqs://key:secret@host"}, "broker='sqs://key:**@host/' is refused"),
        ({"backend": "db+postgresql://me:secret@host/db"}, "answers travel by a message broker"),
        ({"queue": "a b"}, "queue='a b' is refused"),
        ({"timeout": 0}, "timeout=0.0 is refused"),
        ({"timeout": "soon"}, "timeout='soon' is refused"),
        ({"tries": 1}, "tries=1 is refused: it takes a whole number of at least 2"),
        ({"connections": 0}, "connections=0 is refused"),
        ({"redeliver_after": -1}, "redeliver_after=-1 is refused"),
    ],
)
def test_wrong_option_is_refused_with_its_name(monkeypatch, options, said):
    for name in ("FLASKJSONRPC_CELERY_BROKER", "CELERY_BROKER_URL", "FLASKJSONRPC_CELERY_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match=re.escape(said)) as caught:
        CeleryBackend(**{"broker": "redis://127.0.0.1", **options})

    assert "secret" not in str(caught.value)


def test_options_come_from_the_environment(monkeypatch):
    for name in ("BROKER", "BACKEND", "QUEUE", "TIMEOUT"):
        monkeypatch.delenv(f"FLASKJSONRPC_CELERY_{name}", raising=False)
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://one")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://two")
    general = CeleryBackend().options
    monkeypatch.setenv("FLASKJSONRPC_CELERY_BROKER", "redis://three")
    monkeypatch.setenv("FLASKJSONRPC_CELERY_BACKEND", "rpc://")
    monkeypatch.setenv("FLASKJSONRPC_CELERY_QUEUE", "mine")
    monkeypatch.setenv("FLASKJSONRPC_CELERY_TIMEOUT", "7.5")
    own = CeleryBackend().options

    assert (general.broker, general.answers, general.queue) == ("redis://one", "redis://two", "flaskJSONRPCServer")
    assert (own.broker, own.answers, own.queue, own.timeout_s) == ("redis://three", "redis://three", "mine", 7.5)


def test_rabbitmq_counts_the_tries_itself_and_confirms_what_it_has():
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend=CeleryBackend("amqp://me:secret@host//", tries=4))
    (queue,) = server.celery.conf.task_queues

    assert queue.queue_arguments == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 4,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "flaskJSONRPCServer.dead",
    }
    assert server.celery.conf.broker_transport_options["confirm_publish"] is True
    with kombu.Connection("memory://") as connection:
        queue(connection.default_channel).declare()
        assert kombu.Queue("flaskJSONRPCServer.dead")(connection.default_channel).queue_declare(passive=True)


def test_backend_of_one_server_is_refused_by_another(broker):
    with server_for(broker, new_queue()) as server:
        backend = server.settings.dispatcherBackend
        assert server.celery is server.celery
        other = flaskJSONRPCServer(None, log=False, dispatcherBackend=backend)
        with pytest.raises(ServerStateError, match="runs for 'test'; each server needs its own"):
            _ = other.celery


def test_server_without_the_backend_has_no_celery_application():
    with pytest.raises(ServerStateError, match="has no celery backend"):
        _ = flaskJSONRPCServer(None, log=False).celery


def test_calls_work_under_gevent(broker, worker):
    script = f"""
        from tests.execBackend.celery import api
        api.populate(server)
        server.registerFunction(lambda: "here", path="/api", name="inline", dispatcherBackend="simple")
        import redis
        client = redis.Redis.from_url({broker.url!r})
        before = len(client.client_list())
        server.start()
        asked = [gevent.spawn(call, "add", number) for number in range(200)]
        print(call("inline"))
        gevent.joinall(asked)
        print([each.value for each in asked] == [number + 1 for number in range(200)])
        print(call("tell", ["nativeThread", "parallelType"]))
        print(len(client.client_list()) - before <= 25)
        print(server.stats()["celery_workers"] != [])
        server.stop()
    """
    backend = {"FLASKJSONRPC_CELERY_BROKER": broker.url, "FLASKJSONRPC_CELERY_QUEUE": worker.queue}
    prelude = f"import os\nos.environ.update({backend})\n" + PRELUDE
    options = "{'dispatcherBackend': 'celery', 'name': 'test', 'threads': 300}"
    told = "{'nativeThread': True, 'parallelType': 'celery'}"

    assert lines_of(script, prelude=prelude, options=options) == ["here", "True", told, "True", "True"]
