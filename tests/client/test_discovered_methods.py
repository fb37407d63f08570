"""Clients that learn from the server which methods are idempotent."""

import contextlib
import json

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.client import ConnectionLostError, HttpStatusError, Retry, StdioTransport, session
from flaskJSONRPCServer.client.discovered import Discovered, discovered_in
from tests.client.faces import FACES
from tests.client.raw_server import answered, http

AT_ONCE = Retry(base_pause_s=0)
DOCUMENT = {
    "methods": [
        {"name": "read", "params": [{"name": "key"}], "x-idempotent": True},
        {"name": "write", "params": [{"name": "key"}]},
        {"name": "odd", "params": [], "x-idempotent": "yes"},
    ]
}
NOT_FOUND = http(b'{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":1}')


def flaky(document=DOCUMENT):
    """Describe the methods, close the connection after the first other request, and answer later ones."""

    def handle(connection):
        while True:
            request = json.loads(connection.read()["body"])
            first = request[0] if isinstance(request, list) else request
            others = [each for each in connection.server.messages() if "rpc.discover" not in str(each)]
            if first["method"] == "rpc.discover":
                connection.send(document if isinstance(document, bytes) else answered(document, first["id"]))
            elif len(others) == 1:
                return
            elif isinstance(request, list):
                replies = [{"jsonrpc": "2.0", "result": "well", "id": each["id"]} for each in request if "id" in each]
                connection.send(http(json.dumps(replies).encode()))
            else:
                connection.send(answered("well", request["id"]) if "id" in request else http(status="204 No Content"))

    return handle


def methods(server):
    """Return the methods of all requests, as the server got them."""
    return [
        "+".join(each["method"] for each in (message if isinstance(message, list) else [message]))
        for message in server.messages()
    ]


def test_call_of_an_idempotent_method_is_repeated(connect, raw):
    server = raw(flaky())
    face = connect(server.url, retry=AT_ONCE, discover=True)

    assert [face.call("read", 1), face.call("read", key=1), face.call("write", 1)] == ["well"] * 3
    assert methods(server) == ["rpc.discover", "read", "read", "read", "write"]


@pytest.mark.parametrize("method", ["write", "odd", "unknown"])
def test_call_of_another_method_is_not_repeated(connect, raw, method):
    server = raw(flaky())

    with pytest.raises(ConnectionLostError):
        connect(server.url, retry=AT_ONCE, discover=True).call(method)
    assert methods(server) == ["rpc.discover", method]


def test_without_the_option_nothing_is_learnt(connect, raw):
    server = raw(flaky())

    with pytest.raises(ConnectionLostError):
        connect(server.url, retry=AT_ONCE).call("read")
    assert methods(server) == ["read"]


def test_notification_of_an_idempotent_method_is_repeated(connect, raw):
    server = raw(flaky())

    connect(server.url, retry=AT_ONCE, discover=True).notify("read")
    assert methods(server) == ["rpc.discover", "read", "read"]


@pytest.mark.parametrize(("names", "is_repeated"), [(("read", "read"), True), (("read", "write"), False)])
def test_batch_is_repeated_if_all_of_its_methods_are_idempotent(connect, raw, names, is_repeated):
    server = raw(flaky())
    face = connect(server.url, retry=AT_ONCE, discover=True)

    _, raised = face.batch(lambda batch: [batch.call(name) for name in names])
    assert (raised is None) == is_repeated
    assert methods(server) == ["rpc.discover"] + ["+".join(names)] * (1 + is_repeated)


@pytest.mark.parametrize("options", [{"idempotent": False}, {"idempotent": True}, {"idempotency_key": "k"}], ids=str)
def test_options_of_the_user_come_first_and_need_no_document(connect, raw, options):
    server = raw(flaky())
    face = connect(server.url, retry=AT_ONCE, discover=True)

    with contextlib.suppress(ConnectionLostError):
        face.call("read", options=options)
    assert methods(server) == ["read"] * (1 if options == {"idempotent": False} else 2)


class Shop:
    def read(self, key): ...


@pytest.mark.parametrize("kind", FACES)
def test_typed_view_learns_too(raw, kind):
    server = raw(flaky())
    with contextlib.closing(FACES[kind](server.url, retry=AT_ONCE, discover=True)) as face:
        assert face.run(lambda client: client.typed(Shop).read(1)) == "well"
    assert methods(server) == ["rpc.discover", "read", "read"]


FAILURES = {"status": http(b"no", "403 Forbidden"), "no JSON": http(b"{"), "no answer": b""}


@pytest.mark.parametrize(
    "document",
    [NOT_FOUND, {"methods": 5}, *FAILURES.values()],
    ids=["not found", "no methods", *FAILURES],
)
def test_document_that_cannot_be_read_is_no_error_and_not_asked_for_again(connect, raw, document):
    server = raw(flaky(document))
    face = connect(server.url, retry=AT_ONCE, discover=True, timeout=2)

    with pytest.raises(ConnectionLostError):
        face.call("read")
    assert face.call("read") == "well"
    assert methods(server) == ["rpc.discover", "read", "read"]


@pytest.mark.parametrize("document", FAILURES.values(), ids=FAILURES)
def test_document_that_could_not_be_read_is_asked_for_later(connect, raw, monkeypatch, document):
    monkeypatch.setattr(session, "_DISCOVERY_PAUSE_S", 0)
    server = raw(flaky(document))
    face = connect(server.url, retry=AT_ONCE, discover=True, timeout=2)

    with pytest.raises(ConnectionLostError):
        face.call("read")
    assert face.call("read") == "well"
    assert methods(server) == ["rpc.discover", "read"] * 2


def test_document_has_a_limit_without_a_timeout(connect, raw, monkeypatch):
    monkeypatch.setattr(session, "_DISCOVERY_TIMEOUT_S", 0.1)
    server = raw(flaky(b""))

    with pytest.raises(ConnectionLostError):
        connect(server.url, retry=AT_ONCE, discover=True, timeout=None).call("read")
    assert methods(server) == ["rpc.discover", "read"]


def test_names_of_parameters_are_read_from_the_same_document(connect, raw):
    server = raw(
        flaky({"methods": [{"name": "read", "params": [{"name": "key"}, {"name": "more"}], "x-idempotent": True}]})
    )

    assert connect(server.url, retry=AT_ONCE, discover=True).call("read", 1, more=2) == "well"
    assert methods(server) == ["rpc.discover", "read", "read"]
    assert server.messages()[-1]["params"] == {"key": 1, "more": 2}


def test_declaration_of_our_server():
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(lambda: [], path="/api", name="read", idempotent=True)
    server.registerFunction(lambda: [], path="/api", name="write")

    assert discovered_in(server.openrpc("/api")).idempotent == {"read"}


@pytest.mark.parametrize("declarations", [[True, False], [False, True], [True, None]], ids=str)
def test_name_that_is_there_twice_is_idempotent_if_both_say_so(declarations):
    document = {"methods": [{"name": "read", "x-idempotent": declared} for declared in declarations]}

    assert discovered_in(document).idempotent == frozenset()
    assert discovered_in({"methods": document["methods"][:1] * 2}).idempotent == (
        {"read"} if declarations[0] else set()
    )


def test_server_that_is_down_is_the_error_of_the_call(connect):
    with pytest.raises(HttpStatusError), contextlib.closing(FACES["sync"](down, discover=True, retry=AT_ONCE)) as face:
        face.call("read")


def down(environ, start_response):
    start_response("503 Service Unavailable", [])
    return [b"down"]


@pytest.mark.parametrize("document", [None, [], {}, {"methods": None}, {"methods": [None, {}, {"name": 5}]}])
def test_document_without_methods(document):
    assert discovered_in(document) == Discovered()


def test_transport_argument_learns_too():
    with contextlib.closing(FACES["sync"](transport=StdioTransport(["false"]), discover=True, retry=None)) as face:
        with pytest.raises(ConnectionLostError):
            face.call("read")
