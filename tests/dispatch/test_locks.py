"""Locks on the server and on dispatchers."""

import functools
import gc
import threading

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.dispatch.locks import HeldLock, Locks, ReplacedKeys, by_ids, lock_key, optional_lock_key
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcException
from tests.helpers import call_wsgi, get, result_of, wait_until

JOIN_S = 20


def one():
    return 1


def two():
    return 2


class Instance:
    def method(self):
        return 1

    def other(self):
        return 2

    method_of_partial = functools.partialmethod(other)

    @classmethod
    def of_class(cls):
        return 3


def test_key_of_a_function_is_its_own():
    assert lock_key(one) == lock_key(one)
    assert lock_key(one) != lock_key(two)


def test_key_of_a_bound_method_is_that_of_method_and_object():
    first, second = Instance(), Instance()

    assert lock_key(first.method) == lock_key(first.method)
    assert lock_key(first.method) != lock_key(first.other)
    assert lock_key(first.method) != lock_key(second.method)
    assert lock_key(Instance.of_class) == lock_key(Instance.of_class)


def test_keys_of_builtin_methods_and_partials_are_their_own():
    items = []
    partial = functools.partial(one)

    assert lock_key(items.append) == lock_key(items.append)
    assert lock_key(items.append) != lock_key(items.pop)
    assert lock_key(partial) != lock_key(one)


def test_key_of_a_partial_method_is_that_of_method_and_object():
    instance = Instance()
    first, second = instance.method_of_partial, instance.method_of_partial

    assert lock_key(first) == lock_key(second)
    assert lock_key(first) != lock_key(Instance().method_of_partial)


def test_key_of_the_server_is_none():
    assert optional_lock_key(None) is None
    assert optional_lock_key(one) == lock_key(one)


def test_nothing_is_locked_at_first():
    locks = Locks()

    assert not locks.engaged
    assert not locks.is_locked()
    assert not locks.is_locked("a")
    locks.wait("a")
    locks.wait()


def test_lock_on_a_dispatcher_holds_only_that_dispatcher():
    locks = Locks()
    locks.lock("a")

    assert (locks.is_locked("a"), locks.is_locked("b"), locks.is_locked()) == (True, False, False)
    assert locks.engaged
    locks.unlock("a")
    assert not locks.is_locked("a")
    assert not locks.engaged


def test_lock_on_the_server_holds_every_dispatcher():
    locks = Locks()
    locks.lock()

    assert locks.is_locked()
    assert locks.is_locked("a")
    locks.unlock()
    assert not locks.is_locked("a")
    assert not locks.engaged


def test_locks_on_server_and_dispatcher_are_two():
    locks = Locks()
    locks.lock()
    locks.lock("a")
    locks.unlock()

    assert (locks.is_locked("a"), locks.is_locked("b")) == (True, False)
    locks.lock()
    locks.unlock("a")
    assert locks.is_locked("a")


def test_lock_is_a_switch():
    locks = Locks()
    locks.lock("a")
    locks.lock("a")
    locks.unlock("a")

    assert not locks.is_locked("a")


def test_unlock_without_a_lock_changes_nothing():
    locks = Locks()
    locks.unlock("a")
    locks.unlock()

    assert not locks.engaged


def test_exclusive_unlock_lets_one_run_while_the_server_is_locked():
    locks = Locks()
    locks.lock()
    locks.unlock("a", exclusive=True)

    assert (locks.is_locked("a"), locks.is_locked("b"), locks.is_locked()) == (False, True, True)


def test_exclusive_permission_ends_with_the_next_lock():
    locks = Locks()
    locks.lock()
    locks.unlock("a", exclusive=True)
    locks.lock("a")
    assert locks.is_locked("a")
    locks.unlock("a", exclusive=True)
    locks.lock()
    assert locks.is_locked("a")


def test_exclusive_permission_ends_with_the_lock_on_the_server():
    locks = Locks()
    locks.lock()
    locks.unlock("a", exclusive=True)
    locks.unlock()
    locks.lock()

    assert locks.is_locked("a")


def test_exclusive_unlock_of_an_unlocked_server_gives_no_permission_for_later():
    locks = Locks()
    locks.unlock("a", exclusive=True)
    locks.lock()

    assert locks.is_locked("a")


@pytest.mark.parametrize("key", [None, "a"])
def test_own_sleep_method_is_called_until_the_lock_is_gone(key):
    locks = Locks()
    locks.lock(key)
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            locks.unlock(key)

    locks.wait(key, sleep, 0.25)
    assert slept == [0.25] * 3


@pytest.mark.parametrize("locked", [True, False])
def test_status_is_returned_at_once(server, locked):
    if locked:
        server.lock(one)

    assert server.wait(one, returnStatus=True) is locked


def test_own_sleep_method_gets_the_time_of_the_setting(server):
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        server.unlock(one)

    server.settings.sleepTime_waitLock = 0.5
    server.lock(one)
    server.wait(one, sleepMethod=sleep)
    assert slept == [0.5]


class Waiters:
    """Threads that wait for keys, and record the keys for which the wait has ended."""

    def __init__(self, locks, keys):
        self._passed = threading.Condition()
        self.passed = []
        about = threading.Barrier(len(keys) + 1)
        self.threads = [threading.Thread(target=self._wait, args=(locks, key, about)) for key in keys]
        for thread in self.threads:
            thread.start()
        about.wait(JOIN_S)

    def _wait(self, locks, key, about):
        about.wait(JOIN_S)
        locks.wait(key)
        with self._passed:
            self.passed.append(key)
            self._passed.notify_all()

    def wait_for(self, keys):
        with self._passed:
            return self._passed.wait_for(lambda: sorted(self.passed) == sorted(keys), JOIN_S)

    def join(self):
        for thread in self.threads:
            thread.join(JOIN_S)
        return not any(thread.is_alive() for thread in self.threads)


def test_one_unlock_wakes_all_waiting_threads():
    locks = Locks()
    locks.lock()
    waiters = Waiters(locks, ["a", "b", "c", "a"])
    assert waiters.passed == []
    locks.unlock()

    assert waiters.join()


def test_only_dispatchers_that_may_run_are_released():
    locks = Locks()
    locks.lock()
    waiters = Waiters(locks, ["a", "b"])
    locks.unlock("a", exclusive=True)

    assert waiters.wait_for(["a"])
    assert waiters.passed == ["a"]
    locks.unlock()
    assert waiters.join()


def test_no_wake_up_is_lost():
    locks = Locks()
    for _ in range(200):
        locks.lock("a")
        waiters = Waiters(locks, ["a", "a"])
        locks.unlock("a")
        assert waiters.join()


@pytest.fixture
def server():
    server = flaskJSONRPCServer(None, log=False)
    for path in ("/api", "/again"):
        server.registerFunction(one, path=path)
        server.registerFunction(one, path=path, name="other_name")
        server.registerFunction(two, path=path)
    return server


class InThread:
    """A call in a thread of its own."""

    def __init__(self, call, *args, **kwargs):
        self.result = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(call, args, kwargs))
        self._thread.start()

    def _run(self, call, args, kwargs):
        self.result = call(*args, **kwargs)
        self._done.set()

    def is_done(self):
        return self._done.is_set()

    def join(self):
        self._thread.join(JOIN_S)
        return self.result


def test_locked_dispatcher_waits_under_all_names_and_paths_and_others_run(server):
    application = server.getWSGI()
    server.lock(one)
    held = [
        InThread(result_of, application, name, target=path)
        for name in ("one", "other_name")
        for path in ("/api", "/again")
    ]

    assert result_of(application, "two") == 2
    assert not any(call.is_done() for call in held)
    assert server.wait(one, returnStatus=True) is True
    server.unlock(one)
    assert [call.join() for call in held] == [1, 1, 1, 1]
    assert server.wait(one, returnStatus=True) is False


def test_locked_server_holds_every_call_but_the_exclusive_one(server):
    application = server.getWSGI()
    server.lock()
    held = InThread(result_of, application, "one")
    server.unlock(two, exclusive=True)

    assert result_of(application, "two") == 2
    assert not held.is_done()
    server.unlock()
    assert held.join() == 1


def test_wait_blocks_until_another_thread_unlocks(server):
    server.lock()
    waiting = threading.Thread(target=server.wait)
    waiting.start()
    server.unlock()
    waiting.join(JOIN_S)

    assert not waiting.is_alive()


def test_deep_lock_and_holds_close_and_only_their_own_end_opens():
    locks = Locks()
    assert not locks.closed
    locks.deep_lock()
    locks.hold_requests()
    locks.hold_requests()
    locks.unlock()
    locks.deep_unlock()
    locks.release_requests()
    assert locks.closed
    assert not locks.engaged
    locks.release_requests()

    assert not locks.closed
    locks.wait_until_open()


def test_deep_lock_is_a_switch():
    locks = Locks()
    locks.deep_lock()
    locks.deep_lock()
    locks.deep_unlock()

    assert not locks.closed


@pytest.mark.parametrize("flask_context", [False, True])
def test_deep_lock_holds_calls_and_pages_until_its_own_end(flask_context):
    server = flaskJSONRPCServer(None, log=False, flaskContext=flask_context)
    server.registerFunction(one, path="/api")
    server.flaskApp.add_url_rule("/page", view_func=lambda: "page")
    application = server.getWSGI()
    server._deepLock()
    held = [InThread(result_of, application, "one"), InThread(call_wsgi, application, get("/page"))]
    server.unlock()
    late = InThread(result_of, application, "one")
    assert not any(call.is_done() for call in [*held, late])
    server._deepUnlock()

    assert held[0].join() == late.join() == 1
    assert held[1].join().body == b"page"


def test_dispatcher_that_deep_locks_does_not_hold_itself():
    server = flaskJSONRPCServer(None, log=False)
    server.registerFunction(server._deepLock, path="/api", name="close")
    application = server.getWSGI()

    assert result_of(application, "close") is None
    held = InThread(result_of, application, "close")
    assert not held.is_done()
    server._deepUnlock()
    assert held.join() is None


def test_held_locks_are_told_with_their_time_and_holder(monkeypatch):
    times_s = iter((10.0, 20.0, 30.0))
    monkeypatch.setattr("flaskJSONRPCServer.dispatch.locks.time.time", lambda: next(times_s))
    locks = Locks()
    locks.lock("a", by="/api/rebuild")
    locks.lock()
    locks.deep_lock()
    held = locks.held(["a", "b"])

    assert held.dispatchers == {"a": HeldLock(10.0, "/api/rebuild")}
    assert held.server == HeldLock(20.0, threading.current_thread().name)
    assert held.deep == HeldLock(30.0, threading.current_thread().name)
    assert held.waiting == 0


def test_second_lock_on_the_same_does_not_change_its_holder(monkeypatch):
    locks = Locks()
    for by in ("first", "second"):
        locks.lock("a", by=by)
        locks.lock(by=by)
    held = locks.held(["a"])

    assert (held.dispatchers["a"].by, held.server.by) == ("first", "first")


def test_released_locks_are_not_held():
    locks = Locks()
    locks.lock("a")
    locks.lock()
    locks.deep_lock()
    locks.unlock("a")
    locks.unlock()
    locks.deep_unlock()
    held = locks.held(["a"])

    assert (held.server, held.deep, held.dispatchers) == (None, None, {})


def test_lock_of_a_replaced_dispatcher_keeps_its_holder():
    locks = Locks()
    locks.lock(lock_key(one), by="me")
    locks.replace_key(one, two)
    held = locks.held([lock_key(one), lock_key(two)])

    assert {lock.by for lock in held.dispatchers.values()} == {"me"}
    assert len(held.dispatchers) == 2


def test_waiting_threads_are_counted_until_they_leave():
    locks = Locks()
    locks.lock("a")
    threads = [threading.Thread(target=locks.hold_call, args=("a",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: locks.held().waiting == 3)
    locks.unlock("a")
    for thread in threads:
        thread.join(JOIN_S)

    assert locks.held().waiting == 0


def test_wait_that_fails_is_not_counted_any_more():
    locks = Locks()
    locks.lock("a")
    locks.end_period(0)
    with pytest.raises(JsonRpcException):
        locks.hold_call("a")

    assert locks.held().waiting == 0


def test_abandoned_wait_ends_when_it_is_woken():
    locks, abandoned = Locks(), threading.Event()
    locks.lock()
    thread = threading.Thread(target=locks.wait_in_period, args=(None, abandoned.is_set))
    thread.start()
    abandoned.set()
    locks.wake_waiting()
    thread.join(JOIN_S)

    assert not thread.is_alive()
    assert locks.is_locked()


# Keys of replaced dispatchers


class Owner:
    def method(self):
        pass


class SlottedOwner:
    __slots__ = ()

    def method(self):
        pass


def make_function():
    return lambda: None


MAKERS = [make_function, lambda: Owner().method, lambda: SlottedOwner().method]


def replace(replaced, old, new):
    replaced.add((old, lock_key(old)), (new, lock_key(new)))


@pytest.mark.parametrize("make", MAKERS)
def test_key_of_every_replaced_dispatcher_leads_to_the_latest(make):
    replaced = ReplacedKeys()
    first, second, third = make(), make(), make()
    replace(replaced, first, second)
    replace(replaced, second, third)

    assert [replaced.current(lock_key(function)) for function in (first, second, third)] == [
        by_ids(lock_key(third))
    ] * 3


def test_key_that_was_never_replaced_is_its_own():
    assert ReplacedKeys().current(None) is None
    assert ReplacedKeys().current(5) == 5


def test_two_functions_may_replace_each_other_in_turn():
    replaced = ReplacedKeys()
    first, second = make_function(), make_function()
    replace(replaced, first, second)
    replace(replaced, second, first)

    assert [replaced.current(lock_key(function)) for function in (first, second)] == [lock_key(first)] * 2


@pytest.mark.parametrize("make", MAKERS[:2])
@pytest.mark.parametrize("ends", ["old", "new"])
def test_keys_of_collected_functions_are_forgotten(make, ends):
    replaced = ReplacedKeys()
    pair = {"old": make(), "new": make()}
    replace(replaced, pair["old"], pair["new"])
    del pair[ends]
    gc.collect()

    assert replaced._current == {}


def test_exclusive_permission_passes_to_the_replacement():
    locks, old, new = Locks(), make_function(), make_function()
    locks.lock()
    locks.unlock(lock_key(old), exclusive=True)
    locks.replace_key(old, new)

    assert not locks.is_locked(lock_key(new))
    assert not locks.is_locked(lock_key(old))
    locks.lock()
    assert locks.is_locked(lock_key(new))


def test_function_that_replaces_itself_changes_nothing():
    locks, function = Locks(), make_function()
    locks.lock(lock_key(function))
    locks.replace_key(function, function)

    assert locks.is_locked(lock_key(function))
    locks.unlock(lock_key(function))
    assert not locks.is_locked(lock_key(function))
