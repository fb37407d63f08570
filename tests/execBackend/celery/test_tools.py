"""The members of the server and of the magic variable in a worker: some refuse, the others work."""

import pytest

from tests.helpers import call, result_of


@pytest.mark.parametrize("name", ["lock", "unlock", "wait", "lockThis", "unlockThis", "waitThis"])
def test_lock_of_the_magic_variable_is_refused_in_a_worker(app, worker, name):
    assert call(app, "use_call", [name])["error"]["code"] == -32603
    worker.line_with(rf"ServerStateError: _connection\.call\.{name}\(\) cannot work in a celery worker; ")


@pytest.mark.parametrize("name", ["lock", "unlock", "wait", "_deepLock"])
def test_lock_of_the_server_object_is_refused_in_a_worker(app, worker, name):
    assert call(app, "use_server", [name])["error"]["code"] == -32603
    worker.line_with(rf"ServerStateError: server\.{name}\(\) cannot work in a celery worker; ")


def test_log_and_sleep_of_a_call_work_in_a_worker(app, worker):
    result_of(app, "log_and_sleep", ["written by a call"])

    worker.line_with("written by a call")
