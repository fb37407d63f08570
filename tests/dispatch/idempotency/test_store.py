"""The stores of answers: one contract in memory and in a file, with their bounds and the share of each caller."""

import pytest

from flaskJSONRPCServer.dispatch.idempotency.memory import MemoryStore
from flaskJSONRPCServer.dispatch.idempotency.sqlite_store import SqliteStore
from flaskJSONRPCServer.dispatch.idempotency.store import IdempotencyStore, StoreBounds, StoredCall, StoreFullError
from tests.helpers import Clock

PAYLOAD = b"payload"


@pytest.fixture
def clock():
    return Clock(1000.0)


@pytest.fixture(params=["memory", "file"])
def make(request, clock, tmp_path):
    """Make a store with bounds."""

    def make(keys=3, answer_bytes=10, lifetime_s=60):
        bounds = StoreBounds(keys, answer_bytes, lifetime_s)
        store = MemoryStore(bounds, clock) if request.param == "memory" else SqliteStore(tmp_path / "keys", clock)
        store.use(bounds)
        return store

    return make


@pytest.fixture
def store(make):
    return make()


def finish(store, key, answer=b"x", caller=b"ann"):
    assert store.claim(key, PAYLOAD, caller) is None
    store.finish(key, answer)


def is_free(store, key, caller=b"ann"):
    """Return whether a key is free; it is left as it is."""
    found = store.claim(key, PAYLOAD, caller)
    if found is None:
        store.release(key)
    return found is None


def answer_of(store, key):
    found = store.claim(key, PAYLOAD, b"ann")
    assert found is not None
    return found.answer


def test_stores_have_the_documented_methods(store):
    assert isinstance(store, IdempotencyStore)


@pytest.mark.parametrize("answer", [b"answer", b""])
def test_finished_key_has_its_answer(store, answer):
    finish(store, b"a", answer)

    assert store.claim(b"a", b"other", b"ann") == StoredCall(PAYLOAD, is_finished=True, answer=answer)


def test_claimed_key_is_under_way(store):
    assert store.claim(b"a", PAYLOAD, b"ann") is None

    assert store.claim(b"a", b"other", b"ann") == StoredCall(PAYLOAD, is_finished=False)
    assert store.count() == 1


def test_released_key_is_free(store):
    store.claim(b"a", PAYLOAD, b"ann")
    store.release(b"a")

    assert store.count() == 0
    assert store.claim(b"a", b"other", b"ann") is None


def test_oldest_finished_key_makes_room(store):
    for key in (b"a", b"b", b"c", b"d"):
        finish(store, key)

    assert [is_free(store, key) for key in (b"d", b"c", b"b")] == [False] * 3
    assert is_free(store, b"a")


def test_age_counts_from_the_answer(store, clock):
    store.claim(b"slow", PAYLOAD, b"ann")
    for key in (b"a", b"b"):
        finish(store, key)
        clock.now += 1
    store.finish(b"slow", b"x")
    finish(store, b"c")

    assert not is_free(store, b"slow")
    assert is_free(store, b"a")


def test_key_under_way_is_never_displaced(store):
    for key in (b"a", b"b", b"c"):
        store.claim(key, PAYLOAD, b"ann")

    with pytest.raises(StoreFullError):
        store.claim(b"d", PAYLOAD, b"ann")
    assert not is_free(store, b"a")

    store.finish(b"b", b"x")
    assert store.claim(b"d", PAYLOAD, b"ann") is None  # in the place of b
    assert store.count() == 3


def test_key_ends_after_its_lifetime(store, clock):
    finish(store, b"a")
    clock.now += 59.9
    assert not is_free(store, b"a")
    clock.now += 0.1
    assert is_free(store, b"a")
    assert store.count() == 0


def test_key_under_way_has_no_lifetime(store, clock):
    store.claim(b"a", PAYLOAD, b"ann")
    clock.now += 10_000

    assert not is_free(store, b"a")


def test_oldest_answers_make_room_for_bytes_and_their_keys_stay(store):
    for key, answer in ((b"a", b"12345"), (b"b", b"12345"), (b"c", b"1")):
        finish(store, key, answer)

    assert [answer_of(store, key) for key in (b"a", b"b", b"c")] == [None, b"12345", b"1"]
    assert store.count() == 3


def test_answer_over_the_bound_is_not_kept_and_leaves_the_others(store):
    finish(store, b"a", b"12345")
    finish(store, b"b", b"x" * 11)

    assert [answer_of(store, key) for key in (b"a", b"b")] == [b"12345", None]


def test_displaced_key_returns_its_bytes(store):
    for key in (b"a", b"b", b"c", b"d"):
        finish(store, key, b"12")
    finish(store, b"e", b"123456")

    assert answer_of(store, b"d") == b"12"  # the bytes of a and b are free


def test_other_bounds_count_from_now_on(store):
    for key in (b"a", b"b", b"c"):
        finish(store, key)
    store.use(StoreBounds(keys=2, answer_bytes=10, lifetime_s=60))
    finish(store, b"d")

    assert store.count() == 2
    assert not is_free(store, b"c")


# With 40 keys and 400 bytes, the others cannot displace 4 keys or 40 bytes of a caller.


def test_caller_alone_may_fill_the_store(make):
    store = make(keys=40, answer_bytes=400)
    for number in range(40):
        finish(store, b"%d" % number, b"x" * 10)

    assert all(answer_of(store, b"%d" % number) == b"x" * 10 for number in range(40))


def test_caller_with_many_keys_displaces_its_own(make):
    store = make(keys=40)
    finish(store, b"of ben", b"x", b"ben")
    for number in range(200):
        finish(store, b"%d" % number, b"", b"ann")

    assert store.count() == 40
    assert not is_free(store, b"of ben", b"ben")
    assert not is_free(store, b"161")
    assert is_free(store, b"160")


def test_caller_within_its_share_displaces_keys_of_the_largest(make):
    store = make(keys=40)
    for number in range(15):
        finish(store, b"c%d" % number, b"", b"cid")
    for number in range(25):
        finish(store, b"a%d" % number, b"", b"ann")
    for number in range(4):
        finish(store, b"b%d" % number, b"", b"ben")

    assert not any(is_free(store, b"c%d" % number, b"cid") for number in range(15))
    assert not any(is_free(store, b"b%d" % number, b"ben") for number in range(4))
    assert not any(is_free(store, b"a%d" % number) for number in range(4, 25))
    assert is_free(store, b"a3")


def test_many_callers_within_their_shares_displace_the_oldest_key(make):
    store = make(keys=40)
    for number in range(41):
        finish(store, b"%d" % number, b"", b"caller %d" % number)

    assert not is_free(store, b"1")
    assert is_free(store, b"0")


def test_caller_with_too_many_calls_under_way_displaces_no_answer_of_others(make):
    store = make(keys=40)
    finish(store, b"of ben", b"x", b"ben")
    for number in range(39):
        store.claim(b"%d" % number, PAYLOAD, b"ann")

    with pytest.raises(StoreFullError):
        store.claim(b"more", PAYLOAD, b"ann")
    assert not is_free(store, b"of ben", b"ben")


def test_caller_with_large_answers_drops_its_own(make):
    store = make(keys=40, answer_bytes=400)
    finish(store, b"of ben", b"x" * 40, b"ben")
    for number in range(30):
        finish(store, b"%d" % number, b"x" * 50, b"ann")

    assert answer_of(store, b"of ben") == b"x" * 40
    assert [answer_of(store, b"%d" % number) is None for number in (21, 22, 23, 29)] == [True, True, False, False]


def test_answer_within_the_share_drops_one_of_the_largest_caller(make):
    store = make(keys=40, answer_bytes=400)
    for number in range(10):
        finish(store, b"%d" % number, b"x" * 40, b"ann")
    finish(store, b"of ben", b"x" * 40, b"ben")

    assert answer_of(store, b"of ben") == b"x" * 40
    assert [answer_of(store, b"%d" % number) is None for number in (0, 1)] == [True, False]
