"""A client of the wire table over a raw socket, so that no library changes a byte."""

import socket

from tests.helpers import Answer, BrokenStream, UnreadableStream, check_answer

_PATIENCE_S = 30

# Headers that only the serving backend sets.
_BACKEND_HEADERS = {"Date", "Connection"}

# A body that must not be read is sent up to this size; a longer one is not sent at all.
_MAX_UNREAD_BYTES = 100


def call_connection(address, request):
    """Send a request over a new connection. Check its answer by RFC 9110 and 9112, and return it."""
    source = (request.environ.get("REMOTE_ADDR", "127.0.0.1"), 0)
    with socket.create_connection(address, _PATIENCE_S, source) as client, client.makefile("rb") as stream:
        head, body = message_of(request)
        client.sendall(head + body)
        if is_cut_short(request):
            client.shutdown(socket.SHUT_WR)
        answer = read_answer(stream, request.method)
        check_end(client, stream, answer, has_more=is_followed_by_more(request, body))
    headers = tuple(line for line in answer.headers if line[0] not in _BACKEND_HEADERS)
    answer = Answer(answer.status, headers, answer.body)
    check_answer(answer, request.method)
    return answer


def why_unsendable(request):
    """Return why no client can send this request over a connection; None if one can."""
    stream = request.environ.get("wsgi.input")
    if isinstance(stream, BrokenStream) and issubclass(stream.failure, ConnectionError):
        return "a connection that is reset carries no answer"
    headers = dict(header_lines(request))
    if not request.chunked and "Transfer-Encoding" in headers and "Content-Length" not in headers:
        return "the native front always finds the end of a chunked body"
    if headers.get("Content-Length", "").strip(" \t") != headers.get("Content-Length", ""):
        return "white space around a value is not part of it (RFC 9110, section 5.5)"
    return None


def message_of(request):
    """Return the head and the body as bytes."""
    version = request.environ.get("SERVER_PROTOCOL", "HTTP/1.1")
    lines = [f"{request.method} {request.target} {version}", *map(": ".join, header_lines(request))]
    return "\r\n".join([*lines, "", ""]).encode("latin-1"), body_of(request)


def header_lines(request):
    headers = {"Host": "127.0.0.1:8080", **request.headers}
    if request.chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif request.method == "POST":
        headers = {"Content-Length": str(len(request.body)), **headers}
    return [(name, value) for name, value in headers.items() if value is not None]


def body_of(request):
    """Return the bytes after the head: half of a body that breaks off, blanks for one that must not be read."""
    stream = request.environ.get("wsgi.input")
    if isinstance(stream, UnreadableStream):
        length = number_of(request.headers["Content-Length"])
        return b" " * length if length <= _MAX_UNREAD_BYTES else b""
    body = framed(request.body, is_chunked=request.chunked)
    return body[: len(body) // 2] if isinstance(stream, BrokenStream) else body


def framed(body, *, is_chunked):
    """Return a body as it is sent: if it is chunked, in two chunks."""
    if not is_chunked:
        return body
    chunks = [chunk for chunk in (body[:5], body[5:]) if chunk]
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def is_cut_short(request):
    """Return whether the client ends its side before the body is complete."""
    stream = request.environ.get("wsgi.input")
    if stream is not None:
        return isinstance(stream, BrokenStream) and not issubclass(stream.failure, TimeoutError)
    return len(request.body) < number_of(request.headers.get("Content-Length"))


def is_followed_by_more(request, body):
    """Return whether the client sends bytes after the request, which the server parses as another request."""
    return not request.chunked and len(body) > number_of(dict(header_lines(request)).get("Content-Length"))


def number_of(length):
    """Return a Content-Length as a number; 0 if it is no number, or has too many digits."""
    return int(length) if length and length.isdecimal() and len(length) < 20 else 0


def read_answer(stream, method):
    """Read one answer."""
    version, _, status = read_line(stream).partition(" ")
    assert version == "HTTP/1.1"
    headers = []
    while line := read_line(stream):
        name, separator, value = line.partition(": ")
        assert separator, line
        headers.append((name, value))
    assert [name for name, _ in headers].count("Date") == 1
    answer = Answer(status, tuple(headers), b"")
    has_body = method != "HEAD" and answer.code not in (204, 304)
    body = stream.read(int(answer.header("Content-Length"))) if has_body else b""
    return Answer(status, tuple(headers), body)


def read_line(stream):
    line = stream.readline()
    assert line.endswith(b"\r\n"), f"the answer broke off in {line!r}"
    return line[:-2].decode("latin-1")


def check_end(client, stream, answer, *, has_more):
    """Check that nothing follows the answer, except the refusal of bytes after the request."""
    if answer.header("Connection") is None:
        client.shutdown(socket.SHUT_WR)
    rest = stream.read()
    assert rest.startswith(b"HTTP/1.1 400 ") if has_more else rest == b"", rest
