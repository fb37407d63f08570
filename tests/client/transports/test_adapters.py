"""Transports over the HTTP client of the user. `test_niquests.py` runs the same tests over niquests."""

import asyncio
import contextlib
import gzip
import importlib
import ssl

import httpx
import pytest

from flaskJSONRPCServer.client import (
    AnswerTooLargeError,
    AsyncClient,
    AsyncHttpxTransport,
    AsyncNiquestsTransport,
    Client,
    ConnectError,
    ConnectionLostError,
    HttpStatusError,
    HttpxTransport,
    ProtocolError,
    RequestsTransport,
    RequestTimeoutError,
)
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcMethodNotFoundError
from tests.certificates import make_certificates
from tests.client.faces import AsyncFace
from tests.client.raw_server import answered, http
from tests.client.transports.adapters import KINDS, connected

LIMIT_BYTES = 10_000


@pytest.fixture(params=KINDS, ids="-".join)
def connect(request):
    """Make a client over a library: `connect(url, timeout=2)`."""
    with contextlib.ExitStack() as stack:
        yield lambda url, **options: connected(stack, request.param, url, LIMIT_BYTES, **options)


def test_calls_notifications_and_batches(connect, api):
    face = connect(api.url)

    assert face.call("subtract", 42, subtrahend=23) == 19
    assert face.notify("subtract", 1) is None
    batch, raised = face.batch(lambda batch: (batch.subtract(5), batch.notify.nothing(), batch.echo("ä")))
    assert (raised, batch.results()) == (None, [4, "ä"])
    with pytest.raises(JsonRpcMethodNotFoundError):
        face.call("no_such_method")


def test_headers_and_compression(connect, raw):
    def handle(connection):
        body = answered("well", connection.read_id()).partition(b"\r\n\r\n")[2]
        connection.send(http(gzip.compress(body), Content_Encoding="gzip", X_A="b"))

    server = raw(handle)

    assert connect(server.url, auth="token", timeout=20).call("add") == "well"
    (request,) = server.requests
    assert request["headers"]["authorization"] == "Bearer token"
    assert request["headers"]["content-type"] == "application/json"
    assert 19 < float(request["headers"]["request-timeout"]) <= 20


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (http(b"<p>down", "502 Bad Gateway"), HttpStatusError),
        (http(b"", "302 Found", Location="/other"), HttpStatusError),
        (http(b"<p>what"), ProtocolError),
        (b"", ConnectionLostError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", ConnectionLostError),
        (http(b"x" * 20_000), AnswerTooLargeError),
        (http(gzip.compress(b"x" * 1_000_000, mtime=0), Content_Encoding="gzip"), AnswerTooLargeError),
        (http(b"no gzip", Content_Encoding="gzip"), ProtocolError),
    ],
    ids=range(8),
)
def test_fault_ends_in_its_exception(connect, raw, data, error):
    server = raw(lambda connection: (connection.read(), connection.send(data)))

    with pytest.raises(error):
        connect(server.url, timeout=20).call("add")
    assert len(server.requests) == 1


def test_silent_server(connect, raw):
    server = raw(lambda connection: (connection.read(), connection.wait()))

    with pytest.raises(RequestTimeoutError):
        connect(server.url, timeout=0.3).call("add")
    assert len(server.requests) == 1


def test_nobody_listens(connect):
    with pytest.raises(ConnectError) as raised:
        connect("http://127.0.0.1:9/api", retry=None).call("add")
    assert not raised.value.is_sent


@pytest.mark.parametrize("is_trusted", [True, False])
@pytest.mark.parametrize("name", [name for way, name in KINDS if way == "threaded"])
def test_failure_of_tls_after_the_request_is_not_repeated(raw, tmp_path, name, is_trusted):
    library = importlib.import_module(name)
    certificates = make_certificates(tmp_path)
    certificates.authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    bodies = []

    def handle(connection):
        with context.wrap_socket(connection.socket.dup(), server_side=True) as tls:
            data = b""
            while b'"add"' not in data:
                data += tls.recv(10_000)
            bodies.append(data)
            connection.send(b"not a record of TLS")

    server = raw(handle)
    with library.Session() as session:
        session.trust_env, session.verify = False, str(tmp_path / "ca.pem") if is_trusted else True
        client = Client(server.url.replace("http:", "https:"), transport=RequestsTransport(session), timeout=20)
        with pytest.raises(ConnectionLostError if is_trusted else ConnectError) as raised:
            client.add()
    assert raised.value.is_sent is is_trusted
    assert len(bodies) == is_trusted


@pytest.mark.parametrize("adapter", [HttpxTransport, AsyncHttpxTransport, RequestsTransport, AsyncNiquestsTransport])
def test_client_of_another_library_is_refused(adapter):
    with pytest.raises(TypeError, match="is no client of"):
        adapter(object())


def test_coroutine_that_is_cancelled(raw):
    server = raw(lambda connection: (connection.read(), connection.wait()))

    async def cancel():
        async with httpx.AsyncClient() as session:
            client = AsyncClient(server.url, transport=AsyncHttpxTransport(session))
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.add(), 0.2)

    face = AsyncFace(server.url)
    with contextlib.closing(face):
        face.wait(cancel())


def test_session_of_the_user_stays_open(api):
    with httpx.Client() as session:
        with Client(api.url, transport=HttpxTransport(session)) as client:
            client.nothing()
        assert not session.is_closed
