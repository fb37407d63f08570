"""Both clients with the servers of others: jayson and json-rpc-2.0 for Node.js, and pjrpc."""

import datetime
import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Protocol

import pjrpc.server
import pytest
from pjrpc.server.exceptions import JsonRpcError
from pjrpc.server.integration.werkzeug import JsonRPC
from werkzeug.serving import WSGIRequestHandler, make_server

from flaskJSONRPCServer.client import ProtocolError
from flaskJSONRPCServer.sansio_jsonrpc import (
    JsonRpcException,
    JsonRpcInvalidParamsError,
    JsonRpcMethodNotFoundError,
)
from tests.client.node import find_node, find_npm_packages
from tests.clients.api import Teapot

PROGRAM = Path(__file__).with_name("node_servers.cjs")


@pytest.fixture(scope="module")
def node_ports():
    """Run the servers for Node.js. Return their ports by their names."""
    environ = os.environ | {"NODE_PATH": str(find_npm_packages("servers"))}
    with subprocess.Popen(
        [find_node(), str(PROGRAM)], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(20) == 0


class QuietHandler(WSGIRequestHandler):
    def log_request(self, *args):
        """Log nothing."""


class Functions:
    """The functions of the server of pjrpc."""

    def __init__(self):
        self._heard = []

    def registry(self):
        registry = pjrpc.server.MethodRegistry()
        registry.add_method(self.next_day, "math.next_day")
        for function in (self.subtract, self.echo, self.hear, self.heard, self.teapot):
            registry.add_method(function)
        return registry

    def subtract(self, minuend, subtrahend=1):
        return minuend - subtrahend

    def echo(self, value):
        return value

    def next_day(self, day, days=1):
        return str(datetime.date.fromisoformat(day) + datetime.timedelta(days=days))

    def hear(self, text):
        self._heard.append(text)

    def heard(self):
        heard, self._heard = self._heard, []
        return heard

    def teapot(self):
        raise JsonRpcError(418, "I am a teapot", {"short": True, "stout": ["ä"]})


@pytest.fixture(scope="module")
def pjrpc_port():
    """Serve the functions by pjrpc on Werkzeug. Return the port."""
    application = JsonRPC("/")
    application.dispatcher.add_methods(Functions().registry())
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["jayson", "json-rpc-2.0", "pjrpc"])
def name(request):
    return request.param


@pytest.fixture
def face(request, name, connect):
    port = request.getfixturevalue("pjrpc_port") if name == "pjrpc" else request.getfixturevalue("node_ports")[name]
    face = connect(f"http://127.0.0.1:{port}/", timeout=20)
    face.call("heard")  # what an earlier test has left
    return face


class MathApi(Protocol):
    def next_day(self, day: datetime.date, days: int = 1) -> datetime.date: ...


class Api(Protocol):
    math: MathApi

    def subtract(self, minuend: int, subtrahend: int = 1) -> int: ...


def test_arguments_by_position_and_by_name(face):
    assert face.call("subtract", 42, 23) == 19
    assert face.call("subtract", subtrahend=23, minuend=42) == 19
    assert face.call("hear", text="ä") is None
    assert face.call("heard") == ["ä"]


def test_both_kinds_of_arguments_need_an_interface(face):
    with pytest.raises(TypeError, match=r"client\.typed"):
        face.call("subtract", 42, subtrahend=23)
    assert face.run(lambda client: client.typed(Api).subtract(42, subtrahend=23)) == 19


def test_typed_results(face):
    day = datetime.date(2030, 1, 31)

    assert face.run(lambda client: client.typed(Api).math.next_day(day)) == datetime.date(2030, 2, 1)
    assert face.run(lambda client: client.typed(Api).math.next_day(day, days=2)) == datetime.date(2030, 2, 2)


VALUES = [
    "Grüße, 世界 🎉 \0 \u2028",
    {"ä": [1, [2, {"a": None, "": False}]], "__proto__": 5},
    [],
    0.1,
    -1.5e300,
    2**53 - 1,
    None,
    "x" * 90_000,
]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_value_survives_a_round_trip(face, value):
    assert face.call("echo", value) == value


def test_large_integers(face, name):
    if name == "pjrpc":
        assert face.call("echo", 2**70 + 1) == 2**70 + 1
    else:  # numbers of JavaScript are floats of 64 bits
        assert face.call("echo", 2**53 + 1) == 2**53
        assert face.call("echo", 2**70 + 1) == 2**70


def test_error_of_the_application_is_its_declared_exception(face):
    with pytest.raises(Teapot) as raised:
        face.call("teapot")

    assert (raised.value.code, raised.value.message) == (418, "I am a teapot")
    assert raised.value.data == {"short": True, "stout": ["ä"]}


@pytest.mark.parametrize("method", ["no_such_method", "toString", "__proto__", "rpc.discover"])
def test_unknown_method(face, method):
    with pytest.raises(JsonRpcMethodNotFoundError):
        face.call(method)


def test_wrong_arguments(face, name):
    if name == "pjrpc":
        with pytest.raises(JsonRpcInvalidParamsError):
            face.call("subtract", 1, 2, 3)
    else:  # functions of JavaScript take any number of arguments
        assert face.call("subtract", 1, 2, 3) == -1


def test_notifications(face):
    assert face.notify("hear", "a") is None
    assert face.notify("hear", text="b") is None
    assert face.notify("no_such_method") is None
    assert face.call("heard") == ["a", "b"]


def test_batch_keeps_the_order_of_its_calls(face):
    items = []

    def fill(batch):
        items.append(batch.subtract(42, 23))
        batch.notify.hear("a")
        items.append(batch.typed(Api).subtract(5, subtrahend=1))
        items.append(batch.teapot())
        items.append(batch.no_such_method())

    batch, raised = face.batch(fill)

    assert raised is None
    assert [items[0].result(), items[1].result()] == [19, 4]
    assert isinstance(items[2].exception(), Teapot)
    assert isinstance(items[3].exception(), JsonRpcMethodNotFoundError)
    assert batch.results(return_exceptions=True)[:2] == [19, 4]
    assert face.call("heard") == ["a"]


def test_batch_of_notifications_has_no_results(face, name):
    batch, raised = face.batch(lambda batch: (batch.notify.hear("a"), batch.notify.hear(text="b")))

    if name == "pjrpc":  # it answers with an empty array in place of nothing: JSON-RPC 2.0, section 6
        assert isinstance(raised, ProtocolError)
    else:
        assert raised is None
    assert batch.results() == []
    assert face.call("heard") == ["a", "b"]


def test_batch_with_one_answer(face, name):
    batch, raised = face.batch(lambda batch: (batch.notify.hear("a"), batch.subtract(3)))

    if name == "json-rpc-2.0":  # it answers with an object in place of an array: JSON-RPC 2.0, section 6
        assert isinstance(raised, ProtocolError)
    else:
        assert (raised, batch.results()) == (None, [2])
    assert face.call("heard") == ["a"]


def test_exception_of_a_function(face, name):
    """A day that is none makes each language raise."""
    with pytest.raises(JsonRpcException) as raised:
        face.call("math.next_day", "soon")

    assert raised.value.code == {"jayson": -32603, "json-rpc-2.0": 0, "pjrpc": -32000}[name]
