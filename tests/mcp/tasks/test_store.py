"""The bounds of the tasks of an endpoint."""

import pytest

from flaskJSONRPCServer.mcp.protocol.errors import TooManyTasks
from flaskJSONRPCServer.mcp.tasks.store import TaskBounds, TaskStore
from flaskJSONRPCServer.mcp.tasks.task import Task, TaskTimes, new_task_id
from flaskJSONRPCServer.sansio_jsonrpc import make_codec

CODEC = make_codec("json")
LONG = TaskTimes(3600, 1)
OVER = TaskTimes(0, 1)


class Store(TaskStore):
    """A store that keeps what it has expired."""

    def __init__(self, **bounds):
        self.expired = []
        super().__init__(TaskBounds(**bounds), self.expired.append)

    def new(self, owner=b"a", size_bytes=1, times=LONG):
        task = Task(new_task_id(), owner, times, lambda: CODEC)
        self.add(task, size_bytes)
        return task


def test_task_is_found_by_its_owner_only():
    store = Store()
    task = store.new(b"a")

    assert store.find(task.id, b"a") is task
    assert store.find(task.id, b"b") is None
    assert store.find("", b"a") is None


@pytest.mark.parametrize(
    ("bounds", "owner"),
    [
        ({"tasks": 2}, b"b"),
        ({"tasks_of_caller": 2}, b"a"),
        ({"total_bytes": 2}, b"b"),
        ({"bytes_of_caller": 2}, b"a"),
    ],
    ids=["tasks", "tasks of a caller", "bytes", "bytes of a caller"],
)
def test_task_over_a_bound_is_refused_until_there_is_room(bounds, owner):
    store = Store(**bounds)
    first = store.new(b"a")
    store.new(b"a")

    with pytest.raises(TooManyTasks):
        store.new(owner)

    store.remove(first)
    store.new(owner)


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        ({"tasks": 1}, "there are too many tasks: an endpoint keeps at most 1"),
        ({"tasks_of_caller": 1}, "there are too many tasks: an endpoint keeps at most 1 of each caller"),
        ({"total_bytes": 1}, "the tasks are too large: an endpoint keeps at most 1 bytes"),
        ({"bytes_of_caller": 1}, "the tasks are too large: an endpoint keeps at most 1 bytes of each caller"),
    ],
    ids=["tasks", "tasks of a caller", "bytes", "bytes of a caller"],
)
def test_refusal_names_the_bound_and_when_to_try_again(bounds, reason):
    store = Store(**bounds)
    store.new()

    with pytest.raises(TooManyTasks) as refusal:
        store.new(times=TaskTimes(7200, 1))

    assert 3500 < refusal.value.retry_after_s <= 3600
    assert str(refusal.value) == f"{reason}; the first of them makes room in {refusal.value.retry_after_s} s"


def test_refusal_of_what_is_too_large_alone_has_no_time():
    with pytest.raises(TooManyTasks) as refusal:
        Store(total_bytes=1).new(size_bytes=2)

    assert refusal.value.retry_after_s is None
    assert str(refusal.value) == "the tasks are too large: an endpoint keeps at most 1 bytes"


def test_refusal_names_the_bound_that_forgotten_tasks_would_not_help():
    store = Store(tasks=2, tasks_of_caller=1)
    ended(store, b"b")
    store.new(b"a")

    with pytest.raises(TooManyTasks, match="at most 1 of each caller"):
        store.new(b"a")


@pytest.mark.parametrize("bounds", [{"tasks_of_caller": 1}, {"bytes_of_caller": 1}], ids=["tasks", "bytes"])
def test_bounds_of_one_caller_leave_room_for_others(bounds):
    store = Store(**bounds)
    assert store.new(b"a") is not store.new(b"b")


def test_results_count():
    store = Store(total_bytes=10)
    task = store.new(size_bytes=4)

    store.reserve(task, 5)
    with pytest.raises(TooManyTasks, match="at most 10 bytes"):
        store.reserve(task, 2)
    store.reserve(task, 1)

    store.remove(task)
    store.reserve(task, 1)  # nothing: it is gone
    store.new(size_bytes=10)


def test_what_a_task_shows_counts_in_place_of_what_it_has_shown():
    store = Store(total_bytes=10)
    task = store.new(size_bytes=4)

    for _ in range(3):
        store.reserve_shown(task, 5)
    store.reserve_shown(task, 6)
    with pytest.raises(TooManyTasks, match="at most 10 bytes"):
        store.reserve_shown(task, 7)
    with pytest.raises(TooManyTasks):
        store.reserve(task, 1)
    store.reserve_shown(task, 2)
    store.reserve(task, 4)

    store.remove(task)
    store.reserve_shown(task, 1)  # nothing: it is gone
    store.new(size_bytes=10)


def test_expired_task_is_gone_and_makes_room():
    store = Store(tasks=1)
    task = store.new(times=OVER)

    assert store.find(task.id, b"a") is None
    assert store.expired == [task]
    store.new()


def test_task_whose_function_runs_counts_after_its_end():
    store = Store(tasks=1)
    task = store.new(times=OVER)
    store.note_run(task)
    assert store.find(task.id, b"a") is None

    with pytest.raises(TooManyTasks):
        store.new()

    store.note_return(task)
    store.new()


def test_task_that_is_run_again_counts_until_both_runs_have_returned():
    store = Store(tasks=1)
    task = store.new()
    store.note_run(task)
    store.note_run(task)
    store.remove(task)

    store.note_return(task)
    with pytest.raises(TooManyTasks):
        store.new()

    store.note_return(task)
    store.new()


def ended(store, owner=b"a", size_bytes=1):
    task = store.new(owner, size_bytes)
    task.complete(b"{}")
    task.fetch()
    return task


def test_ended_task_is_kept_until_its_client_has_asked_or_for_a_while(monkeypatch):
    store = Store(tasks=1)
    task = store.new()
    task.fetch()
    task.complete(b"{}")

    with pytest.raises(TooManyTasks) as refusal:
        store.new()
    assert 50 < refusal.value.retry_after_s <= 60
    assert store.find(task.id, b"a") is task

    monkeypatch.setattr(task, "makes_room_at", 0.0)  # as after that while
    store.new()
    assert store.find(task.id, b"a") is None


@pytest.mark.parametrize(
    "bounds",
    [{"tasks": 3}, {"tasks_of_caller": 3}, {"total_bytes": 3}, {"bytes_of_caller": 3}],
    ids=["tasks", "tasks of a caller", "bytes", "bytes of a caller"],
)
def test_oldest_ended_task_is_forgotten_where_there_is_no_room(bounds):
    store = Store(**bounds)
    runs, first, second = store.new(), ended(store), ended(store)

    task = store.new()

    assert store.find(first.id, b"a") is None
    assert [store.find(one.id, b"a") for one in (runs, second, task)] == [runs, second, task]
    assert store.expired == []


def test_ended_tasks_of_the_caller_are_forgotten_before_those_of_others():
    store = Store(tasks=2)
    of_other, own = ended(store, b"b"), ended(store, b"a")

    store.new(b"a")
    assert (store.find(own.id, b"a"), store.find(of_other.id, b"b")) == (None, of_other)

    store.new(b"a")
    assert store.find(of_other.id, b"b") is None


def test_nothing_is_forgotten_where_it_makes_too_little_room():
    store = Store(tasks_of_caller=2, total_bytes=4)
    kept, _ = ended(store, size_bytes=1), store.new(size_bytes=2)

    with pytest.raises(TooManyTasks):
        store.new(size_bytes=3)

    assert store.find(kept.id, b"a") is kept


def test_ended_tasks_of_others_make_no_room_among_those_of_a_caller():
    store = Store(tasks_of_caller=1)
    of_other = ended(store, b"b")
    store.new(b"a")

    with pytest.raises(TooManyTasks):
        store.new(b"a")

    assert store.find(of_other.id, b"b") is of_other


def test_ended_task_whose_function_runs_is_not_forgotten():
    store = Store(tasks=1)
    task = store.new()
    store.note_run(task)
    task.cancel()
    task.fetch()

    with pytest.raises(TooManyTasks):
        store.new()
    assert store.find(task.id, b"a") is task

    store.note_return(task)
    store.new()
    assert store.find(task.id, b"a") is None


def test_result_takes_the_room_of_ended_tasks():
    store = Store(total_bytes=10)
    before, task = ended(store, size_bytes=5), store.new(size_bytes=2)

    store.reserve_shown(task, 3)
    assert store.find(before.id, b"a") is before
    store.reserve_shown(task, 8)
    assert store.find(before.id, b"a") is None
    with pytest.raises(TooManyTasks):
        store.reserve_shown(task, 9)


def test_task_that_has_ended_makes_no_room_for_itself():
    store = Store(total_bytes=2)
    task = ended(store)

    with pytest.raises(TooManyTasks):
        store.reserve(task, 2)
    assert store.find(task.id, b"a") is task


def test_open_tasks_are_those_that_have_not_ended():
    store = Store()
    _, open_task = ended(store), store.new()
    assert store.open_tasks() == [open_task]
