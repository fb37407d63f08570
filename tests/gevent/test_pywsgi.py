"""The pywsgi backend over real sockets."""

import json

import pytest

from flaskJSONRPCServer import UnsupportedError, flaskJSONRPCServer
from tests.gevent.processes import PRELUDE, lines_of, run

ECHO = """
ran = []

def echo(value=None):
    ran.append(value)
    return value

server.registerFunction(echo, path="/api")
"""


def test_accepted_connections_have_no_delay_and_are_kept_alive():
    out = lines_of(
        ECHO
        + """
import socket
from flaskJSONRPCServer.servBackend import pywsgi

handle = pywsgi.PywsgiHandler.handle

def recorded(self):
    print("accepted", self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)
    handle(self)

pywsgi.PywsgiHandler.handle = recorded
server.start()
with contextlib.closing(connect()) as connection:
    for number in range(3):
        print(ask(connection, "echo", number))
server.stop()
"""
    )
    assert out == ["accepted True", "0", "1", "2"]


def test_unix_socket_is_served(tmp_path):
    script = """
import socket
from flaskJSONRPCServer import flaskJSONRPCServer

server = flaskJSONRPCServer(PATH, log=2, gevent=True)

def about(_connection):
    return [_connection.ip, _connection.servedBy[:2]]

server.registerFunction(about, path="/api")
server.start()
with socket.socket(socket.AF_UNIX) as client:
    client.connect(PATH)
    client.sendall(b"GET /api/about HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n")
    print(b"".join(iter(lambda: client.recv(65536), b"")).split(b"\\r\\n")[-1].decode())
server.stop()
"""
    path = f"{tmp_path}/api.sock"
    [line] = lines_of(script, prelude=f"PATH = {path!r}")
    assert json.loads(line)["result"] == [None, [True, path]]


HEAD = "POST /api HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\n"

RAW = (
    ECHO
    + f"""
import socket
HEAD = b"{HEAD}"
CALL = b'{{"jsonrpc":"2.0","method":"echo","params":[1],"id":1}}'
LENGTH = b"Content-Length: %d\\r\\n" % len(CALL)
SECOND = HEAD + LENGTH + b"\\r\\n" + CALL

def receive(client):
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(65536):
            received += data
    return received

def statuses(request):
    with socket.create_connection(server.addresses[0], timeout=30) as client:
        client.sendall(request)
        return [part[1:4].decode() for part in receive(client).split(b"HTTP/1.1")[1:]]

server.start()
"""
)


def test_request_that_hides_a_second_one_is_refused_and_the_connection_closed():
    out = lines_of(
        RAW
        + """
for fields in (
    b"Content-Length : 43\\r\\n",
    b"Content-Length: 43\\r\\nContent-Length: 0\\r\\n",
    b"Content-Length: +5\\r\\n",
    b"Content-Length: 1_0\\r\\n",
    b"Transfer-Encoding: xchunked\\r\\n",
    b"Transfer-Encoding: chunked, identity\\r\\n",
    b"Content-Length: 5\\r\\nTransfer-Encoding: chunked\\r\\n",
    b"X: a\\r\\n folded: 1\\r\\n",
    b"X: a\\x00\\r\\n",
    b"X: a\\n",
    b"Host: other\\r\\n",
):
    print(*statuses(HEAD + fields + b"\\r\\n" + SECOND))
print(*statuses(b"GET /api/echo HTTP/1.1\\r\\n\\r\\n"), statuses(b"GET /api/echo\\r\\n\\r\\n")[0])
print(*statuses(HEAD + b"Transfer-Encoding: chunked\\r\\n\\r\\n0x5\\r\\nabcde\\r\\n0\\r\\n\\r\\n" + SECOND))
print(*statuses(HEAD + b"X: " + b"a" * 70_000 + b"\\r\\n\\r\\n"))
print(list(ran), *statuses(SECOND.replace(b"Host", b"Connection: close\\r\\nHost")), ran)
server.stop()
"""
    )
    assert out == ["400"] * 11 + ["400 505", "400", "431", "[] 200 [1]"]


def test_chunked_bodies_and_several_requests_at_once_are_answered():
    out = lines_of(
        RAW
        + """
chunked = HEAD + b"Transfer-Encoding: chunked\\r\\n\\r\\n%x\\r\\n%b\\r\\n0\\r\\n\\r\\n" % (len(CALL), CALL)
print(*statuses(chunked + SECOND + SECOND.replace(b"Host", b"Connection: close\\r\\nHost")), ran)
server.stop()
"""
    )
    assert out == ["200 200 200 [1, 1, 1]"]


def test_silent_clients_are_cut_off():
    out = lines_of(
        RAW
        + """
for request in (b"", HEAD, HEAD[:30], SECOND, HEAD + b"Content-Length: 100\\r\\n\\r\\n{"):
    print("answers", *statuses(request))
server.stop()
""",
        options="{'read_timeout_s': 0.1}",
    )
    assert out == ["answers", "answers", "answers", "answers 200", "answers 408"]


def test_stop_ends_idle_connections_and_answers_what_has_begun():
    out = lines_of(
        RAW
        + """
entered, leave = threading.Event(), threading.Event()

def slow():
    entered.set()
    leave.wait()
    return "done"

server.registerFunction(slow, path="/api")
idle = connect()
ask(idle, "echo", 1)
silent = socket.create_connection(server.addresses[0], timeout=30)
busy = socket.create_connection(server.addresses[0], timeout=30)
busy.sendall(SECOND.replace(b'"echo","params":[1]', b'"slow"             '))
entered.wait()
stopping = gevent.spawn(server.stop, 60)
print(idle.sock.recv(1), silent.recv(1), stopping.ready())
leave.set()
answer = receive(busy)
print(answer.count(b"Connection: close"), answer.endswith(b'"result":"done","id":1}'))
stopping.get()
for client in (idle, silent, busy):
    client.close()
"""
    )
    assert out == ["b'' b'' False", "1 True"]


def test_stop_gives_up_after_its_timeout_and_logs_it():
    _, err = run(
        RAW
        + """
entered, leave = threading.Event(), threading.Event()
server.registerFunction(lambda: entered.set() or leave.wait(), path="/api", name="slow")
caller = gevent.spawn(call, "slow")
entered.wait()
server.stop(timeout=0)
leave.set()
caller.join()
"""
    )
    assert err.endswith("1 connection was still being answered after 0.0 s")


def test_broken_connections_and_refused_heads_are_lines_of_the_log():
    _, err = run(
        RAW
        + """
server.stop()
server.settings.log = 4
server.start()
statuses(b"GET /api/echo?value=secret HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
statuses(b"GET / HTTP/1.1\\r\\nBad Field: 1\\r\\n\\r\\n")
server.stop()
"""
    )
    lines = [line.partition(": ")[2] for line in err.split("\n") if " DEBUG " in line]
    assert lines[0] == '127.0.0.1 "GET /api/echo?... HTTP/1.1" 200'
    assert lines[1] == "127.0.0.1 refused: malformed request: Invalid header token"
    assert "Traceback" not in err
    assert "secret" not in err


def test_body_that_nobody_reads_does_not_become_the_next_request():
    out = lines_of(
        RAW
        + """
hidden = b"GET /api/echo?value=hidden HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"
refused = HEAD.replace(b"application/json", b"text/plain") + b"Content-Length: %d\\r\\n\\r\\n" % len(hidden)
print(*statuses(refused + hidden + SECOND.replace(b"Host", b"Connection: close\\r\\nHost")), ran)
endless = HEAD + b"Content-Length: 100000000\\r\\n\\r\\n"
print(*statuses(endless + b"x" * 300_000), ran)
server.stop()
""",
        options="{'max_body_bytes': 200_000}",
    )
    assert out == ["415 200 [1]", "413 [1]"]


def test_pywsgi_without_gevent_is_refused():
    with pytest.raises(UnsupportedError, match="servBackend 'pywsgi' serves with gevent only; add gevent=True"):
        flaskJSONRPCServer(["127.0.0.1", 0], servBackend="pywsgi", log=0)


def test_backend_without_support_for_gevent_is_refused_under_it():
    out = lines_of(
        """
from flaskJSONRPCServer import UnsupportedError
own = {"_id": "own", "start": lambda *args: print("started"), "_supportGevent": False}
for backend in ("werkzeug", own, {**own, "_supportGevent": True}, {"_id": "own", "start": own["start"]}):
    try:
        other = flaskJSONRPCServer(["127.0.0.1", 0], gevent=True, servBackend=backend, log=0)
        other.start()
        other.stop()
    except UnsupportedError as exc:
        print(exc)
"""
    )
    refusal = "cannot serve with gevent=True; leave that out, or use 'auto' or 'pywsgi'"
    assert out == [f"servBackend 'werkzeug' {refusal}", f"servBackend 'own' {refusal}", "started", "started"]


def test_backend_that_serves_with_gevent_only_is_refused_without():
    own = {"_id": "own", "start": print, "_supportNative": False}
    with pytest.raises(UnsupportedError, match="servBackend 'own' serves with gevent only"):
        flaskJSONRPCServer(["127.0.0.1", 0], servBackend=own, log=0)


ANSWERS = """
import socket

def application(environ, start_response):
    kind = environ["PATH_INFO"].strip("/")
    status, length, parts = KINDS[kind]
    write = start_response(status, [("Content-Length", length)] if length else [("Transfer-Encoding", "chunked")])
    if kind == "written":
        write(b"".join(parts))
        return []
    return iter(parts) if kind.startswith("lazy") else parts

def receive(client):
    with contextlib.suppress(ConnectionError):
        while part := client.recv(65536):
            yield part

def shown(answer):
    head, _, body = answer.partition(b"\\r\\n\\r\\n")
    return [head[:3].decode(), body.decode(), head.lower().count(b"transfer-")]

server.registerFunction(lambda: 1, path="/api", name="one")
server.flaskApp.wsgi_app = application
server.start()
for kind in KINDS:
    for method in ("GET", "HEAD"):
        with socket.create_connection(server.addresses[0], timeout=30) as client:
            request = f"{method} /%s HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"
            client.sendall(f"{request % kind}{request % 'good'}".encode())
            client.shutdown(socket.SHUT_WR)
            answers = b"".join(receive(client)).split(b"HTTP/1.1 ")[1:]
        print(json.dumps([kind, method, [shown(answer) for answer in answers]]))
server.stop()
"""

# Of each answer: the status, whether it declares its length, and the parts.
KINDS = {
    "good": ("200 OK", "4", [b"good"]),
    "list": ("200 OK", "3", [b"abcd"]),
    "lazy_long": ("200 OK", "3", [b"ab", b"cd"]),
    "lazy_short": ("200 OK", "5", [b"ab", b"cd"]),
    "lazy_chunks": ("200 OK", None, [b"ab"]),
    "written": ("200 OK", "4", [b"abcd"]),
    "early": ("103 Early Hints", None, []),
    "upgrade": ("101 Switching Protocols", None, []),
    "plus": ("200 OK", "+4", [b"abcd"]),
}

EMPTY, GOOD, FAILED = ["200", "", 0], ["200", "good", 0], ["500", "Internal Server Error", 0]

# What a client gets that asks for such an answer and then for a good one, by GET and by HEAD.
RECEIVED = {
    "good": ([GOOD, GOOD], [EMPTY, EMPTY]),
    "list": ([FAILED], [EMPTY, EMPTY]),
    "lazy_long": ([["200", "ab", 0]], [EMPTY, EMPTY]),
    "lazy_short": ([["200", "abcd", 0]], [EMPTY, EMPTY]),
    "lazy_chunks": ([["200", "2\r\nab\r\n0\r\n\r\n", 1], GOOD], [["200", "", 1], EMPTY]),
    "written": ([["200", "abcd", 0], GOOD], [EMPTY, EMPTY]),
    "early": ([FAILED], [["500", "", 0]]),
    "upgrade": ([FAILED], [["500", "", 0]]),
    "plus": ([FAILED], [["500", "", 0]]),
}


def test_answers_of_an_application_have_the_bytes_that_they_declare():
    out, _ = run(ANSWERS, prelude=f"{PRELUDE}\nKINDS = {KINDS!r}")

    received = {}
    for kind, method, answers in map(json.loads, out.splitlines()):
        received[kind, method] = answers
    assert received == {
        (kind, method): answers
        for kind, by_method in RECEIVED.items()
        for method, answers in zip(("GET", "HEAD"), by_method, strict=True)
    }
