"""Idempotency keys over sockets: retries at the same time, clients that go away, restarts and reloads."""

import http.client
import socket
import threading

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import call_socket, post, rpc, wait_until


class Held:
    """A function that runs until it may end, and counts its runs."""

    def __init__(self):
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.runs = 0

    def hold(self):
        self.runs += 1
        self.begun.set()
        self.may_end.wait(60)
        return self.runs


@pytest.fixture
def held():
    held = Held()
    yield held
    held.may_end.set()


@pytest.fixture(params=["native", "werkzeug"])
def server(request, held):
    server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend=request.param, log=0)
    server.registerInstance(held, path="/api")
    server.start()
    yield server
    held.may_end.set()
    server.stop()


def keyed(key="k"):
    return post(rpc("hold"), headers={"Idempotency-Key": key})


def calling(server, answers, request):
    thread = threading.Thread(target=lambda: answers.append(call_socket(server.addresses[0], request)))
    thread.start()
    return thread


def waiting(server):
    return server._engine.locks.held().waiting


def test_clients_that_come_while_the_first_runs_get_its_answer(server, held):
    answers = []
    threads = [calling(server, answers, keyed())]
    assert held.begun.wait(60)
    threads += [calling(server, answers, keyed()) for _ in range(20)]
    wait_until(lambda: waiting(server) == 20)
    held.may_end.set()
    for thread in threads:
        thread.join()

    assert len(answers) == 21
    assert {answer.body for answer in answers} == {b'{"jsonrpc":"2.0","result":1,"id":1}'}
    assert held.runs == 1


def test_client_that_goes_away_leaves_its_answer_for_the_retry(server, held):
    request = keyed()
    head = f"POST {request.target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(request.body)}\r\n"
    fields = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    with socket.create_connection(server.addresses[0], timeout=60) as client:
        client.sendall(f"{head}{fields}\r\n".encode() + request.body)
        assert held.begun.wait(60)
    answers = []
    retry = calling(server, answers, request)
    wait_until(lambda: waiting(server) == 1)
    held.may_end.set()
    retry.join()

    assert answers[0].json()["result"] == 1
    assert held.runs == 1


def test_answers_outlive_a_restart_and_a_stop(server, held):
    held.may_end.set()
    first = call_socket(server.addresses[0], keyed())
    server.restart()
    assert call_socket(server.addresses[0], keyed()) == first
    server.stop()
    server.start()
    assert call_socket(server.addresses[0], keyed()) == first
    assert held.runs == 1


def test_stop_finishes_the_first_call_and_those_that_wait_for_it(server, held):
    answers = []
    threads = [calling(server, answers, keyed())]
    assert held.begun.wait(60)
    threads.append(calling(server, answers, keyed()))
    wait_until(lambda: waiting(server) == 1)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    held.may_end.set()
    for thread in (*threads, stopping):
        thread.join()

    assert [answer.json()["result"] for answer in answers] == [1, 1]


def test_two_callers_with_one_key_at_once_do_not_wait_for_each_other(server, held):
    answers = []
    other = post(rpc("hold"), headers={"Idempotency-Key": "k", "Authorization": "Basic YTpi"})
    threads = [calling(server, answers, keyed()), calling(server, answers, other)]
    wait_until(lambda: held.runs == 2)
    held.may_end.set()
    for thread in threads:
        thread.join()

    assert len(answers) == 2
    assert waiting(server) == 0


def test_key_is_sent_twice_on_one_connection(server, held):
    held.may_end.set()
    request = keyed()
    connection = http.client.HTTPConnection(*server.addresses[0], timeout=60)
    try:
        bodies = []
        for _ in range(2):
            connection.request("POST", request.target, request.body, request.headers)
            bodies.append(connection.getresponse().read())
    finally:
        connection.close()

    assert bodies == [b'{"jsonrpc":"2.0","result":1,"id":1}'] * 2


def test_two_headers_are_refused(server, held):
    held.may_end.set()
    request = keyed()
    connection = http.client.HTTPConnection(*server.addresses[0], timeout=60)
    try:
        connection.putrequest("POST", request.target)
        for name, value in (*request.headers.items(), ("Idempotency-Key", "other")):
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(request.body)))
        connection.endheaders(request.body)
        assert connection.getresponse().status == 400
    finally:
        connection.close()
    assert not held.runs
