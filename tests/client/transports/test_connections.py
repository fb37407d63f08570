"""TLS, Unix sockets, proxies, compression, authorization, forks and cancellation."""

import asyncio
import base64
import contextlib
import gzip
import os
import signal
import socket
import ssl
import threading
from urllib.parse import quote

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.client import (
    BasicAuth,
    BearerAuth,
    Client,
    ConnectError,
    ConnectionLostError,
    ConnectTimeoutError,
    tls_context,
)
from flaskJSONRPCServer.client.transports import async_stream
from flaskJSONRPCServer.client.transports.proxies import find_proxy
from flaskJSONRPCServer.client.transports.urls import parse_url
from tests.certificates import make_certificates
from tests.client.faces import AsyncFace
from tests.client.proxy import Proxy
from tests.client.raw_server import answered, http, result


def add(a, b):
    return a + b


@contextlib.contextmanager
def served(address, **options):
    server = flaskJSONRPCServer(address, log=0, controlGC=False, tweakDescriptors=False, **options)
    server.registerFunction(add, path="/api")
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def serve_at(stack):
    """Serve on an address until the end of the test, after the end of its clients."""
    return lambda address, **options: stack.enter_context(served(address, **options))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls_url(certificates):
    with served(["127.0.0.1", 0], ssl=certificates.files) as server:
        yield f"https://127.0.0.1:{server.addresses[0][1]}/api"


@pytest.fixture
def make_proxy():
    with contextlib.ExitStack() as stack:

        def make(**options):
            proxy = Proxy(**options)
            stack.callback(proxy.stop)
            return proxy

        yield make


def test_unix_socket(serve_at, connect, tmp_path):
    path = tmp_path / "api socket"
    serve_at(str(path))
    face = connect(f"http+unix://{quote(str(path), safe='')}/api")

    assert [face.call("add", 1, 2), face.call("add", 3, 4)] == [3, 7]
    assert face.idle == 1


def test_unix_socket_that_is_not_there(connect, tmp_path):
    with pytest.raises(ConnectError, match="missing"):
        connect(f"http+unix://{quote(str(tmp_path / 'missing'), safe='')}/api").call("add", 1, 2)


def test_tls(connect, certificates, tls_url):
    face = connect(tls_url, tls=certificates.client())

    assert [face.call("add", 1, 2), face.call("add", 3, 4)] == [3, 7]
    assert face.idle == 1


def test_certificate_that_is_not_trusted(connect, tls_url):
    with pytest.raises(ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        connect(tls_url).call("add", 1, 2)


def test_certificate_of_another_host(connect, certificates, tls_url):
    with pytest.raises(ConnectError, match=r"localhost\.|CERTIFICATE_VERIFY_FAILED|127\.0\.0\.2"):
        connect(tls_url.replace("127.0.0.1", "127.0.0.2"), tls=certificates.client()).call("add", 1, 2)


def test_tls_to_a_server_without_it(connect, certificates, api):
    with pytest.raises(ConnectError):
        connect(api.url.replace("http:", "https:"), tls=certificates.client()).call("nothing")


def test_mutual_tls(serve_at, connect, certificates, tmp_path):
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.load_cert_chain(certificates.certificate, certificates.key)
    certificates.authority.configure_trust(server_context)
    server_context.verify_mode = ssl.CERT_REQUIRED
    issued = certificates.authority.issue_cert("client")
    certificates.authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")

    server = serve_at(["127.0.0.1", 0], ssl=server_context)
    url = f"https://127.0.0.1:{server.addresses[0][1]}/api"
    context = tls_context(ca=tmp_path / "ca.pem", certificate=tmp_path / "client.pem")
    assert connect(url, tls=context).call("add", 1, 2) == 3
    # TLS 1.3 refuses a client after the handshake, from the client's view.
    with pytest.raises((ConnectError, ConnectionLostError), match="connection"):
        connect(url, tls=tls_context(ca=tmp_path / "ca.pem")).call("add", 1, 2)


def test_handshake_that_does_not_answer_ends_in_time(connect, raw, certificates):
    server = raw(lambda connection: connection.server.stopping.wait(30))
    url = server.url.replace("http:", "https:")

    with pytest.raises(ConnectTimeoutError):
        connect(url, tls=certificates.client(), connect_timeout=0.2, retry=None).call("add", 1, 2)


def test_proxy_gets_whole_urls(connect, make_proxy, api):
    proxy = make_proxy()
    face = connect(api.url, proxy=proxy.url.replace("//", "//user:p%40ss@"))

    assert [face.call("subtract", 3, 1), face.call("subtract", 4, 1)] == [2, 3]
    (head,) = proxy.heads
    lines = head.split("\r\n")
    assert lines[0] == f"POST {api.url} HTTP/1.1"
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'user:p@ss').decode()}" in lines


def test_proxy_makes_a_tunnel_for_tls(connect, make_proxy, certificates, tls_url):
    proxy = make_proxy()
    face = connect(tls_url, tls=certificates.client(), proxy=proxy.url.replace("//", "//user:pass@"))

    assert [face.call("add", 1, 2), face.call("add", 3, 4)] == [3, 7]
    (head,) = proxy.heads
    place = tls_url.split("/")[2]
    assert head.split("\r\n")[:2] == [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    assert "Proxy-Authorization: Basic " in head


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Authentication Required\r\n\r\n", b"garbage\r\n\r\n", b""])
def test_proxy_that_refuses_a_tunnel(connect, make_proxy, certificates, tls_url, answer):
    proxy = make_proxy(answer=answer)

    with pytest.raises(ConnectError, match="proxy" if b"407" in answer else "through 127"):
        connect(tls_url, tls=certificates.client(), proxy=proxy.url, retry=None).call("add", 1, 2)


def test_proxy_of_the_environment(connect, make_proxy, api, monkeypatch):
    proxy = make_proxy()
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert connect(api.url).call("subtract", 3, 1) == 2
    assert len(proxy.heads) == 1
    assert connect(api.url, proxy=False).call("subtract", 3, 1) == 2
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert connect(api.url).call("subtract", 3, 1) == 2
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("exceptions", ["::1", "[::1]", "[::1]:80"])
def test_environment_excepts_an_ipv6_address_from_the_proxy(monkeypatch, exceptions):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", exceptions)

    assert find_proxy(None, parse_url("http://[::1]/api")) is None
    assert find_proxy(None, parse_url("http://[::2]/api")) is not None


@pytest.mark.parametrize("proxy", ["https://127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_proxy_of_another_kind_is_refused(proxy):
    with pytest.raises(ValueError, match="http"):
        Client("http://127.0.0.1:1/api", proxy=proxy)


def test_compression_both_ways(connect, raw):
    def handle(connection):
        while True:
            request = connection.read()
            body = request["body"]
            if request["headers"].get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            length = len(body)
            connection.send(http(gzip.compress(result(length, length and int(body[-2:-1]))), Content_Encoding="gzip"))

    server = raw(handle)
    face = connect(server.url, compress_min_bytes=1_000)

    assert face.call("add", 1) < 1_000
    assert face.call("add", "x" * 10_000) > 10_000
    assert len(server.requests[1]["body"]) < 1_000
    assert server.requests[0]["headers"]["accept-encoding"] == "gzip"


def test_compression_with_our_server(serve_at, connect):
    server = serve_at(["127.0.0.1", 0], allowCompress=True, compressMinSize=10)
    server.registerFunction(lambda text: text, path="/api", name="echo")
    face = connect(f"http://127.0.0.1:{server.addresses[0][1]}/api", compress_min_bytes=10)

    assert face.call("echo", "x" * 100_000) == "x" * 100_000


@pytest.mark.parametrize(
    ("auth", "value"),
    [
        (("user", "pä:ss"), "Basic " + base64.b64encode("user:pä:ss".encode()).decode()),
        (BasicAuth("user", "pass"), "Basic dXNlcjpwYXNz"),
        ("token", "Bearer token"),
        (BearerAuth(lambda: "made"), "Bearer made"),
        (lambda request: {"Authorization": f"Own {len(request.body)}"}, None),
    ],
)
def test_authorization(connect, raw, auth, value):
    server = raw(lambda connection: connection.send(answered("well", connection.read_id())))

    assert connect(server.url, auth=auth).call("add", 1) == "well"
    (request,) = server.requests
    assert request["headers"]["authorization"] == value or f"Own {len(request['body'])}"


def test_authorization_in_the_url(connect, raw):
    server = raw(lambda connection: connection.send(answered("well", connection.read_id())))
    connect(server.url.replace("//", "//us%20er:pass@")).call("add")

    (request,) = server.requests
    assert request["headers"]["authorization"] == "Basic " + base64.b64encode(b"us er:pass").decode()
    assert request["headers"]["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("auth", ["a\nb", lambda request: {"X": "a\r\nY: b"}])
def test_authorization_that_would_end_its_line(connect, raw, auth):
    server = raw(lambda connection: connection.read())

    with pytest.raises(ValueError, match="cannot have"):
        connect(server.url, auth=auth).call("add")
    assert server.requests == []


@pytest.mark.parametrize("token", ["sesame\r", "sesame€"])
def test_token_that_no_header_can_have_is_refused_and_not_shown(token):
    with pytest.raises(ValueError, match="the token has characters") as raised:
        Client("http://127.0.0.1:1/", auth=token)
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize("auth", [5, ("a", "b", "c")])
def test_authorization_of_another_type_is_refused(auth):
    with pytest.raises(TypeError, match="auth="):
        Client("http://127.0.0.1:1/", auth=auth)


def test_headers_of_the_client_and_of_a_view(connect, raw):
    server = raw(lambda connection: connection.send(answered("well", connection.read_id())))
    face = connect(server.url, headers={"X-A": "1", "X-B": "1"})
    face.call("add", options={"headers": {"X-B": "2"}})

    (request,) = server.requests
    assert (request["headers"]["x-a"], request["headers"]["x-b"]) == ("1", "2")
    assert request["headers"]["content-type"] == "application/json"


def test_names_of_headers_have_no_case(connect, api):
    headers = {"content-type": "application/json; charset=utf-8", "user-agent": "me", "x-a": "1"}
    face = connect(api.url, headers=headers, auth=lambda request: {"X-A": "2"})

    assert face.call("nothing", options={"headers": {"CONTENT-TYPE": "application/json"}}) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_fork_has_connections_of_its_own(raw):
    numbers = []

    def handle(connection):
        while True:
            request_id = connection.read_id()
            numbers.append(connection.number)
            connection.send(answered("well", request_id))

    server = raw(handle)
    with Client(server.url, timeout=20) as client:
        client.call("add")
        child = os.fork()
        if child == 0:
            status = 1
            with contextlib.suppress(BaseException):
                status = 0 if client.call("add") == "well" and client.call("add") == "well" else 2
            os._exit(status)
        _, status = os.waitpid(child, 0)
        assert status == 0
        assert client.call("add") == "well"

    assert numbers == [1, 2, 2, 1]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no signals")
def test_interrupted_call_closes_its_connection(raw):
    class Interrupt(BaseException):
        pass

    def interrupt(*_):
        raise Interrupt

    def handle(connection):
        request_id = connection.read_id()
        if connection.number == 1:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
            connection.wait()
        else:
            connection.send(answered("well", request_id))

    server = raw(handle)
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with Client(server.url, timeout=20) as client:
            with pytest.raises(Interrupt):
                client.call("add")
            assert len(client._transport._pool) == 0
            assert client.call("add") == "well"
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_cancelled_call_closes_its_connection(raw):
    arrived, closed = threading.Event(), threading.Event()

    def handle(connection):
        request_id = connection.read_id()
        if connection.number == 1:
            arrived.set()
            connection.wait()
            closed.set()
        else:
            connection.send(answered("well", request_id))

    server = raw(handle)
    face = AsyncFace(server.url, timeout=20)

    async def cancel():
        call = asyncio.create_task(face.client.add())
        await asyncio.to_thread(arrived.wait, 20)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(closed.wait, 20)
        return await face.client.add()

    with contextlib.closing(face):
        assert face.wait(cancel()) == "well"
    assert len(server.requests) == 2


def test_call_that_is_cancelled_while_it_looks_at_an_idle_connection(raw, monkeypatch):
    monkeypatch.setattr(async_stream, "BRIEFLY_S", 0)
    ended, closed = threading.Event(), threading.Event()

    def handle(connection):
        connection.send(answered("well", connection.read_id()))
        connection.socket.shutdown(socket.SHUT_WR)
        ended.set()
        connection.wait()
        closed.set()

    server = raw(handle)
    face = AsyncFace(server.url, timeout=20)

    async def cancel():
        await face.client.add()
        ended.wait(20)  # in the event loop, which does not see the end before the next call
        call = asyncio.create_task(face.client.add())
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(closed.wait, 10)

    with contextlib.closing(face):
        face.wait(cancel())


def test_batch_that_is_cancelled_may_have_been_sent(raw):
    arrived = threading.Event()
    server = raw(lambda connection: (connection.read(), arrived.set(), connection.wait()))
    face = AsyncFace(server.url, timeout=20)
    pending = []

    async def send():
        async with face.client.batch() as batch:
            pending.append(batch.add(1))

    async def cancel():
        sending = asyncio.create_task(send())
        await asyncio.to_thread(arrived.wait, 20)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    with contextlib.closing(face):
        face.wait(cancel())
    with pytest.raises(ConnectionLostError) as raised:
        pending[0].result()
    assert raised.value.is_sent


def test_call_that_is_cancelled_while_it_connects(raw, certificates):
    arrived, closed = threading.Event(), threading.Event()

    def handle(connection):
        connection.socket.recv(100)
        arrived.set()
        while connection.socket.recv(65536):
            pass
        closed.set()

    server = raw(handle)
    face = AsyncFace(server.url.replace("http:", "https:"), tls=certificates.client())

    async def cancel():
        call = asyncio.create_task(face.client.add())
        await asyncio.to_thread(arrived.wait, 20)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(closed.wait, 20)

    with contextlib.closing(face):
        face.wait(cancel())


def test_many_asynchronous_calls_at_once(api):
    face = AsyncFace(api.url)

    async def gather():
        return await asyncio.gather(*(face.client.subtract(number, 0) for number in range(200)))

    with contextlib.closing(face):
        assert face.wait(gather()) == list(range(200))
        assert face.idle == 100


def test_client_in_a_second_event_loop(api):
    face = AsyncFace(api.url)
    face.call("nothing")
    first = face.loop
    face.loop = asyncio.new_event_loop()
    with contextlib.closing(face):
        assert face.call("subtract", 3, 1) == 2
        assert face.idle == 1
        face._threads.submit(first.run_until_complete, asyncio.sleep(0)).result()
        face._threads.submit(first.close).result()
