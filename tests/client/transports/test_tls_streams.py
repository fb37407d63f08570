"""Messages over TCP with TLS, against a real TLS server, and the URLs of streams."""

import contextlib
import socket
import ssl
import threading

import pytest

from flaskJSONRPCServer.client import (
    AsyncClient,
    Client,
    ConnectError,
    ConnectionLostError,
    ConnectTimeoutError,
    ProtocolError,
    RequestTimeoutError,
    TcpTransport,
    tls_context,
)
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcMethodNotFoundError
from tests.certificates import make_certificates
from tests.client.faces import FACES
from tests.client.transports.stream_server import FRAMINGS, listening

VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def server_context(certificates, version=None):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


@pytest.fixture
def serving(certificates):
    """Serve a stream with TLS: `serving()` returns its address."""
    with contextlib.ExitStack() as stack:
        yield lambda framing="newline", handle=None, version=None: stack.enter_context(
            listening(framing, handle, tls=server_context(certificates, version))
        )


@pytest.fixture
def transport(certificates):
    """Make a transport that trusts the server."""
    return lambda address, **options: TcpTransport(*address, tls=certificates.client(), **options)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("version", VERSIONS)
def test_calls_notifications_and_batches(connect, serving, transport, framing, version):
    face = connect(transport=transport(serving(framing, version=VERSIONS[version]), framing=FRAMINGS[framing]))

    assert face.call("add", 1, 2) == 3
    assert face.notify("add", 1) is None
    batch, raised = face.batch(lambda batch: (batch.add(1), batch.notify.add(2), batch.add(3)))
    assert (raised, batch.results()) == (None, [1, 3])
    with pytest.raises(JsonRpcMethodNotFoundError):
        face.call("nope")


@pytest.mark.parametrize("kind", FACES)
def test_url_of_a_stream_with_tls(serving, certificates, kind):
    host, port = serving()
    with contextlib.closing(FACES[kind](f"tls://{host}:{port}", tls=certificates.client())) as face:
        assert face.call("add", 1, 2) == 3


@pytest.mark.parametrize("kind", FACES)
def test_url_of_a_stream_without_tls(kind):
    with (
        listening("newline") as (host, port),
        contextlib.closing(FACES[kind](f"tcp://{host}:{port}/", max_answer_bytes=100)) as face,
    ):
        assert face.call("add", 1, 2) == 3
        with pytest.raises(ProtocolError):
            face.call("write", "x" * 200)


def test_certificate_is_checked(connect, serving, certificates, tmp_path):
    host, port = serving()
    with pytest.raises(ConnectError, match="CERTIFICATE_VERIFY_FAILED") as raised:
        connect(f"tls://{host}:{port}", retry=None).call("add")
    assert not raised.value.is_sent
    other = make_certificates(tmp_path)
    with pytest.raises(ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        connect(transport=TcpTransport(host, port, tls=other.client()), retry=None).call("add")


def test_name_of_the_server_is_checked(connect, certificates):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificates.authority.issue_cert("other.example").configure_cert(context)
    with (
        listening("newline", tls=context) as address,
        pytest.raises(ConnectError, match=r"not valid for '127\.0\.0\.1'"),
    ):
        connect(transport=TcpTransport(*address, tls=certificates.client()), retry=None).call("add")


def test_client_has_a_certificate(connect, certificates, tmp_path):
    context = server_context(certificates)
    certificates.authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    own = certificates.authority.issue_cert("client.example")
    file, authority = tmp_path / "client.pem", tmp_path / "authority.pem"
    own.private_key_and_cert_chain_pem.write_to_path(file)
    certificates.authority.cert_pem.write_to_path(authority)
    with listening("newline", tls=context) as (host, port):
        with_own = tls_context(ca=authority, certificate=file)
        assert connect(transport=TcpTransport(host, port, tls=with_own)).call("add", 1, 2) == 3
        with pytest.raises((ConnectionLostError, ConnectError)):
            connect(transport=TcpTransport(host, port, tls=tls_context(ca=authority)), retry=None).call("add")


def test_threads_share_a_channel(serving, transport):
    with Client(transport=transport(serving())) as client:
        results = []
        threads = [
            threading.Thread(target=lambda n=n: results.extend(client.add(n, each) - each for each in range(20)))
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(results) == sorted(number for number in range(20) for _ in range(20))


def test_large_messages_in_both_directions_at_once(serving, transport):
    def echo(connected):
        """Send all bytes back while more come."""
        while data := connected.recv(65536):
            connected.sendall(data)

    # Our own calls come back, which are no answers: what counts is that no byte is lost and nothing hangs.
    with Client(transport=transport(serving(handle=echo)), timeout=60) as client:
        for _ in range(3):
            client.notify.add("x" * 5_000_000)
    with Client(transport=transport(serving())) as client:
        assert client.add(*range(200_000)) == sum(range(200_000))


def test_late_answer_disturbs_no_other_call(connect, serving, transport):
    face = connect(transport=transport(serving()))
    face.call("add", 1)

    with pytest.raises(RequestTimeoutError):
        face.call("sleep", options={"timeout": 0.2})
    assert face.call("add", 5) == 5


def test_peer_that_does_not_read(connect, serving, transport):
    address = serving(handle=lambda connected: threading.Event().wait(5))

    with pytest.raises(RequestTimeoutError):
        connect(transport=transport(address), timeout=0.5).call("add", "x" * 20_000_000)


def test_server_that_ends(connect, serving, transport):
    face = connect(transport=transport(serving(handle=lambda connected: connected.recv(1))), timeout=20)

    with pytest.raises(ConnectionLostError):
        face.call("add", 1)


def test_server_without_tls(connect, certificates):
    with listening("newline", handle=lambda connected: connected.sendall(b'{"jsonrpc": "2.0"}\n')) as address:
        with pytest.raises(ConnectError):
            connect(transport=TcpTransport(*address, tls=certificates.client()), retry=None, timeout=20).call("add")


def test_handshake_that_takes_too_long(connect, certificates):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = {"tls": certificates.client(), "connect_timeout": 0.3}
        face = connect(transport=TcpTransport(*silent.getsockname(), **options), retry=None, timeout=20)
        with pytest.raises(ConnectTimeoutError):
            face.call("add")


def test_close_ends_a_call(serving, transport):
    received = threading.Event()

    def handle(connected):
        while connected.recv(65536):
            received.set()

    client = Client(transport=transport(serving(handle=handle)), timeout=60)
    raised = []

    def call():
        with pytest.raises(ConnectionLostError, match="the client was closed") as caught:
            client.add(1)
        raised.append(caught.value)

    thread = threading.Thread(target=call)
    thread.start()
    assert received.wait(60)
    client.close()
    thread.join(60)
    assert len(raised) == 1


@pytest.mark.parametrize("make", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("url", "options", "text"),
    [
        ("tls://server.example", {}, "write tcp://host:port or tls://host:port"),
        ("tcp://:80", {}, "write tcp://host:port"),
        ("tcp://server.example:port", {}, "write tcp://host:port"),
        ("tcp://server.example:80/api", {}, "write tcp://host:port"),
        ("tcp://server.example:80?a=b", {}, "write tcp://host:port"),
        ("tcp://ann:secret@server.example:80", {}, "'tcp://...@server.example:80' is not"),
        ("tcp://ann:se/cret@server.example:80", {}, "'tcp://...@server.example:80' is not"),
        ("tcp://server.example:80", {"tls": ssl.create_default_context()}, "begin it with tls://"),
        ("tcp://server.example:80", {"read_timeout": 5}, "read_timeout= beside 'tcp://server.example:80'"),
        ("tls://server.example:80", {"proxy": "http://p:1"}, "proxy= beside"),
        ("tls://server.example:80", {"path": "/api"}, "path= beside"),
        ("tls://server.example:80", {"compress_min_bytes": 5}, "compress_min_bytes= beside"),
        ("tls://server.example:80", {"connect_timeout": 0}, "connect_timeout=0"),
        ("tls://server.example:80", {"auth": "token"}, "auth= and headers= beside 'tls://server.example:80'"),
        ("tls://server.example:80", {"headers": {"X-A": "b"}}, "auth= and headers= beside"),
    ],
    ids=range(15),
)
def test_url_or_option_that_is_not_allowed(make, url, options, text):
    with pytest.raises(ValueError, match=text):
        make(url, **options)


def test_unix_socket_has_no_tls():
    with pytest.raises(ValueError, match="a Unix socket has no TLS"):
        TcpTransport("/run/api.sock", tls=ssl.create_default_context())
