"""Shared test helpers: requests as values, and a WSGI caller as strict as wsgiref.validate."""

import http.client
import io
import json
import re
import time
from dataclasses import dataclass, field
from types import MappingProxyType

NOTHING = MappingProxyType({})

_STATUS = re.compile(r"[1-5][0-9][0-9] [\x20-\x7e]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# RFC 2616, section 13.5.1; PEP 3333 forbids an application to send them.
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


class Clock:
    """A clock that a test sets."""

    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        return self.now


@dataclass(frozen=True)
class Answer:
    """The answer that a client gets: the status line without the version, the headers in order, the body."""

    status: str
    headers: tuple
    body: bytes

    @property
    def code(self):
        return int(self.status[:3])

    def header(self, name):
        """Return the only value of a header; None if it is missing."""
        values = [value for header, value in self.headers if header.lower() == name.lower()]
        assert len(values) <= 1, f"{name} is repeated: {values}"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)


@dataclass(frozen=True)
class Request:
    """The request that a client sends. `chunked`: the server marks the end of the stream, and there is no length."""

    method: str
    target: str
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    chunked: bool = False
    environ: dict = field(default_factory=dict)


class OneShotStream(io.RawIOBase):
    """A body as a socket delivers it: in slices, and only once."""

    def __init__(self, body, slice_bytes=1 << 20):
        self._body = io.BytesIO(body)
        self._slice_bytes = slice_bytes
        self.taken = 0

    def readable(self):
        return True

    def read(self, size=-1):
        assert size is not None
        data = self._body.read(self._slice_bytes if size < 0 else min(size, self._slice_bytes))
        self.taken += len(data)
        return data

    def readinto(self, buffer):
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class UnreadableStream(io.RawIOBase):
    """A body that must not be read."""

    def readable(self):
        return True

    def read(self, size=-1):
        raise AssertionError("the body was read")

    readinto = readline = readlines = read


def wait_until(condition, timeout_s=60):
    """Poll a condition for which there is no event, until it is true. Return its last value."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition never became true"
        time.sleep(0.005)  # so that other threads run between two polls
    return value


class BrokenStream(io.RawIOBase):
    """A body whose connection fails with an exception of this type."""

    def __init__(self, failure):
        self.failure = failure

    def readable(self):
        return True

    def read(self, size=-1):
        raise self.failure("the connection failed")

    def readinto(self, buffer):
        return self.read()


def environ_of(request):
    """Return the WSGI environ (PEP 3333) of a request, as servers make it."""
    path, _, query = request.target.partition("?")
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": wsgi_path(path),
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": OneShotStream(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    headers = {"Host": "127.0.0.1:8080", **request.headers}
    if request.chunked:
        environ["wsgi.input_terminated"] = True
        headers["Transfer-Encoding"] = "chunked"
    elif request.method == "POST":
        headers = {"Content-Length": str(len(request.body)), **headers}
    for name, value in headers.items():
        if value is not None:
            environ[environ_key(name)] = value
    return {**environ, **request.environ}


def environ_key(header):
    key = header.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def wsgi_path(path):
    """Decode a percent-encoded path as servers do: to bytes, read as Latin-1."""
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(path).decode("latin-1")


def call_wsgi(application, request):
    """Send a request to a WSGI application. Return its answer, after checking it against PEP 3333 and RFC 9110."""
    return call_environ(application, environ_of(request))


def call_environ(application, environ):
    method = environ["REQUEST_METHOD"]
    started = []

    def start_response(status, headers, exc_info=None):
        assert exc_info is None, "the application failed"
        started.append((status, headers))
        return written.append

    written = []
    chunks = application(environ, start_response)
    try:
        body = [*written, *chunks]
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    assert len(started) == 1, "start_response was not called once"
    assert all(type(chunk) is bytes for chunk in body)
    answer = Answer(started[0][0], tuple(started[0][1]), b"".join(body))
    check_answer(answer, method)
    return answer


def check_answer(answer, method):
    """Check the rules that hold for every answer."""
    assert type(answer.status) is str
    assert _STATUS.fullmatch(answer.status), answer.status
    for header in answer.headers:
        assert type(header) is tuple
        name, value = header
        assert type(name) is str
        assert type(value) is str
        assert _NAME.fullmatch(name), name
        assert _VALUE.fullmatch(value), value
        assert name.lower() not in _HOP_BY_HOP, name
    length = answer.header("Content-Length")
    if answer.code in (204, 304):
        assert answer.body == b""
        assert length is None
        assert answer.header("Content-Type") is None
        return
    assert answer.header("Content-Type") is not None
    assert length is not None
    assert int(length) == (int(length) if method == "HEAD" else len(answer.body))
    assert method != "HEAD" or answer.body == b""


def call_socket(address, request):
    """Send a request over a new connection. Return the answer without the headers of the serving program."""
    connection = http.client.HTTPConnection(*address, timeout=20)
    try:
        connection.putrequest(request.method, request.target, skip_accept_encoding=True)
        headers = dict(request.headers)
        if request.method == "POST":
            headers = {"Content-Length": str(len(request.body)), **headers}
        for name, value in headers.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(request.body or None)
        response = connection.getresponse()
        body = response.read()
        headers = tuple(
            line for line in response.getheaders() if line[0].lower() not in ("server", "date", "connection")
        )
        return Answer(f"{response.status} {response.reason}", headers, body)
    finally:
        connection.close()


def post(payload, target="/api", **options):
    """Return a POST with a JSON text: bytes unchanged, other values as the json module writes them."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", **options.pop("headers", {})}
    return Request("POST", target, headers, body, **options)


def get(target, headers=NOTHING, **options):
    return Request("GET", target, dict(headers), **options)


def rpc(method, params=None, request_id=1):
    """Return a call as a value."""
    call = {"jsonrpc": "2.0", "method": method, "id": request_id}
    return call if params is None else {**call, "params": params}


def call(application, method, params=None, *, target="/api", **options):
    """Call a method by POST. Return the response object."""
    answer = call_wsgi(application, post(rpc(method, params), target, **options))
    assert answer.code == 200, answer
    return answer.json()


def result_of(application, method, params=None, **options):
    response = call(application, method, params, **options)
    assert "error" not in response, response
    return response["result"]
