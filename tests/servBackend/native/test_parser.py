"""From bytes to requests: what is taken, what is refused, and that pieces make no difference."""

import pytest

from flaskJSONRPCServer.http.refusals import Refusal
from flaskJSONRPCServer.servBackend.native.parser import ParserLimits, RequestParser

LIMITS = ParserLimits(2000, 200, 10, 100, 50, lambda head: (100, "max_body_bytes"))
HEAD = b"POST /api HTTP/1.1\r\nHost: a.test\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def parsed(data, step=None):
    parser = RequestParser(LIMITS, {"REMOTE_ADDR": "127.0.0.1"})
    for start in range(0, len(data), step or len(data)):
        parser.feed(data[start : start + (step or len(data))])
    return parser


def statuses(data, step=None):
    return [message.status[:3] if isinstance(message, Refusal) else "taken" for message in parsed(data, step).messages]


@pytest.mark.parametrize("step", [None, 1, 7])
def test_requests_of_one_connection_come_in_order(step):
    data = HEAD + b"Content-Length: 2\r\n\r\nab" + CHUNKED + b"1\r\nc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n"
    first, second = parsed(data, step).messages

    assert (first.body.read(), second.body.read()) == (b"ab", b"cde")
    assert first.head == {
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "a.test",
        "CONTENT_LENGTH": "2",
        "REQUEST_METHOD": "POST",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "PATH_INFO": "/api",
        "QUERY_STRING": "",
    }
    assert (first.keeps_alive, first.is_http_1_1) == (True, True)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/a%20b?c=%20", "/a b", "c=%20"),
        (b"http://a.test/x?y", "/x", "y"),
        (b"http://A.TEST", "/", ""),
        (b"http://a.test?y", "/", "y"),
        (b"*", "*", ""),
    ],
)
def test_target_becomes_path_and_query(target, path, query):
    [request] = parsed(b"OPTIONS " + target + b" HTTP/1.1\r\nHost: a.test\r\n\r\n").messages

    assert (request.head["PATH_INFO"], request.head["QUERY_STRING"]) == (path, query)


def test_repeated_fields_are_joined_and_names_with_an_underscore_left_out():
    [request] = parsed(HEAD + b"X-A: 1\r\nx-a: 2\r\nCookie: a=1\r\nCookie: b=2\r\nX_A: 3\r\n\r\n").messages

    assert (request.head["HTTP_X_A"], request.head["HTTP_COOKIE"]) == ("1, 2", "a=1; b=2")


REFUSED = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", "400"),
    "two hosts": (HEAD + b"Host: b.test\r\n\r\n", "400"),
    "other host in the target": (b"GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "400"),
    "version 0.9": (b"GET /\r\n\r\n", "505"),
    "version 9.9": (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", "400"),
    "http/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"),
    "connect": (b"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", "501"),
    "expectation": (HEAD + b"Expect: gold\r\nContent-Length: 1\r\n\r\n", "417"),
    "length and chunked": (HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
    "gzip, chunked": (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "400"),
    "chunked in http/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
    "two content types": (HEAD + b"Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n", "400"),
    "declared too long": (HEAD + b"Content-Length: 101\r\n\r\n", "413"),
    "too long in chunks": (CHUNKED + b"65\r\n" + b"x" * 101, "413"),
    "too many fields": (HEAD + b"A: 1\r\n" * 10 + b"\r\n", "431"),
    "too large a head": (HEAD + b"A: " + b"x" * 2000 + b"\r\n\r\n", "431"),
    "too long a target": (b"GET /" + b"x" * 200 + b" HTTP/1.1\r\n", "414"),
    "too many trailers": (CHUNKED + b"0\r\n" + b"A: 1\r\n" * 12, "431"),
    "tls": (b"\x16\x03\x01\x02\x00", "400"),
}


@pytest.mark.parametrize("step", [None, 1])
@pytest.mark.parametrize("kind", REFUSED)
def test_refused_request_is_the_last_one(kind, step):
    data, status = REFUSED[kind]

    assert statuses(data + HEAD + b"\r\n", step) == [status]


def test_field_without_an_end_is_refused_before_it_is_held():
    parser = parsed(HEAD + b"A: ")
    for _ in range(30):
        parser.feed(b"x" * 100)

    assert [message.status[:3] for message in parser.messages] == ["431"]


def test_chunk_extensions_are_bounded():
    parser = parsed(CHUNKED)
    for _ in range(300):
        parser.feed(b"1;" + b"x" * 200 + b"\r\na\r\n")

    assert [message.status[:3] for message in parser.messages] == ["400"]


def test_request_to_upgrade_is_taken_as_an_ordinary_one():
    upgrade = b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\na"

    assert statuses((HEAD + upgrade) * 3) == ["taken"] * 3


def test_nothing_behind_the_last_request_is_parsed():
    assert statuses(HEAD + b"Connection: close\r\n\r\n" + HEAD + b"\r\n") == ["taken"]


def test_large_body_is_spooled_and_comes_back_whole():
    body = bytes(range(90))
    parser = parsed(HEAD + b"Content-Length: 90\r\n\r\n" + body, step=20)
    [request] = parser.messages

    assert (request.body.memory_bytes, request.body.read(), request.body.open().read()) == (0, body, body)
    request.body.close()


@pytest.mark.parametrize("step", [None, 1, 13])
@pytest.mark.parametrize(
    "framed", [b"Content-Length: 3\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"]
)
def test_body_of_a_request_to_upgrade_is_never_taken_for_a_request(framed, step):
    head = HEAD + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    requests = list(parsed((head + framed) * 2 + HEAD + b"\r\n", step).messages)

    assert [request.body.read() for request in requests] == [b"abc", b"abc", b""]
    assert requests[0].head["HTTP_UPGRADE"] == "h2c"
