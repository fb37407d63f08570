"""Reading a chunked body, strictly."""

import io

import pytest

from flaskJSONRPCServer.servBackend.chunks import BadChunk, ChunkedBody


def read(data):
    source = io.BufferedReader(io.BytesIO(data))
    body = ChunkedBody(source)
    return b"".join(iter(lambda: body.read(4), b"")), body.has_ended, source.read()


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"3;name=value\r\nabc\r\n0000\r\nTrailer: x\r\n\r\n", b"abc"),
        (b"a \r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n", b"0123456789x"),
    ],
)
def test_body_is_read_up_to_its_end_and_no_further(data, body):
    assert read(data + b"GET /") == (body, True, b"GET /")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"1_0\r\n",
        b" 3\r\nabc\r\n",
        b"-3\r\nabc\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nab",
        b"3\r\nabc\r\n",
        b"3;\x00\r\nabc\r\n0\r\n\r\n",
        b"f" * 16 + b"\r\n",
        b"3" * 5000,
        b"0\r\nno end\n\r\n",
        b"0\r\n" + b"a: b\r\n" * 101 + b"\r\n",
        b"0\r\nGET / HTTP/1.1\r\n\r\n",
        b"0\r\n folded: 1\r\n\r\n",
        b"1\r\nx\r\n" * 10_200 + b"0\r\n\r\n",
        b"0\r\n",
    ],
)
def test_malformed_chunking_is_refused(data):
    with pytest.raises(BadChunk):
        read(data)
