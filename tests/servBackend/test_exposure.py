"""The warning about a backend that other machines can reach although it is not fit for that."""

import socket

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.servBackend.exposure import is_exposed

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections


def warnings_of_a_start(caplog, backend, *addresses):
    server = flaskJSONRPCServer(list(addresses), multipleAdress=True, servBackend=backend, log=2)
    server.registerFunction(lambda: None, path="/api", name="nothing")
    server.start()
    ports = [address[1] for address in server.addresses]
    server.restart()
    server.stop()
    return ports, [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("backend", ["werkzeug", "granian"])
def test_start_on_an_exposed_address_is_one_warning_with_the_remedy(caplog, backend):
    ports, messages = warnings_of_a_start(caplog, backend, ["127.0.0.1", 0], ["0.0.0.0", 0], ["::", 0])

    for message, where in zip(messages, [f"0.0.0.0:{ports[1]}", f"[::]:{ports[2]}"], strict=True):
        assert message.startswith(f"servBackend '{backend}' listens on {where}, and ")
        assert "use servBackend='auto' or 'native', or put a proxy in front" in message


@pytest.mark.parametrize("backend", ["werkzeug", "granian"])
def test_start_on_loopback_addresses_is_no_warning(caplog, backend):
    _, messages = warnings_of_a_start(caplog, backend, ["127.0.0.1", 0], ["::1", 0])
    assert messages == []


@pytest.mark.parametrize(
    ("host", "exposed"), [("127.0.0.1", False), ("127.0.0.2", False), ("::1", False), ("0.0.0.0", True), ("::", True)]
)
def test_address_is_exposed_unless_it_is_loopback(host, exposed):
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        assert is_exposed(listener) is exposed


def test_unix_socket_is_not_exposed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a Unix socket must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("a.sock")
        assert not is_exposed(listener)
