"""The backend as a whole: calls in real workers, by a real broker."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.errors import ServerStateError
from flaskJSONRPCServer.execBackend.celery import CeleryBackend
from tests.execBackend.celery import api
from tests.execBackend.celery.processes import QUEUES, WORKER_COMMAND, broker_running, new_queue, worker_running
from tests.execBackend.celery.queues import make
from tests.execBackend.celery.servers import server_for
from tests.gevent.processes import PRELUDE, lines_of
from tests.helpers import call, call_wsgi, get, post, result_of, rpc, wait_until

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
    rpc("set_fields"),
    rpc("read_fields", [["path", "dispatcherName", "notify", "serverName", "ip"]]),
    [rpc("add", [n], request_id=n) for n in range(5)],
    [rpc("set_fields"), rpc("refuse", request_id=2), rpc("nothing", request_id=3)],
]


@pytest.mark.parametrize("payload", CALLS, ids=str)
def test_answer_is_the_same_as_inline(app, inline, payload):
    assert call_wsgi(app, post(payload)) == call_wsgi(inline, post(payload))


@pytest.mark.parametrize(
    "target", ["/api/echo?value=1&jsonp=show", "/api/set_fields?jsonp=show", "/api/wrap?jsonp=show", "/api/wrap"]
)
def test_answer_to_a_get_is_the_same_as_inline(app, inline, target):
    assert call_wsgi(app, get(target)) == call_wsgi(inline, get(target))


@pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])
def test_every_pool_of_workers_runs_calls(broker, pool):
    queue = new_queue()
    with worker_running(broker, queue, "-P", pool, "-c", "2"), server_for(broker, queue) as server:
        with ThreadPoolExecutor(8) as threads:
            futures = [threads.submit(result_of, server.getWSGI(), "add", [n]) for n in range(50)]
            assert [future.result(30) for future in futures] == [n + 1 for n in range(50)]


def test_each_queue_has_workers_of_its_own(broker, monkeypatch):
    monkeypatch.setenv("FLASKJSONRPC_CELERY_BROKER", broker.url)
    server = make()
    app = server.getWSGI()
    with (
        worker_running(broker, "quick", "-c", "1", command=[*WORKER_COMMAND, QUEUES]),
        worker_running(broker, "slow", "-c", "1", command=[*WORKER_COMMAND, "--backend", "slow", QUEUES]),
    ):
        quick, slow = (call_wsgi(app, post(rpc("pid"), path)).json()["result"] for path in ("/quick", "/slow"))
        call_wsgi(app, post({"jsonrpc": "2.0", "method": "die"}, "/slow"))
        wait_until(lambda: server.stats()["slow_dead"] == 1)
        stats = server.stats()
        server.stop()

    assert quick != slow
    assert (stats["celery_done"], stats["celery_dead"]) == (1, 0)


def test_server_can_be_used_again_after_a_stop(broker, worker):
    with server_for(broker, worker.queue) as server:
        assert result_of(server.getWSGI(), "echo", [1]) == 1
        server.stop()
        assert result_of(server.getWSGI(), "echo", [2]) == 2


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


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        ("celery", "exec backend 'celery' needs celery; install it: pip install 'celery>=5.7,<5.8' 'kombu"),
        ("vine", "exec backend 'celery' needs the module 'vine', which is missing: pip install vine\n"),
    ],
)
def test_missing_module_is_an_error_with_the_command_that_installs_it(missing, text):
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
    assert f"{line}\n".startswith(text)


def test_celery_is_imported_only_where_it_is_used():
    script = """
        import sys
        from flaskJSONRPCServer import flaskJSONRPCServer
        flaskJSONRPCServer(None)
        print(sorted({name.partition(".")[0] for name in sys.modules} & {"celery", "kombu", "redis"}))
    """
    assert lines_of(script, prelude="") == ["[]"]


def test_calls_work_under_gevent(broker, worker):
    script = f"""
        from tests.execBackend.celery import api
        api.populate(server)
        server.registerFunction(lambda: "here", path="/api", name="inline", dispatcherBackend="simple")
        import redis
        client = redis.Redis.from_url({broker.url!r})
        before = len(client.client_list())
        server.start()
        calls = [gevent.spawn(call, "add", number) for number in range(200)]
        print(call("inline"))
        gevent.joinall(calls)
        print([greenlet.value for greenlet in calls] == [number + 1 for number in range(200)])
        print(call("read_fields", ["nativeThread", "parallelType"]))
        print(len(client.client_list()) - before <= 25)
        print(server.stats()["celery_workers"] != [])
        server.stop()
    """
    backend = {"FLASKJSONRPC_CELERY_BROKER": broker.url, "FLASKJSONRPC_CELERY_QUEUE": worker.queue}
    prelude = f"import os\nos.environ.update({backend})\n" + PRELUDE
    options = "{'dispatcherBackend': 'celery', 'name': 'test', 'threads': 300}"
    fields = "{'nativeThread': True, 'parallelType': 'celery'}"

    assert lines_of(script, prelude=prelude, options=options) == ["here", "True", fields, "True", "True"]


def test_ready_while_the_broker_can_be_reached(broker):
    backend = CeleryBackend(broker=broker.url, queue=new_queue())

    assert backend.is_ready()


def test_not_ready_without_the_broker():
    with broker_running() as broker:
        url = broker.url
    server = flaskJSONRPCServer(None, log=0, dispatcherBackend=CeleryBackend(broker=url, enqueue_timeout=1))
    server.registerFunction(lambda: 1, "/api", name="one")
    answer = wait_until(lambda: (answer := call_wsgi(server.getWSGI(), get("/readyz"))).code == 503 and answer)

    assert answer.json()["checks"]["execBackend.celery"] == "unavailable"
