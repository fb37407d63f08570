"""One call in the pool, and its answer."""

import threading

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError
from flaskJSONRPCServer.execBackend.parallel.job import Job


class Call:
    """A RemoteCall that records its ends."""

    def __init__(self):
        self.ends = []

    def end(self, *, failed, code=None):
        self.ends.append(failed)


def decode(outcome):
    return True, {}, outcome.decode()


def make_job(call=None):
    return Job(call or Call(), None, is_notification=False)


@pytest.mark.parametrize("failed", [False, True])
def test_outcome_is_decoded_by_the_thread_that_waits(failed):
    job, threads = make_job(), []
    job.finish(bytearray(b"text"), failed=failed)

    def recorded(outcome):
        threads.append(threading.current_thread())
        return decode(outcome)

    assert job.wait(recorded) == (True, {}, "text")
    assert threads == [threading.current_thread()]
    assert job.call.ends == [failed]


def test_wait_ends_with_the_answer():
    job, answers = make_job(), []
    waiting = threading.Thread(target=lambda: answers.append(job.wait(decode)))
    waiting.start()
    assert answers == []
    job.finish(bytearray(b"text"), failed=False)
    waiting.join()

    assert answers == [(True, {}, "text")]


def test_error_is_the_answer_as_it_is():
    job, error = make_job(), ValueError("x")
    job.fail(error)

    assert job.wait(decode) == (False, {}, error)
    assert job.call.ends == [True]


def test_call_is_counted_as_ended_once():
    job = make_job()
    job.fail(ValueError("lost"))
    job.fail(ValueError("stopped"))

    assert job.call.ends == [True]


def test_call_that_failed_before_it_began_has_its_answer():
    error = JsonRpcApplicationError("no")

    assert Job.failed(error).wait(decode) == (False, {}, error)
