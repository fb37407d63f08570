"""Requests that are refused by their heads, before the rest of their bodies, over real sockets."""

import json
import socket

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.servBackend.native.samples import receive_answer

CALL = json.dumps({"jsonrpc": "2.0", "method": "size", "params": ["x" * 300_000], "id": 1}).encode()
JSON = b"Content-Type: application/json"


def serving(prepare=lambda server: None, **options):
    server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend="native", log=0, **options)
    server.registerFunction(len, path="/api", name="size")

    @server.flaskApp.route("/page", methods=["POST"])
    def page():
        return "a page"

    prepare(server)
    server.start()
    return server


@pytest.fixture(scope="module")
def server():
    server = serving(cors=True)
    yield server
    server.stop()


def ask(server, *fields, host=b"127.0.0.1", target=b"/api", body=b""):
    """Send a head and some of its body. Return the status, the fields and the text of the answer."""
    lines = [b"POST %b HTTP/1.1" % target, b"Host: " + host, *fields]
    with socket.create_connection(server.addresses[0], timeout=20) as client:
        client.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        return receive_answer(client)


REFUSED = [
    ((JSON,), b"evil.test", 421, b"Host 'evil.test' is not in allowed_hosts\n"),
    ((JSON,), b"a,b", 400, b"Host 'a,b' is not one host name\n"),
    ((b"Content-Type: text/plain",), b"localhost", 415, b"Content-Type 'text/plain' is not in media_types"),
    ((JSON, b"Content-Encoding: br"), b"localhost", 415, b"Content-Encoding 'br' is not taken; send gzip or none\n"),
]
IDS = ["foreign host", "bad host", "media type", "encoding"]


@pytest.mark.parametrize("asks", [False, True], ids=["sends", "asks"])
@pytest.mark.parametrize(
    "framing", [b"Content-Length: 5000000", b"Transfer-Encoding: chunked"], ids=["length", "chunks"]
)
@pytest.mark.parametrize(("fields", "host", "status", "text"), REFUSED, ids=IDS)
def test_body_of_a_refused_head_is_not_awaited(server, fields, host, status, text, framing, asks):
    expectation = [b"Expect: 100-continue"] if asks else []
    answer = ask(server, *fields, framing, *expectation, host=host)
    assert (answer[0], answer[1]["Connection"]) == (status, "close")
    assert answer[2].startswith(text)


@pytest.mark.parametrize(("fields", "host", "status", "text"), REFUSED, ids=IDS)
def test_whole_request_gets_the_same_refusal(server, fields, host, status, text):
    answer = ask(server, *fields, b"Content-Length: 2", host=host, body=b"{}")
    assert answer[0] == status
    assert answer[2].startswith(text)
    assert ("Connection" in answer[1]) is (status == 400)  # a malformed head ends its connection


@pytest.mark.parametrize("body", [b"", b"{}"], ids=["head", "whole"])
def test_refusals_count_alike_before_and_after_the_body(server, body):
    before = server.stats()
    ask(server, JSON, b"Content-Length: 2", host=b"evil.test", body=body)
    after = server.stats()
    assert after["requestCount"] == before["requestCount"] + 1
    assert after["processingRequestCount"] == before["processingRequestCount"] == 0


def test_refusal_by_the_head_has_the_headers_of_cors(server):
    answer = ask(server, JSON, b"Origin: https://a.test", b"Content-Length: 9999", host=b"evil.test")
    assert (answer[0], answer[1]["Access-Control-Allow-Origin"]) == (421, "*")


def test_built_in_urls_check_hosts_and_leave_media_types_to_their_answers():
    server = serving(lambda server: server.mcp("/mcp"))
    try:
        fields = (b"Content-Type: text/plain", b"Content-Length: 9999")
        assert ask(server, *fields, target=b"/mcp", host=b"evil.test")[0] == 421
        answer = ask(server, b"Content-Type: text/plain", b"Content-Length: 2", target=b"/mcp", body=b"{}")
        assert (answer[0], "Connection" in answer[1]) == (415, False)
    finally:
        server.stop()


def test_accepted_heads_and_pages_of_the_application_get_their_bodies(server):
    length = b"Content-Length: %d" % len(CALL)
    assert json.loads(ask(server, JSON, length, body=CALL)[2])["result"] == 300_000
    assert ask(server, length, host=b"evil.test", target=b"/page", body=CALL)[2] == b"a page"


def test_hooks_of_the_application_see_a_request_before_its_head_is_checked():
    def name_host(environ, start_response):
        environ["HTTP_HOST"] = "localhost"
        return inner(environ, start_response)

    def wrap(server):
        nonlocal inner
        inner, server.flaskApp.wsgi_app = server.flaskApp.wsgi_app, name_host

    inner = None
    server = serving(wrap)
    try:
        answer = ask(server, JSON, b"Content-Length: %d" % len(CALL), host=b"evil.test", body=CALL)
        assert json.loads(answer[2])["result"] == 300_000
    finally:
        server.stop()
