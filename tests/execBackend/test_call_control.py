"""Controls of calls: on every exec backend, calls report progress, know their answers, and can be cancelled."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from flaskJSONRPCServer import SettingsError
from flaskJSONRPCServer.dispatch.call_control import CALL_CANCELLED, CallControl
from flaskJSONRPCServer.execBackend import ParallelBackend, ThreadedBackend
from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.execBackend.backends import OwnBackend, maker_of
from tests.execBackend.control_api import make
from tests.helpers import wait_until
from tests.protocol_calls import Client, Reports

PATIENCE_S = 60
# One backend of each kind.
KINDS = ("simple", "threaded", "threadedNative", "parallel", "own object", "celery")
IN_PROCESS = ("simple", "threaded", "threadedNative", "own object")
WITH_CANCEL = ("threaded", "threadedNative", "parallel", "celery")
API = "tests.execBackend.control_api"


@pytest.fixture(params=KINDS, scope="module")
def name(request):
    return request.param


@pytest.fixture(scope="module")
def client(name):
    with maker_of(name, api=API) as make_backend:
        server = make(make_backend())
        try:
            client = Client(server)
            assert client.call(None, "add", 1, 2) == 3
            yield client
        finally:
            server.stop()


@pytest.fixture
def folder(tmp_path):
    """A folder for `hold`, whose calls end with the test."""
    yield tmp_path
    (tmp_path / "go").touch()


def work_of(error):
    assert (error.code, error.message) == (CALL_CANCELLED, "Call cancelled")
    return error.data["work"]


def begun(client, control, folder, method="hold", path="/api/"):
    """Return the future error of a call, once it has begun."""
    threads = ThreadPoolExecutor(1)
    future = threads.submit(client.error, control, method, str(folder), path=path)
    threads.shutdown(wait=False)
    wait_until((folder / "begun").exists)
    return future


def test_progress_arrives_in_order_before_the_result(client, name):
    reports = Reports()

    assert client.call(CallControl(reports), "count", 50) == [False, 50]

    assert reports == sorted(reports)
    assert reports[0] == (1, 50, "1 of 50")
    assert reports[-1] == (50, 50, "50 of 50")
    if name in IN_PROCESS:
        assert len(reports) == 50


def test_progress_that_crosses_a_process_border_is_throttled(client, name):
    reports, begun_at = Reports(), time.monotonic()

    client.call(CallControl(reports), "count", 20_000)

    assert reports[-1] == (20_000, 20_000, "20000 of 20000")
    if name not in IN_PROCESS:  # each tenth of a second has one, and the last one is sent at once
        assert len(reports) <= 2 + (time.monotonic() - begun_at) / 0.1


def test_progress_arrives_while_the_call_runs(client, folder):
    reports = Reports()
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(client.call, CallControl(reports), "pause", str(folder))
        wait_until(lambda: reports == [(1, None, None), (2, None, None)])
        (folder / "go").touch()
        assert answer.result(PATIENCE_S) is True


def test_log_messages_arrive_while_the_call_runs(client, folder):
    taken, dumps = [], client.server._engine.codec.dumps
    control = CallControl(log=lambda level, data, logger: taken.append((level, json.loads(dumps(data)), logger)))
    expected = [
        ("info", {"at": "2030-01-02", "text": "ä"}, "module"),
        ("error", None, None),
        ("error", "WithoutJson()", None),
    ]

    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(client.call, control, "log", str(folder))
        wait_until(lambda: taken == expected)
        (folder / "go").touch()
        assert answer.result(PATIENCE_S) is True
        assert client.call(CallControl(), "log", str(folder)) is True  # its caller wants none
    assert taken == expected


def test_last_progress_arrives_before_an_error(client):
    reports = Reports()

    assert client.error(CallControl(reports), "count_and_fail", 3).code == -32603

    assert reports[-1] == (3, 3, "3 of 3")


def test_progress_that_does_not_increase_is_dropped(client):
    reports = Reports()
    client.call(CallControl(reports), "stumble")

    assert reports == [(2, None, None), (2.5, None, None)]


def test_wrong_progress_is_refused_with_and_without_a_control(client):
    reports = Reports()
    expected = [
        "TypeError: done='1' is refused",
        "TypeError: done=True is refused",
        "TypeError: total='2' is refused",
        "TypeError: message=3 is refused",
        "ValueError: done=nan is refused",
        "ValueError: total=inf is refused",
        "ValueError: done=1000000000000000000",
    ]

    assert client.call(CallControl(reports), "refused") == expected
    assert client.call(None, "refused") == expected
    assert reports == []


def test_call_without_a_control_reports_to_nothing(client):
    assert client.call(None, "count", 3) == [False, 3]
    assert client.call(None, "answers") is None


def test_call_with_a_control_that_takes_no_reports_runs(client):
    assert client.call(CallControl(), "count", 3) == [False, 3]


def test_call_knows_its_answers(client):
    given = {"name": {"action": "accept", "content": {"age": 7, "tags": ["ä", None]}}}

    assert client.call(CallControl(answers=given), "answers") == given
    assert client.call(CallControl(answers=given), "answers_later") == given
    assert client.call(CallControl(answers={}), "answers_later") == {}
    assert client.call(CallControl(), "answers") is None


def test_call_that_is_cancelled_before_it_begins_never_begins(client, folder):
    control = CallControl()
    control.cancel()

    for path in ("/api/", "/timed/"):
        assert work_of(client.error(control, "note", str(folder), path=path)) == "not started"
    assert not (folder / "noted").exists()


def test_call_that_a_lock_holds_is_cancelled(client, folder):
    control = CallControl()
    client.server.lock()
    try:
        with ThreadPoolExecutor(1) as threads:
            error = threads.submit(client.error, control, "note", str(folder))
            wait_until(lambda: client.server._engine.locks.held().waiting == 1)
            control.cancel()
            assert work_of(error.result(PATIENCE_S)) == "not started"
    finally:
        client.server.unlock()
    assert not (folder / "noted").exists()


@pytest.mark.parametrize("name", WITH_CANCEL, indirect=True, scope="module")
def test_running_call_is_cancelled(client, name, folder):
    control = CallControl()
    error = begun(client, control, folder)

    control.cancel()

    released = work_of(error.result(PATIENCE_S))
    greenlet = "cancelled" if is_patched() and name == "threaded" else "abandoned"
    assert released == ("killed" if name in ("parallel", "celery") else greenlet)
    assert client.call(None, "add", 1, 2) == 3


def test_running_call_with_a_timeout_is_cancelled(client, name, folder):
    control = CallControl()
    error = begun(client, control, folder, path="/timed/")

    control.cancel()

    greenlet = "cancelled" if is_patched() and name in ("simple", "threaded") else "abandoned"
    assert work_of(error.result(PATIENCE_S)) == ("killed" if name in ("parallel", "celery") else greenlet)
    (folder / "go").touch()
    wait_until(lambda: client.server._engine.stats.abandoned_now() == 0)


@pytest.mark.parametrize("name", IN_PROCESS, indirect=True, scope="module")
def test_function_in_the_process_of_its_caller_notices_that_it_is_cancelled(client, folder):
    control = CallControl()
    error = begun(client, control, folder, "notice")

    control.cancel()

    assert work_of(error.result(PATIENCE_S)) in ("abandoned", "cancelled")
    if not is_patched():
        wait_until((folder / "noticed").exists)


def test_coroutine_is_cancelled_which_counts_as_failed_and_is_no_error_in_the_log(client, name, folder, caplog):
    control, log = CallControl(), client.server.log
    answered, failed = errors_of(client.server)
    log.set_level(2)
    try:
        error = begun(client, control, folder, "hold_later")
        control.cancel()
        released = work_of(error.result(PATIENCE_S))
    finally:
        log.set_level(0)

    killed = name in ("parallel", "celery")
    assert released == ("killed" if killed else "cancelled")
    assert killed or (folder / "cancelled").exists()
    wait_until(lambda: errors_of(client.server) == (answered + 1, failed + 1))
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def errors_of(server):
    """Return how many calls of `hold_later` were answered with the error, and how many have failed."""
    totals = server._engine.stats.totals()
    return totals.errors.get(("/api/hold_later", CALL_CANCELLED), 0), totals.calls_of("/api/hold_later").failed


def test_cancel_after_the_end_does_nothing(client):
    reports = Reports()
    control = CallControl(reports)
    client.call(control, "count", 1)

    control.cancel()
    control.report(2)

    assert (control.is_cancelled, reports) == (False, [(1, 1, "1 of 1")])
    assert client.call(None, "add", 1, 2) == 3


# A pool with one place, so that a second call waits.


@pytest.mark.parametrize(
    "backend",
    [
        lambda: ThreadedBackend(pool_threads=1, backend_id="one"),
        lambda: ParallelBackend(poolSize=1, id="one"),
    ],
    ids=["threaded", "parallel"],
)
def test_call_that_waits_for_its_turn_is_cancelled_and_never_runs(backend, folder):
    server = make(backend())
    try:
        client = Client(server)
        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(client.call, None, "hold", str(folder))
            wait_until((folder / "begun").exists)
            for path in ("/api/", "/timed/"):
                control = CallControl()
                error = threads.submit(client.error, control, "note", str(folder), path=path)
                wait_until(lambda: server.stats()["one_waiting"] == 1)
                control.cancel()
                assert work_of(error.result(PATIENCE_S)) == "not started"
                assert server.stats()["one_waiting"] == 0
            (folder / "go").touch()
            assert first.result(PATIENCE_S) is True
        assert not (folder / "noted").exists()
    finally:
        server.stop()


# Backends of the user's.


class Gated(OwnBackend):
    """A custom backend that begins no call, and can cancel each."""

    _id = "gated"

    def add(self, uniqueId, path, dataIn, request, isJSONP=False):
        self.added = threading.Event()
        return True, None, [threading.Event(), (uniqueId, path, dataIn, request)]

    def check(self, uniqueId, ticket):
        self.added.set()
        assert ticket[0].wait(PATIENCE_S)
        return self.server._callDispatcher(*ticket[1])

    def cancel(self, uniqueId, ticket):
        self.events.append(("cancel", uniqueId))
        ticket[0].set()


def as_dict(backend):
    return {name: getattr(backend, name) for name in ("_id", "start", "add", "check", "cancel")}


@pytest.mark.parametrize("path", ["/api/", "/timed/"])
@pytest.mark.parametrize("given", [lambda backend: backend, as_dict], ids=["object", "dict"])
def test_backend_of_the_users_cancels_a_call(given, path, folder):
    backend = Gated()
    server = make(given(backend))
    try:
        client, control = Client(server), CallControl()
        with ThreadPoolExecutor(1) as threads:
            error = threads.submit(client.error, control, "note", str(folder), path=path)
            wait_until(lambda: hasattr(backend, "added"))
            assert backend.added.wait(PATIENCE_S)
            control.cancel()
            assert work_of(error.result(PATIENCE_S)) in ("not started", "abandoned")
        assert ("cancel", "an id") in backend.events
        assert not (folder / "noted").exists()
    finally:
        server.stop()


def test_backend_of_the_users_that_fails_to_cancel_is_logged(folder, caplog):
    class Failing(Gated):
        def cancel(self, uniqueId, ticket):
            super().cancel(uniqueId, ticket)
            raise ValueError("a secret")

    backend = Failing()
    server = make(backend, log=1)
    try:
        client, control = Client(server), CallControl()
        with ThreadPoolExecutor(1) as threads:
            error = threads.submit(client.error, control, "note", str(folder))
            wait_until(lambda: hasattr(backend, "added"))
            assert backend.added.wait(PATIENCE_S)
            control.cancel()
            assert work_of(error.result(PATIENCE_S)) == "not started"
    finally:
        server.stop()
    assert "the exec backend failed in cancel() for 'note'" in caplog.text


def test_cancel_that_is_no_function_is_refused():
    with pytest.raises(SettingsError, match="its 'cancel' is 1, which is no function"):
        make({**as_dict(Gated()), "cancel": 1})
