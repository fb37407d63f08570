"""Parsing requests by llhttp and the checks after it."""

import dataclasses
import gc
import weakref

import pytest

from flaskJSONRPCServer.http.refusals import Refusal
from flaskJSONRPCServer.servBackend.native.parser import ParsedRequest, RequestParser
from tests.servBackend.native.samples import ACCEPTED, GET, KIB, LIMITS, REFUSED, chunked, head, parse, post

UPGRADE = (
    b"Connection: Upgrade, HTTP2-Settings",
    b"Upgrade: h2c",
    b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)
NEXT = ("GET", "/api", b"", True)


def first_head(data):
    parser = RequestParser(LIMITS, {"REMOTE_ADDR": "192.0.2.1"})
    parser.feed(data)
    return parser.completed[0].head


@pytest.mark.parametrize(("data", "expected"), ACCEPTED)
def test_request_is_parsed_up_to_its_end(data, expected):
    following = [NEXT] if expected[3] else []  # input after the last request of a connection is ignored

    assert parse(data + GET) == [expected, *following]
    assert parse(*[bytes([byte]) for byte in data + GET]) == [expected, *following]


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("framed", [post(GET, *UPGRADE), chunked(GET, fields=UPGRADE)], ids=["length", "chunked"])
def test_body_of_an_upgrade_request_is_parsed(method, framed):
    data = framed.replace(b"POST", method)
    expected = [(method.decode(), "/api", GET, True), NEXT]

    assert parse(data + GET) == expected
    assert parse(*[bytes([byte]) for byte in data + GET]) == expected


@pytest.mark.parametrize(
    ("fields", "version", "keeps_alive"),
    [
        ((b"Connection: upgrade",), b"1.1", True),
        ((b"Connection: upgrade, close",), b"1.1", False),
        ((b"Connection: upgrade",), b"1.0", False),
        ((b"Connection: upgrade, keep-alive",), b"1.0", True),
    ],
)
@pytest.mark.parametrize("body", [None, b"", b"abc"])
def test_upgrade_request_keeps_its_connection_option(fields, version, keeps_alive, body):
    fields = (*fields, b"Upgrade: websocket")
    data = head(*fields, version=version) if body is None else post(body, *fields, version=version)

    assert parse(data) == [("POST", "/api", body or b"", keeps_alive)]


def test_upgrade_request_has_the_same_limits():
    fields = (b"Connection: Upgrade", b"Upgrade: h2c")
    fitting = post(b"abc", *fields, *[b"A: b"] * 16, target=b"/" * KIB)

    assert parse(fitting + GET)[1:] == [NEXT]
    assert parse(post(b"x" * 101 * KIB, *fields) + GET)[0][0] == 413
    assert parse(chunked(b"x" * 101 * KIB, fields=fields) + GET)[0][0] == 413


def test_head_becomes_cgi_variables():
    fields = (
        b"X-One:  a b \t",
        b"x-one: c",
        b"Cookie: a=1",
        b"Cookie: b=2",
        b"Content-Type: application/json",
        b"Under_Score: spoofed",
        b"X-Latin: \xe9",
    )

    assert first_head(head(*fields, b"Content-Length: 0", target=b"/a?b=c")) == {
        "REMOTE_ADDR": "192.0.2.1",
        "REQUEST_METHOD": "POST",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "PATH_INFO": "/a",
        "QUERY_STRING": "b=c",
        "HTTP_HOST": "a",
        "HTTP_X_ONE": "a b, c",
        "HTTP_COOKIE": "a=1; b=2",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "0",
        "HTTP_X_LATIN": "\xe9",
    }


@pytest.mark.parametrize(("data", "status"), REFUSED)
def test_request_is_refused_and_nothing_behind_it_is_read(data, status):
    hidden = GET * 3
    for pieces in (
        [data + hidden],
        [data, hidden],
        [bytes([byte]) for byte in data[: 8 * KIB]] + [data[8 * KIB :], hidden],
    ):
        [refused] = parse(*pieces)
        assert refused[0] == status
        assert refused[1]


BAD_HOSTS = (b"", b"a b", b"a@b", b"[::1", b"a:b", b"a/b")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (head(b"A: " + b"b" * 5 * KIB), "the head is over max_head_bytes (4096 bytes)"),
        (head(*[b"A: b"] * 20), "more than max_header_count (20) header fields"),
        (head(target=b"/" * 2 * KIB), "the URL is over max_url_bytes (1024 bytes)"),
        (head(b"Content-Length: 999999"), "the body is over max_body_bytes (102400 bytes)"),
        (head(b"Content-Length: 999999", target=b"/page"), "the body is over max_page_body_bytes (204800 bytes)"),
        (head(b"Host: b"), "more than one Host field"),
        (head(host=b""), "the request has no Host"),
        *((head(host=b"Host: " + host), f"Host {host.decode()!r} is not one host name") for host in BAD_HOSTS),
        (head(target=b"/api/add?a=1#b"), "the request target has a fragment"),
    ],
)
def test_refusal_names_the_setting_or_the_field(data, text):
    assert parse(data)[0][1] == text


@pytest.mark.parametrize("limit", ["max_head_bytes", "max_header_count", "max_url_bytes", "max_body_bytes"])
def test_limit_itself_is_allowed_and_one_more_is_not(limit):
    limits = dataclasses.replace(LIMITS, body_limit=lambda head: (50, "max_body_bytes"), max_body_bytes=50)
    fitting, beyond = {
        "max_head_bytes": (head(b"A: " + b"b" * (4 * KIB - 6)), head(b"A: " + b"b" * (4 * KIB - 5))),
        "max_header_count": (head(*[b"A: b"] * 19), head(*[b"A: b"] * 20)),
        "max_url_bytes": (head(target=b"/" * KIB), head(target=b"/" * (KIB + 1))),
        "max_body_bytes": (post(b"x" * 50), post(b"x" * 51)),
    }[limit]

    assert parse(fitting, limits=limits)[0][0] == "POST"
    assert limit in parse(beyond, limits=limits)[0][1]


@pytest.mark.parametrize("piece_bytes", [1, 4 * KIB])
def test_question_mark_of_a_url_does_not_count(piece_bytes):
    fitting, beyond = (head(target=b"/?" + b"x" * (KIB - 1 + more)) for more in (0, 1))

    assert parse(*pieces(fitting, piece_bytes))[0][0] == "POST"
    assert parse(*pieces(beyond, piece_bytes)) == [(414, "the URL is over max_url_bytes (1024 bytes)")]


def pieces(data, piece_bytes):
    return (data[start : start + piece_bytes] for start in range(0, len(data), piece_bytes))


@pytest.mark.parametrize("size", [1, 16 * KIB])
@pytest.mark.parametrize(
    "beginning", [b"GET /", b"GET / HTTP/1.1\r\nHost: a\r\nA", b"GET / HTTP/1.1\r\nHost: a\r\nA: "]
)
def test_head_that_does_not_end_is_cut(beginning, size):
    parser = RequestParser(LIMITS, {})
    parser.feed(beginning)
    pieces = 0
    while not parser.completed:
        parser.feed(b"a" * size)
        pieces += 1

    assert pieces * size <= LIMITS.max_head_bytes + size
    assert parser.is_finished


@pytest.mark.parametrize(
    ("framing", "most_bytes"),
    [
        (b"0\r\nA: " + b"b" * 100, 0),
        (b"1;" + b"e" * 1000 + b"\r\na\r\n", 16 * KIB),
        (b"1\r\na\r\n0\r\nA: ", 0),
    ],
    ids=["endless trailer", "extensions", "trailer behind data"],
)
def test_framing_of_a_body_is_bounded(framing, most_bytes):
    parser = RequestParser(LIMITS, {})
    parser.feed(head(b"Transfer-Encoding: chunked"))
    parser.feed(framing)
    count = 0
    while not parser.completed:
        parser.feed(framing if most_bytes else b"b" * 100)
        count += 1

    assert count * 100 <= LIMITS.max_head_bytes + most_bytes + 200


def test_large_body_does_not_allow_a_large_trailer():
    # llhttp keeps a trailer in memory until it is complete.
    parser = RequestParser(LIMITS, {})
    parser.feed(chunked(b"x" * 90 * KIB)[:-2] + b"A: ")
    parser.feed(b"b" * 4 * KIB)
    assert not parser.completed
    parser.feed(b"b")

    assert str(parser.completed[0]) == "the trailers are over max_head_bytes (4096 bytes)"


def test_byte_by_byte_chunks_are_taken():
    [(_, _, body, _)] = parse(chunked(*[b"x"] * 50_000))

    assert body == b"x" * 50_000


def test_bytes_before_a_head_are_not_counted_for_it():
    body = b"x" * 60 * KIB
    first = post(body)

    assert parse(first[:20], first[20:] + GET[:12], GET[12:]) == [("POST", "/api", body, True), NEXT]


def test_bytes_before_a_body_are_not_counted_for_it():
    body = b"x" * 60 * KIB
    first, second = post(body), post(b"ab")

    assert parse(first[:-50_000], first[-50_000:] + second[:-1], second[-1:]) == [
        ("POST", "/api", body, True),
        ("POST", "/api", b"ab", True),
    ]


@pytest.mark.parametrize("data", [head(b"Content-Length: 9"), head(b"Transfer-Encoding: chunked")])
@pytest.mark.parametrize(("version", "awaits"), [(b"1.1", True), (b"1.0", False)])
def test_expect_makes_the_parser_await_continue(data, version, awaits):
    if version == b"1.0" and b"chunked" in data:
        return  # refused
    parser = RequestParser(LIMITS, {})
    parser.feed(data.replace(b"1.1", version).replace(b"\r\n\r\n", b"\r\nExpect: 100-Continue\r\n\r\n"))

    assert parser.awaits_continue is awaits
    parser.feed(b"1\r\na\r\n")
    assert not parser.awaits_continue


def test_body_of_a_refused_request_is_released():
    parser = RequestParser(LIMITS, {})
    parser.feed(head(b"Transfer-Encoding: chunked") + b"%x\r\n" % (90 * KIB) + b"x" * 90 * KIB)
    spooled = parser.body.open()
    parser.feed(b"nonsense")

    assert spooled.closed
    assert not parser.is_in_body


def test_close_releases_bodies_of_untaken_requests():
    parser = RequestParser(LIMITS, {})
    parser.feed(post(b"x" * 90 * KIB) + head(b"Content-Length: 99999") + b"x" * 90 * KIB)
    files = [parser.completed[0].body.open(), parser.body.open()]
    parser.close()

    assert [file.closed for file in files] == [True, True]
    assert not parser.completed
    parser.feed(GET)
    assert not parser.completed


def test_body_that_cannot_be_stored_is_refused(monkeypatch):
    def no_room():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", no_room)

    assert parse(post(b"x" * 50 * KIB)) == [(503, "the body cannot be stored: No space left on device")]


def test_last_request_is_the_last_one():
    parser = RequestParser(LIMITS, {})
    parser.feed(post(b"abc", b"Connection: close") + GET)
    parser.feed(GET)

    [message] = parser.completed
    assert isinstance(message, ParsedRequest)
    assert parser.is_finished


def test_refusal_of_bytes_that_begin_no_request_has_a_body_of_its_own():
    parser = RequestParser(LIMITS, {})
    parser.feed(head(method=b"HEAD"))
    parser.completed.clear()
    parser.feed(b"post /api HTTP/1.1\r\n\r\n")
    refusal = parser.completed.popleft()

    _, _, body = parser.refusal_answer(refusal).partition(b"\r\n\r\n")
    assert body.startswith(b"malformed request")


@pytest.mark.parametrize("pieces", [1, 5])
def test_http_2_is_refused_by_its_name(pieces):
    parser = RequestParser(LIMITS, {})
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for begin in range(0, len(preface), -(-len(preface) // pieces)):
        parser.feed(preface[begin : begin + -(-len(preface) // pieces)])

    [refusal] = parser.completed
    assert str(refusal) == "HTTP/2 is not served; the client or proxy must send HTTP/1.1"


@pytest.mark.usefixtures("small_heap")
@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", head(b"Expect: nothing"), head(b"Content-Length: 999999999"), b"\0"]
)
def test_refusal_leaves_nothing_to_the_collector(data):
    gc.collect()
    gc.disable()
    try:
        parser = RequestParser(LIMITS, {})
        parser.feed(data)
        assert isinstance(parser.completed[0], Refusal)
        parser.close()
        gone = weakref.ref(parser)
        del parser
        assert gone() is None
    finally:
        gc.enable()
