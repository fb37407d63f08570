"""The values that are sent to a child."""

import socket
import threading

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.execBackend.parallel.messages import (
    NOT_SERVED,
    CallMessage,
    is_plain,
    make_call_message,
    make_setup,
)
from flaskJSONRPCServer.servBackend.serving import SERVED_BY
from tests.execBackend.parallel.children import send_setup

DATA = {"method": "add", "params": [1], "id": 1, "notify": False}


def add(a):
    return a + 1


def see(_connection):
    return None


@pytest.fixture
def server():
    server = flaskJSONRPCServer(["127.0.0.1", 0], name="sending", log=2, max_batch_length=7, auth=lambda *_: True)
    for function in (add, see):
        server.registerFunction(function, path="/api")
    return server


def message_for(server, name, request):
    route = server._engine.router.table.find("/api/", name)
    return make_call_message(server._backend_context, route, "the id", DATA, request, False)


def test_setup_has_the_settings_that_are_plain_values(server):
    setup = make_setup(server._backend_context, number=2, pool_size=5)

    assert send_setup(setup) == setup
    assert (setup.name, setup.number, setup.pool_size) == ("sending", 2, 5)
    assert (setup.settings["max_batch_length"], setup.settings["bindAdress"]) == (7, ["127.0.0.1", 0])
    assert "auth" not in setup.settings
    assert setup.script == getattr(server._parentModule, "__file__", None)


def test_call_of_a_function_without_the_magic_variable_is_sent_without_its_request(server):
    message = message_for(server, "add", {"headers": {"X": "y"}, "environ": {}})

    assert message == CallMessage("the id", "/api/", DATA, {}, False, NOT_SERVED)


def test_call_of_a_function_with_the_magic_variable_has_the_fields_of_its_request(server):
    environ = {"SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8080", "wsgi.input": threading.Lock()}
    fields = {"headers": {"X": "y"}, "cookies": {"c": "1"}, "remote_addr": "192.0.2.1"}
    message = message_for(server, "see", {**fields, "environ": environ})

    assert (message.request, message.served_by) == (fields, (False, "127.0.0.1", 8080))


def test_socket_that_serves_is_not_sent(server):
    with socket.socket() as serving:
        message = message_for(server, "see", {"environ": {SERVED_BY: (True, "/run/server.sock", serving)}})

    assert message.served_by == (True, "/run/server.sock", None)


class Text(str):
    pass


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (None, True),
        (True, True),
        (1.5, True),
        (b"x", True),
        (["a", ("b", {"c"}, frozenset("d"))], True),
        ({"a": {1: [None]}}, True),
        (Text("x"), False),
        ([object()], False),
        ({"a": len}, False),
        ({(Text("x"),): 1}, False),
    ],
)
def test_plain_values_are_scalars_and_containers_of_them(value, plain):
    assert is_plain(value) is plain
