"""The URLs of a running server."""

import ssl

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.client import Client
from tests.certificates import make_certificates


def add(a, b):
    return a + b


def make(addresses, **options):
    server = flaskJSONRPCServer(addresses, multipleAdress=True, log=0, **options)
    server.registerFunction(add, path="/api")
    return server


def test_client_reaches_the_server_by_each_of_its_urls(tmp_path):
    server = make([["127.0.0.1", 0], ["::1", 0], ["0.0.0.0", 0], str(tmp_path / "a.sock")])
    assert server.urls == []
    server.start()
    try:
        for url in server.urls:
            with Client(f"{url}api") as client:
                assert client.add(1, 2) == 3
        ports = [address[1] for address in server.addresses[:3]]
        assert server.urls[:3] == [
            f"http://127.0.0.1:{ports[0]}/",
            f"http://[::1]:{ports[1]}/",
            f"http://127.0.0.1:{ports[2]}/",
        ]
        assert len(server.urls) == 4
    finally:
        server.stop()
    assert server.urls == []


def test_url_of_a_server_with_tls_begins_with_https(tmp_path):
    certificates = make_certificates(tmp_path)
    context = ssl.create_default_context()
    certificates.authority.configure_trust(context)
    server = make([["127.0.0.1", 0]], ssl=certificates.files)
    server.start()
    try:
        with Client(f"{server.urls[0]}api", tls=context) as client:
            assert client.add(1, 2) == 3
    finally:
        server.stop()
