"""Limits and requests that several test files share."""

import math

from flaskJSONRPCServer.http.refusals import Refusal
from flaskJSONRPCServer.servBackend.native.parser import ParserLimits, RequestParser
from flaskJSONRPCServer.servBackend.native.protocol import HttpTimeouts

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
    """Return a POST with a length."""
    return head(*fields, b"Content-Length: %d" % len(body), target=target, version=version) + body


def head(*fields, method=b"POST", target=b"/api", version=b"1.1", host=b"Host: a"):
    lines = [b"%b %b HTTP/%b" % (method, target, version), *([host] if host else []), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunked(*chunks, trailers=b"", fields=()):
    """Return a chunked POST; each chunk is data, or data and an extension."""
    parts = [chunk if isinstance(chunk, tuple) else (chunk, b"") for chunk in chunks]
    body = b"".join(b"%x%b\r\n%b\r\n" % (len(data), extension, data) for data, extension in parts)
    return head(*fields, b"Transfer-Encoding: chunked") + body + b"0\r\n" + trailers + b"\r\n"


def parse(*pieces, limits=LIMITS):
    """Return what a parser makes of pieces: ``(method, target, body, keeps_alive)``, and ``(status, text)``."""
    parser = RequestParser(limits, {"REMOTE_ADDR": "192.0.2.1"})
    for piece in pieces:
        parser.feed(piece)
    messages = [plain(message) for message in parser.messages]
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
    """Return what comes until the end."""
    received = bytearray()
    while data := client.recv(65536):
        received += data
    return bytes(received)


def receive_answer(client):
    """Return the status, the head and the body of one answer that has a length."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = client.recv(65536)
        assert data, f"the connection ended after {received!r}"
        received += data
    beginning, _, body = received.partition(b"\r\n\r\n")
    if beginning.startswith(b"HTTP/1.1 100 "):
        assert not body, "an answer came with the interim one; the test reads one at a time"
        return receive_answer(client)
    lines = beginning.decode("latin-1").split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:])
    while len(body) < int(fields.get("Content-Length", 0)):
        data = client.recv(65536)
        assert data, f"the connection ended after {len(body)} bytes of the body"
        body += data
    return int(lines[0][9:12]), fields, body
