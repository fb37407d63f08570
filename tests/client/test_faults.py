"""Servers that break off, lie, drip and flood: each fault ends in its exception, and the pool is whole afterwards."""

import gzip
import json
import socket
import time

import pytest

from flaskJSONRPCServer.client import (
    AnswerTooLargeError,
    Client,
    ConnectError,
    ConnectionLostError,
    HttpStatusError,
    ProtocolError,
    RequestTimeoutError,
)
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcInternalError
from tests.client.raw_server import answered, http, result

TIMEOUT_S = 20
LIMIT_BYTES = 10_000

HTML = b"<!doctype html>\n<title>Bad Gateway</title>"


def chunked(*chunks, trailers=b""):
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n" + trailers + b"\r\n"


def fault(connection, send):
    """Do what a test says in answer to the first request; it returns whether the connection goes on. Then answer."""
    request_id = connection.read_id()
    if connection.number == 1:
        if not send(connection, request_id):
            return
        request_id = connection.read_id()
    while True:
        connection.send(answered("well", request_id))
        request_id = connection.read_id()


def check(connect, raw, send, error, **options):
    """Call once into a fault, then once more. Return the exception of the first call."""
    server = raw(lambda connection: fault(connection, send))
    face = connect(server.url, **{"timeout": TIMEOUT_S, "max_answer_bytes": LIMIT_BYTES} | options)

    with pytest.raises(error) as raised:
        face.call("add", 1, 2)

    assert type(raised.value) is error
    assert len(server.requests) == 1, "it was sent twice"
    assert face.idle == 0, "a broken connection is in the pool"
    assert face.call("add", 1, 2) == "well"
    assert face.idle == 1
    return raised.value


def send_and_wait(data):
    def send(connection, request_id):
        connection.send(data)
        connection.wait()

    return send


def send_only(data):
    def send(connection, request_id):
        connection.send(data)
        return True

    return send


def send_and_close(data):
    def send(connection, request_id):
        connection.send(data)

    return send


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"jsonrpc"',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_connection_that_is_cut(connect, raw, data):
    assert check(connect, raw, send_and_close(data), ConnectionLostError).is_sent


def test_connection_that_is_reset(connect, raw):
    def send(connection, request_id):
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.socket.close()

    check(connect, raw, send, ConnectionLostError)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"jsonrpc"',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
def test_server_that_falls_silent(connect, raw, data):
    check(connect, raw, send_and_wait(data), RequestTimeoutError, timeout=0.3)


def test_silence_within_a_call(connect, raw):
    error = check(connect, raw, send_and_wait(b"HTTP/1.1 200 OK\r\n"), RequestTimeoutError, read_timeout=0.2)

    assert str(error) == "the server was silent for 0.2 s"


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "])
def test_drip_ends_at_the_deadline(connect, raw, head):
    def send(connection, request_id):
        connection.send(head)
        while not connection.server.stopping.wait(0.02):
            connection.send(b"x")

    began = time.monotonic()
    check(connect, raw, send, RequestTimeoutError, timeout=0.4, read_timeout=0.3)

    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"garbage\r\n\r\n", "not HTTP"),
        (b"HTTP/2 200 OK\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 two OK\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "101"),
        (http(HTML), "not JSON-RPC"),
        (http(b"[]"), "not JSON-RPC"),
        (http(b"null"), "not JSON-RPC"),
        (http(b'{"jsonrpc": "2.0", "result": NaN, "id": 1}'), "not JSON-RPC"),
        (http(b'{"result": 1, "id": 1}'), "not JSON-RPC"),
        (http(b'{"jsonrpc": "2.0", "result": 1, "error": null, "id": 1}'), "not JSON-RPC"),
        (http(b'{"jsonrpc": "2.0", "error": {"code": "1", "message": "m"}, "id": 1}'), "not JSON-RPC"),
        (http(b'{"jsonrpc": "2.0", "method": "add", "id": 1}'), "has a call in it"),
        (http(b'{"jsonrpc": "2.0", "result": 1, "id": 99}'), "id 99"),
        (http(b'{"jsonrpc": "2.0", "result": 1, "id": "1"}'), "id '1'"),
        (http(b'{"jsonrpc": "2.0", "result": 1, "id": null}'), "id None"),
        (http(b'{"jsonrpc": "2.0", "error": {"code": 1, "message": "m"}, "id": 99}'), "id 99"),
        (http(b'[{"jsonrpc": "2.0", "result": 1, "id": 1}]'), "a batch"),
        (http(b"[" * 5_000), "not JSON-RPC"),
        (http(b""), "no body"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "204"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"jsonrpc": "2.0", "result": 1, "id": 1}', "not JSON-RPC"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nabcde", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\nabcdefghij", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabcdefghij", "Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
        (http(b"abc", Content_Encoding="br"), "Content-Encoding"),
        (http(b"abc", Content_Encoding="gzip"), "gzip"),
        (http(gzip.compress(b"{}", mtime=0)[:-4], Content_Encoding="gzip"), "gzip"),
        (http(gzip.compress(b"{}", mtime=0) + b"more", Content_Encoding="gzip"), "gzip"),
    ],
)
def test_answer_that_breaks_the_rules(connect, raw, data, text):
    server = raw(lambda connection: fault(connection, send_only(data)))
    face = connect(server.url, timeout=TIMEOUT_S, max_answer_bytes=LIMIT_BYTES)

    with pytest.raises(ProtocolError, match=text):
        face.call("add", 1, 2)

    assert len(server.requests) == 1
    assert face.call("add", 1, 2) == "well"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "line",
    [b"-5", b"-1", b"+5", b"0x5", b"", b"5g", b"5 5", b"ffffffffffffffffffff", b"5" * 70_000],
)
def test_chunk_without_a_size(connect, raw, line):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = raw(lambda connection: fault(connection, send_only(head + line + b"\r\nabcde\r\n0\r\n\r\n")))
    face = connect(server.url, timeout=TIMEOUT_S, max_answer_bytes=LIMIT_BYTES)

    with pytest.raises((ProtocolError, ConnectionLostError)):
        face.call("add", 1, 2)

    assert len(server.requests) == 1
    assert face.call("add", 1, 2) == "well"


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
        chunked(b"x" * 9_000, b"x" * 9_000),
        http(gzip.compress(b" " * 10_000_000, mtime=0), Content_Encoding="gzip"),
    ],
)
def test_answer_over_the_limit(connect, raw, data):
    server = raw(lambda connection: fault(connection, send_only(data)))
    face = connect(server.url, timeout=TIMEOUT_S, max_answer_bytes=LIMIT_BYTES)

    with pytest.raises(AnswerTooLargeError, match=r"1000[01]"):
        face.call("add", 1, 2)

    assert len(server.requests) == 1
    assert face.call("add", 1, 2) == "well"


@pytest.mark.parametrize(
    ("head", "block"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 10_000),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1_000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 1_000),
    ],
)
def test_flood_ends(connect, raw, head, block):
    def send(connection, request_id):
        connection.send(head)
        while True:
            connection.send(block)

    server = raw(lambda connection: fault(connection, send))
    face = connect(server.url, timeout=5, max_answer_bytes=LIMIT_BYTES)

    with pytest.raises(ProtocolError):
        face.call("add", 1, 2)

    assert len(server.requests) == 1
    assert face.call("add", 1, 2) == "well"


@pytest.mark.parametrize("status", ["502 Bad Gateway", "404 Not Found", "302 Found", "500 Internal Server Error"])
def test_html_error_has_its_status_and_text(connect, raw, status):
    server = raw(lambda connection: fault(connection, send_only(http(HTML, status, Location="/other"))))
    face = connect(server.url)

    with pytest.raises(HttpStatusError) as raised:
        face.call("add", 1, 2)

    assert str(raised.value.status) == status[:3]
    assert raised.value.text == HTML.decode()
    assert raised.value.headers["location"] == "/other"
    assert len(server.requests) == 1


@pytest.mark.parametrize("request_id", [1, None])
def test_json_rpc_error_with_a_status_of_failure(connect, raw, request_id):
    body = json.dumps({"jsonrpc": "2.0", "error": {"code": -32603, "message": "m"}, "id": request_id}).encode()
    server = raw(lambda connection: fault(connection, send_only(http(body, "500 Error"))))

    with pytest.raises(JsonRpcInternalError):
        connect(server.url).call("add", 1, 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda body: chunked(body[:3], body[3:], trailers=b"X: y\r\n"),
        lambda body: (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n%x ; a=b\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        ),
        lambda body: b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + http(body),
        lambda body: b"HTTP/1.1 200\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
        lambda body: b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
        lambda body: http(gzip.compress(body), Content_Encoding="gzip"),
        lambda body: http(body, "201 Created"),
    ],
)
def test_unusual_answer_is_read_and_the_connection_kept(connect, raw, make):
    def handle(connection):
        while True:
            connection.send(make(result("well", connection.read_id())))

    server = raw(handle)
    face = connect(server.url, timeout=TIMEOUT_S)

    assert [face.call("add"), face.call("add")] == ["well", "well"]
    assert server.connections == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda body: b"HTTP/1.1 200 OK\r\n\r\n" + body,
        lambda body: b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
        lambda body: http(body, Connection="Close"),
    ],
)
def test_answer_after_which_the_connection_ends(connect, raw, make):
    server = raw(lambda connection: connection.send(make(result("well", connection.read_id()))))
    face = connect(server.url, timeout=TIMEOUT_S)

    assert [face.call("add"), face.call("add")] == ["well", "well"]
    assert (server.connections, face.idle) == (2, 0)


@pytest.mark.parametrize("more", [answered("of nobody", 2), b"\r\n", b"x"])
def test_bytes_after_an_answer_are_none_of_the_next(connect, raw, more):
    def handle(connection):
        request_id = connection.read_id()
        connection.send(answered("well", request_id) + more)
        connection.wait()

    server = raw(handle)
    face = connect(server.url, timeout=TIMEOUT_S)

    assert [face.call("add"), face.call("add")] == ["well", "well"]
    assert server.connections == 2


def test_answer_before_the_whole_request_is_read(raw):
    def handle(connection):
        connection.socket.recv(1000)
        connection.send(http(b"too much", "413 Content Too Large", Connection="close"))

    with Client(raw(handle).url, timeout=TIMEOUT_S) as client, pytest.raises(HttpStatusError, match="413: too much"):
        client.call("echo", "x" * 30_000_000)


def test_body_over_the_limit_of_our_server(serve, connect):
    api = serve(max_body_bytes=10_000)
    face = connect(api.url)
    with pytest.raises(HttpStatusError, match="413"):
        face.call("echo", "x" * 20_000)
    assert face.call("echo", "x") == "x"


def test_nobody_listens(connect):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectError, match=f"no connection to 127.0.0.1:{port}: ") as raised:
        connect(f"http://127.0.0.1:{port}/api", retry=None).call("add")

    assert not raised.value.is_sent


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70, "a..b"])
def test_host_without_an_address(connect, host):
    with pytest.raises(ConnectError, match="no connection to "):
        connect(f"http://{host}/api", retry=None, proxy=False).call("add")


@pytest.mark.parametrize("more", [[], [result("?", 99)]])
def test_batch_with_missing_doubled_and_unknown_answers(connect, raw, more):
    def handle(connection):
        connection.read()
        ids = [message["id"] for message in connection.server.messages()[0]]
        bodies = [result("first", ids[0]), result("second", ids[1]), result("again", ids[1])]
        connection.send(http(b"[%b]" % b",".join([*bodies, *more])))

    items = []
    _, raised = connect(raw(handle).url).batch(lambda batch: items.extend(batch.add(number) for number in range(3)))

    if more:
        assert isinstance(raised, ProtocolError)
        assert "[99]" in str(raised)
    else:
        assert raised is None
    assert items[0].result() == "first"
    with pytest.raises(ProtocolError, match="more than one answer to add"):
        items[1].result()
    with pytest.raises(ProtocolError, match="no answer to add"):
        items[2].result()


def test_batch_in_another_order(connect, raw):
    def handle(connection):
        connection.read()
        ids = [message["id"] for message in connection.server.messages()[0]]
        connection.send(http(b"[%b]" % b",".join(result(f"{request_id}", request_id) for request_id in ids[::-1])))

    batch, raised = connect(raw(handle).url).batch(lambda batch: [batch.add(), batch.add(), batch.add()])

    assert raised is None
    assert batch.results() == ["1", "2", "3"]


@pytest.mark.parametrize("data", [http(b""), b"HTTP/1.1 204 No Content\r\n\r\n"])
def test_batch_without_any_answer(connect, raw, data):
    server = raw(lambda connection: (connection.read(), connection.send(data)))
    batch, _ = connect(server.url).batch(lambda batch: batch.add())

    with pytest.raises(ProtocolError, match="no answer to add"):
        batch.results()


def test_notification_ignores_a_result(connect, raw):
    server = raw(lambda connection: (connection.read(), connection.send(answered("?", None))))

    assert connect(server.url).notify("log", "x") is None
    assert "id" not in server.messages()[0]
