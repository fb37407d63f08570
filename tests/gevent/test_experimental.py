"""experimental=True under gevent: small calls are answered while a large payload is processed; without it, none is."""

import json

import pytest

from tests.gevent.processes import lines_of

# Each kind of work on the large payload records how many small calls were answered between its begin and its end. With
# experimental=True, it does not end before some were.
SCRIPT = """
import gzip
from flaskJSONRPCServer import message_helpers
from flaskJSONRPCServer.sansio_jsonrpc.codecs.standard import StandardCodec

experimental = OPTIONS["experimental"]
text = json.dumps({"jsonrpc": "2.0", "method": "large", "params": [["text"] * 50_000], "id": 1}).encode()
body = gzip.compress(text)
answered = []
seen = {}

def watch(kind):
    before = len(answered)
    deadline = time.monotonic() + 30
    while experimental and len(answered) < before + 3:
        assert time.monotonic() < deadline, f"nothing was answered meanwhile: {kind}"
        native_sleep(0.001)
    yield
    seen[kind] = len(answered) - before

def watched(kind, work, is_large):
    def run(*args, **kwargs):
        if not is_large(*args):
            return work(*args, **kwargs)
        with contextlib.contextmanager(watch)(kind):
            return work(*args, **kwargs)
    return run

def fix(value):
    with contextlib.contextmanager(watch)("written"):
        return "fixed"

StandardCodec.loads = watched("read", StandardCodec.loads, lambda codec, data: data == text)
message_helpers.gunzip = watched("decompressed", message_helpers.gunzip, lambda data: data == body)
compress = message_helpers.gzip.compress
message_helpers.gzip.compress = watched("compressed", compress, lambda data: len(data) > 300_000)
server._fixJSON = fix
server.registerFunction(lambda value: [*value, object()], path="/api", name="large")
server.registerFunction(lambda: "small", path="/api", name="small")
server.start()

def send_small():
    with contextlib.closing(connect()) as connection:
        while not large.ready():
            assert ask(connection, "small") == "small"
            answered.append(1)

def send_large():
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    with contextlib.closing(connect()) as connection:
        connection.request("POST", "/api", body, headers)
        return json.loads(gzip.decompress(connection.getresponse().read()))["result"]

large = gevent.spawn(send_large)
small = gevent.spawn(send_small)
print(large.get() == [*["text"] * 50_000, "fixed"])
small.get()
server.stop()
print(json.dumps(seen))
"""
KINDS = {"decompressed", "read", "written", "compressed"}


@pytest.mark.parametrize("json_module", ["json", "simplejson"])
def test_small_calls_are_answered_while_a_large_payload_is_processed(json_module):
    right, seen = seen_beside(experimental=True, json_module=json_module)
    assert right == "True"
    assert set(seen) == KINDS
    assert min(seen.values()) >= 3


def test_no_call_is_answered_meanwhile_without_the_option():
    assert seen_beside(experimental=False, json_module="json") == ("True", dict.fromkeys(KINDS, 0))


def seen_beside(*, experimental, json_module):
    options = {
        "experimental": experimental,
        "jsonBackend": json_module,
        "allowCompress": True,
        "compressMinSize": 100_000,
    }
    right, seen = lines_of(SCRIPT, options=repr(options))
    return right, json.loads(seen)
