"""The pools of threads: calls run at the same time, up to the limits."""

import contextlib
import http.client
import subprocess
import sys
import threading

import pytest

from flaskJSONRPCServer import ServerStateError, flaskJSONRPCServer
from flaskJSONRPCServer.execBackend import ThreadedBackend, execBackendMap
from tests.helpers import call_socket, call_wsgi, post, rpc, wait_until

PATIENCE_S = 20


class Gate:
    """A dispatcher that blocks until the test opens the gate."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self._open = threading.Event()

    def held(self, value=None):
        self.begun.release()
        assert self._open.wait(PATIENCE_S)
        return value

    def wait_for(self, calls):
        return all(self.begun.acquire(timeout=PATIENCE_S) for _ in range(calls))

    def open(self):
        self._open.set()


def notification(method="held"):
    return post({"jsonrpc": "2.0", "method": method})


def make(gate, backend="threaded", **options):
    server = flaskJSONRPCServer(None, log=options.pop("log", False), **options)
    server.registerFunction(gate.held, path="/api", dispatcherBackend=backend, notifBackend=backend)
    server.registerFunction(lambda: "inline", path="/api", name="inline")
    return server


def in_thread(application, request):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call_wsgi(application, request)))
    thread.start()

    def join():
        thread.join(PATIENCE_S)
        return answers[0]

    return join


@pytest.mark.parametrize(("old", "new"), [("threadPool", "threaded"), ("threadPoolNative", "threadedNative")])
def test_names_of_the_original_server_are_the_same_backends(old, new):
    assert execBackendMap[old] is execBackendMap[new]
    server = flaskJSONRPCServer(None, log=False)
    assert server._registerExecBackend(old, False) == server._registerExecBackend(new, True) == new


def test_calls_of_a_batch_run_at_the_same_time_in_their_order():
    meeting = threading.Barrier(5)

    def meet(value):
        meeting.wait(PATIENCE_S)
        return value

    server = flaskJSONRPCServer(None, log=False, dispatcherBackend="threaded")
    server.registerFunction(meet, path="/api")
    batch = post([rpc("meet", [number], number) for number in range(5)])
    answers = call_wsgi(server.getWSGI(), batch).json()
    server.stop()

    assert [(answer["id"], answer["result"]) for answer in answers] == [(number, number) for number in range(5)]


def test_accepted_notification_does_not_block_its_client():
    gate = Gate()
    server = make(gate)

    assert call_wsgi(server.getWSGI(), notification()).code == 204
    assert gate.wait_for(1)
    gate.open()
    server.stop()
    assert server.stats()["dispatcherCount"] == 1


def full_pool(gate, **options):
    """Return a server and its application with one call running and one waiting: the pool is full."""
    backend = ThreadedBackend(pool_threads=1, queue_calls=1, backend_id="tiny")
    server = make(gate, backend, **options)
    application = server.getWSGI()
    call_wsgi(application, notification())
    assert gate.wait_for(1)
    call_wsgi(application, notification())
    return server, application


def test_call_beyond_the_queue_is_refused():
    gate = Gate()
    server, application = full_pool(gate)

    error = call_wsgi(application, post(rpc("held"))).json()["error"]
    assert error == {"code": -32002, "message": "Server busy: exec backend 'tiny' has 1 calls waiting already"}
    assert call_wsgi(application, post([rpc("held"), rpc("inline")])).json() == [
        {"jsonrpc": "2.0", "error": error, "id": 1},
        {"jsonrpc": "2.0", "result": "inline", "id": 1},
    ]
    stats = server.stats()
    assert (stats["tiny_waiting"], stats["tiny_running"], stats["tiny_refused"], stats["tiny_poolSize"]) == (1, 1, 2, 1)
    gate.open()
    server.stop()
    assert server.stats()["dispatcherCount"] == 3


def test_settings_limit_the_pools_of_the_package():
    gate = Gate()
    server = make(gate, exec_pool_threads=1, max_exec_queue_calls=0)
    application = server.getWSGI()
    call_wsgi(application, notification())

    message = call_wsgi(application, post(rpc("held"))).json()["error"]["message"]
    assert message == "Server busy: exec backend 'threaded' has 0 calls waiting already"
    gate.open()
    server.stop()


def test_notification_beyond_the_queue_is_counted_and_logged_as_lost(caplog):
    gate = Gate()
    server, application = full_pool(gate, log=3)

    assert call_wsgi(application, notification()).code == 204
    assert server.stats()["notificationLostCount"] == 1
    assert "notification /api/held is lost: Server busy" in caplog.text
    gate.open()
    server.stop()


def test_stop_after_its_timeout_drops_waiting_calls_and_counts_them(caplog):
    gate = Gate()
    server, _ = full_pool(gate, log=3)
    server.stop(timeout=0)

    assert server.stats()["notificationLostCount"] == 2
    assert "exec backend 'tiny' stopped with 2 notifications not finished" in caplog.text
    gate.open()


def test_call_that_waits_at_the_stop_gets_an_error():
    gate = Gate()
    backend = ThreadedBackend(pool_threads=1, queue_calls=1, backend_id="tiny")
    server = make(gate, backend)
    application = server.getWSGI()
    batch = in_thread(application, post([rpc("held", ["ran"], 1), rpc("held", ["waits"], 2), rpc("inline", None, 3)]))
    assert gate.wait_for(1)
    while server.stats()["tiny_waiting"] == 0:
        threading.Event().wait(0)
    server._stopExecBackends(timeout=0)
    gate.open()
    ran, waited, inline = batch().json()

    assert (ran["result"], inline["result"]) == ("ran", "inline")
    assert waited["error"] == {"code": -32003, "message": "Not run: the exec backend has stopped"}


def test_accepted_notifications_are_finished_by_stop():
    done = []
    server = flaskJSONRPCServer(None, log=False, notifBackend="threaded", exec_pool_threads=2)
    server.registerFunction(done.append, path="/api", name="note")
    messages = [{"jsonrpc": "2.0", "method": "note", "params": [number]} for number in range(200)]
    call_wsgi(server.getWSGI(), post(messages))
    server.stop()

    assert sorted(done) == list(range(200))
    assert server.stats()["notificationLostCount"] == 0


def test_pool_starts_no_more_threads_than_it_needs():
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend="threaded")
    server.registerFunction(lambda: 1, path="/api", name="one")
    application = server.getWSGI()
    call_wsgi(application, post(rpc("one")))
    stats = server.stats()
    server.stop()

    assert stats["threaded_threads"] == 1
    assert "threaded_threads" not in server.stats()


def test_object_serves_one_server_at_a_time():
    backend = ThreadedBackend()
    first, second = (flaskJSONRPCServer(None, log=False, name=name, dispatcherBackend=backend) for name in "ab")
    first._startExecBackends()
    with pytest.raises(ServerStateError, match="'threaded' runs for 'a'; each server needs its own"):
        second._startExecBackends()
    first._stopExecBackends()
    second._startExecBackends()
    second._stopExecBackends()


def test_replaced_call_dispatcher_that_raises_is_an_internal_error(caplog):
    server = flaskJSONRPCServer(None, dispatcherBackend="threaded")
    server.registerFunction(lambda: 1, path="/api", name="one")
    server._callDispatcher = lambda *args: 1 / 0
    error = call_wsgi(server.getWSGI(), post(rpc("one"))).json()["error"]
    server.stop()

    assert error["code"] == -32603
    assert "ZeroDivisionError" in caplog.text


UNSTOPPED = """
import threading
from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call_wsgi, post

exiting = threading.Event()

def held():
    exiting.wait(20)
    print("finished")

server = flaskJSONRPCServer(None, log=False, notifBackend="threaded")
server.registerFunction(held, path="/api")
call_wsgi(server.getWSGI(), post({"jsonrpc": "2.0", "method": "held"}))
import atexit
atexit.register(exiting.set)
"""


def test_end_of_the_process_finishes_notifications_of_a_server_that_is_not_stopped():
    done = subprocess.run([sys.executable, "-c", UNSTOPPED], capture_output=True, text=True, timeout=40, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "finished\n", "")


def test_calls_and_restarts_of_a_pool_leave_nothing_waiting():
    server = flaskJSONRPCServer(None, log=False, dispatcherBackend="threaded", exec_pool_threads=3)
    server.registerFunction(lambda value: value, path="/api", name="echo")
    application = server.getWSGI()
    outcomes = set()

    def ask():
        for number in range(100):
            answer = call_wsgi(application, post(rpc("echo", [number]))).json()
            outcomes.add(answer["error"]["code"] if "error" in answer else answer["result"] == number)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        server._stopExecBackends()
    for thread in threads:
        thread.join(PATIENCE_S)
    server.stop()

    assert not any(thread.is_alive() for thread in threads)
    assert outcomes <= {True, -32002}
    assert True in outcomes


def test_calls_that_wait_at_the_end_of_a_stop_are_answered_that_they_did_not_run():
    begun, go, answers = threading.Event(), threading.Event(), []
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, dispatcherBackend=ThreadedBackend(pool_threads=1))
    server.registerFunction(lambda: begun.set() or go.wait(PATIENCE_S), path="/api", name="hold")
    server.start()
    address = server.addresses[0]

    def ask():
        with contextlib.suppress(OSError, http.client.HTTPException):  # of the call that runs
            answers.append(call_socket(address, post(rpc("hold"))).json())

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    assert begun.wait(PATIENCE_S)
    wait_until(lambda: server.stats()["threaded_waiting"] == 2)
    server.stop(timeout=1)
    go.set()
    for client in clients:
        client.join(PATIENCE_S)

    assert [answer["error"]["code"] for answer in answers if "error" in answer] == [-32003, -32003]
