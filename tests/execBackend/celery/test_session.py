"""From a start of the backend to its stop: timeouts, lost workers, and calls under way at the stop."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from flaskJSONRPCServer.execBackend.celery.session import PendingCall, code_of
from tests.execBackend.celery import api
from tests.execBackend.celery.processes import broker_running, files, new_queue, wait_for_files, worker_running
from tests.execBackend.celery.servers import notify, server_for, session_of
from tests.helpers import call, result_of, wait_until


def test_call_is_held_by_a_lock_before_it_is_queued(server, app, broker):
    with ThreadPoolExecutor() as pool:
        server.lock(api.echo)
        held = pool.submit(result_of, app, "echo", [1])
        assert result_of(app, "add", [1]) == 2  # others go their way meanwhile
        assert not held.done()
        server.unlock(api.echo)
        assert held.result(20) == 1


def test_failed_call_is_counted_by_the_code_of_its_error(server, app):
    def calls():
        return server._backend_context.stats.totals().calls_of("/api/refuse")

    before = calls().failed  # by other tests, with the same code
    code = call(app, "refuse")["error"]["code"]

    assert {code: histogram.count() for code, histogram in calls().failures.items()} == {code: before + 1}
    assert calls().buckets == {}


def test_lost_worker_is_an_error_at_once_and_the_next_call_works(app):
    assert call(app, "die")["error"]["code"] == -32005
    assert result_of(app, "echo", [1]) == 1


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


def test_call_in_flight_when_the_broker_goes_is_an_error_at_its_timeout(breakable, tmp_path):
    broker, _, app, _ = breakable
    with ThreadPoolExecutor() as threads:
        future = threads.submit(call, app, "note_both", [str(tmp_path), "one", "gate"])
        wait_for_files(tmp_path, 1)
        broker.kill()
        assert future.result(20)["error"]["code"] == -32006
    (tmp_path / "gate").touch()


def polling(clients):
    return [client for client in clients if client["cmd"] == "brpop"]


def test_200_calls_in_flight_share_connections_and_one_thread(broker):
    queue = new_queue()
    client = broker.client()
    before = client.client_list()
    with server_for(broker, queue, timeout=50) as server, ThreadPoolExecutor(200) as threads:
        app = server.getWSGI()
        futures = [threads.submit(result_of, app, "add", [n]) for n in range(200)]
        wait_until(lambda: client.llen(queue) == 200)
        now = client.client_list()
        stats = server.stats()
        with worker_running(broker, queue, "-P", "threads", "-c", "4"):
            assert [future.result(40) for future in futures] == [n + 1 for n in range(200)]

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


def test_stop_waits_for_the_answers_within_its_timeout(broker, worker, tmp_path):
    with server_for(broker, worker.queue) as server, ThreadPoolExecutor() as threads:
        app = server.getWSGI()
        future = threads.submit(result_of, app, "note_both", [str(tmp_path), "last", "gate"])
        wait_for_files(tmp_path, 1)
        stopping = threads.submit(server.stop)
        assert not stopping.done()
        (tmp_path / "gate").touch()
        assert future.result(20) is None
        stopping.result(20)


def test_stop_answers_the_calls_that_it_does_not_wait_for(broker):
    with server_for(broker, new_queue()) as server, ThreadPoolExecutor() as threads:
        app = server.getWSGI()
        future = threads.submit(call, app, "echo")
        wait_until(lambda: server.stats()["processingDispatcherCount"] == 1)
        server.stop(timeout=0)

        assert future.result(20)["error"] == {
            "code": -32006,
            "message": "The server has stopped before the call's answer came; it may have been run",
        }
        assert server.stats()["processingDispatcherCount"] == 0


def test_call_on_its_way_when_the_backend_stops_is_refused(broker, monkeypatch, caplog):
    with server_for(broker, new_queue(), {"log": 2}, timeout=0.1) as server, ThreadPoolExecutor() as threads:
        app = server.getWSGI()
        assert call(app, "echo")["error"]["code"] == -32006
        session = session_of(server)
        on_its_way, gate = threading.Event(), threading.Event()
        begin = session._calls.begin

        def begin_slowly(*arguments):
            on_its_way.set()
            assert gate.wait(40)
            return begin(*arguments)

        monkeypatch.setattr(session._calls, "begin", begin_slowly)
        futures = [threads.submit(call, app, "echo"), threads.submit(notify, app, "echo")]
        assert on_its_way.wait(40)
        session.stop(0, 0)
        gate.set()

        assert futures[0].result(40)["error"] == {"code": -32002, "message": "the exec backend has stopped"}
        futures[1].result(40)
        assert server.stats()["processingDispatcherCount"] == 0
        assert "does not take messages" not in caplog.text


def test_stop_leaves_neither_threads_nor_connections():
    with broker_running() as broker, server_for(broker, new_queue(), timeout=0.1) as server:
        client = broker.client()
        # The broker may not have seen yet that the connection of its start is closed.
        wait_until(lambda: len(client.client_list()) == 1)
        threads = set(threading.enumerate())
        for _ in range(5):
            app = server.getWSGI()
            assert call(app, "echo")["error"]["code"] == -32006
            server.stats()
            server.stop(timeout=0)

        wait_until(lambda: len(client.client_list()) == 1)
        wait_until(lambda: set(threading.enumerate()) <= threads)


ANSWER = (True, {}, "answer")
LATE = (False, {}, "late")


def test_answer_is_read_in_the_thread_that_waits_for_it():
    pending = PendingCall("id", None, 20, lambda _: LATE)
    readers = []
    finishing = threading.Thread(
        target=pending.finish, args=[lambda: readers.append(threading.get_ident()) or ANSWER], kwargs={"failed": False}
    )
    finishing.start()

    assert pending.wait() == pending.read() == ANSWER
    assert set(readers) == {threading.get_ident()}
    finishing.join()


def test_call_without_an_answer_in_time_gets_the_answer_of_giving_up():
    pending = PendingCall("id", None, 0, lambda call: (False, {}, call.task_id))

    assert pending.wait() == (False, {}, "id")


@pytest.mark.parametrize("failed", [True, False])
def test_end_of_a_call_is_counted_once(failed):
    ends = []
    counted = SimpleNamespace(end=lambda *, failed, code: ends.append((failed, code)))
    pending = PendingCall("id", counted, 20, lambda _: LATE)
    pending.finish(lambda: ANSWER, failed=failed, code=7 if failed else None)

    assert pending.wait() == ANSWER
    assert ends == [(failed, 7 if failed else None)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"error": {"code": 7, "message": "no"}}', 7),
        ('{"error": {"code": "7"}}', None),
        ('{"result": 5}', None),
        ("[]", None),
        ("no JSON", None),
    ],
)
def test_code_of_a_failed_call_is_read_if_there_is_one(text, code):
    assert code_of(text) == code
