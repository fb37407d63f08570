"""The run of a call whose request is open: it becomes a task at one moment, or never."""

import threading

import pytest

from flaskJSONRPCServer.dispatch.call_control import CallControl
from flaskJSONRPCServer.mcp.tasks.pending_call import PendingCall

LEAVES = {"by its stream": False, "as its connection shows": True}


class Opened:
    """A request that is open, and what its client and its task get."""

    def __init__(self):
        self.to_client, self.to_task, self.settled = [], [], []
        self.control = CallControl(
            lambda *progress: self.to_client.append(progress), {"key": 1}, log=lambda *log: self.to_client.append(log)
        )
        self.call = PendingCall(self.control, wants_log=True)

    def become_task(self):
        return self.call.become_task(lambda *progress: self.to_task.append(progress), self.settled.append)


def stays():
    return False


def test_result_is_returned_while_the_request_is_open():
    opened = Opened()
    opened.call.run(lambda control: {"answers": control.answers})

    assert opened.call.wait(stays, 60)
    assert opened.call.outcome().result() == {"answers": {"key": 1}}
    assert not opened.call.control.is_cancelled


def test_exception_is_raised_while_the_request_is_open():
    opened = Opened()
    opened.call.run(lambda control: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        opened.call.outcome().result()


def test_call_that_has_ended_becomes_no_task():
    opened = Opened()
    opened.call.run(lambda control: {})

    assert not opened.become_task()
    assert opened.call.outcome().result() == {}


def test_call_whose_client_has_left_becomes_no_task():
    opened = Opened()
    opened.control.cancel()

    assert opened.call.control.is_cancelled
    assert not opened.become_task()


def test_task_gets_what_its_function_ends_with():
    opened = Opened()
    assert opened.become_task()

    opened.call.run(lambda control: {"content": []})

    (outcome,) = opened.settled
    assert outcome.result() == {"content": []}


def test_task_is_not_cancelled_by_the_client_of_its_request():
    opened = Opened()
    assert opened.become_task()

    opened.control.cancel()

    assert not opened.call.control.is_cancelled


def test_reports_go_to_the_client_and_then_to_the_task():
    opened = Opened()
    control = opened.call.control
    control.report(1, 3, "one")
    control.log("info", "first", None)
    assert opened.become_task()
    control.report(2, 3, "two")
    control.log("info", "second", None)

    assert opened.to_client == [(1, 3, "one"), ("info", "first", None)]
    assert opened.to_task == [(1, 3, "one"), (2, 3, "two")]


def test_wait_ends_at_its_timeout():
    opened = Opened()
    assert not opened.call.wait(stays, 0.001)


@pytest.mark.parametrize("has_left", LEAVES.values(), ids=LEAVES)
def test_wait_for_a_cancelled_call_lasts_until_its_end(has_left):
    opened, ended = Opened(), threading.Event()
    opened.call.control.on_cancel(ended.set)

    def run(control):
        assert ended.wait(60)
        return {}

    thread = threading.Thread(target=opened.call.run, args=(run,))
    thread.start()
    if not has_left:
        opened.control.cancel()
    try:
        assert opened.call.wait(lambda: has_left, 0.001 if not has_left else 60)
    finally:
        ended.set()
        thread.join()
    assert opened.call.control.is_cancelled
