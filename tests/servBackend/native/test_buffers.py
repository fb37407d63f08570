"""Buffers for bodies and for unsent bytes."""

import resource
import signal
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flaskJSONRPCServer.servBackend.native.buffers import ReceiveBuffer, SendBuffer


@given(st.lists(st.binary(min_size=1, max_size=20)), st.integers(0, 60))
def test_body_is_the_same_in_memory_and_in_a_file(pieces, spool_bytes):
    body, whole = ReceiveBuffer(spool_bytes), b"".join(pieces)
    for piece in pieces:
        body.append(piece)

    assert body.size == len(whole)
    assert body.memory_bytes == (len(whole) if len(whole) <= spool_bytes else 0)
    assert body.read() == whole
    assert body.read() == whole
    stream = body.open()
    assert stream.read(3) + stream.read() == whole
    assert body.open().read() == whole
    body.close()
    assert body.memory_bytes == 0


def test_file_of_a_body_ends_with_it():
    body = ReceiveBuffer(3)
    body.append(b"abcd")
    file = body.open()
    body.close()
    assert file.closed
    body.close()


def test_body_that_cannot_be_stored_raises(monkeypatch):
    def no_room():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", no_room)
    with pytest.raises(OSError, match="No space"):
        ReceiveBuffer(1).append(b"ab")


def test_body_of_tiny_pieces_takes_little_more_than_its_size():
    tracemalloc.start()
    try:
        body = ReceiveBuffer(1 << 20)
        for number in range(200_000):
            body.append(number.to_bytes(2, "big", signed=False) if number < 65_536 else b"ab")
        assert tracemalloc.get_traced_memory()[0] < 2 * body.size
    finally:
        tracemalloc.stop()


@given(st.lists(st.binary(max_size=20)), st.data())
def test_bytes_are_sent_in_order_however_many_a_socket_accepts(pieces, data):
    buffer, sent = SendBuffer(), b""
    for piece in pieces:
        buffer.append(piece)
    while buffer.size:
        first = buffer.first()
        count = data.draw(st.integers(0, len(first)))
        sent += bytes(first[:count])
        buffer.consume(count)
        assert buffer.sent_bytes == len(sent)

    assert sent == b"".join(pieces)


def test_clear_keeps_the_count_of_sent_bytes():
    buffer = SendBuffer()
    buffer.append(b"abcdef")
    buffer.append(memoryview(b"gh"))
    buffer.consume(2)
    buffer.clear()
    assert (buffer.size, buffer.sent_bytes) == (0, 2)
    buffer.append(b"x")
    assert bytes(buffer.first()) == b"x"


@pytest.fixture
def small_files():
    """Let files of this process have 100,000 bytes at most, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_last_bytes_for_which_there_is_no_room_fail_while_the_client_can_be_told(small_files):
    body = ReceiveBuffer(1000)
    body.append(b"x" * 100_300)
    with pytest.raises(OSError, match="File too large"):
        body.complete()
    body.close()
    assert body.memory_bytes == 0
