"""gzip of answers."""

import gzip as standard

import pytest

from flaskJSONRPCServer.http.gzip import accepts_gzip, compress


@pytest.mark.parametrize(
    "accept",
    ["gzip", "GZIP", "deflate, gzip", "gzip;q=0.5", "*", "br, *;q=0.1", "gzip, identity", "identity;q=0.5, gzip;q=0.5"],
)
def test_accepted(accept):
    assert accepts_gzip(accept) is True


@pytest.mark.parametrize(
    "accept",
    ["", "identity", "br", "gzip;q=0", "gzip;q=0, *", "*;q=0", "identity, gzip;q=0.9", "x-gzipp", ",", "gzip;q=zero"],
)
def test_not_accepted(accept):
    assert accepts_gzip(accept) is False


@pytest.mark.parametrize("body", [b"", b"x", b"x" * 10_000])
def test_compressed_body_is_read_by_the_gzip_module(body):
    assert standard.decompress(compress(body)) == body


def test_compressed_body_is_the_same_each_time_and_smaller():
    body = b"abc" * 10_000

    assert compress(body) == compress(body)
    assert len(compress(body)) < 200
