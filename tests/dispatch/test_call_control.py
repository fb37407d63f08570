"""The control of a call: its reports, its cancellation, and its way through the data of a call."""

import asyncio
import os

import pytest

from flaskJSONRPCServer import JsonRpcException
from flaskJSONRPCServer.dispatch.call_control import (
    CALL_CANCELLED,
    CallControl,
    PlainControl,
    cancelled_exception,
    control_of,
    current_call,
    find_control,
)


@pytest.fixture(params=[CallControl, PlainControl], ids=["full", "plain"])
def control(request):
    return request.param(answers={})


def work_of(exc):
    error = exc.get_error()
    assert (error.code, error.message) == (CALL_CANCELLED, "Call cancelled")
    return error.data["work"]


def test_callbacks_are_called_once_each_in_their_order(control):
    seen = []
    control.on_cancel(lambda: seen.append((1, control.is_cancelled)))
    control.on_cancel(lambda: seen.append((2, control.is_cancelled)))

    control.cancel()
    control.cancel()

    assert seen == [(1, True), (2, True)]


def test_callback_of_a_cancelled_call_is_called_at_once(control):
    seen = []
    control.cancel()

    control.on_cancel(lambda: seen.append(1))

    assert seen == [1]


def test_ended_call_is_not_cancelled(control):
    seen = []
    control.on_cancel(lambda: seen.append(1))
    control.end()
    control.on_cancel(lambda: seen.append(2))

    control.cancel()

    assert (control.is_cancelled, seen) == (False, [])


def test_call_stays_cancelled_after_its_end(control):
    control.cancel()
    control.end()
    assert control.is_cancelled


def test_report_may_cancel_its_call():
    control = CallControl(lambda *progress: control.cancel())
    control.report(1)
    assert control.is_cancelled


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_process_reports_nothing():
    reading, writing = os.pipe()
    control = CallControl(lambda *progress: os.write(writing, b"x"))
    pid = os.fork()
    if not pid:
        control.report(1)
        os._exit(0)
    os.waitpid(pid, 0)
    os.fdopen(writing, "wb").close()  # at once, where os.close of gevent closes later
    with os.fdopen(reading, "rb") as read:
        assert read.read() == b""


def test_control_is_found_by_its_data_in_the_same_process():
    control = CallControl(answers={"a": 1})
    data = {"control": control.as_data()}

    assert control_of(data) is control
    assert find_control(control.id) is control
    assert control_of({}) is None


def test_control_has_its_answers_in_another_process():
    control = control_of({"control": {"id": "of another process", "answers": {"a": 1}}})

    control.report(1)

    assert (control.answers, control.is_cancelled) == ({"a": 1}, False)


def test_function_runs_with_its_control():
    control = CallControl()

    assert control.run(current_call, (), {}) is control
    assert current_call() is None


def test_function_of_a_cancelled_call_does_not_run():
    control, seen = CallControl(), []
    control.cancel()

    with pytest.raises(JsonRpcException) as caught:
        control.run(seen.append, (1,), {})

    assert (work_of(caught.value), seen) == ("not started", [])


@pytest.mark.parametrize(
    ("raised", "work"),
    [(None, "abandoned"), (ValueError("a secret"), "cancelled"), (asyncio.CancelledError(), "cancelled")],
)
def test_outcome_of_a_function_that_was_cancelled_meanwhile_is_dropped(raised, work):
    control = CallControl()

    def function():
        control.cancel()
        if raised is not None:
            raise raised

    with pytest.raises(JsonRpcException) as caught:
        control.run(function, (), {})

    assert work_of(caught.value) == work
    assert current_call() is None


def test_exception_of_a_call_that_is_not_cancelled_passes():
    with pytest.raises(ValueError, match="mine"):
        CallControl().run(int, ("mine",), {})


def test_error_says_what_happened_to_the_work():
    assert work_of(cancelled_exception("killed")) == "killed"
