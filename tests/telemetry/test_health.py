"""`/healthz` and `/readyz`, over real sockets on every serving backend, and in-process. Under gevent, with pywsgi."""

import asyncio
import contextlib
import functools
import http.client
import json
import socket
import threading

import flask
import pytest

from flaskJSONRPCServer import RegistrationError, flaskJSONRPCServer
from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.helpers import call_wsgi, get, post, rpc, wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

BACKENDS = ["pywsgi"] if is_patched() else ["native", "werkzeug", "granian"]
OK, UNAVAILABLE = "ok", "unavailable"
PATIENCE_S = 30


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture
def serve(backend):
    """Return a function that starts a server whose method `wait` waits for `release`."""
    with contextlib.ExitStack() as stop:

        def start(address=("127.0.0.1", 0), **options):
            server = flaskJSONRPCServer(address, servBackend=backend, **{"log": 0, **options})
            server.entered, server.release = threading.Semaphore(0), threading.Event()
            server.registerFunction(
                lambda: server.entered.release() or server.release.wait(PATIENCE_S), "/api", name="wait"
            )
            server.start()
            stop.callback(server.stop)
            stop.callback(server.release.set)
            return server

        yield start


def ask(server, path, index=0, method="GET", headers=()):
    with contextlib.closing(http.client.HTTPConnection(*server.addresses[index], timeout=PATIENCE_S)) as connection:
        connection.request(method, path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.read()


def checks(server, **kwargs):
    status, body = ask(server, "/readyz", **kwargs)
    report = json.loads(body)
    assert (status, report["status"]) in ((200, OK), (503, UNAVAILABLE))
    return report["checks"]


def begin_call(server):
    """Begin a call that waits, and return its connection."""
    body = json.dumps(rpc("wait")).encode()
    client = socket.create_connection(server.addresses[0], timeout=PATIENCE_S)
    client.sendall(
        b"POST /api HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    return client


@contextlib.contextmanager
def calls_running(server, count):
    """Run the block while so many calls run."""
    with contextlib.ExitStack() as clients:
        for _ in range(count):
            clients.enter_context(begin_call(server))
            assert server.entered.acquire(timeout=PATIENCE_S)
        yield
        server.release.set()


def test_running_server_is_alive_and_ready(serve):
    server = serve()

    assert ask(server, "/healthz") == (200, b'{"status":"ok","checks":{}}')
    assert ask(server, "/readyz") == (200, b'{"status":"ok","checks":{"running":"ok","unlocked":"ok"}}')
    assert ask(server, "/readyz", method="HEAD") == (200, b"")


def test_any_host_and_any_caller_is_answered(serve):
    server = serve(auth=lambda *_: False, allowed_hosts=["a.test"])

    assert ask(server, "/readyz", headers={"Host": "10.0.0.1:8080"})[0] == 200
    assert ask(server, "/healthz", headers={"Host": "b.test", "Origin": "https://b.test"})[0] == 200
    assert ask(server, "/api/wait", headers={"Host": "b.test"})[0] == 421


def test_answer_while_every_thread_is_busy(serve, backend):
    if backend == "granian":  # its threads are behind its own queue; another address has its own
        server = serve([["127.0.0.1", 0], ["127.0.0.1", 0]], multipleAdress=True, threads=2)
    else:
        server = serve(threads=2, max_concurrent_calls=2, max_waiting_requests=0)
    with calls_running(server, 2):
        index = len(server.addresses) - 1

        assert ask(server, "/healthz", index)[0] == 200
        assert checks(server, index=index) == {"running": OK, "unlocked": OK}


def test_answer_while_requests_are_held_by_the_deep_lock(serve):
    server = serve()
    server._deepLock()
    try:
        assert ask(server, "/healthz")[0] == 200
        assert checks(server) == {"running": OK, "unlocked": UNAVAILABLE}
    finally:
        server._deepUnlock()
    assert checks(server) == {"running": OK, "unlocked": OK}


def test_answer_during_a_restart_that_waits_for_a_call(serve):
    server = serve()
    with calls_running(server, 1):
        restart = threading.Thread(target=server.restart)
        restart.start()
        wait_until(lambda: checks(server)["running"] == UNAVAILABLE)

        assert ask(server, "/healthz")[0] == 200
    restart.join()
    assert checks(server) == {"running": OK, "unlocked": OK}


def test_not_ready_while_a_stop_waits(serve):
    server = serve()
    app = flask.Flask("mounting")
    server.init_app(app)
    client = app.test_client()
    with calls_running(server, 1):
        stop = threading.Thread(target=server.stop)
        stop.start()
        answer = wait_until(lambda: (answer := client.get("/readyz")).status_code == 503 and answer)

        assert answer.json["checks"] == {"running": UNAVAILABLE, "unlocked": OK}
        assert client.get("/healthz").status_code == 200
    stop.join()
    assert client.get("/readyz").status_code == 200  # the application that it is mounted on goes on


@pytest.mark.parametrize("backend", BACKENDS[:1])  # the others end connections without a whole head when they stop
def test_request_that_has_begun_before_the_stop_is_told_that_it_waits(serve):
    server = serve()
    with calls_running(server, 1), socket.create_connection(server.addresses[0], timeout=PATIENCE_S) as client:
        client.sendall(b"GET /readyz HTTP/1.1\r\n")
        ask(server, "/healthz")  # so that the head has begun to be read
        stop = threading.Thread(target=server.stop)
        stop.start()
        wait_until(lambda: not server._engine.services.health.is_running)
        client.sendall(b"Host: a\r\n\r\n")
        answer = client.makefile("rb").read()
    stop.join()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"running":"unavailable"' in answer


def test_hook_of_flask_does_not_answer_for_the_server(serve):
    server = serve()
    server.flaskApp.before_request(lambda: ("log in", 401))

    assert ask(server, "/readyz")[0] == 200
    assert ask(server, "/api/wait")[0] == 401
    server._deepLock()
    try:
        assert ask(server, "/healthz")[0] == 200
    finally:
        server._deepUnlock()


def test_page_and_method_at_the_same_urls_win(serve):
    server = serve()
    server.flaskApp.add_url_rule("/healthz", "own", lambda: "mine")
    server.registerFunction(lambda: "mine too", name="readyz")

    assert ask(server, "/healthz") == (200, b"mine")
    assert json.loads(ask(server, "/readyz")[1])["result"] == "mine too"


def test_failing_and_passing_checks(serve):
    server = serve()
    server.addReadinessCheck(lambda: None, "none")
    server.addReadinessCheck(lambda: 1 / 0, "raises")
    server.addReadinessCheck(lambda: False, "false")

    @server.addReadinessCheck
    def passes():
        return True

    @server.addReadinessCheck
    async def waits():
        await asyncio.sleep(0)
        return "yes"

    @server.addReadinessCheck
    async def fails():
        raise SystemExit

    expected = {
        "none": OK,
        "raises": UNAVAILABLE,
        "false": UNAVAILABLE,
        "passes": OK,
        "waits": OK,
        "fails": UNAVAILABLE,
    }
    wait_until(lambda: checks(server) == {"running": OK, "unlocked": OK, **expected})


def test_checks_that_hang_hold_up_no_answer(serve):
    server = serve(threads=2, max_concurrent_calls=2)
    release = threading.Event()
    for number in range(3):
        server.addReadinessCheck(lambda: release.wait(PATIENCE_S), f"hangs {number}")
    try:
        for _ in range(20):
            assert checks(server)["hangs 0"] == UNAVAILABLE
            assert ask(server, "/healthz")[0] == 200
    finally:
        release.set()
    wait_until(lambda: set(checks(server).values()) == {OK})


# In-process


@pytest.fixture
def mounted():
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(lambda: 1, "/api", name="one")
    return server


def report_of(server):
    return call_wsgi(server.getWSGI(), get("/readyz")).json()["checks"]


def test_server_that_was_never_started_is_ready_if_it_can_answer(mounted):
    assert report_of(mounted) == {"running": OK, "unlocked": OK}


def test_other_methods_and_urls_are_not_answered(mounted):
    app = mounted.getWSGI()

    assert call_wsgi(app, post({}, "/healthz")).code == 405
    assert call_wsgi(app, get("/healthz/")).code == 404
    assert call_wsgi(app, get("/readyz/a")).code == 404


def test_setting_turns_both_urls_off():
    server = flaskJSONRPCServer(None, health=False, log=0)
    server.registerFunction(lambda: 1, "/api", name="one")

    assert [call_wsgi(server.getWSGI(), get(path)).code for path in ("/healthz", "/readyz")] == [404, 404]


def test_answer_has_no_secret_and_is_not_stored(mounted):
    def check():
        raise ValueError("password=hunter2")

    mounted.addReadinessCheck(check)
    answer = call_wsgi(mounted.getWSGI(), get("/readyz"))

    assert answer.code == 503
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("Content-Type") == "application/json"
    assert answer.json() == {"status": UNAVAILABLE, "checks": {"running": OK, "unlocked": OK, "check": UNAVAILABLE}}


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 101, 5, "running", "unlocked", "execBackend.celery", "taken"])
def test_name_that_cannot_be_used_is_refused(mounted, name):
    mounted.addReadinessCheck(lambda: True, "taken")

    with pytest.raises(RegistrationError, match="readiness check"):
        mounted.addReadinessCheck(lambda: True, name)


@pytest.mark.parametrize("check", [None, "check", 5, dict])
def test_check_that_is_no_function_is_refused(mounted, check):
    with pytest.raises(RegistrationError, match="it takes a function"):
        mounted.addReadinessCheck(check, "a")


class Check:
    def __call__(self):
        return True

    def method(self):
        return True


class AsynchronousCheck:
    async def __call__(self):
        return True


def takes_one(passes):
    return passes


async def waits(passes):
    return passes


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (Check(), "Check"),
        (Check().method, "method"),
        (AsynchronousCheck(), "AsynchronousCheck"),
        (functools.partial(takes_one, True), "takes_one"),
        (functools.partial(functools.partial(takes_one), True), "takes_one"),
        (functools.partial(waits, True), "waits"),
        (functools.partial(Check()), "Check"),
    ],
)
def test_name_of_a_check_is_that_of_its_function_or_class(mounted, check, name):
    assert mounted.addReadinessCheck(check) is check
    wait_until(lambda: report_of(mounted)[name] == OK)


@pytest.mark.parametrize("check", [lambda: True, functools.partial(lambda: True)])
def test_check_without_a_name_needs_one(mounted, check):
    with pytest.raises(RegistrationError, match=r"has no name of its own; give name="):
        mounted.addReadinessCheck(check)


def test_exec_backend_says_whether_it_is_ready():
    class Backend:
        _id = "mine"
        answer = False

        def add(self, uniqueId, path, dataIn, request, isJSONP=False):
            return False, "never", None

        def check(self, uniqueId, ticket):
            return False, None, None

        def is_ready(self):
            return self.answer

    backend = Backend()
    server = flaskJSONRPCServer(None, log=0, dispatcherBackend=backend)
    server.registerFunction(lambda: 1, "/api", name="one")

    assert report_of(server)["execBackend.mine"] == UNAVAILABLE
    backend.answer = True
    wait_until(lambda: report_of(server)["execBackend.mine"] == OK)
