"""Calls in a worker: errors, the magic variable, and dispatchers that differ from those of the server."""

import re

from tests.execBackend.celery.processes import broker_running, new_queue, worker_running
from tests.execBackend.celery.servers import server_for
from tests.helpers import call, call_wsgi, post, result_of, rpc


def test_unexpected_exception_is_an_internal_error_with_its_traceback_in_the_workers_log(app, worker):
    error = call(app, "crash")["error"]

    assert (error["code"], error["message"]) == (-32603, "Internal error")
    worker.line_with(rf"dispatcher /api/crash raised \[{error['data']['correlationId']}\]")
    worker.line_with("KeyError: 'a secret of the worker'")


def test_result_that_is_no_json_is_an_internal_error(app, worker):
    error = call(app, "no_json")["error"]

    assert error["code"] == -32603
    why = "result: an object has no JSON form; convert it, or override _fixJSON"
    worker.line_with(rf"cannot be sent as JSON: /api/no_json: {why} \[{error['data']['correlationId']}\]")
    assert [worker.line_with("^  (Traceback|TypeError)")[1] for _ in range(2)] == ["Traceback", "TypeError"]


def test_magic_variable_has_its_data_in_a_worker(app):
    names = ["ip", "path", "dispatcherName", "notify", "serverName", "parallelType", "parallelPoolSize", "jsonp"]
    names += ["nativeThread", "servedBy"]

    fields = result_of(app, "read_fields", [names])

    assert fields == {
        "ip": "127.0.0.1",
        "path": "/api/",
        "dispatcherName": "read_fields",
        "notify": False,
        "serverName": "test",
        "parallelType": "celery",
        "parallelPoolSize": 1,
        "jsonp": False,
        "nativeThread": True,
        "servedBy": [False, "127.0.0.1", 8080],
    }


def test_magic_variable_has_the_ids_of_the_request_and_of_the_worker(app):
    batch = [
        rpc("read_fields", [["uniqueId", "parallelId"]]),
        rpc("read_fields", [["uniqueId", "parallelId"]], 2),
        rpc("pid", None, 3),
    ]
    first, second, pid = (answer["result"] for answer in call_wsgi(app, post(batch)).json())

    assert first == second  # the calls of a batch share the id
    assert first["uniqueId"]
    assert first["parallelId"].endswith(f":{pid}")


def test_call_of_a_function_that_differs_in_the_worker_is_an_error(broker):
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


def test_log_of_a_worker_has_neither_the_password_nor_params_and_results():
    with broker_running(password="pa55word") as broker:
        queue = new_queue()
        with worker_running(broker, queue, "-c", "1") as program, server_for(broker, queue) as server:
            result_of(server.getWSGI(), "echo", ["param5"])
            program.line_with("succeeded")
            broker.kill()
            program.line_with("Cannot connect to|Connection to broker lost")

    assert "pa55word" not in program.output
    assert "param5" not in program.output
