"""Rate limits behind each serving backend, over real sockets: identifying clients, and sharing units."""

import contextlib
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.servBackend.test_contract import BACKENDS, PATIENCE_S

CALL = {"jsonrpc": "2.0", "method": "echo", "params": ["a"], "id": 1}


@pytest.fixture(params=BACKENDS)
def serve(request):
    with contextlib.ExitStack() as stop:

        def start(**options):
            server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend=request.param, log=0, **options)
            server.registerFunction(lambda text: text, path="/api", name="echo")
            server.start()
            stop.callback(server.stop)
            return server

        yield start


def ask(server, payload=CALL, source="127.0.0.1", **headers):
    """Post over a new connection. Return the status, Retry-After and the body."""
    connection = http.client.HTTPConnection(*server.addresses[0], timeout=PATIENCE_S, source_address=(source, 0))
    with contextlib.closing(connection):
        connection.request("POST", "/api", json.dumps(payload), {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, response.headers["Retry-After"], response.read()


def test_clients_are_identified_by_their_addresses(serve):
    server = serve(rateLimit="1/day")

    assert ask(server)[0] == 200
    status, retry_after, body = ask(server)
    assert (status, body) == (429, f"over rateLimit (1 per day); try again in {retry_after} s\n".encode())
    assert 86_000 < int(retry_after) <= 86_400
    assert ask(server, source="127.0.0.2")[0] == 200
    assert ask(server, source="127.0.0.2")[0] == 429


@pytest.mark.parametrize("serve", [backend for backend in BACKENDS if backend != "granian"], indirect=True)
def test_clients_behind_a_proxy_are_identified_by_its_header(serve):
    server = serve(rateLimit="1/day", trusted_proxies=["127.0.0.1"])
    clients = ["192.0.2.1", "192.0.2.2", "192.0.2.1"]

    assert [ask(server, **{"X-Forwarded-For": client})[0] for client in clients] == [200, 200, 429]


def test_clients_at_once_get_each_unit_once(serve):
    option = {"limits": "5/day", "identity": lambda request: request.headers["X-Round"]}
    server = serve(rateLimit=option)
    clients = 8
    together = threading.Barrier(clients)

    def calls(_):
        statuses = []
        for round_ in range(10):
            together.wait()
            statuses.append(ask(server, **{"X-Round": str(round_)})[0])
        return statuses

    with ThreadPoolExecutor(clients) as pool:
        by_client = list(pool.map(calls, range(clients)))
    assert [sorted(of_round) for of_round in zip(*by_client, strict=True)] == [[200] * 5 + [429] * 3] * 10


def test_batches_at_once_share_what_is_left(serve):
    server = serve(rateLimit={"methods": {"echo": "10/day"}})
    clients = 4
    together = threading.Barrier(clients)

    def results(_):
        together.wait()
        status, _, body = ask(server, [CALL] * 6)
        return 0 if status == 429 else sum("result" in reply for reply in json.loads(body))

    with ThreadPoolExecutor(clients) as pool:
        assert sum(pool.map(results, range(clients))) == 10


@pytest.mark.parametrize(
    "serve", [name for name in BACKENDS if name != "granian"], indirect=True
)  # see test_granian.py
def test_refusal_reaches_a_client_that_still_sends(serve):
    server = serve(rateLimit="1/day")
    large = {**CALL, "params": ["x" * 1_000_000]}

    assert ask(server, large)[0] == 200
    assert ask(server, large)[0] == 429
    assert ask(server, source="127.0.0.2")[0] == 200
