"""When enough of a request has come for a thread to begin with it."""

import pytest

from flaskJSONRPCServer.servBackend.arriving import MAX_WAITING_BYTES, Arriving
from flaskJSONRPCServer.servBackend.heads import MAX_HEAD_BYTES

LINE = b"POST /api HTTP/1.1\r\nHost: a\r\n"
CHUNKED = LINE + b"Transfer-Encoding: chunked\r\n\r\n"


def feed(arriving, data):
    arriving.received += data
    return arriving.is_enough()


def length(number):
    return LINE + b"Content-Length: %d\r\n\r\n" % number


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        length(3) + b"abc",
        b"\r\n" + length(3) + b"abc",
        CHUNKED + b"0\r\n\r\n",
        CHUNKED + b"3\r\nabc\r\n000\r\n\r\n",
        length(2 * MAX_WAITING_BYTES) + b"x" * MAX_WAITING_BYTES,
        CHUNKED + b"x" * MAX_WAITING_BYTES,
        b"x" * (MAX_HEAD_BYTES + 1),
    ],
)
def test_it_is_enough_with_the_last_byte_and_not_before(request_bytes):
    arriving = Arriving(10 * MAX_WAITING_BYTES)
    cut = -6 if request_bytes.endswith(b"0\r\n\r\n") else -1  # what follows the last chunk is read by the thread

    assert not feed(arriving, request_bytes[: cut - 1])
    assert not feed(arriving, request_bytes[cut - 1 : cut])
    assert feed(arriving, request_bytes[cut:])


@pytest.mark.parametrize(
    "head",
    [length(101), LINE + b"Content-Length: 50\r\nExpect: 100-continue\r\n\r\n", LINE + b"Content-Length: x\r\n\r\n"],
    ids=["over the limit", "asks first", "no number"],
)
def test_body_that_will_not_come_or_not_be_read_is_not_waited_for(head):
    arriving = Arriving(100)

    assert feed(arriving, head)
    assert arriving.head_bytes == len(head)


def test_next_request_begins_anew():
    arriving = Arriving(100)
    assert feed(arriving, length(3) + b"abc" + LINE)
    del arriving.received[: len(length(3)) + 3]
    arriving.begin()

    assert not arriving.is_enough()
    assert feed(arriving, b"\r\n")


def test_looking_is_linear():
    # Looking at everything again for each byte would take minutes.
    for beginning in (b"", length(MAX_WAITING_BYTES), CHUNKED):
        arriving = Arriving(10 * MAX_WAITING_BYTES)
        feed(arriving, beginning)
        for _ in range(MAX_WAITING_BYTES - 1):
            assert not feed(arriving, b"0")
