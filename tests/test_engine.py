"""The parts of one server together: one request at a time, use and release."""

import threading

import pytest

from flaskJSONRPCServer import ServerStateError, flaskJSONRPCServer
from tests.helpers import call_wsgi, post, result_of, rpc

JOIN_S = 20


def test_requests_run_at_once():
    server = flaskJSONRPCServer(None, log=False)
    together = threading.Barrier(4)
    server.registerFunction(lambda: together.wait(JOIN_S), name="run")
    application = server.getWSGI()
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(result_of(application, "run", target="/"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN_S)

    assert sorted(results) == [0, 1, 2, 3]


def test_blocking_server_runs_one_request_at_a_time():
    server = flaskJSONRPCServer(None, log=False, blocking=True)
    entered, may_leave = threading.Semaphore(0), threading.Semaphore(0)
    running = []

    def run(number):
        running.append(number)
        entered.release()
        assert may_leave.acquire(timeout=JOIN_S)
        others = list(running)
        running.remove(number)
        return others

    server.registerFunction(run)
    application = server.getWSGI()
    results = []
    threads = [
        threading.Thread(
            target=lambda number=number: results.append(result_of(application, "run", [number], target="/"))
        )
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert entered.acquire(timeout=JOIN_S)
        assert not entered.acquire(blocking=False)
        may_leave.release()
    for thread in threads:
        thread.join(JOIN_S)

    assert sorted(results) == [[0], [1], [2], [3]]


def test_blocking_server_continues_after_a_failure():
    server = flaskJSONRPCServer(None, log=False, blocking=True)
    server.registerFunction(lambda _connection: _connection.headersOut.update({"X A": "b"}), name="bad")
    server.registerFunction(lambda: 1, name="good")
    application = server.getWSGI()

    assert call_wsgi(application, post(rpc("bad"), "/")).code == 500
    assert result_of(application, "good", target="/") == 1


def test_request_uses_one_routing_table_from_start_to_end():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(lambda: server.registerFunction(lambda: 1, name="late"), name="first")
    application = server.getWSGI()
    answers = call_wsgi(application, post([rpc("first", request_id=1), rpc("late", request_id=2)], "/")).json()

    assert answers[1]["error"]["code"] == -32601
    assert result_of(application, "late", target="/") == 1


def test_settings_may_change_again_after_a_stop():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, controlGC=False, tweakDescriptors=False)
    server.registerFunction(lambda: 1, name="one")
    server.start()
    with pytest.raises(ServerStateError):
        server.settings.max_batch_length = 1
    server.stop()
    server.settings.max_batch_length = 1

    answer = call_wsgi(server.getWSGI(), post([rpc("one"), rpc("one")], "/"))
    assert answer.json()["error"]["code"] == -32600


def test_application_taken_before_a_stop_goes_on_with_its_settings():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=False, controlGC=False, tweakDescriptors=False)
    server.registerFunction(lambda: 1, name="one")
    application = server.getWSGI()
    server.start()
    server.stop()

    assert result_of(application, "one", target="/") == 1
