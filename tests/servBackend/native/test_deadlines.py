"""The queue of deadlines that move."""

import math
import weakref

from hypothesis import given
from hypothesis import strategies as st

from flaskJSONRPCServer.servBackend.native.deadlines import Deadlines


class Item:
    def __init__(self, name=""):
        self.scheduled_at = math.inf
        self.name = name


def test_items_are_due_in_order_and_once():
    deadlines, items = Deadlines(), [Item(name) for name in "abc"]
    for at, item in zip((3, 1, 2), items, strict=True):
        deadlines.add(at, item)

    assert deadlines.next == 1
    assert deadlines.due(0.5) == []
    assert [item.name for item in deadlines.due(2)] == ["b", "c"]
    assert deadlines.next == 3
    assert [item.name for item in deadlines.due(math.inf)] == ["a"]
    assert deadlines.next == math.inf
    assert deadlines.due(math.inf) == []


def test_earlier_deadline_replaces_a_later_one_only():
    deadlines, item = Deadlines(), Item()
    deadlines.add(5, item)
    deadlines.add(9, item)
    assert deadlines.next == 5
    deadlines.add(2, item)
    assert deadlines.due(2) == [item]
    assert item.scheduled_at == math.inf
    assert deadlines.due(9) == []


def test_item_without_a_deadline_is_not_kept():
    deadlines = Deadlines()
    deadlines.add(math.inf, Item())
    assert deadlines.next == math.inf


def test_discarded_item_is_released_at_once_and_never_due():
    deadlines, kept, item = Deadlines(), Item("kept"), Item()
    gone = weakref.ref(item)
    deadlines.add(7, kept)
    deadlines.add(9, item)
    deadlines.add(5, item)
    deadlines.discard(item)
    deadlines.discard(item)
    assert item.scheduled_at == math.inf
    del item
    assert gone() is None
    assert deadlines.due(math.inf) == [kept]


def test_nothing_is_due_after_clear():
    deadlines = Deadlines()
    deadlines.add(1, Item())
    deadlines.clear()
    assert deadlines.due(2) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.booleans()), max_size=60))
def test_no_deadline_is_overlooked(steps):
    # Every item is returned no later than at the earliest of its deadlines since it was last returned.
    deadlines, items, now = Deadlines(), [Item() for _ in range(4)], 0
    earliest = dict.fromkeys(items, math.inf)
    for index, in_s, checks in steps:
        deadlines.add(now + in_s, items[index])
        earliest[items[index]] = min(earliest[items[index]], now + in_s)
        if not checks:
            continue
        now += 10
        due = deadlines.due(now)
        assert len(due) == len(set(due))
        assert set(due) == {item for item, at in earliest.items() if at <= now}
        earliest.update(dict.fromkeys(due, math.inf))


def test_entries_of_items_that_are_gone_do_not_pile_up():
    deadlines, stays = Deadlines(), Item("stays")
    deadlines.add(7, stays)
    for _ in range(10_000):
        item = Item()
        deadlines.add(86_400, item)
        deadlines.discard(item)

    assert len(deadlines._heap) < 2000
    assert deadlines.due(math.inf) == [stays]
