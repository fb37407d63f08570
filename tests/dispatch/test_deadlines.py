"""When a call has to be answered, and the error that it gets then."""

import math
import threading
import time

import pytest

from flaskJSONRPCServer.dispatch.deadlines import (
    deadline_error,
    deadline_exception,
    deadline_of,
    has_passed,
    remaining_s,
    work_of,
)
from flaskJSONRPCServer.dispatch.locks import Locks
from flaskJSONRPCServer.http.request import ARRIVED_AT, Request
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcError, JsonRpcException
from tests.helpers import environ_of, post, rpc


def test_deadline_counts_from_the_arrival():
    assert deadline_of(10.0, 2.5) == 12.5


@pytest.mark.parametrize(("offset_s", "passed"), [(-1, True), (1000, False)])
def test_deadline_passes(offset_s, passed):
    deadline = time.monotonic() + offset_s

    assert has_passed(deadline) is passed
    assert (remaining_s(deadline) == 0) is passed


def test_missing_deadline_never_passes():
    assert not has_passed(None)
    assert not has_passed(math.inf)


@pytest.mark.parametrize("work", ["not started", "killed", "cancelled", "abandoned"])
def test_error_says_what_happened_to_the_work(work):
    error = JsonRpcError(-32006, "Deadline exceeded", {"work": work})

    assert deadline_error(work) == error
    assert deadline_exception(work).get_error() == error


class Raising(JsonRpcException):
    """An exception with the code of a deadline, but without a class for this code: all tests would get that."""

    data = property(lambda self: 1 / 0)

    def __init__(self):
        self.code = -32006


@pytest.mark.parametrize(
    ("answer", "work"),
    [
        ((False, {}, deadline_error("killed")), "killed"),
        ([False, None, deadline_exception("not started")], "not started"),
        ((True, {}, deadline_error("killed")), None),
        ((False, {}, JsonRpcError(-32006, "Call timed out")), None),
        ((False, {}, JsonRpcError(-32005, "lost", {"work": "killed"})), None),
        ((False, {}, Raising()), None),
        ((False, {}, "text"), None),
        ((False, deadline_error("killed")), None),
        (None, None),
    ],
)
def test_work_is_read_from_the_answer_of_any_backend(answer, work):
    assert work_of(answer) == work


def test_arrival_is_that_which_the_serving_backend_knows():
    environ = environ_of(post(rpc("any")))

    assert Request({**environ, ARRIVED_AT: 5.0}).arrived_at == 5.0


def test_arrival_is_else_the_first_look_at_it():
    request = Request(environ_of(post(rpc("any"))))
    before = time.monotonic()

    arrived_at = request.arrived_at
    assert before <= arrived_at <= time.monotonic()
    assert request.arrived_at == arrived_at


# Locks.


def error_of(locks, deadline):
    with pytest.raises(JsonRpcException) as caught:
        locks.hold_call("key", deadline)
    return caught.value.get_error()


def test_held_call_fails_at_its_deadline():
    locks = Locks()
    locks.lock("key")

    assert error_of(locks, time.monotonic() + 0.01) == deadline_error("not started")


def test_call_that_is_released_before_its_deadline_runs():
    locks = Locks()
    locks.lock("key")
    releasing = threading.Thread(target=locks.unlock, args=("key",))
    releasing.start()

    locks.hold_call("key", time.monotonic() + 1000)
    releasing.join()


def test_stop_releases_a_call_before_its_deadline():
    locks = Locks()
    locks.lock("key")
    locks.end_period(0)

    assert error_of(locks, time.monotonic() + 1000).code == -32003
