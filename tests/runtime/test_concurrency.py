"""The primitives for greenlets and native threads, waited on by native threads. `tests/gevent` has the greenlets."""

import socket
import threading

import pytest

from flaskJSONRPCServer.runtime import concurrency
from flaskJSONRPCServer.runtime.concurrency import Condition, Event

TIMEOUT_S = 30


def run(*targets):
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


def test_condition_waits_until_its_predicate_is_true():
    condition, values = Condition(), []

    def add():
        for value in (1, 2, 3):
            with condition:
                values.append(value)
                condition.notify_all()

    threads = run(add)
    with condition:
        assert condition.wait_for(lambda: len(values) == 3, TIMEOUT_S) is True
    join(threads)


def test_condition_returns_the_last_result_of_the_predicate_at_the_timeout():
    condition = Condition()
    with condition:
        assert condition.wait_for(lambda: 0, 0.001) == 0


def test_notify_wakes_the_longest_waiter_first():
    condition, waiting, woken = Condition(), threading.Semaphore(0), []

    def wait(name):
        with condition:
            waiting.release()
            condition.wait(TIMEOUT_S)
            woken.append(name)

    threads = []
    for name in ("first", "second"):
        threads += run(lambda name=name: wait(name))
        assert waiting.acquire(timeout=TIMEOUT_S)  # released under the lock, which only the wait releases
    for count in (1, 2):
        with condition:
            condition.notify()
        join(threads[count - 1 : count])
    assert woken == ["first", "second"]


def test_conditions_can_share_a_lock():
    lock = concurrency.make_lock()
    with Condition(lock), pytest.raises(RuntimeError):
        raise RuntimeError  # the lock is released with the block
    with Condition(lock):
        assert lock.locked()
    assert not lock.locked()


def test_event_wakes_all_waiters():
    event = Event()
    assert not event.is_set()
    assert event.wait(0.001) is False
    results = []
    threads = run(*[lambda: results.append(event.wait(TIMEOUT_S))] * 3)
    event.set()
    join(threads)
    assert results == [True] * 3
    assert event.is_set()


def test_process_without_the_patch_has_native_threads_only():
    assert not concurrency.is_patched()
    assert not concurrency.in_native_thread()
    assert concurrency.runs_natively()
    assert concurrency.in_main_thread() is (threading.current_thread() is threading.main_thread())


def test_thread_is_started_as_a_daemon_with_its_arguments():
    calls = []
    thread = concurrency.start_native_thread(
        lambda *args, **kwargs: calls.append((args, kwargs)), (1,), {"two": 2}, "t"
    )
    thread.join(TIMEOUT_S)
    assert (calls, thread.daemon, thread.name) == ([((1,), {"two": 2})], True, "t")


def test_only_sockets_are_recognized():
    with socket.socket() as connection:
        assert concurrency.is_socket(connection)
        assert not concurrency.is_socket(connection.fileno())
