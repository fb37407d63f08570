import pytest

from flaskJSONRPCServer.dispatch.streams.open_stream import BUFFER_BYTES
from flaskJSONRPCServer.dispatch.streams.part_queue import PartQueue


@pytest.fixture
def full():
    return []


@pytest.fixture
def queue(full):
    return PartQueue(lambda: full.append(True))


def test_parts_come_joined_and_in_order(queue):
    assert queue.send(b"a")
    assert queue.send(b"b")
    assert queue.next_parts(0) == b"ab"
    assert queue.next_parts(0) == b""


def test_end_comes_after_the_last_part(queue):
    queue.send(b"a")
    queue.close()
    assert not queue.send(b"late")
    assert queue.next_parts(0) == b"a"
    with pytest.raises(StopIteration):
        queue.next_parts(0)


def test_abort_is_no_end(queue):
    queue.send(b"a")
    queue.abort()
    assert queue.next_parts(0) == b"a"
    with pytest.raises(ConnectionResetError):
        queue.next_parts(0)


def test_part_of_any_size_is_taken_unless_too_much_waits_already(queue, full):
    assert queue.send(b"x" * BUFFER_BYTES)
    assert queue.send(b"x" * 3 * BUFFER_BYTES)
    assert full == []
    assert not queue.send(b"x")
    assert full == [True]


def test_room_is_back_after_the_parts_have_been_taken(queue, full):
    for _ in range(3):
        assert queue.send(b"x" * 2 * BUFFER_BYTES)
        assert len(queue.next_parts(0)) == 2 * BUFFER_BYTES
    assert full == []


def test_last_part_is_added_though_there_is_no_room():
    queue = PartQueue(lambda: pytest.fail("it is full"))
    assert queue.has_room
    queue.send(b"x" * (BUFFER_BYTES // 2))
    assert not queue.has_room
    queue.send(b"x" * BUFFER_BYTES)

    assert queue.send(b"last", is_last=True)
    assert queue.next_parts(0).endswith(b"last")
    assert queue.has_room
