"""The gate: requests wait behind it while the application is replaced."""

import threading
from types import MappingProxyType

import pytest

from flaskJSONRPCServer.http.refusals import Misdirected
from flaskJSONRPCServer.servBackend.gate import Gate

PATIENCE_S = 30


class Application:
    """A WSGI application that answers with its name, after it has been released."""

    def __init__(self, name):
        self.name = name
        self.entered = threading.Semaphore(0)
        self.released = threading.Event()

    def __call__(self, environ, start_response):
        self.entered.release()
        assert self.released.wait(PATIENCE_S)
        start_response("200 OK", [])
        return [self.name]


class Received:
    head = MappingProxyType({})


class RpcApplication(Application):
    """The same, which answers without WSGI too."""

    def respond(self, received):
        return self(received, lambda status, headers: None)[0]

    def expires_at(self, received):
        return 5.0

    def has_deadlines(self):
        return True

    def is_immediate(self, head):
        return head.get("PATH_INFO") == "/healthz"

    def body_limit_bytes(self, head):
        return 100

    def check_head(self, head):
        if head.get("HTTP_HOST") == "b":
            raise Misdirected("no")

    def refusal_headers(self, head):
        return [("A", "b")]


def test_probe_is_answered_while_requests_are_held(gate):
    app = RpcApplication("only")
    app.released.set()
    gate.open(app)
    gate.hold()

    assert gate.is_immediate({"PATH_INFO": "/healthz"})
    assert not gate.is_immediate({"PATH_INFO": "/api"})
    assert gate({"PATH_INFO": "/healthz"}, lambda status, headers: None) == ["only"]
    assert gate.drain(0) == 0
    gate.release()


def test_closed_gate_has_no_probes(gate):
    assert not gate.is_immediate({"PATH_INFO": "/healthz"})


def call_wsgi(gate):
    return gate({}, lambda status, headers: None)[0]


def call_directly(gate):
    return gate.respond(Received())


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def start():
    """Return a function that calls the gate in a thread, and returns that thread and its results."""
    threads = []

    def start(call, gate):
        results = []
        thread = threading.Thread(target=lambda: results.append(call(gate)))
        thread.start()
        threads.append(thread)
        return thread, results

    yield start
    for thread in threads:
        thread.join(PATIENCE_S)


def test_gate_answers_503_until_it_is_opened(gate):
    statuses = []
    assert gate({}, lambda status, headers: statuses.append(status)) == []
    assert statuses == ["503 Service Unavailable"]
    assert gate.respond({}) is None
    assert gate.body_limit_bytes({}) is None
    assert gate.expires_at({}) is None
    assert not gate.has_deadlines()
    assert gate.refusal_headers({}) == []


def test_requests_without_wsgi_are_only_for_applications_that_support_them(gate):
    plain, rpc = Application("plain"), RpcApplication("rpc")
    plain.released.set()
    rpc.released.set()
    gate.open(plain)
    assert gate.respond({}) is None
    gate.open(rpc)
    assert gate.respond({}) == "rpc"
    assert gate.body_limit_bytes({}) == 100
    gate.check_head({"HTTP_HOST": "a"})
    with pytest.raises(Misdirected):
        gate.check_head({"HTTP_HOST": "b"})
    assert gate.expires_at({}) == 5.0
    assert gate.has_deadlines()
    assert gate.refusal_headers({}) == [("A", "b")]


@pytest.mark.parametrize("call", [call_wsgi, call_directly])
def test_request_that_is_held_reaches_the_next_application(gate, start, call):
    old, new = RpcApplication("old"), RpcApplication("new")
    new.released.set()
    gate.open(old)
    running, answers = start(call, gate)
    assert old.entered.acquire(timeout=PATIENCE_S)
    gate.hold()
    held, held_answers = start(call, gate)
    assert gate.drain(0.01) == 1  # the running one; the held one is outside
    assert gate.drain(0.01, allowed=1) == 1
    old.released.set()
    assert gate.drain(PATIENCE_S) == 0
    running.join(PATIENCE_S)
    assert held.is_alive()
    gate.open(new)
    held.join(PATIENCE_S)
    assert (answers, held_answers) == (["old"], ["new"])


@pytest.mark.parametrize("call", [call_wsgi, call_directly])
def test_thread_knows_whether_it_is_inside(gate, call):
    inside = []

    class Asking(RpcApplication):
        def __call__(self, environ, start_response):
            inside.append(gate.is_inside())
            return [b""]

    gate.open(Asking(""))
    call(gate)
    assert inside == [True]
    assert not gate.is_inside()


@pytest.mark.parametrize("call", [call_wsgi, call_directly])
def test_failed_request_leaves_the_gate(gate, call):
    class Failing(RpcApplication):
        def __call__(self, environ, start_response):
            raise ValueError("failed")

    gate.open(Failing(""))
    with pytest.raises(ValueError, match="failed"):
        call(gate)
    assert gate.drain(0) == 0
    assert not gate.is_inside()
