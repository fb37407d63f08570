"""Serving over TLS, with real sockets."""

import contextlib
import http.client
import json
import socket
import ssl
import threading
import warnings

import flask
import pytest
import requests

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.certificates import make_certificates
from tests.helpers import wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

ECHO = json.dumps({"jsonrpc": "2.0", "method": "echo", "params": ["a"], "id": 1}).encode()
SLOW = b'{"jsonrpc":"2.0","method":"slow","id":1}'
ANSWER = (200, b'{"jsonrpc":"2.0","result":"a","id":1}')
HEAD = (
    b"POST /api HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)
REQUEST = HEAD % len(ECHO) + ECHO


@pytest.fixture(params=["native", "werkzeug"])
def serve(request, certificates):
    """Return a function that starts a server with TLS and gives its address."""
    with contextlib.ExitStack() as stop:

        def start(address=("127.0.0.1", 0), dispatchers=(), **options):
            options = {"log": 0, "ssl": certificates.files, "servBackend": request.param, **options}
            server = flaskJSONRPCServer(address, **options)
            server.registerFunction(lambda text: text, path="/api", name="echo")
            for dispatcher in dispatchers:
                server.registerFunction(dispatcher, path="/api")
            server.start()
            stop.callback(server.stop)
            return server

        yield start


def call(address, context, body=ECHO):
    connection = http.client.HTTPSConnection(*address, timeout=30, context=context)
    with contextlib.closing(connection):
        connection.request("POST", "/api", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()


def connect(address, context, **options):
    """Return a connection after its handshake."""
    plain = socket.create_connection(address, timeout=30)
    try:
        return context.wrap_socket(plain, server_hostname="127.0.0.1", **options)
    except OSError:
        plain.close()
        raise


def receive_all(sock):
    return b"".join(iter(lambda: sock.recv(65536), b""))


def client_hello(context):
    """Return the first bytes that a client sends."""
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(("version", "name"), [("TLSv1_2", "TLSv1.2"), ("TLSv1_3", "TLSv1.3")])
def test_call_over_each_version(serve, certificates, version, name):
    only = ssl.TLSVersion[version]
    context = certificates.client(minimum_version=only, maximum_version=only)
    [address] = serve().addresses

    with connect(address, context) as client:
        assert client.version() == name
    assert call(address, context) == ANSWER


def old_client(certificates):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # naming an old version
        context = certificates.client(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else the client itself would refuse the version
    return context


def test_older_version_is_refused_by_the_server(serve, certificates):
    [address] = serve().addresses

    with pytest.raises(ssl.SSLError) as raised:
        connect(address, old_client(certificates))
    assert raised.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


def test_requests_takes_the_certificate(serve, certificates, tmp_path):
    [(host, port)] = serve().addresses
    certificates.authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    answer = requests.post(
        f"https://{host}:{port}/api", json=json.loads(ECHO), verify=str(tmp_path / "ca.pem"), timeout=30
    )

    assert (answer.status_code, answer.content) == ANSWER


def test_client_that_does_not_trust_the_authority_refuses(serve):
    [address] = serve().addresses

    with pytest.raises(ssl.SSLCertVerificationError):
        call(address, ssl.create_default_context())


def test_stalled_handshakes_block_no_other_connection(serve, certificates):
    """Fifty clients send nothing, five stop in the middle of their first message."""
    server = serve()
    [address] = server.addresses
    context = certificates.client()
    hello = client_hello(context)
    with contextlib.ExitStack() as stalled:
        clients = [stalled.enter_context(socket.create_connection(address, timeout=30)) for _ in range(55)]
        for client in clients[50:]:
            client.sendall(hello[: len(hello) // 2])

        assert [call(address, context) for _ in range(5)] == [ANSWER] * 5
        # native has the manager's thread, and those that have answered; werkzeug has a thread for each connection.
        assert serving_threads(server) <= (1 + 5 if server.settings.servBackend == "native" else 1 + 60)
        server.stop(timeout=60)
        assert not any(b"HTTP" in receive_all(client) for client in clients)  # an alert of TLS at most
    wait_until(lambda: serving_threads(server) == 0)  # a thread of the pool ends a moment after its last request


def serving_threads(server):
    return sum(
        thread.name.startswith(f"{server.name}-") and "ticker" not in thread.name for thread in threading.enumerate()
    )


def test_stalled_handshake_ends_after_its_timeout(serve, certificates):
    [address] = serve(read_timeout_s=0.05, handshake_timeout_s=0.05).addresses
    for sent in (b"", client_hello(certificates.client())[:20]):
        with socket.create_connection(address, timeout=30) as client:
            client.sendall(sent)
            receive_all(client)  # returns when the server has closed


@pytest.mark.parametrize("serve", ["native"], indirect=True)
def test_handshakes_that_native_cuts_off_are_one_warning(serve, caplog):
    [address] = serve(log=2, handshake_timeout_s=0.05).addresses
    for _ in range(2):
        with socket.create_connection(address, timeout=30) as client:
            receive_all(client)

    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["handshake_timeout_s has passed: cut off the TLS handshake of 127.0.0.1"]


@pytest.mark.parametrize("serve", ["native"], indirect=True)
def test_native_warns_of_no_client_that_is_only_idle(serve, certificates, caplog):
    [address] = serve(log=2, head_timeout_s=0.05, idle_timeout_s=0.05).addresses
    for sent in (b"", REQUEST.replace(b"Connection: close\r\n", b"")):
        with connect(address, certificates.client()) as client:
            client.sendall(sent)
            receive_all(client)

    assert caplog.records == []


def test_silence_after_the_handshake_ends_after_the_read_timeout(serve, certificates):
    [address] = serve(read_timeout_s=0.05, head_timeout_s=0.05).addresses
    for sent in (b"", REQUEST[:20]):
        with connect(address, certificates.client()) as client:
            client.sendall(sent)
            assert receive_all(client)[:13] in (b"", b"HTTP/1.1 408 ")


def test_stop_ends_connections_without_a_request_at_once(serve, certificates):
    server = serve()
    [address] = server.addresses
    with connect(address, certificates.client()) as idle:
        server.stop(timeout=60)
        assert receive_all(idle) == b""
    assert serving_threads(server) == 0


def test_stop_finishes_the_call_in_flight(serve, certificates):
    entered, proceed = threading.Event(), threading.Event()

    def slow():
        entered.set()
        return proceed.wait(30)

    server = serve(dispatchers=[slow])
    [address] = server.addresses
    with connect(address, certificates.client()) as client:
        client.sendall(HEAD % len(SLOW) + SLOW)
        assert entered.wait(30)
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        proceed.set()
        assert receive_all(client).endswith(b'"result":true,"id":1}')
        stopper.join()


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_close_notify_ends_each_connection(serve, certificates, version):
    """Without close_notify, OpenSSL reports an unexpected EOF."""
    context = certificates.client(maximum_version=ssl.TLSVersion[version])
    with connect(serve().addresses[0], context, suppress_ragged_eofs=False) as client:
        client.sendall(REQUEST)
        assert receive_all(client).endswith(ANSWER[1])


def test_client_that_has_sent_close_notify_is_answered(serve, certificates):
    ended = threading.Event()

    def slow():
        return ended.wait(30)

    with connect(serve(dispatchers=[slow]).addresses[0], certificates.client()) as client:
        client.sendall(HEAD % len(SLOW) + SLOW)
        client.settimeout(0)
        with pytest.raises(ssl.SSLWantReadError):  # close_notify has been sent, and that of the server is awaited
            client.unwrap()
        ended.set()  # an answer before that would be an error for unwrap()
        client.settimeout(30)
        received = bytearray()
        with contextlib.suppress(ssl.SSLZeroReturnError):  # both sides have sent close_notify
            while chunk := client.recv(65536):
                received += chunk
        assert received.endswith(b'"result":true,"id":1}')


def test_client_that_half_closes_without_close_notify_is_answered(serve, certificates):
    with connect(serve().addresses[0], certificates.client()) as client:
        client.sendall(REQUEST)
        socket.socket.shutdown(client, socket.SHUT_WR)
        assert receive_all(client).endswith(ANSWER[1])


def test_body_that_ends_early_is_400(serve, certificates):
    with connect(serve().addresses[0], certificates.client()) as client:
        client.sendall(REQUEST[:-5])
        socket.socket.shutdown(client, socket.SHUT_WR)
        assert receive_all(client).startswith(b"HTTP/1.1 400 ")


def test_long_answer_and_long_body_arrive_whole(serve, certificates):
    text = "x" * 3_000_000
    body = json.dumps({"jsonrpc": "2.0", "method": "echo", "params": [text], "id": 1}).encode()

    status, answer = call(serve().addresses[0], certificates.client(), body)

    assert (status, json.loads(answer)["result"]) == (200, text)


def abort(address, certificates):
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(client_hello(certificates.client())[:20])


def speak_plain_http(address, certificates):
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(REQUEST)
        with contextlib.suppress(ConnectionError):
            assert not receive_all(client).startswith(b"HTTP/")


def speak_an_old_version(address, certificates):
    with pytest.raises(ssl.SSLError):
        connect(address, old_client(certificates))


def reject_certificate(address, certificates):
    with pytest.raises(ssl.SSLError):
        connect(address, ssl.create_default_context())


@pytest.mark.parametrize("fail", [abort, speak_plain_http, speak_an_old_version, reject_certificate])
@pytest.mark.parametrize(("debug", "level"), [(False, "DEBUG"), (True, "INFO")])
def test_failed_handshake_is_one_line_in_the_log(serve, certificates, caplog, capfd, fail, debug, level):
    server = serve(log=4, debug=debug)
    [address] = server.addresses
    fail(address, certificates)
    assert call(address, certificates.client()) == ANSWER
    server.stop()

    [record] = [record for record in caplog.records if "no TLS with" in record.getMessage()]
    assert record.levelname == level
    assert record.exc_info is None
    assert record.getMessage().startswith("no TLS with ('127.0.0.1', ")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("sent", [REQUEST, REQUEST[:-5], REQUEST[:20], b""], ids=["after", "body", "head", "start"])
def test_connection_that_breaks_the_protocol_prints_nothing(serve, certificates, caplog, capfd, sent):
    server = serve(log=4)
    [address] = server.addresses
    with connect(address, certificates.client()) as client:
        client.sendall(sent)
        socket.socket.send(client, b"\x17\x03\x03\x00\x05abcde")  # a record that cannot be decrypted
        with contextlib.suppress(OSError):
            receive_all(client)
    assert call(address, certificates.client()) == ANSWER
    server.stop()

    assert capfd.readouterr().err == ""
    assert {record.levelname for record in caplog.records} <= {"DEBUG", "INFO"}


def test_flask_view_sees_https(serve, certificates):
    server = serve()
    server.flaskApp.add_url_rule("/where", view_func=lambda: f"{flask.request.scheme} {flask.request.is_secure}")
    with contextlib.closing(
        http.client.HTTPSConnection(*server.addresses[0], timeout=30, context=certificates.client())
    ) as client:
        client.request("GET", "/where")
        assert client.getresponse().read() == b"https True"


def test_log_says_https(serve, caplog):
    server = serve(log=3)
    host, port = server.addresses[0]

    assert f"listens on https://{host}:{port}/" in caplog.text


def came_by(_connection):
    is_raw, where, port_or_socket = _connection.servedBy
    return [is_raw, where, port_or_socket if type(port_or_socket) is int else type(port_or_socket).__name__]


def test_several_addresses_and_a_unix_socket_are_served(serve, certificates, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a Unix socket must be short
    server = serve([["127.0.0.1", 0], ["::1", 0], "./api.sock"], multipleAdress=True, dispatchers=[came_by])
    body = b'{"jsonrpc":"2.0","method":"came_by","id":1}'
    answers = [call(address, certificates.client(), body) for address in server.addresses[:2]]
    with socket.socket(socket.AF_UNIX) as plain:
        plain.connect(server.addresses[2])
        with certificates.client().wrap_socket(plain, server_hostname="localhost") as client:
            client.sendall(HEAD % len(body) + body)
            *_, last = receive_all(client).splitlines()

    assert [json.loads(text)["result"] for _, text in answers] == [
        [False, *address[:2]] for address in server.addresses[:2]
    ]
    assert json.loads(last)["result"] == [True, "./api.sock", "socket"]


def test_context_may_require_a_client_certificate(serve, certificates, tmp_path):
    clients = make_certificates(tmp_path)
    context_of_server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context_of_server.load_cert_chain(certificates.certificate, certificates.key)
    context_of_server.verify_mode = ssl.CERT_REQUIRED
    clients.authority.configure_trust(context_of_server)
    seen = []

    def auth(server, path, request, method):
        seen.append(request.environ["SSL_CLIENT_CERT"])
        return True

    [address] = serve(ssl=context_of_server, auth=auth).addresses

    with pytest.raises(OSError, match=r"(?i)certificate.required|reset|broken|eof"):
        call(address, certificates.client())
    assert seen == []
    context = certificates.client()
    context.load_cert_chain(clients.certificate, clients.key)
    assert call(address, context) == ANSWER
    assert seen[0].startswith("-----BEGIN CERTIFICATE-----")


def test_restart_keeps_connections(serve, certificates):
    server = serve()
    [address] = server.addresses
    with connect(address, certificates.client()) as client:
        server.restart()
        client.sendall(REQUEST)
        assert receive_all(client).endswith(ANSWER[1])
    assert server.addresses == [address]
    assert call(address, certificates.client()) == ANSWER


def test_renewed_files_are_served_after_stop_and_start(serve, tmp_path):
    first = make_certificates(tmp_path)
    server = serve(ssl=first.files)
    assert call(server.addresses[0], first.client()) == ANSWER
    server.stop()
    first.certificate.unlink()
    second = make_certificates(tmp_path)
    server.start()

    assert call(server.addresses[0], second.client()) == ANSWER
    with pytest.raises(ssl.SSLCertVerificationError):
        call(server.addresses[0], first.client())


@pytest.mark.parametrize("serve", ["native"], indirect=True)
def test_close_notify_is_answered_by_close_notify(serve, certificates):
    [address] = serve().addresses
    with connect(address, certificates.client()) as client:
        client.sendall(REQUEST.replace(b"Connection: close\r\n", b""))
        received = b""
        while not received.endswith(ANSWER[1]):
            received += client.recv(65536)
        client.unwrap().close()  # raises if the server ends without close_notify
