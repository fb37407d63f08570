"""The store of answers: its bounds, and what has become of the calls that lose their place."""

import pytest

from flaskJSONRPCServer.dispatch.idempotency.store import (
    AnswerStore,
    Bounds,
    KeyReusedError,
    State,
    StoreFullError,
)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Wakes:
    count = 0

    def __call__(self):
        self.count += 1


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def wakes():
    return Wakes()


@pytest.fixture
def store(clock, wakes):
    return AnswerStore(Bounds(keys=3, answer_bytes=10, lifetime_s=60), wakes, clock)


def finish(store, key, answer=b"answer", size_bytes=None):
    entry, is_new = store.begin(key, b"payload")
    assert is_new
    store.finish(entry, answer, len(answer) if size_bytes is None else size_bytes)
    return entry


def is_new(store, key):
    """Return whether a call would run under a key; the key is left as it is."""
    entry, is_new = store.begin(key, b"payload")
    if is_new:
        store.forget(entry)
    return is_new


def test_finished_key_has_its_answer(store):
    finish(store, b"a")

    entry, is_new = store.begin(b"a", b"payload")
    assert (is_new, entry.state, entry.answer) == (False, State.FINISHED, b"answer")


def test_key_under_way_is_shared(store):
    first, _ = store.begin(b"a", b"payload")

    assert store.begin(b"a", b"payload") == (first, False)
    assert first.state is State.UNDER_WAY


@pytest.mark.parametrize("has_ended", [False, True])
def test_other_payload_is_refused(store, has_ended):
    entry, _ = store.begin(b"a", b"payload")
    if has_ended:
        store.finish(entry, b"answer", 6)

    with pytest.raises(KeyReusedError):
        store.begin(b"a", b"other")


def test_forgotten_key_runs_again(store):
    first, _ = store.begin(b"a", b"payload")
    store.forget(first)

    assert first.state is State.NOT_RUN
    assert is_new(store, b"a")


def test_oldest_finished_key_makes_room(store):
    for key in (b"a", b"b", b"c"):
        finish(store, key, b"x")
    finish(store, b"d", b"x")

    assert [is_new(store, key) for key in (b"d", b"c", b"b")] == [False] * 3
    assert is_new(store, b"a")


def test_age_counts_from_the_answer(store):
    slow, _ = store.begin(b"slow", b"payload")
    finish(store, b"a", b"x")
    finish(store, b"b", b"x")
    store.finish(slow, b"x", 1)
    finish(store, b"c", b"x")

    assert not is_new(store, b"slow")
    assert is_new(store, b"a")


def test_key_under_way_is_never_evicted(store):
    entries = [store.begin(key, b"payload")[0] for key in (b"a", b"b", b"c")]

    with pytest.raises(StoreFullError):
        store.begin(b"d", b"payload")
    assert store.begin(b"a", b"payload") == (entries[0], False)

    store.finish(entries[1], b"x", 1)
    assert store.begin(b"d", b"payload")[1]  # in the place of b
    assert store.counts() == (3, 0, 3)


def test_key_ends_after_its_lifetime(store, clock):
    finish(store, b"a")
    clock.now = 59.9
    assert not is_new(store, b"a")
    clock.now = 60
    assert is_new(store, b"a")
    assert store.counts() == (0, 0, 0)


def test_key_under_way_has_no_lifetime(store, clock):
    entry, _ = store.begin(b"a", b"payload")
    clock.now = 10_000

    assert store.begin(b"a", b"payload") == (entry, False)


def test_oldest_answers_make_room_for_bytes_and_their_keys_stay(store):
    first = finish(store, b"a", b"12345")
    second = finish(store, b"b", b"12345")
    assert store.counts() == (2, 10, 0)
    third = finish(store, b"c", b"1")

    assert [entry.answer for entry in (first, second, third)] == [None, b"12345", b"1"]
    assert not is_new(store, b"a")
    assert store.counts() == (3, 6, 0)


def test_answer_over_the_bound_is_not_kept_and_leaves_the_others(store):
    first = finish(store, b"a", b"12345")
    huge = finish(store, b"b", b"x" * 11)

    assert (first.answer, huge.answer, huge.state) == (b"12345", None, State.FINISHED)
    assert store.counts() == (2, 5, 0)


def test_evicted_key_returns_its_bytes(store):
    for key in (b"a", b"b", b"c", b"d", b"e"):
        finish(store, key, b"12")

    assert store.counts() == (3, 6, 0)


@pytest.mark.parametrize("end", ["finish", "forget"])
def test_end_wakes_only_those_that_wait(store, wakes, end):
    for has_waiter in (False, True):
        entry, _ = store.begin(b"a", b"payload")
        if has_waiter:
            store.begin(b"a", b"payload")
        if end == "finish":
            store.finish(entry, b"", 0)
            store.bounds = Bounds(keys=1, answer_bytes=10, lifetime_s=60)
            store.forget(store.begin(b"b", b"payload")[0])  # in the place of a
        else:
            store.forget(entry)
        assert wakes.count == has_waiter
