"""Known heads are not parsed again, and mean the same."""

import pytest

from flaskJSONRPCServer.http.refusals import Refusal
from flaskJSONRPCServer.servBackend.native.known_heads import KnownHeads
from flaskJSONRPCServer.servBackend.native.parser import ParserLimits, RequestParser
from tests.servBackend.native.samples import REFUSED, post

LIMITS = ParserLimits(
    max_head_bytes=4096,
    max_url_bytes=1000,
    max_header_count=20,
    max_body_bytes=1000,
    spool_body_bytes=500,
    body_limit=lambda head: (5000, "max_page_body_bytes"),
)


def parse(parser, data):
    """Parse bytes, and return the messages as values."""
    parser.feed(data)
    values = []
    while parser.completed:
        message = parser.completed.popleft()
        if isinstance(message, Refusal):
            values.append((type(message), str(message)))
        else:
            values.append((message.head, message.body.read(), message.is_http_1_1, message.keeps_alive))
            message.body.close()
    return values


def connection(known, port="1"):
    return RequestParser(LIMITS, {"REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": port}, known)


class Counting(KnownHeads):
    """Counts how often a head is known."""

    def __init__(self):
        super().__init__()
        self.hits = 0
        original_find = self.find

        def find(head):
            known = original_find(head)
            self.hits += known is not None
            return known

        self.find = find


PLAIN = {
    "post": post(b"abc"),
    "no body": b"GET /api?a=1 HTTP/1.1\r\nHost: a\r\nCookie: b=1\r\n\r\n",
    "kept alive in HTTP/1.0": b"POST /a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nxy",
    "two fields": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-A: 2\r\nX_A: 3\r\n\r\n",
    "whole URL": b"GET http://a/b%20c HTTP/1.1\r\nHost: a\r\n\r\n",
    "empty line in the body": post(b"\r\n\r\n\r\n"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_known_head_means_what_it_has_always_meant(name):
    [first] = parse(connection(KnownHeads()), PLAIN[name])
    known = Counting()
    parser = connection(known)
    for _ in range(5):
        assert parse(parser, PLAIN[name]) == [first]
    assert known.hits == 3  # known from the third time on


def test_known_head_is_shared_without_the_variables_of_a_connection():
    known = Counting()
    for _ in range(2):
        parse(connection(known), post(b"abc"))
    [(head, body, _, _)] = parse(connection(known, port="2"), post(b"xyz"))
    assert (known.hits, head["REMOTE_PORT"], body) == (1, "2", b"xyz")


def test_head_of_one_request_is_not_that_of_another():
    parser = connection(KnownHeads())
    for _ in range(3):
        [(head, *_)] = parse(parser, post(b"abc"))
        head["HTTP_X_MORE"] = "of the application"
    [(head, *_)] = parse(parser, post(b"abc"))
    assert "HTTP_X_MORE" not in head


NEVER_KNOWN = {
    "the last request": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "chunks": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a client that waits": b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    "another protocol": b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    "empty lines before it": b"\r\n\r\n" + post(b"abc"),
    "a long head": b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 2000 + b"\r\n\r\n",
    "a body for a file": post(b"x" * 600),
    "a body beyond what every URL takes": post(b"x" * 1500),
    "two requests": post(b"abc") + post(b"x"),
    "half of another one": post(b"abc") + b"GE",
}


@pytest.mark.parametrize("name", NEVER_KNOWN)
def test_other_heads_are_parsed_each_time(name):
    known = Counting()
    for _ in range(5):
        parse(connection(known), NEVER_KNOWN[name])
    assert known.hits == 0


@pytest.mark.parametrize(("data", "status"), REFUSED)
def test_refused_request_is_refused_each_time(data, status):
    known = Counting()
    for _ in range(2):  # so that the request before it is known
        parse(connection(known), post(b"abc"))
    first = parse(connection(KnownHeads()), post(b"abc"))[:1] + parse(connection(KnownHeads()), data)
    assert issubclass(first[-1][0], Refusal)
    for _ in range(3):
        parser = connection(known)
        assert parse(parser, post(b"abc"))[:1] + parse(parser, data) == first


def test_known_head_in_pieces_or_with_more_behind_it_is_parsed():
    known, whole = Counting(), post(b"abc")
    for _ in range(2):
        parse(connection(known), whole)
    for cut in range(1, len(whole)):
        parser = connection(known)
        assert parse(parser, whole[:cut]) == []
        assert len(parse(parser, whole[cut:])) == 1
    assert len(parse(connection(known), whole + whole)) == 2
    assert known.hits == len(b"abc") + 1  # looked up but not used, when only the body was cut
    assert len(parse(connection(known), whole)) == 1


def test_parser_goes_on_behind_a_known_head():
    known = Counting()
    parser = connection(known)
    for _ in range(4):
        parse(parser, post(b"abc"))
    assert known.hits == 2
    [(_, body, _, _)] = parse(parser, post(b"another"))
    assert body == b"another"
    [(refusal, _)] = parse(parser, b"GET / HTTP/1.1\r\nBad Header: 1\r\n\r\n")
    assert issubclass(refusal, Refusal)


def test_number_of_known_heads_is_bounded(monkeypatch):
    monkeypatch.setattr("flaskJSONRPCServer.servBackend.native.known_heads._MAX_HEADS", 10)
    known = KnownHeads()
    parser = connection(known)
    for number in range(100):
        for _ in range(2):
            parse(parser, b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
    assert len(known._heads) <= 10
    assert len(known._hashes) <= 10
