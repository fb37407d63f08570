"""Streamed answers behind all serving backends, over real sockets. Under gevent, the same file runs with pywsgi."""

import contextlib
import logging
import re
import threading
import time

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.runtime.concurrency import is_patched, make_event
from tests.helpers import wait_until
from tests.servBackend.event_source import HEADERS, EventSource, Listener, ask

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts and reloads

BACKENDS = ["pywsgi"] if is_patched() else ["native", "werkzeug", "granian"]

# The others have no socket of the client, and notice its end when they send something.
SEES_CLIENTS = [name for name in BACKENDS if name in ("native", "werkzeug", "pywsgi")]


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.fixture
def serve(backend):
    """Return a function that starts a server with a source of events."""
    with contextlib.ExitStack() as stop:

        def start(source, *, observed=False, wrapped=False, **options):
            server = flaskJSONRPCServer(["127.0.0.1", 0], servBackend=backend, **{"log": 0, **options})
            server.registerFunction(lambda: "pong", path="/api", name="ping")
            server._engine.services.urls.add(source.url())
            if observed:
                server.flaskApp.after_request(with_mark)
            if wrapped:
                server.flaskApp.wsgi_app = Wrapped(server.flaskApp.wsgi_app)
            server.start()
            stop.callback(server.stop)
            return server

        yield start


def with_mark(response):
    response.headers["X-Observed"] = "1"
    return response


class Wrapped:
    """A WSGI application around another one, which hides the body of the answer."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        body = self.app(environ, start_response)
        try:
            yield from body
        finally:
            if hasattr(body, "close"):
                body.close()


WAYS = {
    "direct": {},
    "observed": {"observed": True},
    "wrapped": {"wrapped": True},
    "logged": {"accessLog": True},
    "observed and logged": {"observed": True, "accessLog": True},
}


def in_ways(other_ways, first_ways=("direct", "wrapped", "observed and logged")):
    """Return the mark of a test that runs in some ways on the first backend, and in others on the other ones.

    The first one has streams of its own, unless the body is wrapped; all others pull the parts, whatever the way.
    """
    cases = [
        pytest.param(backend, WAYS[way], id=f"{backend}-{way}")
        for backend in BACKENDS
        for way in (first_ways if backend == BACKENDS[0] else other_ways)
    ]
    return pytest.mark.parametrize(("backend", "way"), cases)


@in_ways(WAYS, WAYS)
def test_parts_of_any_thread_reach_the_client_while_the_stream_is_open(serve, way):
    source = EventSource()
    server = serve(source, cors=True, **way)

    with Listener(server.addresses[0], fields=["Origin: https://a.test"]) as client:
        client.receive_until(b"hello")
        stream = source.wait_opened()
        assert not stream.is_closed
        sender = threading.Thread(target=stream.send, args=(b"from a thread",))
        sender.start()
        client.receive_until(b"from a thread")
        sender.join()
        assert stream.send(b"!")
        stream.close()
        stream.close()
        client.receive_until(b"!\r\n0\r\n\r\n")
        assert not stream.send(b"late")
    head = client.received.decode("latin-1").lower()
    for name, value in [*HEADERS, ("Access-Control-Allow-Origin", "*")]:
        assert f"{name}: {value}".lower() in head
    assert ("x-observed" in head) is way.get("observed", False)
    assert head.startswith("http/1.1 200 ok\r\n")
    source.wait_closed()
    assert server._engine.streams.count() == 0


@in_ways(["direct", "observed and logged"])
def test_head_is_sent_before_the_first_part_and_heartbeats_follow(serve, way):
    source = EventSource(run=lambda stream: None, heartbeat=b":\n\n", heartbeat_s=0.2)
    server = serve(source, **way)

    with Listener(server.addresses[0]) as client:
        client.receive_until(b"\r\n\r\n")
        client.receive_until(b"3\r\n:\n\n\r\n3\r\n:\n\n\r\n3\r\n:\n\n\r\n")
    source.wait_closed()


@in_ways(["direct", "observed and logged"])
def test_client_that_leaves_is_noticed_though_nothing_is_sent(serve, backend, way):
    options = {} if backend in SEES_CLIENTS else {"heartbeat": b":\n\n", "heartbeat_s": 0.2}
    source = EventSource(**options)
    server = serve(source, **way)

    with Listener(server.addresses[0]) as client:
        client.receive_until(b"hello")
        assert source.closed == 0
    source.wait_closed()
    assert source.opened[0].is_closed
    source.opened[0].on_close(source._on_close)  # at once
    source.wait_closed(2)
    wait_until(lambda: server._engine.streams.count() == 0)


# To the others, only a part that is sent shows that the client has gone.
@pytest.mark.parametrize("backend", SEES_CLIENTS, indirect=True)
def test_client_that_leaves_while_the_function_runs_is_noticed(serve, backend):
    gone = make_event()

    def run(stream):
        stream.on_close(gone.set)
        stream.send(b"hello")
        assert gone.wait(20)

    source = EventSource(run)
    server = serve(source, threads=1)

    with Listener(server.addresses[0]) as client:
        client.receive_until(b"hello")
    assert gone.wait(20)
    source.wait_closed()


@in_ways(["direct", "observed and logged"])
def test_function_that_raises_breaks_the_answer_off(serve, caplog, way):
    def run(stream):
        stream.send(b"hello")
        assert may_go_on.wait(20)
        raise ValueError("no more events")

    may_go_on = make_event()

    source = EventSource(run)
    server = serve(source, log=1, **way)

    with caplog.at_level(logging.ERROR), Listener(server.addresses[0]) as client:
        client.receive_until(b"hello\r\n")
        may_go_on.set()
        assert client.receive_all().endswith(b"5\r\nhello\r\n")  # without the last chunk
        source.wait_closed()
    failures = [record for record in caplog.records if "a stream broke off" in record.getMessage()]
    assert len(failures) == 1
    assert "no more events" in str(failures[0].exc_info or failures[0].exc_text or caplog.text)


@in_ways(["direct", "observed and logged"])
def test_head_request_gets_the_head_alone(serve, way):
    source = EventSource()
    server = serve(source, **way)

    with Listener(server.addresses[0], "HEAD", fields=["Connection: close"]) as client:
        head, _, body = client.receive_all().partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0].endswith(b" 200 OK")
    assert b"text/event-stream" in head
    assert body == b""
    assert source.opened == []
    assert server._engine.streams.count() == 0


def test_http_1_0_client_gets_parts_without_framing(serve):
    source = EventSource(lambda stream: stream.send(b"hello") and stream.close())
    server = serve(source)

    with Listener(server.addresses[0], version="1.0") as client:
        head, _, body = client.receive_all().partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body == b"hello"
    source.wait_closed()


@in_ways(["direct", "observed and logged"])
def test_client_that_does_not_read_is_cut_off(serve, way):
    source = EventSource()
    server = serve(source, **way)

    with Listener(server.addresses[0]) as client:
        client.receive_until(b"hello")
        stream, part, sent = source.wait_opened(), b"x" * 65536, 0
        while stream.send(part):
            sent += 1
            assert sent < 2000, "nothing bounds the memory of a slow client"
            time.sleep(0)  # other greenlets run
        source.wait_closed()
        assert stream.is_closed
        assert not client.receive_all().endswith(b"0\r\n\r\n")
    assert server._engine.streams.count() == 0


def test_part_larger_than_the_buffer_reaches_a_client_that_reads(serve):
    part = bytes(range(256)) * 8192

    def run(stream):
        assert stream.send(b"small")
        assert stream.send(part)
        stream.close()

    source = EventSource(run)
    response, body = ask(serve(source).addresses[0])

    assert response.status == 200
    assert body == b"small" + part


def test_streams_beyond_the_limit_get_503_and_calls_go_on(serve):
    source = EventSource()
    server = serve(source, max_streams=2, threads=4)
    address = server.addresses[0]

    with Listener(address) as first, Listener(address) as second:
        first.receive_until(b"hello")
        second.receive_until(b"hello")
        response, body = ask(address)
        assert (response.status, body) == (503, b"max_streams (2) streams are open already\n")
        assert int(response.getheader("Retry-After")) > 0
        assert ask(address, target="/api/ping")[0].status == 200
        source.opened[0].close()
        wait_until(lambda: server._engine.streams.count() == 1)
        with Listener(address) as third:
            third.receive_until(b"hello")
    assert len(source.opened) == 3


def test_streams_leave_threads_for_calls(serve, backend):
    source = EventSource()
    server = serve(source, threads=2)
    address = server.addresses[0]

    with contextlib.ExitStack() as clients:
        count = 40 if backend in ("native", "pywsgi") else 1
        for number in range(count):
            client = clients.enter_context(Listener(address))
            client.receive_until(b"hello")
            assert len(source.opened) == number + 1
        for _ in range(5):
            assert ask(address, target="/api/ping")[0].status == 200
        if count == 1:
            assert ask(address)[0].status == 503


@in_ways(["direct", "observed and logged"])
@pytest.mark.parametrize("action", ["stop", "restart"])
def test_open_streams_are_closed_when_the_server_ends(serve, action, way):
    source = EventSource()
    server = serve(source, **way)

    with Listener(server.addresses[0]) as client:
        client.receive_until(b"hello")
        source.wait_opened()
        getattr(server, action)(timeout=3600)  # the test ends before that
        source.wait_closed()
        client.receive_until(b"0\r\n\r\n")
    assert server._engine.streams.count() == 0


@pytest.mark.parametrize("action", ["stop", "restart"])
def test_function_that_runs_when_the_server_ends_is_waited_for(serve, action):
    may_go_on = make_event()

    def run(stream):
        stream.send(b"hello")
        assert may_go_on.wait(20)
        stream.send(b"done")

    source = EventSource(run)
    server = serve(source)

    with Listener(server.addresses[0]) as client:
        client.receive_until(b"hello")
        ending = threading.Thread(target=getattr(server, action), kwargs={"timeout": 3600})
        ending.start()
        wait_until(lambda: server._engine.streams._is_ending)
        may_go_on.set()
        ending.join()
        assert client.receive_until(b"0\r\n\r\n").endswith(b"4\r\ndone\r\n0\r\n\r\n")
        source.wait_closed()


def test_streams_open_again_after_a_restart(serve):
    source = EventSource()
    server = serve(source)
    server.restart()

    with Listener(server.addresses[0]) as client:
        client.receive_until(b"hello")
        assert not source.wait_opened().is_closed


def test_preflight_is_answered_with_the_methods_of_the_url(serve):
    server = serve(EventSource(), cors={"origin": "https://a.test"}, auth=lambda *args: False)
    headers = {
        "Origin": "https://a.test",
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "x-session",
    }
    response, body = ask(server.addresses[0], "OPTIONS", headers=headers)

    assert (response.status, body) == (204, b"")
    assert response.getheader("Access-Control-Allow-Methods") == "GET, HEAD, POST, DELETE, OPTIONS"
    assert response.getheader("Access-Control-Allow-Headers") == "x-session"
    assert response.getheader("Access-Control-Allow-Origin") == "https://a.test"
    assert response.getheader("Allow") == "GET, HEAD, POST, DELETE, OPTIONS"
    assert ask(server.addresses[0], "DELETE", headers=headers)[0].status == 403  # auth is asked for all others


def test_access_log_has_a_stream_at_its_end(serve, caplog):
    source = EventSource()
    server = serve(source, accessLog=True, log=3)

    with caplog.at_level(logging.INFO), Listener(server.addresses[0]) as client:
        client.receive_until(b"hello")
        source.wait_opened().send(b"12345")
        client.receive_until(b"12345")
        assert "/events" not in caplog.text
        source.opened[0].close()
        client.receive_until(b"0\r\n\r\n")
        wait_until(lambda: re.search(r'"GET /events HTTP/1.1" 200 10 ', caplog.text))
