"""The URLs and proxies of clients: zones of IPv6, and messages that show no password."""

import contextlib
import socket
import threading

import pytest

from flaskJSONRPCServer.client import AsyncClient, Client, ConnectError, ProtocolError
from flaskJSONRPCServer.client.generate.reading import DocumentError
from flaskJSONRPCServer.client.generate.sources import read_url
from flaskJSONRPCServer.client.transports.proxies import find_proxy
from flaskJSONRPCServer.client.transports.urls import parse_url
from tests.client.faces import FACES
from tests.client.raw_server import RawConnection, answered, http

CLIENTS = pytest.mark.parametrize("make", [Client, AsyncClient])


@pytest.mark.parametrize(
    ("url", "host", "server_name", "authority"),
    [
        ("http://[fe80::1%25eth0]/api", "fe80::1%eth0", "fe80::1", "[fe80::1]"),
        ("http://[fe80::1%eth0]:8080/api", "fe80::1%eth0", "fe80::1", "[fe80::1]:8080"),
        ("https://[FE80::A%25Eth1]/api", "fe80::a%Eth1", "fe80::a", "[fe80::a]"),
        ("http://[fe80::1%2525]/api", "fe80::1%25", "fe80::1", "[fe80::1]"),
        ("http://[::1]:80/api", "::1", "::1", "[::1]"),
        ("http://localhost:81/api", "localhost", "localhost", "localhost:81"),
    ],
)
def test_zone_is_for_the_system_only(url, host, server_name, authority):
    target = parse_url(url)

    assert (target.host, target.server_name, target.authority) == (host, server_name, authority)
    assert "%" not in target.tunnel_address


def has_ipv6():
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6")
@pytest.mark.parametrize("kind", FACES)
def test_call_to_an_address_with_a_zone(kind):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        port = listener.getsockname()[1]
        hosts = []

        def serve():
            connected, _ = listener.accept()
            with connected, connected.makefile("rb") as file:
                connection = RawConnection(type("Server", (), {"requests": []}), connected, file, 1)
                request_id = connection.read_id()
                hosts.append(connection.server.requests[0]["headers"]["host"])
                connection.send(answered("well", request_id))

        thread = threading.Thread(target=serve)
        thread.start()
        with contextlib.closing(FACES[kind](f"http://[::1%251]:{port}/api", timeout=20)) as face:
            assert face.call("add") == "well"
        thread.join()
    assert hosts == [f"[::1]:{port}"]


@CLIENTS
@pytest.mark.parametrize(
    "url",
    [
        "ftp://ann:se:cret@server.example/api",
        "http://ann:se/cret@server.example/api",
        "http://ann:se?cret@server.example/api",
        "http://ann:se#cret@server.example/api",
        "http://ann:se[cret@server.example/api",
        "http://ann:se cret@server.example/api",
        "http://ann:secret@server.example:port/api",
        "http://ann:secret@server.example:99999/api",
        "http://ann:secret@[server.example]/api",
        "ann:secret@server.example/api",
        "http://ann:sécret@server.example/api",
    ],
)
def test_password_of_a_malformed_url_is_not_in_the_message(make, url):
    with pytest.raises(ValueError, match=r"is not (a URL|the URL of a server)") as raised:
        make(url)
    assert "ann" not in str(raised.value)
    assert "cret" not in str(raised.value)
    assert "server.example" in str(raised.value)
    assert raised.value.__cause__ is None


@CLIENTS
@pytest.mark.parametrize(
    "options", [{"path": "/api"}, {"tls": object()}, {"proxy": "https://ann:secret@proxy.example"}]
)
def test_password_is_not_in_the_message_about_an_option(make, options):
    with pytest.raises(ValueError, match="example") as raised:
        make("http://ann:secret@server.example/api", **options)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/api", "http://127.0.0.1:port/api", "http://[1/api"])
def test_password_is_not_in_the_message_about_a_document(url):
    with pytest.raises(DocumentError) as raised:
        read_url(url.replace("//", "//ann:secret@"), {})
    assert "secret" not in str(raised.value)
    assert "127.0.0.1" in str(raised.value) or "[1" in str(raised.value)


def test_document_is_read_with_the_password_of_its_url(raw):
    server = raw(lambda connection: (connection.read(), connection.send(http(b'{"methods": []}'))))

    assert read_url(f"http://ann:se%40cret@127.0.0.1:{server.port}/openrpc.json", {}) == {"methods": []}
    assert server.requests[0]["headers"]["authorization"] == "Basic YW5uOnNlQGNyZXQ="
    assert server.requests[0]["headers"]["host"] == f"127.0.0.1:{server.port}"


@CLIENTS
@pytest.mark.parametrize("proxy", [True, 0, 8080, b"http://proxy"])
def test_proxy_of_another_type_is_refused(make, proxy):
    text = "it takes the URL of a proxy, None for the one that the environment names, or False for none"
    with pytest.raises(TypeError, match=text) as raised:
        make("http://server.example/api", proxy=proxy)
    assert f"proxy={proxy!r}" in str(raised.value)


def test_proxy_of_a_server_without_one():
    assert find_proxy(False, parse_url("http://server.example/api")) is None


@pytest.mark.parametrize("status", ["abc", "20", "2000 OK", "600 Odd", "", "²00 OK", None, 200])
@pytest.mark.parametrize("kind", FACES)
def test_application_with_a_malformed_status(kind, status):
    def application(environ, start_response):
        start_response(status, [])
        return [b""]

    with contextlib.closing(FACES[kind](application)) as face, pytest.raises(ProtocolError, match="such as '200 OK'"):
        face.call("add")


def test_application_with_a_status_without_a_reason(api):
    def application(environ, start_response):
        start_response("204", [])
        return []

    with Client(application) as client:
        client.notify.add(1)


@pytest.mark.parametrize("kind", FACES)
def test_message_about_a_connection_has_the_zone(kind):
    with (
        contextlib.closing(FACES[kind]("http://[fe80::1%25nowhere]:9/api", retry=None)) as face,
        pytest.raises(ConnectError, match=r"\[fe80::1%nowhere\]:9"),
    ):
        face.call("add")
