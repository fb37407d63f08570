"""The parser against h11: both find the same requests, with the same ends.

A request can be hidden in another one if two parsers see different requests in the same bytes. A request that only one
of the two refuses hides nothing; a test lists these, with the reasons.
"""

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flaskJSONRPCServer.http.refusals import Refusal
from flaskJSONRPCServer.servBackend.native.parser import ParserLimits, RequestParser
from tests.servBackend.native.samples import GET, chunked, head, post

MIB = 1 << 20
LIMITS = ParserLimits(MIB, MIB, 1000, MIB, MIB, lambda head: (MIB, "max_body_bytes"))

TOKENS = st.text("abcXYZ019!#$%&'*+.^`|~-", min_size=1, max_size=8).map(str.encode)
VALUES = st.binary(max_size=12) | st.sampled_from(
    [b"a b", b"\t a \t", b"", b"\xe9", b'"q;\\""', b"close", b"keep-alive"]
)
FIELDS = st.one_of(
    st.tuples(TOKENS, VALUES).map(lambda field: field[0] + b": " + field[1]),
    st.sampled_from(
        [
            b"Host: a",
            b"Host:b",
            b"Connection: close",
            b"Connection: keep-alive",
            b"Connection: x, close",
            b"Connection: upgrade",
            b"Upgrade: h2c",
            b"Content-Length: 3",
            b"Content-Length: 03",
            b"content-length:\t3 ",
            b"Content-Length: 3, 3",
            b"Content-Length: 0",
            b"Content-Length : 3",
            b"Transfer-Encoding: chunked",
            b"transfer-encoding: Chunked ",
            b"Transfer-Encoding: gzip, chunked",
            b"Transfer-Encoding: identity",
            b"Transfer_Encoding: chunked",
            b"Expect: 100-continue",
            b" folded",
        ]
    ),
)
TARGETS = st.sampled_from(
    [b"/", b"/a?b=c", b"/%2e%00", b"//x", b"*", b"http://a/p?q", b"http://a", b"/a#b"]
) | st.binary(min_size=1, max_size=10).map(lambda path: b"/" + path)
METHODS = st.sampled_from(
    [b"GET", b"POST", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"PATCH", b"get", b"PRI", b"M-SEARCH"]
)
VERSIONS = st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0", b"2.0", b"0.9"])
BODIES = st.sampled_from(
    [
        b"",
        b"abc",
        b"3\r\nabc\r\n0\r\n\r\n",
        b"03;a=b\r\nabc\r\n0\r\nT: 1\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"0\r\nContent-Length: 9\r\n\r\n",
        b"\r\n",
    ]
) | st.binary(max_size=10)


@st.composite
def requests(draw):
    fields = draw(st.lists(FIELDS, max_size=5))
    if draw(st.booleans()):
        fields.insert(0, b"Host: a")
    lines = [b"%b %b HTTP/%b" % (draw(METHODS), draw(TARGETS), draw(VERSIONS)), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + draw(BODIES)


def by_native(data):
    """Return the complete requests, and the refusal of the next one."""
    parser = RequestParser(LIMITS, {})
    parser.feed(data)
    requests = [
        (message.head["REQUEST_METHOD"].encode(), fields_of(message.head), message.body.read())
        for message in parser.completed
        if not isinstance(message, Refusal)
    ]
    refusals = [message for message in parser.completed if isinstance(message, Refusal)]
    parser.close()
    return requests, refusals[0] if refusals else None


def fields_of(head):
    return {name: value for name, value in head.items() if name in ("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")}


def by_h11(data):
    """Return the complete requests, and the error of h11 about the next one."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MIB)
    connection.receive_data(data)
    requests = []
    try:
        while True:
            request, body = None, b""
            while True:
                event = connection.next_event()
                if isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    break
                else:
                    return requests, None
            requests.append((request.method, body))
            connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return requests, None
            connection.start_next_cycle()
    except h11.RemoteProtocolError as exc:
        return requests, exc


@given(st.lists(requests(), min_size=1, max_size=3).map(b"".join))
@example(post(b"abc", b"Connection: upgrade", b"Upgrade: h2c") + GET)
@example(chunked(GET, fields=(b"Connection: upgrade", b"Upgrade: h2c")) + GET)
@example(head(b"Content-Length: 3", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + GET)
@example(GET * 3)
def test_requests_are_those_that_h11_finds(data):
    ours, _ = by_native(data)
    theirs, error = by_h11(data)
    count = min(len(ours), len(theirs))

    assert [(method, body) for method, _, body in ours[:count]] == theirs[:count]
    if len(ours) > len(theirs):
        assert error is not None, "a request where h11 sees none"


@pytest.mark.parametrize(
    ("data", "by"),
    [
        # h11 accepts these; a server on the open internet should not.
        (GET.replace(b"\r\n", b"\n"), "h11"),
        (post(b"abc", b"Content-Length: 3"), "h11"),  # RFC 9112, section 6.3: equal lengths may count as one
        (head(b"Content-Length: 3, 3") + b"abc", "h11"),
        (head(b"Content-Length: 3", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", "h11"),
        (head(b"A: b", b" folded", method=b"GET"), "h11"),
        (head(method=b"GET", target=b"http://b/"), "h11"),  # it leaves the authority to the application
        (head(method=b"get"), "h11"),  # it accepts any token as a method
        (head(b"Transfer-Encoding: chunked", version=b"1.0") + b"0\r\n\r\n", "h11"),
        # No parser sees another request in these.
        (head(method=b"GET", target=b"/a\x7f"), "neither"),
        (b"\r\n\r\n\r\n" + GET, "native"),  # h11 skips one empty line
    ],
)
def test_requests_that_only_one_parser_accepts(data, by):
    native, h11s = len(by_native(data)[0]), len(by_h11(data)[0])

    assert {(0, 0): "neither", (1, 0): "native", (0, 1): "h11", (1, 1): "both"}[native, h11s] == by
