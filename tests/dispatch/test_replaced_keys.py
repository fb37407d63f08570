"""Which function stands in the place of which."""

import gc

import pytest

from flaskJSONRPCServer.dispatch.locks import Locks, ReplacedKeys, by_ids, lock_key


class Thing:
    def method(self):
        pass


class Slotted:
    __slots__ = ()

    def method(self):
        pass


def make_function():
    return lambda: None


MAKERS = [make_function, lambda: Thing().method, lambda: Slotted().method]


def add(replaced, old, new):
    replaced.add((old, lock_key(old)), (new, lock_key(new)))


@pytest.mark.parametrize("make", MAKERS)
def test_every_predecessor_leads_to_the_latest(make):
    replaced = ReplacedKeys()
    first, second, third = make(), make(), make()
    add(replaced, first, second)
    add(replaced, second, third)

    assert [replaced.current(lock_key(each)) for each in (first, second, third)] == [by_ids(lock_key(third))] * 3


def test_stranger_stands_for_itself():
    assert ReplacedKeys().current(None) is None
    assert ReplacedKeys().current(5) == 5


def test_two_functions_may_take_turns():
    replaced = ReplacedKeys()
    first, second = make_function(), make_function()
    add(replaced, first, second)
    add(replaced, second, first)

    assert [replaced.current(lock_key(each)) for each in (first, second)] == [lock_key(first)] * 2


@pytest.mark.parametrize("make", MAKERS[:2])
@pytest.mark.parametrize("ends", ["old", "new"])
def test_what_has_ended_is_forgotten(make, ends):
    replaced = ReplacedKeys()
    pair = {"old": make(), "new": make()}
    add(replaced, pair["old"], pair["new"])
    del pair[ends]
    gc.collect()

    assert replaced._current == {}


def test_permission_to_run_under_a_lock_goes_over_to_the_successor():
    locks, old, new = Locks(), make_function(), make_function()
    locks.lock()
    locks.unlock(lock_key(old), exclusive=True)
    locks.replace_key(old, new)

    assert not locks.is_locked(lock_key(new))
    assert not locks.is_locked(lock_key(old))
    locks.lock()
    assert locks.is_locked(lock_key(new))


def test_function_that_succeeds_itself_changes_nothing():
    locks, function = Locks(), make_function()
    locks.lock(lock_key(function))
    locks.replace_key(function, function)

    assert locks.is_locked(lock_key(function))
    locks.unlock(lock_key(function))
    assert not locks.is_locked(lock_key(function))
