"""experimental=True: large payloads get the same answers outside the serving thread."""

import gzip
import json

import pytest

from flaskJSONRPCServer import ServerStateError, flaskJSONRPCServer
from tests.helpers import call_socket, call_wsgi, post, rpc

LONG = [f"text {number}" for number in range(5000)]


def make(address=None, **options):
    server = flaskJSONRPCServer(address, log=False, experimental=True, experimental_min_bytes=1000, **options)
    server.registerFunction(lambda value: value, path="/api", name="echo")
    return server


@pytest.fixture
def large(monkeypatch):
    """Record the names of the functions that ran in a native thread."""
    done = []

    def call_natively(target, *args, **kwargs):
        done.append(target.__name__)
        return target(*args, **kwargs)

    monkeypatch.setattr("flaskJSONRPCServer.experimental.call_natively", call_natively)
    return done


def test_large_request_and_answer_leave_the_serving_thread(large):
    server = make(["127.0.0.1", 0], allowCompress=True, compressMinSize=1000)
    server.start()
    try:
        body = gzip.compress(json.dumps(rpc("echo", [LONG])).encode())
        sent = post(body, headers={"Content-Encoding": "gzip", "Accept-Encoding": "gzip"})
        answer = call_socket(server.addresses[0], sent)
    finally:
        server.stop()

    assert json.loads(gzip.decompress(answer.body)) == {"jsonrpc": "2.0", "result": LONG, "id": 1}
    assert large == ["_uncompressGZIP", "loads", "dumps", "_compressGZIP"]


def test_small_payloads_stay_in_the_serving_thread(large):
    assert call_wsgi(make().getWSGI(), post(rpc("echo", ["short"]))).json()["result"] == "short"
    assert large == []


@pytest.mark.parametrize("method", ["_sha1", "_sha256"])
def test_large_text_is_hashed_outside_the_serving_thread(large, method):
    server = make()

    assert getattr(server, method)("short") == getattr(flaskJSONRPCServer(None), method)("short")
    assert large == []
    assert getattr(server, method)("x" * 2000) == getattr(flaskJSONRPCServer(None), method)("x" * 2000)
    assert large == [method]
    assert getattr(server, method)(None, onError="none") == "none"


def test_size_of_a_large_payload_is_a_setting(large):
    server = make()
    server.settings.experimental_min_bytes = 1_000_000

    assert server._uncompressGZIP(server._compressGZIP(b"x" * 2000)) == b"x" * 2000
    assert call_wsgi(server.getWSGI(), post(rpc("echo", [LONG]))).json()["result"] == LONG
    assert large == []


def test_experimental_is_for_the_constructor_only():
    with pytest.raises(ServerStateError, match="'experimental' is fixed; give it to the constructor"):
        flaskJSONRPCServer(None).settings.experimental = True


def test_bad_text_is_the_same_error(large):
    answer = call_wsgi(make().getWSGI(), post(b"[" + b" " * 2000))

    assert answer.json()["error"] == {"code": -32700, "message": "Parse error"}
    assert large == ["loads"]
