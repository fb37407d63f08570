"""Deadlines of calls in Celery workers."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from flaskJSONRPCServer.execBackend import deadline
from tests.execBackend.celery.processes import broker_running, files, new_queue, wait_for_files, worker_running
from tests.execBackend.celery.servers import notify, server_for
from tests.helpers import call, result_of, wait_until

PATIENCE_S = 30


def late(work):
    return {"code": -32006, "message": "Deadline exceeded", "data": {"work": work}}


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Wait as long as it takes for the broker to say how far a call has come."""
    monkeypatch.setattr(deadline, "_GRACE_S", PATIENCE_S)


@pytest.mark.parametrize(("pool", "is_ended"), [("prefork", True), ("threads", False)])
def test_call_is_ended_at_its_deadline_where_the_pool_can_end_it(broker, tmp_path, pool, is_ended):
    queue = new_queue()
    with worker_running(broker, queue, "-P", pool, "-c", "1"), server_for(broker, queue, {"timeout": 1}) as server:
        app = server.getWSGI()
        error = call(app, "note_both", [str(tmp_path), "slow", "gate"])["error"]
        wait_for_files(tmp_path, 1)
        if not is_ended:
            (tmp_path / "gate").touch()
        wait_until(lambda: call(app, "echo", [1]).get("result") == 1)  # its place is free again
        (tmp_path / "gate").touch()

    assert error == late("killed" if is_ended else "abandoned")
    assert files(tmp_path) == ["begun.slow", "gate"] if is_ended else ["begun.slow", "ended.slow", "gate"]


def test_call_that_expired_in_the_queue_never_runs(broker, tmp_path):
    queue = new_queue()
    with server_for(broker, queue, {"timeout": 1}) as server:
        assert call(server.getWSGI(), "note", [str(tmp_path), "late"])["error"] == late("not started")
    with worker_running(broker, queue, "-c", "1"), server_for(broker, queue) as server:
        assert result_of(server.getWSGI(), "note", [str(tmp_path), "next"]) is None

    assert [name.partition(".")[0] for name in files(tmp_path)] == ["next"]


def test_what_expires_in_a_pool_of_threads_never_runs(broker, tmp_path):
    """Celery looks at the time of a call before its pool takes the call; in threads, it waits there again."""
    queue = new_queue()
    with (
        worker_running(broker, queue, "-P", "threads", "-c", "1"),
        server_for(broker, queue, {"timeout": 1}) as server,
        server_for(broker, queue, timeout=1) as impatient,
    ):
        app = server.getWSGI()
        notify(impatient.getWSGI(), "note_both", str(tmp_path), "first", "gate")
        wait_for_files(tmp_path, 1)
        notify(app, "note", str(tmp_path), "late")
        errors = [call(each, "note", [str(tmp_path), "late"])["error"] for each in (app, impatient.getWSGI())]
        (tmp_path / "gate").touch()
        wait_until(lambda: call(app, "echo", [1]).get("result") == 1)
        lost = server.stats()["notificationLostCount"]

    assert errors == [
        late("not started"),
        {"code": -32006, "message": "Call timed out after 1 s; it may have been run"},
    ]
    assert files(tmp_path) == ["begun.first", "ended.first", "gate"]
    assert lost == 1


def test_notification_that_expires_in_the_queue_is_dropped_and_lost(broker, tmp_path, caplog):
    queue = new_queue()
    with server_for(broker, queue, {"timeout": 0.3, "log": 2}) as server:
        app = server.getWSGI()
        notify(app, "note", str(tmp_path), "late")
        with worker_running(broker, queue, "-c", "1"):  # which takes longer to start than the timeout
            wait_until(lambda: server.stats()["notificationLostCount"] == 1)

    assert files(tmp_path) == []
    assert "notification /api/note is lost: Deadline exceeded" in caplog.text


def test_running_notification_is_killed_and_not_begun_again(broker, tmp_path, caplog):
    queue = new_queue()
    with worker_running(broker, queue, "-c", "1"), server_for(broker, queue, {"timeout": 2, "log": 2}) as server:
        app = server.getWSGI()
        notify(app, "note_begin", str(tmp_path), "slow", 1000)
        wait_for_files(tmp_path, 1)
        wait_until(lambda: call(app, "echo", [1]).get("result") == 1)  # its process has been replaced
        stats = server.stats()

    assert len(files(tmp_path)) == 1
    assert caplog.text.count("notification /api/note_begin failed: it was ended in its worker") == 1
    assert stats["notificationLostCount"] == 0


def test_broker_that_is_frozen_holds_up_no_answer(tmp_path, monkeypatch):
    with broker_running() as broker, server_for(broker, new_queue(), {"timeout": 1}, enqueue_timeout=10) as server:
        app = server.getWSGI()
        assert call(app, "echo", [1])["error"] == late("not started")  # connected, and without a worker
        monkeypatch.undo()
        broker.freeze()
        error = call(app, "echo", [1])["error"]  # after 10 s, it would be another one
        broker.unfreeze()

    assert error == late("abandoned")


def test_broker_that_is_frozen_at_the_deadline_holds_up_no_answer(tmp_path, monkeypatch):
    monkeypatch.undo()
    queue = new_queue()
    with broker_running() as broker, server_for(broker, queue, {"timeout": 1}, enqueue_timeout=20) as server:
        app = server.getWSGI()
        with ThreadPoolExecutor() as clients:
            answer = clients.submit(call, app, "echo", [1])
            wait_until(lambda: broker.client().llen(queue) == 1)
            broker.freeze()
            error = answer.result(PATIENCE_S)["error"]
        broker.unfreeze()

    assert error == late("abandoned")


def test_shorter_timeout_of_the_backend_stays(broker):
    with server_for(broker, new_queue(), {"timeout": 1000}, timeout=0.3) as server:
        error = call(server.getWSGI(), "echo", [1])["error"]

    assert error == {"code": -32006, "message": "Call timed out after 0.3 s; it may have been run"}
