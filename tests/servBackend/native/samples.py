"""Limits and requests that several test files share."""

import math

from flaskJSONRPCServer.http.refusals import Refusal
from flaskJSONRPCServer.servBackend.native.parser import ParserLimits, RequestParser
from flaskJSONRPCServer.servBackend.native.timeouts import HttpTimeouts

KIB = 1024
LIMITS = ParserLimits(
    max_head_bytes=4 * KIB,
    max_url_bytes=1 * KIB,
    max_header_count=20,
    max_body_bytes=100 * KIB,
    spool_body_bytes=20 * KIB,
    body_limit=lambda head: (200 * KIB, "max_page_body_bytes") if head["PATH_INFO"] == "/page" else RPC_LIMIT,
)
RPC_LIMIT = (100 * KIB, "max_body_bytes")
TIMEOUTS = HttpTimeouts(
    handshake_timeout_s=3,
    head_timeout_s=15,
    body_timeout_s=60,
    read_timeout_s=30,
    idle_timeout_s=50,
    request_timeout_s=math.inf,
    rate_grace_s=10,
    min_body_rate=100,
    min_answer_rate=200,
    max_requests_per_connection=5,
)
GET = b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n"


def post(body=b"abc", *fields, target=b"/api", version=b"1.1"):
    """Return a POST with Content-Length."""
    return head(*fields, b"Content-Length: %d" % len(body), target=target, version=version) + body


def head(*fields, method=b"POST", target=b"/api", version=b"1.1", host=b"Host: a"):
    lines = [b"%b %b HTTP/%b" % (method, target, version), *([host] if host else []), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunked(*chunks, trailers=b"", fields=()):
    """Return a chunked POST. A chunk is data, or a pair of data and an extension."""
    parts = [chunk if isinstance(chunk, tuple) else (chunk, b"") for chunk in chunks]
    body = b"".join(b"%x%b\r\n%b\r\n" % (len(data), extension, data) for data, extension in parts)
    return head(*fields, b"Transfer-Encoding: chunked") + body + b"0\r\n" + trailers + b"\r\n"


# Requests with their parsed form: method, target, body, whether the connection goes on.
ACCEPTED = [
    (GET, ("GET", "/api", b"", True)),
    (b"\r\n\r\n" + GET, ("GET", "/api", b"", True)),
    (post(b"abc"), ("POST", "/api", b"abc", True)),
    (post(b""), ("POST", "/api", b"", True)),
    (post(b"abc", b"Connection: close"), ("POST", "/api", b"abc", False)),
    (chunked(b"ab", b"c"), ("POST", "/api", b"abc", True)),
    (chunked((b"ab", b";name=value"), (b"c", b';q="x;y"')), ("POST", "/api", b"abc", True)),
    (chunked(b"abc", trailers=b"Checksum: 1\r\nOther: 2\r\n"), ("POST", "/api", b"abc", True)),
    (chunked(), ("POST", "/api", b"", True)),
    (head(method=b"GET", version=b"1.0", host=b""), ("GET", "/api", b"", False)),
    (head(b"Connection: keep-alive", method=b"GET", version=b"1.0"), ("GET", "/api", b"", True)),
    (post(b"abc", version=b"1.0"), ("POST", "/api", b"abc", False)),
    (head(method=b"HEAD"), ("HEAD", "/api", b"", True)),
    (head(method=b"OPTIONS", target=b"*"), ("OPTIONS", "*", b"", True)),
    (head(method=b"GET", target=b"http://a/x?y=1"), ("GET", "/x?y=1", b"", True)),
    (head(method=b"GET", target=b"HTTP://A"), ("GET", "/", b"", True)),
    (head(method=b"GET", target=b"http://a?y=1"), ("GET", "/?y=1", b"", True)),
    (head(method=b"GET", target=b"/%C3%A9?q=%20"), ("GET", "/\xc3\xa9?q=%20", b"", True)),
    (head(method=b"GET", target=b"//b/c"), ("GET", "//b/c", b"", True)),
    (head(b"Expect: 100-continue", b"Content-Length: 0"), ("POST", "/api", b"", True)),
    (head(b"Transfer-Encoding:  Chunked ") + b"0\r\n\r\n", ("POST", "/api", b"", True)),
    (head(method=b"GET", target=b"http://a:80/x"), ("GET", "/x", b"", True)),
    (head(method=b"GET", target=b"https://A/", host=b"Host: a:443"), ("GET", "/", b"", True)),
    (head(method=b"GET", target=b"http://a/", version=b"1.0", host=b""), ("GET", "/", b"", False)),
    (chunked(b"a\r\n\r\n\r\nb\r\n", b"\r\n\r\n"), ("POST", "/api", b"a\r\n\r\n\r\nb\r\n\r\n\r\n", True)),
]

# Refused requests with the status.
REFUSED = [
    (head(b"Content-Length: 1", b"Content-Length: 1"), 400),
    (head(b"Content-Length: 43", b"Content-Length: 0"), 400),
    (head(b"Content-Length: 1, 1"), 400),
    (head(b"Content-Length: +1"), 400),
    (head(b"Content-Length: -1"), 400),
    (head(b"Content-Length: 1_0"), 400),
    (head(b"Content-Length: 0x5"), 400),
    (head(b"Content-Length:"), 400),
    (head(b"Content-Length: " + b"9" * 30), 400),
    (head(b"Content-Length : 1"), 400),
    (head(b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400),
    (head(b"Transfer-Encoding: chunked", b"Content-Length: 1"), 400),
    (head(b"Transfer-Encoding: xchunked"), 400),
    (head(b"Transfer-Encoding: chunked, identity"), 400),
    (head(b"Transfer-Encoding: gzip, chunked"), 400),
    (head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
    (head(b"Transfer-Encoding: identity"), 400),
    (head(b"Transfer-Encoding: chunked", version=b"1.0"), 400),
    (head(b"Host: b"), 400),
    (head(host=b""), 400),
    (head(b"Content-Type: a", b"Content-Type: b"), 400),
    (head(b"Authorization: a", b"authorization: b"), 400),
    (head(b"Expect: 100-continue", b"Expect: 100-continue"), 400),
    (head(b"A: b", b" folded"), 400),
    (head(b"A: b\x00"), 400),
    (head(b"A: b\rc"), 400),
    (head(b"A\x00: b"), 400),
    (head(b": b"), 400),
    (head(target=b"http://b/"), 400),
    (head(target=b"http://user@a/"), 400),
    (head(target=b"http://[::1"), 400),
    (head(target=b"ftp://a/"), 400),
    (head(target=b"/a\x80"), 400),
    (head(target="/é".encode()), 400),
    (head(target=b"http://a:81/"), 400),
    (head(target=b"http:///"), 400),
    (head(target=b"a/b"), 400),
    (head(b"Expect: something"), 417),
    (head(method=b"CONNECT", target=b"a:80"), 501),
    (head(version=b"2.0"), 505),
    (b"GET /\r\n\r\n", 505),
    (head(version=b"9.9"), 400),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    (b"NONSENSE / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
    (head(b"Transfer-Encoding: chunked") + b"0x5\r\nabcde\r\n", 400),
    (head(b"Transfer-Encoding: chunked") + b"5\nabcde\r\n", 400),
    (head(b"Transfer-Encoding: chunked") + b"5\r\nabcdefg\r\n", 400),
    (head(b"Transfer-Encoding: chunked") + b"-5\r\n", 400),
    (head(b"Transfer-Encoding: chunked") + b" 5\r\nabcde\r\n", 400),
    (head(b"Transfer-Encoding: chunked") + b"1_0\r\n", 400),
    (head(b"Transfer-Encoding: chunked") + b"0\r\nno field\r\n\r\n", 400),
    (head(b"Transfer-Encoding: chunked") + b"0\r\n folded: 1\r\n\r\n", 400),
    (head(b"Transfer-Encoding: chunked") + b"5;\x00\r\nabcde\r\n", 400),
    (head(b"Transfer-Encoding: chunked") + b"fffffffffffffffff\r\n", 400),
    (head(*[b"A: b"] * 20), 431),
    (head(b"A: " + b"b" * 5 * KIB), 431),
    (head(*[b"A: " + b"b" * KIB] * 5), 431),
    (head(target=b"/" * (KIB + 1)), 414),
    (head(b"Content-Length: %d" % (100 * KIB + 1)), 413),
    (head(b"Content-Length: %d" % (200 * KIB + 1), target=b"/page"), 413),
    (chunked(b"x" * (100 * KIB + 1)), 413),
    (chunked(b"a", trailers=b"A: b\r\n" * 21), 431),
]


def parse(*pieces, limits=LIMITS):
    """Parse pieces. Return ``(method, target, body, keeps_alive)`` for requests, ``(status, text)`` for a refusal."""
    parser = RequestParser(limits, {"REMOTE_ADDR": "192.0.2.1"})
    for piece in pieces:
        parser.feed(piece)
    messages = [plain(message) for message in parser.completed]
    parser.close()
    return messages


def plain(message):
    if isinstance(message, Refusal):
        return int(message.status[:3]), str(message)
    line = message.head
    query = f"?{line['QUERY_STRING']}" if line["QUERY_STRING"] else ""
    body = message.body.read()
    return line["REQUEST_METHOD"], line["PATH_INFO"] + query, body, message.keeps_alive


def get(path="/api", *fields):
    return head(*fields, method=b"GET", target=path.encode())


def receive_all(client):
    """Return all bytes until EOF."""
    received = bytearray()
    while data := client.recv(65536):
        received += data
    return bytes(received)


def receive_all_until(client, end):
    """Return the bytes up to an end that a test expects."""
    received = bytearray()
    while not received.endswith(end):
        data = client.recv(65536)
        assert data
        received += data
    return bytes(received)


def receive_answer(client):
    """Return the status, the fields and the body of one answer with Content-Length."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = client.recv(65536)
        assert data, f"the connection ended after {received!r}"
        received += data
    beginning, _, body = received.partition(b"\r\n\r\n")
    if beginning.startswith(b"HTTP/1.1 100 "):
        assert not body, "an answer came together with the interim one; the test reads one at a time"
        return receive_answer(client)
    lines = beginning.decode("latin-1").split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:])
    while len(body) < int(fields.get("Content-Length", 0)):
        data = client.recv(65536)
        assert data, f"the connection ended after {len(body)} bytes of the body"
        body += data
    return int(lines[0][9:12]), fields, body
