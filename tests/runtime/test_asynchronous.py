"""callAsync: a function in its own native thread."""

import threading
import traceback

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer

PATIENCE_S = 20


@pytest.fixture
def server():
    return flaskJSONRPCServer(None, log=False)


def fail():
    raise LookupError("nowhere")


def test_result_comes_back_from_another_thread(server):
    assert server.callAsync(threading.get_ident) != threading.get_ident()


def test_parameters_are_passed(server):
    assert server.callAsync(lambda a, b, c: (a, b, c), [1, 2], {"c": 3}) == (1, 2, 3)


def test_exception_comes_back_with_its_traceback(server):
    with pytest.raises(LookupError, match="nowhere") as raised:
        server.callAsync(fail)

    assert "fail" in [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]


def test_system_exit_of_the_function_is_raised_in_the_caller(server):
    with pytest.raises(SystemExit):
        server.callAsync(exit)


def test_checker_returns_immediately_and_later_has_the_result(server):
    go_on = threading.Event()
    checker = server.callAsync(go_on.wait, [PATIENCE_S], returnChecker=True)

    assert checker() == (False, None, None)
    go_on.set()
    wait_for(checker)
    assert checker() == (True, True, None)


def test_checker_returns_the_error(server):
    checker = server.callAsync(fail, returnChecker=True)
    wait_for(checker)
    done, result, error = checker()

    assert (done, result, str(error)) == (True, None, "nowhere")
    assert checker()[2] is error
    assert traceback.extract_tb(error.__traceback__)[-1].name == "fail"


def wait_for(checker):
    while not checker()[0]:
        threading.Event().wait(0)


def test_many_run_at_once(server):
    meeting = threading.Barrier(20)
    checkers = [server.callAsync(meeting.wait, [PATIENCE_S], returnChecker=True) for _ in range(20)]
    for checker in checkers:
        wait_for(checker)

    assert sorted(checker()[1] for checker in checkers) == list(range(20))


def test_custom_sleep_method_is_called_until_the_end(server):
    go_on = threading.Event()
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            go_on.set()

    assert server.callAsync(go_on.wait, [PATIENCE_S], sleepTime=0.125, sleepMethod=sleep) is True
    assert set(slept) == {0.125}
    assert len(slept) >= 3


def test_object_that_is_not_callable_is_refused(server):
    with pytest.raises(TypeError, match="5 cannot be called; pass the function itself"):
        server.callAsync(5)
