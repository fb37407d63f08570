"""Metrics on an address of their own."""

import http.client
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flaskJSONRPCServer import BindError, flaskJSONRPCServer
from tests.certificates import make_certificates
from tests.telemetry.scraping import WAIT_S, ask, calls, get, scrape, value


@pytest.fixture
def make():
    servers = []

    def make_server(**options):
        server = flaskJSONRPCServer(
            ["127.0.0.1", 0], log=False, metrics=True, metrics_address=["127.0.0.1", 0], **options
        )
        servers.append(server)
        server.registerFunction(abs, path="/api", name="abs")
        return server

    yield make_server
    for server in servers:
        server.stop()


def test_metrics_are_there_and_nowhere_else(make):
    server = make()
    assert server.metrics_address is None
    server.start()
    ask(server.addresses[0], "abs", [-1])

    assert calls(scrape(server.metrics_address), "/api/abs") == 1
    assert get(server.addresses[0])[0] == 404
    assert [get(server.metrics_address, path)[0] for path in ("/", "/api", "/openrpc.json")] == [404] * 3
    assert get(server.metrics_address, method="HEAD")[2] == b""
    assert get(server.metrics_address, method="POST")[0] == 404


def test_metrics_are_answered_while_every_thread_is_busy_and_requests_are_held(make):
    server = make(threads=1)
    entered, may_leave = threading.Event(), threading.Event()

    def wait():
        entered.set()
        assert may_leave.wait(WAIT_S)

    server.registerFunction(wait, path="/api")
    server.start()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, server.addresses[0], "wait")
        assert entered.wait(WAIT_S)
        server._deepLock()
        samples = scrape(server.metrics_address)
        server._deepUnlock()
        may_leave.set()
        answer.result()

    assert value(samples, "calls_in_progress", method="/api/wait") == 1
    assert value(samples, "deep_locked") == 1


def test_they_stop_with_the_server_and_start_again(make):
    server = make()
    server.start()
    first = server.metrics_address
    server.stop()
    assert server.metrics_address is None
    with pytest.raises(ConnectionError):
        get(first)

    server.start()
    assert value(scrape(server.metrics_address), "build_info") == 1


def test_restart_keeps_the_address_and_the_counts(make):
    server = make()
    server.start()
    ask(server.addresses[0], "abs", [-1])
    address = server.metrics_address
    server.restart()

    assert server.metrics_address == address
    assert calls(scrape(address), "/api/abs") == 1


def test_authorisation_and_host_are_checked(make):
    server = make(metrics_auth=lambda server, path, request, method: "Authorization" in request["headers"])
    server.start()
    address = server.metrics_address

    assert get(address)[0] == 403
    assert get(address, Authorization="Bearer sesame")[0] == 200
    assert get(address, Authorization="Bearer sesame", Host="evil.test")[0] == 421


def test_address_has_the_tls_of_the_server(make, tmp_path):
    certificates = make_certificates(tmp_path)
    server = make(ssl=certificates.files)
    server.start()
    host, port = server.metrics_address
    connection = http.client.HTTPSConnection(host, port, timeout=WAIT_S, context=certificates.client())
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert (answer.status, b"build_info" in answer.read()) == (200, True)
    connection.close()


def test_taken_address_is_refused_and_the_server_does_not_run(make):
    first = make()
    first.start()
    taken = flaskJSONRPCServer(["127.0.0.1", 0], log=False, metrics=True, metrics_address=list(first.metrics_address))
    with pytest.raises(BindError):
        taken.start()
    assert taken.addresses == []


def test_connection_that_is_kept_open_does_not_delay_the_stop(make):
    server = make()
    server.start()
    connection = http.client.HTTPConnection(*server.metrics_address, timeout=WAIT_S)
    connection.request("GET", "/metrics")
    connection.getresponse().read()

    server.stop()
    assert server.metrics_address is None
    connection.close()
