"""Streams that pages of a server open: how many there may be, and what ends them."""

import contextlib
import functools
import http.client
import logging
import threading
import time

import flask
import pytest

from flaskJSONRPCServer import ServerStateError, UnsupportedError, exchange_of, flaskJSONRPCServer
from flaskJSONRPCServer.http.request import EXCHANGE
from flaskJSONRPCServer.servBackend.serving import named
from tests.helpers import wait_until
from tests.servBackend.event_source import Listener
from tests.servBackend.native.conftest import PATIENCE_S
from tests.servBackend.native.samples import get, receive_all, receive_answer

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

TEXT = [("Content-Type", "text/plain")]


class Page:
    """A view that opens a stream for each request."""

    def __init__(self, before_return=lambda: None):
        self.opened = []
        self.closed = threading.Semaphore(0)
        self._before_return = before_return

    def __call__(self):
        stream = exchange_of(flask.request.environ).open_stream("200 OK", TEXT, on_close=self.closed.release)
        self.opened.append(stream)  # before its client learns of it
        stream.send(b"hello")
        self._before_return()
        return "ignored"

    def wait_returned(self, count=1):
        wait_until(lambda: len(self.opened) >= count and all(stream.has_run for stream in self.opened))


@pytest.fixture
def serve_page():
    with contextlib.ExitStack() as stop:

        def start(view, around=None, **options):
            server = flaskJSONRPCServer(["127.0.0.1", 0], name="pages", **{"log": 0, **options})
            server.flaskApp.add_url_rule("/events", view_func=view, endpoint="events")
            if around is not None:
                server.flaskApp.wsgi_app = around(server.flaskApp.wsgi_app)
            server.start()
            stop.callback(server.stop, timeout=0)
            return server

        yield start


def listen(server):
    return Listener(server.addresses[0])


def ask(server, method="GET"):
    with contextlib.closing(http.client.HTTPConnection(*server.addresses[0], timeout=PATIENCE_S)) as connection:
        connection.request(method, "/events")
        response = connection.getresponse()
        return response.status, response.headers, response.read() if response.status != 200 else b""


@pytest.mark.parametrize("action", ["stop", "restart"])
@pytest.mark.parametrize("access_log", [False, True], ids=["plain", "logged"])
def test_server_that_ends_closes_streams_at_once(serve_page, action, access_log):
    page = Page()
    server = serve_page(page, accessLog=access_log)

    with listen(server) as client:
        client.receive_until(b"hello")
        page.wait_returned()
        getattr(server, action)(timeout=3600)  # the test ends before that
        assert page.closed.acquire(timeout=PATIENCE_S)
        assert client.receive_until(b"0\r\n\r\n").endswith(b"hello\r\n0\r\n\r\n")
    assert page.opened[0].is_closed
    assert server._engine.streams.count() == 0


@pytest.mark.parametrize("action", ["stop", "restart"])
def test_stream_whose_view_runs_is_closed_when_that_returns(serve_page, action):
    may_return = threading.Event()
    page = Page(lambda: may_return.wait(PATIENCE_S) and page.opened[0].send(b"last"))
    server = serve_page(page)

    with listen(server) as client:
        client.receive_until(b"hello")
        ending = threading.Thread(target=getattr(server, action), kwargs={"timeout": 3600})
        ending.start()
        wait_until(lambda: server._engine.streams._is_ending)
        assert not page.opened[0].is_closed
        may_return.set()
        ending.join()
        assert client.receive_until(b"0\r\n\r\n").endswith(b"last\r\n0\r\n\r\n")
        assert page.closed.acquire(timeout=PATIENCE_S)


def test_stream_whose_view_outlasts_the_stop_breaks_off(serve_page):
    may_return = threading.Event()
    page = Page(lambda: may_return.wait(PATIENCE_S))
    server = serve_page(page)

    try:
        with listen(server) as client:
            client.receive_until(b"hello")
            server.stop(timeout=0.1)
            assert page.closed.acquire(timeout=PATIENCE_S)
            assert page.opened[0].is_closed
    finally:
        may_return.set()


def test_streams_open_again_after_a_restart(serve_page):
    page = Page()
    server = serve_page(page)
    server.restart()

    with listen(server) as client:
        client.receive_until(b"hello")
        page.wait_returned()
        assert not page.opened[0].is_closed
        assert server._engine.streams.count() == 1


def test_stream_beyond_the_limit_is_refused_until_one_ends(serve_page):
    page = Page()
    server = serve_page(page, max_streams=1)

    with listen(server) as client:
        client.receive_until(b"hello")
        page.wait_returned()
        status, headers, body = ask(server)
        assert (status, body) == (503, b"max_streams (1) streams are open already\n")
        assert int(headers["Retry-After"]) > 0
        assert ask(server, "HEAD")[0] == 200  # its answer has ended already
        page.opened[0].close()
    with listen(server) as client:
        client.receive_until(b"hello")


def test_streams_behind_an_application_of_the_user_need_no_threads(serve_page):
    page = Page()
    server = serve_page(page, around=functools.partial, threads=2)

    with contextlib.ExitStack() as clients:
        for _ in range(4):
            clients.enter_context(listen(server)).receive_until(b"hello")
        page.wait_returned(4)


def test_request_timeout_does_not_end_a_stream_whose_view_has_returned(serve):
    opened = []

    def app(environ, start_response):
        opened.append(environ[EXCHANGE].open_stream("200 OK", TEXT))
        return []

    front = serve(app, request_timeout_s=1000)
    client = front.connect(get("/"))
    wait_until(lambda: opened and opened[0].has_run)
    [connection] = front.manager._connections
    connection.expire(time.monotonic() + 2000)
    assert opened[0].send(b"later")
    opened[0].close()
    client.sendall(get("/", b"Connection: close"))
    wait_until(lambda: len(opened) == 2)
    opened[1].close()
    assert b"5\r\nlater\r\n0\r\n\r\n" in receive_all(client)


def test_answer_that_request_timeout_cuts_off_is_logged(serve, caplog):
    may_end = threading.Event()

    def app(environ, start_response):
        start_response("200 OK", TEXT)
        yield b"part"
        may_end.wait(PATIENCE_S)

    front = serve(app, request_timeout_s=1000)
    try:
        client = front.connect(get("/parts"))
        wait_until(lambda: any(connection.exchange for connection in list(front.manager._connections)))
        [connection] = front.manager._connections
        wait_until(lambda: connection.exchange.has_sent_head)
        connection.expire(time.monotonic() + 2000)
        front.manager.schedule_update(connection)
        with contextlib.suppress(ConnectionError):
            assert not receive_all(client).endswith(b"0\r\n\r\n")
    finally:
        may_end.set()
    assert caplog.messages == ["an answer was cut off, since request_timeout_s has passed: GET /parts"]
    assert caplog.records[0].levelno == logging.WARNING


def test_stop_that_takes_long_names_the_requests_that_it_waits_for(serve_page, caplog):
    may_end = threading.Event()

    def parts():
        yield "part"
        may_end.wait(PATIENCE_S)

    server = serve_page(lambda: flask.Response(parts()), log=3)
    with listen(server) as client:
        client.receive_until(b"part")
        stopping = threading.Thread(target=server.stop, kwargs={"timeout": 3600})
        stopping.start()
        wait_until(lambda: any("is stopping" in line for line in caplog.messages))
        may_end.set()
        stopping.join()
    [line] = [line for line in caplog.messages if "is stopping" in line]
    assert line.startswith("server 'pages' is stopping, and waits up to 35")
    assert line.endswith(" s for GET /events")


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        ([], "the requests that are being answered"),
        (["GET /a", "GET /b", "GET /a"], "2 x GET /a, GET /b"),
        (
            [f"GET /{number}" for number in range(12)],
            ", ".join(f"GET /{number}" for number in range(10)) + ", and 2 more",
        ),
    ],
    ids=["unknown", "two", "many"],
)
def test_requests_that_a_stop_waits_for_are_one_phrase(requests, words):
    assert named(requests) == words


def test_backend_without_streams_says_so(serve_page):
    errors = []

    def view():
        try:
            exchange_of(flask.request.environ)
        except UnsupportedError as exc:
            errors.append(str(exc))
        return "answer"

    server = serve_page(view, servBackend="werkzeug")
    assert ask(server)[0] == 200
    assert errors == [
        "no stream can be opened here: only servBackend='native' has streams for pages, until the request is answered; "
        "use 'native', or return an iterable"
    ]


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((200, TEXT), {}, TypeError, "status=200 is refused: it takes a code and a reason as text, such as '200 OK'"),
        (("20", TEXT), {}, ValueError, "such as '200 OK'"),
        (("200 OK", dict(TEXT)), {}, TypeError, "list(headers.items())"),
        (("200 OK", {"ab": "c"}), {}, TypeError, "list(headers.items())"),
        (("200 OK", [("A", 1)]), {}, TypeError, "pairs of texts"),
        (("200 OK", None), {}, TypeError, "pairs of texts"),
        (("200 OK", TEXT), {"buffer_bytes": "x"}, TypeError, "buffer_bytes='x' is refused: it takes a whole number"),
        (("200 OK", TEXT), {"buffer_bytes": True}, TypeError, "buffer_bytes=True is refused"),
        (("200 OK", TEXT), {"buffer_bytes": -1}, ValueError, "buffer_bytes=-1 is refused: it takes at least 1"),
        (("200 OK", TEXT), {"buffer_bytes": 0}, ValueError, "it takes at least 1"),
        (("200 OK", TEXT), {"on_close": 1}, TypeError, "on_close=1 is refused: it takes a function"),
        (("200 OK", [("Content-Length", "3")]), {}, ValueError, "Content-Length"),
        (("200 OK", [("A", "b\r\nC: d")]), {}, ValueError, "line break"),
        (("200 OK", []), {"when_full": "wait"}, ValueError, "'wait'"),
    ],
    ids=str,
)
def test_unusable_argument_is_refused_before_the_answer_begins(serve, arguments, options, error, text):
    errors = []

    def app(environ, start_response):
        try:
            environ[EXCHANGE].open_stream(*arguments, **options)
        except error as exc:
            errors.append(str(exc))
        start_response("200 OK", TEXT)
        return [b"answer"]

    assert receive_answer(serve(app).connect(get()))[2] == b"answer"
    assert text in errors[0]


@pytest.mark.parametrize(
    ("part", "text"),
    [("text", "send('text') is refused: a part is bytes; send(text.encode()) sends text"), (5, "not 'int'"), ("", "")],
    ids=["text", "number", "empty text"],
)
def test_part_that_is_no_bytes_is_refused(serve, part, text):
    errors = []

    def app(environ, start_response):
        stream = environ[EXCHANGE].open_stream("200", TEXT)
        with pytest.raises(TypeError) as error:
            stream.send(part)
        errors.append(str(error.value))
        for usable in (bytearray(b"a"), memoryview(b"b"), bytearray()):
            assert stream.send(usable)
        stream.close()
        return []

    received = receive_all(serve(app).connect(get("/", b"Connection: close")))
    assert text in errors[0]
    assert received.startswith(b"HTTP/1.1 200 \r\n")  # the space is required without a reason too
    assert received.endswith(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


def test_log_may_send_to_the_stream_that_is_cut_off(serve):
    opened, may_return = [], threading.Event()

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/stream":
            opened.append(environ[EXCHANGE].open_stream("200 OK", TEXT))
            may_return.wait(PATIENCE_S)
            return []
        start_response("200 OK", TEXT)
        return [b"answer"]

    front = serve(app, request_timeout_s=1000)
    front.shared.write_warning = lambda *parts: opened[0].send(b"log")
    try:
        front.connect(get("/stream"))
        wait_until(lambda: opened)
        (connection,) = front.manager._connections
        late = time.monotonic() + 2000
        connection.expire(late)
        assert receive_answer(front.connect(get("/call")))[2] == b"answer"
    finally:
        may_return.set()


def test_closed_stream_whose_view_works_on_is_not_cut_off(serve, caplog):
    may_return = threading.Event()

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/stream":
            environ[EXCHANGE].open_stream("200 OK", TEXT).close()
            may_return.wait(PATIENCE_S)
            return []
        start_response("200 OK", TEXT)
        return [b"answer"]

    front = serve(app, request_timeout_s=1000)
    client = front.connect(get("/stream"))
    wait_until(lambda: b"0\r\n\r\n" in client.recv(65536))
    (connection,) = front.manager._connections
    connection.expire(time.monotonic() + 2000)
    may_return.set()
    client.sendall(get("/call"))
    assert receive_answer(client)[2] == b"answer"
    assert caplog.messages == []


@pytest.mark.parametrize("options", [{}, {"accessLog": True}], ids=["plain", "logged"])
def test_stop_within_on_close_is_refused(options, serve_page):
    refused = threading.Event()

    def attempt():
        with pytest.raises(ServerStateError, match="within a request"):
            server.stop()
        refused.set()

    def view():
        exchange_of(flask.request.environ).open_stream("200 OK", TEXT, on_close=attempt).close()
        return "ignored"

    server = serve_page(view, **options)
    with listen(server) as listener:
        assert refused.wait(PATIENCE_S)
        assert listener
    assert server.addresses
