"""The bounds of pywsgi: concurrent calls, waiting requests, times of heads and bodies, input after a refusal."""

import pytest

from tests.gevent.processes import lines_of
from tests.gevent.test_pywsgi import RAW

# The script of test_pywsgi, with a method that holds its calls, and the counts of the server.
HELD = (
    RAW
    + """
gone = threading.Event()
running, begun = [], []

def hold(value=None):
    begun.append(value)
    running.append(value)
    gone.wait()
    running.remove(value)
    return value

server.registerFunction(hold, path="/api")
instance = server._lifecycle._serving._instances[0].handle

def waiting():
    return instance.calls.waiting

def post(body, *fields, head=HEAD):
    return head + b"".join(field + b"\\r\\n" for field in fields) + b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body

def held(value):
    return post(json.dumps({"jsonrpc": "2.0", "method": "hold", "params": [value], "id": value}).encode())

def got(value):
    return b"GET /api/hold?value=%d HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n" % value

def opened(request=b""):
    client = socket.create_connection(server.addresses[0], timeout=30)
    client.sendall(request)
    return client

def status(client):
    return client.recv(65536)[9:12].decode()

def exchange(request):
    with opened(request) as client:
        return receive(client)

@contextlib.contextmanager
def dripping(client, drop=b"x"):
    def drip():
        with contextlib.suppress(OSError):
            while True:
                client.sendall(drop)
                gevent.sleep(0.01)

    greenlet = gevent.spawn(drip)
    yield
    greenlet.kill()
"""
)

CAPPED = "{'max_concurrent_calls': 3, 'max_waiting_requests': 2}"


def test_calls_beyond_the_cap_wait_and_those_beyond_the_queue_are_refused_at_once():
    out = lines_of(
        HELD
        + """
for request_of in (held, got):
    gone.clear()
    clients = [opened(request_of(number)) for number in range(3)]
    until(lambda: len(running) == 3)
    clients += [opened(request_of(number)) for number in range(3, 5)]
    until(lambda: waiting() == 2)
    late = opened(request_of(5))
    answer = late.recv(65536)
    print(answer[9:12].decode(), b"\\r\\nRetry-After: " in answer, answer.split(b"\\r\\n")[-1].decode().strip())
    print(len(running), waiting())
    gone.set()
    print(*map(status, clients))
    late.sendall(request_of(5))
    print(status(late), len(running), waiting(), instance.calls.free)
    for client in (*clients, late):
        client.close()
server.stop()
""",
        options=CAPPED,
    )
    assert (
        out
        == [
            "503 True max_waiting_requests (2) requests are waiting already",
            "3 2",
            "200 200 200 200 200",
            "200 0 0 3",
        ]
        * 2
    )


def test_empty_queue_refuses_calls_that_cannot_run_at_once():
    out = lines_of(
        HELD
        + """
first = opened(held(1))
until(lambda: running)
print(statuses(post(CALL, b"Connection: close")), ran)
with opened(got(2).replace(b"GET", b"HEAD")) as client:
    client.shutdown(socket.SHUT_WR)
    answer = receive(client)
    print(answer[9:12].decode(), b"\\r\\nContent-Length: 54\\r\\n" in answer, answer.endswith(b"\\r\\n\\r\\n"))
gone.set()
print(status(first))
first.close()
server.stop()
""",
        options="{'max_concurrent_calls': 1, 'max_waiting_requests': 0}",
    )
    assert out == ["['503'] []", "503 True True", "200"]


def test_flood_of_slow_calls_leaves_the_next_call_fast():
    out = lines_of(
        HELD
        + """
clients = [opened(held(number)) for number in range(300)]
codes = []

def note(client):
    codes.append(status(client))

readers = [gevent.spawn(note, client) for client in clients]
until(lambda: len(codes) == 300 - 4 - 50)
print(set(codes), len(running), waiting())
gone.set()
gevent.joinall(readers)
print(codes.count("200"), call("echo", 7))
for client in clients:
    client.close()
server.stop()
""",
        options="{'max_concurrent_calls': 4, 'max_waiting_requests': 50, 'tweakDescriptors': False}",
    )
    assert out == ["{'503'} 4 50", "54 7"]


def test_call_whose_client_has_gone_does_not_begin_and_keeps_nobody_out_of_the_queue():
    out = lines_of(
        HELD
        + """
first = opened(held(1))
until(lambda: running)
given_up = [opened(held(2)), opened(got(3))]
patient = opened(held(4))
until(lambda: waiting() == 3)
for client in given_up:
    client.close()
last = opened(held(5))
until(lambda: waiting() == 2)
gone.set()
print(status(first), status(patient), status(last), waiting(), begun)
until(lambda: instance.calls.free == 1)
for client in (first, patient, last):
    client.close()
server.stop()
""",
        options="{'max_concurrent_calls': 1, 'max_waiting_requests': 3}",
    )
    assert out == ["200 200 200 0 [1, 4, 5]"]


def test_half_sent_bodies_take_up_no_room_for_calls():
    out = lines_of(
        HELD
        + """
large = HEAD + b"Content-Length: 900000\\r\\n\\r\\n" + b" " * 400_000
chunked = HEAD + b"Transfer-Encoding: chunked\\r\\n\\r\\n5\\r\\n12"
clients = [opened(part) for part in (HEAD, large, chunked, held(1)[:-1]) for _ in range(20)]
print(call("echo", 1), call("echo", 2), instance.calls.free)
for client in clients:
    client.close()
server.stop()
""",
        options="{'max_concurrent_calls': 1, 'max_waiting_requests': 0}",
    )
    assert out == ["1 2 1"]


def test_client_that_does_not_read_its_answer_takes_up_no_room():
    out = lines_of(
        HELD
        + """
server.registerFunction(lambda: "x" * 20_000_000, path="/api", name="large")
client = opened(b"GET /api/large HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
client.recv(1)
print(call("echo", 1))
client.close()
server.stop()
""",
        options="{'max_concurrent_calls': 1, 'max_waiting_requests': 0}",
    )
    assert out == ["1"]


def test_refusals_do_not_wait_for_room():
    out = lines_of(
        HELD
        + """
first = opened(held(1))
until(lambda: running)
text = HEAD.replace(b"application/json", b"text/plain")
print(*statuses(post(CALL, b"Connection: close", head=text)), *statuses(HEAD + b"Content-Length: 99999999\\r\\n\\r\\n"))
gone.set()
print(status(first))
first.close()
server.stop()
""",
        options="{'max_concurrent_calls': 1}",
    )
    assert out == ["415 413", "200"]


# Times


def test_head_has_a_deadline_however_it_is_sent():
    out = lines_of(
        HELD
        + """
def outlive_the_head_timeout(begun_with, drop):
    with opened(begun_with) as client, dripping(client, drop):
        return receive(client)

with opened() as idle:  # no deadline of a head runs before a request, or between two
    for begun_with, drop in ((b"GET /", b"x"), (b"", b"\\r\\n"), (HEAD, b"x"), (HEAD, b"X: 1\\r\\n")):
        print(outlive_the_head_timeout(begun_with, drop))
        idle.sendall(SECOND)
        print(status(idle))
server.stop()
""",
        options="{'head_timeout_s': 0.1, 'read_timeout_s': 30}",
    )
    assert out == ["b''", "200"] * 4


def test_body_has_a_deadline_however_it_is_sent():
    out = lines_of(
        HELD
        + """
for begun_with, drop in (
    (HEAD + b"Content-Length: 100000\\r\\n\\r\\n", b"x"),
    (HEAD + b"Transfer-Encoding: chunked\\r\\n\\r\\n", b"1\\r\\nx\\r\\n"),
    (HEAD + b"Transfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n", b"X: 1\\r\\n"),
):
    with opened(begun_with) as client, dripping(client, drop):
        answer = receive(client)
        print(answer[9:12].decode(), b"Connection: close" in answer)
print(call("echo", 1), ran)
server.stop()
""",
        options="{'body_timeout_s': 0.2, 'read_timeout_s': 30}",
    )
    assert out == ["408 True"] * 3 + ["1 [1]"]


def test_steady_reader_of_a_long_answer_gets_all_of_it_and_one_that_reads_nothing_is_cut():
    out = lines_of(
        HELD
        + """
SIZE = 20_000_000
server.registerFunction(lambda: "x" * SIZE, path="/api", name="large")
request = b"GET /api/large HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n"
with socket.socket() as client:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.connect(server.addresses[0])
    client.sendall(request)
    begun_at, received = time.monotonic(), 0
    while data := client.recv(250_000):
        received += len(data)
        if time.monotonic() - begun_at < 0.9:  # longer than the timeout, which is for silence
            time.sleep(0.05)
    print(received > SIZE)
with opened(request) as silent:
    silent.recv(1)
    until(lambda: not instance._connections)
    print(len(receive(silent)) < SIZE)
server.stop()
""",
        options="{'read_timeout_s': 0.3}",
    )
    assert out == ["True", "True"]


# Input after a refusal


def test_request_hidden_in_a_refused_body_never_runs():
    out = lines_of(
        HELD
        + """
hidden = b"GET /api/echo?value=hidden HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"
answers = []
for offset in (0, 1, 4095, 8191, 8192, 16384, 20_000, 65_536, 120_000):
    body = b"x" * offset + hidden + b"y" * (130_000 - offset)
    for head in (HEAD.replace(b"application/json", b"text/plain"), HEAD, HEAD.replace(b"/api", b"/none")):
        answers.append(statuses(post(body, head=head)[:-1]))
    # Malformed chunks, and a rest without a declared length.
    answers.append(statuses(HEAD + b"Transfer-Encoding: chunked\\r\\n\\r\\n%x\\r\\n" % offset + body))
print({len(codes) for codes in answers}, ran)
server.stop()
""",
        options="{'max_body_bytes': 1000, 'read_timeout_s': 0.3}",
    )
    assert out == ["{1} []"]


@pytest.mark.parametrize("size", [6_000_000, 50_000_000])
def test_refusal_reaches_a_client_that_is_still_sending(size):
    out = lines_of(
        HELD
        + f"size = {size}"
        + """
import urllib.request, urllib.error
connection = connect()
connection.request("POST", "/api", b" " * size, {"Content-Type": "application/json"})
print(connection.getresponse().status)
connection.close()
url = "http://%s:%s/api" % server.addresses[0]
request = urllib.request.Request(url, b" " * size, {"Content-Type": "application/json"})
try:
    urllib.request.urlopen(request)
except urllib.error.HTTPError as exc:
    print(exc.code, "max_body_bytes" in exc.read().decode())
    exc.close()
chunked = connect()
chunked.request("POST", "/api", iter([b" " * 100_000] * (size // 100_000)), {"Content-Type": "application/json"})
print(chunked.getresponse().status)
chunked.close()
server.stop()
"""
    )
    assert out == ["413", "413 True", "413"]


def test_clients_that_keep_their_side_open_keep_no_descriptor():
    out = lines_of(
        HELD
        + """
import os
from flaskJSONRPCServer.servBackend import pywsgi_sockets

pywsgi_sockets._LINGER_SILENT_S, pywsgi_sockets._LINGER_BYTES = 0.2, 2_000_000

def descriptors():
    return len(os.listdir("/proc/self/fd")) - len(clients)

clients = []
call("echo", 0)
before = descriptors()
refused = HEAD + b"Content-Length: 99999999\\r\\n\\r\\n"
stalled = HEAD.replace(b"application/json", b"text/plain") + b"Content-Length: 10\\r\\n\\r\\n1"
closed = SECOND.replace(b"Host", b"Connection: close\\r\\nHost")
clients += [opened(request) for request in (refused, stalled, closed, b"bad\\r\\n\\r\\n") for _ in range(20)]
with opened(refused) as streaming, dripping(streaming, b"x" * 100_000):
    until(lambda: descriptors() <= before + 1)
    print(call("echo", 1))
for client in clients:
    client.close()
server.stop()
"""
    )
    assert out == ["1"]


def test_continue_is_not_sent_for_an_unread_body():
    out = lines_of(
        HELD
        + """
expecting = HEAD + b"Expect: 100-continue\\r\\nContent-Length: %d\\r\\n\\r\\n"
with opened(expecting % len(CALL)) as client:
    print(client.recv(65536))
    client.sendall(CALL)
    print(status(client))
for head in (expecting % 99999999, expecting.replace(b"application/json", b"text/plain") % 5):
    print(*statuses(head))
server.stop()
"""
    )
    assert out == ["b'HTTP/1.1 100 Continue\\r\\n\\r\\n'", "200", "413", "415"]


# Heads


def test_absolute_url_is_answered_if_it_agrees_with_the_host():
    out = lines_of(
        HELD
        + """
def get(target, host):
    fields = b"Host: " + host + b"\\r\\nConnection: close\\r\\n\\r\\n"
    return exchange(b"GET " + target + b" HTTP/1.1\\r\\n" + fields)

for target, host in (
    (b"http://localhost/api/echo?value=1", b"localhost"),
    (b"http://LOCALHOST:80/api/echo?value=2", b"localhost"),
    (b"HTTP://localhost:8080/api/echo?value=3", b"localhost:8080"),
    (b"http://[::1]/api/echo?value=4", b"[::1]:80"),
    (b"http://localhost", b"localhost"),
    (b"http://localhost/api/echo?value=5", b"127.0.0.1"),
    (b"http://evil.test/api/echo?value=6", b"localhost"),
    (b"http://user@localhost/api/echo?value=7", b"localhost"),
    (b"ftp://localhost/api/echo?value=8", b"localhost"),
    (b"api/echo?value=9", b"localhost"),
    (b"http:///api/echo", b"localhost"),
):
    print(get(target, host)[9:12].decode(), end=" ")
print(ran)
server.stop()
"""
    )
    assert out == ["200 200 200 200 302 400 400 400 400 400 400 ['1', '2', '3', '4']"]


def test_upgrade_changes_nothing_about_where_a_request_ends():
    out = lines_of(
        HELD
        + """
last = SECOND.replace(b"Host", b"Connection: close\\r\\nHost")
for fields in ((b"Upgrade: websocket", b"Connection: Upgrade"), (b"Connection: upgrade",)):
    print(*statuses(post(CALL, *fields) + last))
print(*statuses(post(CALL, b"Connection: keep-alive, close") + SECOND), ran)
server.stop()
"""
    )
    assert out == ["200 200", "200 200", "200 [1, 1, 1, 1, 1]"]


def test_many_chunks_and_trailers_cost_little():
    out = lines_of(
        HELD
        + """
head = HEAD + b"Connection: close\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
for body in (
    b"1\\r\\nx\\r\\n" * 1_000_000 + b"0\\r\\n\\r\\n",
    b"100000\\r\\n" + b"\\r\\n\\r\\n" * 262_144 + b"\\r\\n0\\r\\n\\r\\n",
    (b"1;" + b"e" * 1000 + b"\\r\\nx\\r\\n") * 1000,
    b"0\\r\\n" + b"X: 1\\r\\n" * 10_000 + b"\\r\\n",
    b"1;\\0\\r\\nx\\r\\n0\\r\\n\\r\\n",
    b"0\\r\\nno field\\r\\n\\r\\n",
):
    print(*statuses(head + body))
server.stop()
"""
    )
    assert out == ["200", "200", "400", "431", "400", "400"]
