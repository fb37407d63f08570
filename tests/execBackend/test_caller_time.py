"""Calls that wait in an exec backend, without a timeout, do not begin when the time of their caller is over."""

import threading
import time

import pytest

from flaskJSONRPCServer.execBackend import ParallelBackend, ThreadedBackend, ThreadedNativeBackend
from flaskJSONRPCServer.execBackend.celery.tasks import is_late
from tests.execBackend.api import PATIENCE_S, make
from tests.helpers import call_socket, post, rpc, wait_until

MAKERS = {
    "threaded": lambda: ThreadedBackend(pool_threads=1),
    "threadedNative": lambda: ThreadedNativeBackend(pool_threads=1),
    "parallel": lambda: ParallelBackend(poolSize=1),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("is_notification", [False, True], ids=["call", "notification"])
def test_call_in_the_queue_does_not_begin_after_its_time(name, is_notification, tmp_path):
    backend = MAKERS[name]()
    server = make(backend, ["127.0.0.1", 0], notifBackend=backend)
    server.start()
    try:
        address, answers = server.addresses[0], []

        def send(request):
            answers.append(call_socket(address, request))

        first = threading.Thread(target=send, args=[post(rpc("hold", [str(tmp_path)]))])
        first.start()
        wait_until((tmp_path / "begun").exists)
        late = rpc("append", [str(tmp_path / "runs")])
        if is_notification:
            del late["id"]
        second = threading.Thread(target=send, args=[post(late, headers={"Request-Timeout": "0.5"})])
        second.start()
        wait_until(lambda: server.stats()[f"{name}_waiting"] or answers)
        is_over = time.monotonic() + 0.5
        wait_until(lambda: time.monotonic() > is_over)
        (tmp_path / "go").touch()
        first.join(PATIENCE_S)
        second.join(PATIENCE_S)
        assert call_socket(address, post(rpc("add", [1, 2]))).json()["result"] == 3  # after what was in the queue
    finally:
        server.stop()
    assert not (tmp_path / "runs").exists()
    errors = [answer.json()["error"] for answer in answers if b'"error"' in answer.body]
    assert [error["data"] for error in errors] == ([] if is_notification else [{"work": "not started"}])


def test_message_to_a_worker_is_late_by_the_time_of_day():
    assert is_late({"beginUntil": time.time() - 1})
    assert not is_late({"beginUntil": time.time() + 60})
    assert not is_late({})
