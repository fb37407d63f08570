"""The control of a call in another process: its reports are few, in order, and the last one always comes."""

import threading
import time

from flaskJSONRPCServer.dispatch.call_control import CallControl, find_control
from flaskJSONRPCServer.dispatch.remote_control import RemoteControl, log_message, progress_message, report_message
from tests.helpers import wait_until

VALUES = {"id": "the id", "answers": {"a": 1}}


def sent_by(use):
    sent = []
    with RemoteControl(VALUES, lambda *progress: sent.append(progress)) as control:
        use(control, sent)
    return sent


def test_first_report_is_sent_at_once_and_the_last_at_the_end():
    def use(control, sent):
        control.report(0, 3, "begun")
        assert sent == [(0, 3, "begun")]
        for done in (1, 2, 3):
            control.report(done, 3)

    sent = sent_by(use)

    assert sent[0] == (0, 3, "begun")
    assert sent[-1] == (3, 3, None)
    assert sent == sorted(sent, key=lambda progress: progress[0])


def test_at_most_ten_reports_a_second_are_sent():
    begun_at = time.monotonic()
    sent = sent_by(lambda control, _: [control.report(done) for done in range(50_000)])
    assert len(sent) <= 2 + (time.monotonic() - begun_at) / 0.1


def test_report_that_has_to_wait_is_sent_while_the_call_runs():
    def use(control, sent):
        control.report(1)
        control.report(2)
        wait_until(lambda: [progress[0] for progress in sent] == [1, 2])

    sent_by(use)


def test_no_report_and_no_timer_is_left_after_the_end():
    sent = []
    with RemoteControl(VALUES, lambda *progress: sent.append(progress)) as control:
        control.report(1)
        control.report(2)
    control.report(3)

    assert [progress[0] for progress in sent] == [1, 2]
    wait_until(lambda: not any(isinstance(thread, threading.Timer) for thread in threading.enumerate()))
    assert [progress[0] for progress in sent] == [1, 2]


def test_it_is_found_by_its_id_and_has_the_answers():
    def use(control, _):
        assert find_control("the id") is control
        assert control.answers == {"a": 1}

    assert sent_by(use) == []


def test_log_messages_are_sent_if_the_caller_wants_them():
    sent = []
    for wanted in (True, False):
        values = {**VALUES, "log": wanted}
        with RemoteControl(values, lambda *progress: None, lambda *message: sent.append(message)) as control:
            control.log("info", {"a": [1]}, "module")
    assert sent == [("info", {"a": [1]}, "module")]


def test_log_message_comes_to_the_control_of_the_caller():
    taken = []
    control = CallControl(log=lambda *message: taken.append(message))
    assert control.as_data()["log"] is True

    report_message(log_message(control.id, "info", b'{"a":["\xc3\xa4"]}', None))
    control.end()
    report_message(log_message(control.id, "info", b"1", None))

    assert taken == [("info", {"a": ["ä"]}, None)]


def test_message_is_reported_to_the_control_of_the_caller():
    reports = []
    control = CallControl(lambda *progress: reports.append(progress))
    control.as_data()

    report_message(progress_message(control.id, 1, None, "one"))
    report_message(progress_message("unknown", 2, None, None))

    assert reports == [(1, None, "one")]
