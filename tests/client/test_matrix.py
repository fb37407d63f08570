"""Both clients over every transport, with every type of the contracts' table."""

import contextlib
import os
import ssl
import sys
from pathlib import Path
from urllib.parse import quote

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.client import StdioTransport, TcpTransport, tls_context
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcInvalidParamsError, JsonRpcMethodNotFoundError
from tests.certificates import make_certificates
from tests.client.faces import FACES
from tests.client.proxy import Proxy
from tests.client.transports.adapters import KINDS, connected
from tests.client.transports.stream_server import listening
from tests.client.types import types_table
from tests.client.types.types_table import ECHOES, FRAMINGS, ROWS, OutOfStock, StreamServer

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = types_table.__file__
PASSWORD = "Basic dTpw"  # u:p


class Servers:
    """The servers of the tests, each started for the first client that needs it."""

    def __init__(self, folder, stack):
        self._folder = folder
        self._socket_path = folder / "a socket"
        self._stack = stack
        self._started = {}
        self.certificates = make_certificates(folder)

    def plain(self):
        """Return a server on TCP and on a Unix socket."""
        return self._once("plain", lambda: self._serve([["127.0.0.1", 0], str(self._socket_path)], multipleAdress=True))

    def url(self, name="plain", scheme="http"):
        """Return the URL of the plain server, or of one that was started under a name."""
        return f"{scheme}://127.0.0.1:{getattr(self, name)().addresses[0][1]}/api"

    def unix_url(self):
        """Return the URL of the plain server on its Unix socket."""
        self.plain()
        return f"http+unix://{quote(str(self._socket_path), safe='')}/api"

    def tls(self):
        return self._once("tls", lambda: self._serve(["127.0.0.1", 0], ssl=self.certificates.files))

    def mutual(self):
        """Return a server that asks for the certificates of its clients."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificates.certificate, self.certificates.key)
        self.certificates.authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return self._once("mutual", lambda: self._serve(["127.0.0.1", 0], ssl=context))

    def protected(self):
        """Return a server with a password."""

        def is_allowed(server, path, request, method):
            return request.headers.get("Authorization") == PASSWORD

        return self._once("protected", lambda: self._serve(["127.0.0.1", 0], auth=is_allowed))

    def client_context(self):
        authority, both = self._folder / "ca.pem", self._folder / "client.pem"
        self.certificates.authority.cert_pem.write_to_path(authority)
        self.certificates.authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(both)
        return tls_context(ca=authority, certificate=both)

    def proxy(self):
        def start():
            proxy = Proxy()
            self._stack.callback(proxy.stop)
            return proxy

        return self._once("proxy", start)

    def application(self):
        """Return a Flask application with the functions of the server that is not started."""

        def mount():
            application = flask.Flask(__name__)
            self.unserved().init_app(application, url_prefix="/v1")
            return application

        return self._once("application", mount)

    def unserved(self):
        """Return a server that is not started."""
        return self._once("unserved", lambda: made(None))

    def tcp(self, framing):
        """Return a transport to a stream, whose messages go to a server that is not started."""
        host, port = self._once(f"tcp {framing}", lambda: self._listen(framing))
        return TcpTransport(host, port, framing=FRAMINGS[framing])

    def _once(self, name, start):
        if name not in self._started:
            self._started[name] = start()
        return self._started[name]

    def _serve(self, address, **options):
        server = made(address, allowCompress=True, compressMinSize=100, **options)
        server.start()
        self._stack.callback(server.stop)
        return server

    def _listen(self, framing):
        server = self.unserved()

        def serve(connected):
            stream = StreamServer(server, framing, connected.sendall)
            while data := connected.recv(65536):
                stream.receive(data)

        return self._stack.enter_context(listening(framing, serve))


def made(address, **options):
    server = flaskJSONRPCServer(address, log=0, controlGC=False, tweakDescriptors=False, **options)
    types_table.register(server)
    return server


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("servers"), stack)


def stdio(framing):
    return StdioTransport(
        [sys.executable, PROGRAM, framing], framing=FRAMINGS[framing], env=os.environ | {"PYTHONPATH": str(ROOT)}
    )


# The arguments of a client, by the transport.
TRANSPORTS = {
    "http": lambda servers: {"url": servers.url()},
    "http gzip": lambda servers: {"url": servers.url(), "compress_min_bytes": 1},
    "http proxy": lambda servers: {"url": servers.url(), "proxy": servers.proxy().url},
    "http password": lambda servers: {"url": servers.url("protected"), "auth": ("u", "p")},
    "http unix": lambda servers: {"url": servers.unix_url()},
    "https": lambda servers: {"url": servers.url("tls", "https"), "tls": servers.certificates.client()},
    "https mutual": lambda servers: {"url": servers.url("mutual", "https"), "tls": servers.client_context()},
    "https proxy": lambda servers: {
        "url": servers.url("tls", "https"),
        "tls": servers.certificates.client(),
        "proxy": servers.proxy().url,
    },
    "server object": lambda servers: {"url": servers.unserved()},
    "flask application": lambda servers: {"url": servers.application(), "path": "/v1/api"},
    "tcp newline": lambda servers: {"transport": servers.tcp("newline")},
    "tcp length": lambda servers: {"transport": servers.tcp("length")},
    "stdio newline": lambda servers: {"transport": stdio("newline")},
    "stdio length": lambda servers: {"transport": stdio("length")},
}

MATRIX = [*((transport, face) for transport in TRANSPORTS for face in FACES), *KINDS]


@pytest.fixture(params=MATRIX, ids=" ".join)
def face(request, servers):
    """Make a client of one kind over one transport, or over the library of a user."""
    with contextlib.ExitStack() as stack:
        if request.param in KINDS:
            yield connected(stack, request.param, servers.url())
        else:
            transport, kind = request.param
            yield stack.enter_context(contextlib.closing(FACES[kind](**TRANSPORTS[transport](servers))))


def test_types_errors_notifications_and_batches(face):
    """One test for each client, since some have to start a program."""
    types_survive(face, interface=types_table.interface())
    errors_have_their_classes(face, interface=types_table.interface())
    notifications_are_run(face)


def types_survive(face, interface):
    results = {}
    for name, echo in ECHOES.items():
        by_position, by_name = called_both_ways(face, interface, name, echo.value)
        results |= {(name, "position"): by_position, (name, "name"): by_name}
    items = {}

    def fill(batch):
        view = batch.typed(interface)
        items.update({(name, "batch"): getattr(view, name)(echo.value) for name, echo in ECHOES.items()})

    _, raised = face.batch(fill)
    assert raised is None
    results.update({key: item.result() for key, item in items.items()})

    assert results == {(name, way): ECHOES[name].value for name, way in results}
    assert {key: type(result) for key, result in results.items()} == {
        (name, way): type(ECHOES[name].value) for name, way in results
    }


def called_both_ways(face, interface, name, value):
    def call(*args, **kwargs):
        return face.run(lambda client: getattr(client.typed(interface), name)(*args, **kwargs))

    return call(value), call(value=value)


def errors_have_their_classes(face, interface):
    with pytest.raises(OutOfStock) as raised:
        face.run(lambda client: client.typed(interface).buy("tea", count=2))
    assert raised.value.data == {"item": "tea", "count": 2}
    with pytest.raises(JsonRpcInvalidParamsError) as raised:
        face.call("buy", 5)
    assert raised.value.data["errors"][0]["path"] == ["item"]
    with pytest.raises(JsonRpcMethodNotFoundError):
        face.call("no_such_method")
    batch, raised = face.batch(lambda batch: (batch.buy("tea"), batch.heard(), batch.no_such_method()))
    assert raised is None
    assert [type(result) for result in batch.results(return_exceptions=True)] == [
        OutOfStock,
        list,
        JsonRpcMethodNotFoundError,
    ]


def notifications_are_run(face):
    assert face.notify("hear", "a") is None
    batch, raised = face.batch(lambda batch: (batch.notify.hear("b"), batch.notify.hear(text="c")))
    assert (raised, batch.results()) == (None, [])
    batch, raised = face.batch(lambda batch: (batch.notify.hear("d"), batch.heard()))
    assert (raised, batch.results()) == (None, [["a", "b", "c", "d"]])


def test_matrix_has_every_type_of_the_table():
    page = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
    table = page.partition("| hint | accepted | refused |\n|---|---|---|\n")[2].partition("\n\n")[0]

    hints = [line.replace("\\|", "\0").split("|")[1].strip().replace("\0", "|") for line in table.splitlines()]
    assert hints == list(ROWS)
