"""Reading a body under a size limit."""

import gzip
import random
import tracemalloc
import zlib

import pytest

from flaskJSONRPCServer.http.body import declared_length, gunzip, is_gzip, read_body
from flaskJSONRPCServer.http.refusals import (
    BadEncoding,
    BadRequest,
    BodyTooLarge,
    LengthRequired,
    RequestTimeout,
    UnsupportedMediaType,
)
from tests.helpers import BrokenStream, OneShotStream


@pytest.mark.parametrize(("text", "length"), [(None, None), ("", None), ("0", 0), ("7", 7), ("007", 7), ("10", 10)])
def test_declared_length(text, length):
    environ = {} if text is None else {"CONTENT_LENGTH": text}

    assert declared_length(environ, 10) == length


@pytest.mark.parametrize("text", ["+5", "-5", "1_0", "5, 5", " 5", "5 ", "0x5", "5.0", "five", "²", "٣", "\n5"])
def test_declared_length_that_is_not_a_decimal_number_is_refused(text):
    with pytest.raises(BadRequest, match="is not a decimal number"):
        declared_length({"CONTENT_LENGTH": text}, 10)


@pytest.mark.parametrize("text", ["11", "99999999999999999999", "9" * 100_000])
def test_declared_length_over_the_limit_is_refused(text):
    with pytest.raises(BodyTooLarge, match=r"^the body is over max_body_bytes \(10 bytes\)$"):
        declared_length({"CONTENT_LENGTH": text}, 10)


def test_declared_length_with_a_transfer_encoding_is_refused():
    with pytest.raises(BadRequest, match="exclude each other"):
        declared_length({"CONTENT_LENGTH": "5", "HTTP_TRANSFER_ENCODING": "chunked"}, 10)


@pytest.mark.parametrize("slice_bytes", [1, 3, 1000])
def test_body_is_read_to_its_declared_length_and_no_further(slice_bytes):
    stream = OneShotStream(b"0123456789more", slice_bytes)

    assert read_body({"CONTENT_LENGTH": "10", "wsgi.input": stream}, 10) == b"0123456789"
    assert stream.taken == 10


def test_body_without_length_is_empty_and_unread():
    stream = OneShotStream(b"more")

    assert read_body({"wsgi.input": stream}, 10) == b""
    assert stream.taken == 0


@pytest.mark.parametrize("slice_bytes", [1, 7, 1000])
def test_terminated_body_is_read_to_its_end(slice_bytes):
    environ = {"wsgi.input": OneShotStream(b"0123456789", slice_bytes), "wsgi.input_terminated": True}

    assert read_body(environ, 10) == b"0123456789"


@pytest.mark.parametrize("slice_bytes", [1, 1000])
def test_terminated_body_is_read_one_byte_past_the_limit_at_most(slice_bytes):
    stream = OneShotStream(b"x" * 1000, slice_bytes)

    with pytest.raises(BodyTooLarge):
        read_body({"wsgi.input": stream, "wsgi.input_terminated": True}, 10)
    assert stream.taken == 11


def test_body_that_ends_early_is_refused():
    with pytest.raises(BadRequest, match="the body ended before its declared length"):
        read_body({"CONTENT_LENGTH": "10", "wsgi.input": OneShotStream(b"123")}, 10)


@pytest.mark.parametrize(
    ("failure", "refusal"), [(TimeoutError, RequestTimeout), (ConnectionResetError, BadRequest), (OSError, BadRequest)]
)
@pytest.mark.parametrize("framing", [{"CONTENT_LENGTH": "5"}, {"wsgi.input_terminated": True}])
def test_body_with_a_failing_connection_is_refused(failure, refusal, framing):
    with pytest.raises(refusal):
        read_body({"wsgi.input": BrokenStream(failure), **framing}, 10)


def test_chunked_body_without_a_marked_end_is_refused():
    stream = OneShotStream(b"{}")

    with pytest.raises(LengthRequired, match="send Content-Length"):
        read_body({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": stream}, 10)
    assert stream.taken == 0


@pytest.mark.parametrize("plain", [b"", b"x", b"x" * 10, bytes(range(10))])
def test_gunzip_undoes_gzip(plain):
    assert gunzip(gzip.compress(plain), limit_bytes=10) == plain


def test_gunzip_stops_at_the_limit():
    with pytest.raises(BodyTooLarge, match=r"max_body_bytes \(10 bytes\)"):
        gunzip(gzip.compress(b"x" * 11), limit_bytes=10)


def test_gunzip_of_a_bomb_holds_little_more_than_the_limit():
    bomb = gzip.compress(b"\0" * 2**26, 9)
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            gunzip(bomb, limit_bytes=2**20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 1.5 * 2**20


@pytest.mark.parametrize("size", [65535, 65536, 65537, 131072, 1_000_001])
@pytest.mark.parametrize("make", [bytes, random.Random(1).randbytes])
def test_gunzip_joins_its_pieces(size, make):
    plain = make(size)
    assert gunzip(gzip.compress(plain), limit_bytes=size) == plain
    with pytest.raises(BodyTooLarge):
        gunzip(gzip.compress(plain), limit_bytes=size - 1)


WHOLE = gzip.compress(b"0123456789", mtime=0)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        *[(WHOLE[:end], "the gzip body is truncated") for end in range(len(WHOLE))],
        (WHOLE + b"\0", "bytes follow the gzip body"),
        (WHOLE + WHOLE, "bytes follow the gzip body"),
        (b"0123456789", "the body is not valid gzip"),
        (WHOLE[:-8] + b"\0\0\0\0" + WHOLE[-4:], "the body is not valid gzip"),
        (zlib.compress(b"0123456789"), "the body is not valid gzip"),
    ],
)
def test_gunzip_refuses_invalid_gzip(body, message):
    with pytest.raises(BadEncoding, match=f"^{message}$"):
        gunzip(body, limit_bytes=10)


@pytest.mark.parametrize("coding", ["", " ", "identity", "Identity"])
def test_missing_coding_is_detected(coding):
    assert not is_gzip(coding)


@pytest.mark.parametrize("coding", ["gzip", "GZip", " gzip\t", "x-gzip"])
def test_gzip_coding_is_detected(coding):
    assert is_gzip(coding)


@pytest.mark.parametrize("coding", ["deflate", "br", "gzip, gzip", "gzip,identity", "gzipp", "*"])
def test_body_with_an_unknown_coding_is_refused(coding):
    with pytest.raises(UnsupportedMediaType, match="is not taken; send gzip or none"):
        is_gzip(coding)


def test_body_that_is_gzipped_twice_is_refused():
    with pytest.raises(BadEncoding, match="gzipped twice"):
        gunzip(gzip.compress(WHOLE), limit_bytes=1000)
