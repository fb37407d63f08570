"""The strict check of a request's head."""

import pytest

from flaskJSONRPCServer.servBackend.heads import BadHead, check_fields, check_request_line, origin_form

HOST = b"Host: a\r\n"


@pytest.mark.parametrize("line", [b"POST /api HTTP/1.1\r\n", b"GET /a?b=%20c HTTP/1.0\r\n", b"OPTIONS * HTTP/1.1\r\n"])
def test_request_line_passes(line):
    assert check_request_line(line) is None


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET /\r\n",
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/1.1",
        b"GET  / HTTP/1.1\r\n",
        b" GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1 \r\n",
        b"GET / HTTP/2.0\r\n",
        b"GET / HTTP/1.10\r\n",
        b"GET / http/1.1\r\n",
        b"GET\t/\tHTTP/1.1\r\n",
        b"GET /\x00 HTTP/1.1\r\n",
        b"GET /\r HTTP/1.1\r\n",
        b"G(T / HTTP/1.1\r\n",
    ],
)
def test_request_line_is_refused(line):
    with pytest.raises(BadHead, match="malformed request line"):
        check_request_line(line)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [b"Content-Length: 43\r\n"],
        [b"content-length:0\r\n"],
        [b"Transfer-Encoding: chunked\r\n"],
        [b"transfer-encoding:  Chunked \t\r\n"],
        [b"X: \t a\tb \r\n", b"X:\r\n", b"X: \xe4\r\n"],
    ],
)
def test_fields_pass(fields):
    assert check_fields([HOST, *fields], is_http_1_1=True) is None


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ([b"Content-Length : 43\r\n"], "malformed header field"),
        ([b"X: a\r\n", b" folded\r\n"], "malformed header field"),
        ([b"X: a\x00b\r\n"], "malformed header field"),
        ([b"X: a\rb\r\n"], "malformed header field"),
        ([b"X: a\n"], "malformed header field"),
        ([b"X\r\n"], "malformed header field"),
        ([b": a\r\n"], "malformed header field"),
        ([b"X y: a\r\n"], "malformed header field"),
        ([b"Content-Length: +5\r\n"], "no number"),
        ([b"Content-Length: -5\r\n"], "no number"),
        ([b"Content-Length: 1_0\r\n"], "no number"),
        ([b"Content-Length: 5, 5\r\n"], "no number"),
        ([b"Content-Length: \r\n"], "no number"),
        ([b"Content-Length: 5\r\n", b"Content-Length: 5\r\n"], "more than one"),
        ([b"Content-Length: 43\r\n", b"content-length: 0\r\n"], "more than one"),
        ([b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"], "more than one"),
        ([b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n"], "more than one"),
        ([b"Transfer-Encoding: xchunked\r\n"], "not 'chunked'"),
        ([b"Transfer-Encoding: chunked, identity\r\n"], "not 'chunked'"),
        ([b"Transfer-Encoding: gzip\r\n"], "not 'chunked'"),
        ([HOST], "2 Host fields"),
    ],
)
def test_fields_are_refused(fields, why):
    with pytest.raises(BadHead, match=why):
        check_fields([HOST, *fields], is_http_1_1=True)


def test_http_1_1_needs_a_host_and_http_1_0_does_not():
    with pytest.raises(BadHead, match="0 Host fields"):
        check_fields([], is_http_1_1=True)
    assert check_fields([], is_http_1_1=False) is None


def test_http_1_0_has_no_transfer_encoding():
    with pytest.raises(BadHead, match=r"HTTP/1\.0"):
        check_fields([b"Transfer-Encoding: chunked\r\n"], is_http_1_1=False)


@pytest.mark.parametrize("filler", [b" ", b"a ", b"\t", b"a"])
def test_check_is_linear(filler):
    # A pattern that tracks back would take hours for a line of this length.
    with pytest.raises(BadHead):
        check_fields([b"X:" + filler * 300_000 + b"\x00\r\n"], is_http_1_1=True)


@pytest.mark.parametrize(
    ("target", "host", "path"),
    [
        ("/api?a=http://b", "a", "/api?a=http://b"),
        ("*", "a", "*"),
        ("http://a/api?b=1", "a", "/api?b=1"),
        ("http://a", "A:80", "/"),
        ("http://a?b", "a", "/?b"),
        ("HTTPS://[::1]/api", "[::1]:443", "/api"),
        ("http://a:8080/api", "", "/api"),
    ],
)
def test_target_is_read_as_a_path(target, host, path):
    assert origin_form(target, host) == path


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("http://a/", "b"),
        ("http://a:81/", "a"),
        ("http://[::1]/", "[::2]"),
        ("http://b@a/", "a"),
        ("http://", "a"),
        ("ftp://a/", "a"),
        ("a:443", "a:443"),
        ("api", "a"),
    ],
)
def test_target_that_disagrees_with_the_host_or_is_no_url_is_refused(target, host):
    with pytest.raises(BadHead):
        origin_form(target, host)
