"""The access log, over real sockets on every serving backend. Under gevent, with pywsgi."""

import contextlib
import http.client
import itertools
import json
import logging
import re
import socket
import struct
import threading

import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, SettingsError, flaskJSONRPCServer
from flaskJSONRPCServer.runtime.concurrency import is_patched
from flaskJSONRPCServer.runtime.json_log import JsonFormatter
from flaskJSONRPCServer.runtime.logs import ServerLog
from flaskJSONRPCServer.settings import Settings
from flaskJSONRPCServer.telemetry.access_log import AccessLog
from flaskJSONRPCServer.telemetry.call_records import CallRecord
from tests.helpers import rpc, wait_until

BACKENDS = ["pywsgi"] if is_patched() else ["native", "werkzeug", "granian"]
PATIENCE_S = 30
NAMES = (f"access-{number}" for number in itertools.count())

COMBINED = re.compile(
    r'(?P<host>\S+) - - \[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(?P<request>(?:[^"\\]|\\.)*)" '
    r'(?P<status>\d{3}|-) (?P<bytes>\d+|-) "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)" '
    r'"(?P<method>(?:[^"\\]|\\.)*)" (?P<code>\S+) (?P<duration>\d+\.\d+) (?P<id>[0-9a-f]{40}|-)'
)


class Lines(logging.Handler):
    """Collects the lines of one access log, as text and as JSON."""

    def __init__(self, name):
        super().__init__()
        self.lines, self.json_lines = [], []
        self.logger = logging.getLogger(f"flaskJSONRPCServer.{name}.access")

    def emit(self, record):
        self.json_lines.append(JsonFormatter().format(record))
        self.lines.append(record.getMessage())  # last: tests wait for it

    def take(self, count=1):
        """Wait for so many lines, and return their fields."""
        wait_until(lambda: len(self.lines) >= count)
        lines, self.lines[:] = self.lines[:], []
        matches = [COMBINED.fullmatch(line) for line in lines]
        assert all(matches), lines
        assert len(lines) == count, lines
        return [match.groupdict() for match in matches]


@contextlib.contextmanager
def lines_of(name):
    lines = Lines(name)
    lines.logger.addHandler(lines)
    try:
        yield lines
    finally:
        lines.logger.removeHandler(lines)


@contextlib.contextmanager
def serving(backend, **options):
    name = next(NAMES)
    server = flaskJSONRPCServer(
        ["127.0.0.1", 0], **{"servBackend": backend, "accessLog": True, "log": 0, "name": name, **options}
    )
    server.entered, server.release = threading.Semaphore(0), threading.Event()
    server.registerFunction(lambda text="": text, "/api", name="echo")
    server.registerFunction(lambda: 1 / 0, "/api", name="fail")
    server.registerFunction(refuse, "/api")
    server.registerFunction(lambda: server.entered.release() or server.release.wait(PATIENCE_S), "/api", name="wait")
    server.flaskApp.add_url_rule("/parts", "parts", lambda: iter(["ab", "cd"]))
    server.flaskApp.add_url_rule("/broken", "broken", lambda: 1 / 0)
    server.start()
    try:
        with lines_of(name) as server.lines:
            yield server
    finally:
        server.release.set()
        server.stop()


def refuse():
    raise JsonRpcApplicationError(message="no", code=7)


@pytest.fixture(scope="module", params=BACKENDS)
def server(request):
    with serving(request.param) as server:
        server.backend = request.param
        yield server


def ask(server, method, target, body=None, headers=()):
    with contextlib.closing(http.client.HTTPConnection(*server.addresses[0], timeout=PATIENCE_S)) as connection:
        connection.request(method, target, body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read()


def post(server, message, headers=()):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return ask(server, "POST", "/api", body, {"Content-Type": "application/json", **dict(headers)})


def notify(method):
    return {"jsonrpc": "2.0", "method": method}


@pytest.mark.parametrize(
    ("message", "method", "code"),
    [
        (rpc("echo", ["a"]), "echo", "0"),
        (rpc("fail"), "fail", "-32603"),
        (rpc("refuse"), "refuse", "7"),
        (rpc("nothing"), "nothing", "-32601"),
        (rpc("echo", [1, 2, 3]), "echo", "-32602"),
        (notify("echo"), "echo", "0"),
        ([rpc("echo"), notify("echo"), rpc("fail"), rpc("fail"), 5], "echo,echo,fail,fail,(+1)", "-32603,-32600"),
        ([rpc("echo")] * 10, "echo,echo,echo,echo,echo,echo,echo,echo,(+2)", "0"),
        (b"{", "-", "-32700"),
        (b"[]", "-", "-32600"),
    ],
)
def test_calls_of_a_request(server, message, method, code):
    status, body = post(server, message)
    (line,) = server.lines.take()

    assert (line["method"], line["code"]) == (method, code)
    assert (line["status"], line["bytes"]) == (str(status), str(len(body) or "-"))
    assert line["request"] == "POST /api HTTP/1.1"
    assert line["host"] == "127.0.0.1"
    assert len(line["id"]) == 40


def test_id_is_that_of_the_error(server):
    _, body = post(server, rpc("fail"))

    assert server.lines.take()[0]["id"] == json.loads(body)["error"]["data"]["correlationId"]


@pytest.mark.parametrize(
    ("message", "method", "code"),
    [
        (rpc("echo", ["a"]), "echo", "0"),
        (rpc("refuse"), "refuse", "7"),
        ([rpc("echo"), notify("echo"), rpc("fail")], "echo,echo,fail", "-32603"),
    ],
)
def test_stored_answer_has_the_calls_and_errors_of_its_request(server, message, method, code):
    by_header = {"Idempotency-Key": method.replace(",", ".")}
    answers = [post(server, message, by_header) for _ in range(2)]
    other = post(server, rpc("echo"), by_header)
    lines = server.lines.take(3)

    assert answers[0] == answers[1]
    assert [(line["method"], line["code"]) for line in lines[:2]] == [(method, code)] * 2
    assert (other[0], lines[2]["method"]) == (422, "echo")


def test_stored_reply_of_a_call_has_its_error(server):
    call = {**rpc("refuse"), "idempotencyKey": "of a call"}
    for _ in range(2):
        post(server, call)

    assert [(line["method"], line["code"]) for line in server.lines.take(2)] == [("refuse", "7")] * 2


@pytest.mark.parametrize(
    ("method", "target", "request_line", "status", "size", "called"),
    [
        ("GET", "/api/echo?text=secret", "GET /api/echo?... HTTP/1.1", "200", 45, "echo"),
        ("HEAD", "/api/echo?text=secret", "HEAD /api/echo?... HTTP/1.1", "200", 0, "echo"),
        ("OPTIONS", "/api", "OPTIONS /api HTTP/1.1", "204", 0, "-"),
        ("GET", "/healthz", "GET /healthz HTTP/1.1", "200", 27, "-"),
        ("GET", "/parts", "GET /parts HTTP/1.1", "200", 4, "-"),
        ("GET", "/broken", "GET /broken HTTP/1.1", "500", None, "-"),
        ("GET", "/nothing%0d%0a%22%20x", "GET /nothing%0D%0A%22%20x HTTP/1.1", "404", None, "-"),
        ("PUT", "/api", "PUT /api HTTP/1.1", "405", None, "-"),
    ],
)
def test_other_requests(server, method, target, request_line, status, size, called):
    _, body = ask(server, method, target)
    (line,) = server.lines.take()

    assert (line["request"], line["status"], line["method"]) == (request_line, status, called)
    assert line["bytes"] == str((len(body) if size is None else size) or "-")


@pytest.mark.parametrize("refused", ["media type", "body too large", "host"])
def test_refusal_of_the_server(backend_server, refused):
    server = backend_server
    headers = {"host": {"Host": "a.test"}, "media type": {"Content-Type": "text/html"}}.get(refused, {})
    body = b" " * 101 if refused == "body too large" else json.dumps(rpc("echo")).encode()
    status, _ = ask(server, "POST", "/api", body, {"Content-Type": "application/json", **headers})

    assert server.lines.take()[0]["status"] == str(status)
    assert status in (413, 415, 421)


@pytest.fixture(scope="module", params=BACKENDS)
def backend_server(request):
    with serving(request.param, max_body_bytes=100) as server:
        yield server


def exchange(server, data):
    with socket.create_connection(server.addresses[0], timeout=PATIENCE_S) as client:
        client.sendall(data)
        received = b""
        with contextlib.suppress(ConnectionError):
            while chunk := client.recv(65536):
                received += chunk
        return received


MALFORMED = [
    b"BAD\r\n\r\n",
    b"GET /api HTTP/9.9\r\nHost: a\r\n\r\n",
    b"POST /api HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: xchunked\r\n\r\n",
]


@pytest.mark.parametrize("data", MALFORMED)
def test_malformed_request_is_one_line(server, data):
    if server.backend == "granian":
        data = MALFORMED[-1].replace(b"xchunked", b"gzip, chunked")  # it refuses the others itself, and tells nobody
    answer = exchange(server, data)
    (line,) = server.lines.take()

    assert line["status"].encode() in answer  # to a strange version, werkzeug answers without a status line
    assert line["host"] == "127.0.0.1"


@pytest.mark.parametrize("value", ['a" 200 5 "b', "a\\", "\x7f\x1b[2J", "ä€", "x" * 5000, "\\x22 \\n"])
def test_hostile_headers_stay_in_their_fields(server, value):
    if server.backend == "granian":
        value = value.replace("\x7f\x1b", "")  # it refuses control characters itself, and tells nobody
    status, _ = post(server, rpc("echo"), {"User-Agent": value.encode(), "Referer": (value + "?token=secret").encode()})
    (line,) = server.lines.take()

    assert line["status"] == str(status)
    assert "secret" not in line["referer"]
    assert len(line["agent"]) < 2100
    assert all(" " <= char <= "~" for char in line["agent"])


HOSTILE_NAMES = ['a" 0 1.0 x', "a\r\nGET / 200", "\x1b[31m", "\u2028", "\ud800", "ä" * 3000, '{host}"']


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_method_names_stay_in_their_fields(server, name):
    server.lines.json_lines.clear()
    post(server, rpc(name))
    (line,) = server.lines.take()

    assert line["code"] in ("-32601", "-32700", "-32600")
    assert len(line["method"]) < 3100
    (json_line,) = server.lines.json_lines
    assert json_line.isascii()
    assert json_line.isprintable()
    assert json.loads(json_line)["code"] == line["code"]


def test_json_has_the_fields_with_their_types(server):
    server.lines.json_lines.clear()
    post(server, rpc("echo"), {"User-Agent": "me"})
    server.lines.take()
    fields = json.loads(server.lines.json_lines[0])

    assert {name: fields[name] for name in ("status", "target", "method", "code", "agent", "request_method")} == {
        **{"status": 200, "target": "/api", "method": "echo", "code": "0", "agent": "me", "request_method": "POST"}
    }
    assert fields["duration_ms"] > 0
    assert "message" not in fields


def test_request_that_finds_no_thread_is_one_line():
    backend = BACKENDS[0]
    with serving(backend, threads=1, max_concurrent_calls=1, max_waiting_requests=0) as server:
        caller = threading.Thread(target=post, args=(server, rpc("wait")))
        caller.start()
        assert server.entered.acquire(timeout=PATIENCE_S)
        assert post(server, rpc("echo"))[0] == 503
        assert [line["status"] for line in server.lines.take()] == ["503"]
        server.release.set()
        caller.join()
        assert [line["status"] for line in server.lines.take()] == ["200"]


@pytest.mark.skipif(is_patched(), reason="only native notices it")
def test_request_whose_client_has_gone_is_one_line():
    with serving("native", threads=1) as server:
        caller = threading.Thread(target=post, args=(server, rpc("wait")))
        caller.start()
        assert server.entered.acquire(timeout=PATIENCE_S)
        with socket.create_connection(server.addresses[0], timeout=PATIENCE_S) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset at its end
            client.sendall(b"GET /api/echo HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert ask(server, "GET", "/healthz")[0] == 200  # so that the request has been read
        assert ask(server, "GET", "/healthz")[0] == 200
        server.release.set()
        caller.join()

        assert sorted(line["status"] for line in server.lines.take(4)) == ["200", "200", "200", "499"]


@pytest.mark.skipif(is_patched(), reason="only native has request_timeout_s")
def test_request_that_is_refused_while_its_call_runs_is_one_line():
    with serving("native", request_timeout_s=0.05) as server:
        assert post(server, rpc("wait"))[0] == 504
        server.release.set()
        server.stop()

        assert [line["status"] for line in server.lines.take()] == ["504"]


def test_many_clients_at_once_are_as_many_lines(server):
    def call():
        for _ in range(20):
            assert post(server, [rpc("echo"), notify("fail")])[0] == 200

    clients = [threading.Thread(target=call) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()

    lines = server.lines.take(80)
    assert {(line["method"], line["code"]) for line in lines} == {("echo,fail", "-32603")}
    assert len({line["id"] for line in lines}) == 80


def test_log_is_off_by_default():
    with serving(BACKENDS[0], accessLog=False) as server:
        assert post(server, rpc("echo"))[0] == 200
        server.stop()
        assert server.lines.lines == []


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("in_use", [False, True])
def test_log_goes_on_with_the_server_that_replaces_another(backend, in_use):
    name = next(NAMES)
    newer = flaskJSONRPCServer(None, log=0, name=name, accessLogFormat="{method} {code} {id}")
    newer.registerFunction(lambda: 1 / 0, "/api", name="newer")
    if in_use:
        newer.getWSGI()
    with serving(backend) as server, lines_of(name) as lines:
        server._lifecycle.replace_server(newer._engine, newer)
        post(server, rpc("newer"))

        wait_until(lambda: lines.lines)
        assert re.fullmatch("newer -32603 [0-9a-f]{40}", lines.lines[0])
        assert server.lines.lines == []


def test_replacement_of_a_server_without_a_log_writes_none():
    newer = flaskJSONRPCServer(None, log=0, name=next(NAMES), accessLog=True)
    newer.registerFunction(lambda: 1, "/api", name="newer")
    with serving(BACKENDS[0], accessLog=False) as server, lines_of(newer._engine.name) as lines:
        server._lifecycle.replace_server(newer._engine, newer)
        assert post(server, rpc("newer"))[0] == 200
        server.stop()
        assert lines.lines == []


# In-process


def line_of(head, accessLogFormat, **options):
    name = next(NAMES)
    settings = Settings(accessLogFormat=accessLogFormat, **options)
    with lines_of(name) as lines:
        AccessLog(settings, ServerLog(name, 0)).write(
            head, "200 OK", body_bytes=0, duration_s=0.0015, record=CallRecord(["a"], 1, [], "1d")
        )
    return lines.lines[0]


HEAD = {
    "REQUEST_METHOD": "POST",
    "PATH_INFO": "/api",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "10.0.0.1",
    "HTTP_X_FORWARDED_FOR": "192.0.2.7",
}


def test_format_of_the_users_own():
    assert line_of(HEAD, '{host} {method}={code} {duration_ms} {id} {{"{user}"}}') == '10.0.0.1 a=0 1.5 1d {"-"}'


def test_common_format_begins_as_the_standard_has_it():
    line = line_of(HEAD, "common")

    assert re.fullmatch(r'10\.0\.0\.1 - - \[[^]]+\] "POST /api HTTP/1\.1" 200 - "a" 0 1\.5 1d', line)


def test_client_behind_a_trusted_proxy():
    assert line_of(HEAD, "{host}", trusted_proxies=["10.0.0.1"]) == "192.0.2.7"


def test_unix_socket_and_unknown_head_have_hyphens():
    assert line_of({"REMOTE_ADDR": ""}, '{host} "{request}" "{referer}"') == '- "-" "-"'


@pytest.mark.parametrize(
    "value", ["json", "", "{nothing}", "{host.__class__}", "{host!r}", "{host:>5}", "{", "{}", "{host}\n", 5, None]
)
def test_format_that_cannot_be_used_is_refused(value):
    with pytest.raises(SettingsError, match=r"accessLogFormat=.* is refused: it takes 'common'"):
        Settings(accessLogFormat=value)


@pytest.mark.parametrize("value", ["xml", True, None])
def test_log_format_that_cannot_be_used_is_refused(value):
    with pytest.raises(SettingsError, match=r"logFormat=.* is refused: it takes 'text' or 'json'"):
        Settings(logFormat=value)
