"""The special behaviour of granian, over real sockets. test_contract.py tests the contract of all backends."""

import contextlib
import http.client
import json
import logging
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from wsgiref.validate import validator

import pytest

from flaskJSONRPCServer import UnsupportedError, flaskJSONRPCServer
from flaskJSONRPCServer.servBackend.granian import GranianBackend, GranianLogHandler
from flaskJSONRPCServer.servBackend.serving import refuse_unsupported
from tests.helpers import rpc, wait_until

HEAD = b"POST /api HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


def make(address=("127.0.0.1", 0), **options):
    server = flaskJSONRPCServer(address, log=options.pop("log", 0), servBackend="granian", **options)
    server.registerFunction(lambda text: text, path="/api", name="echo")
    return server


@contextlib.contextmanager
def started(server):
    server.start()
    try:
        yield server.addresses[0]
    finally:
        server.stop()


@contextlib.contextmanager
def wsgi_served(app, listener=None):
    """Serve a WSGI application of the test."""
    server = make(log=1)
    with listener or socket.create_server(("127.0.0.1", 0)) as sock:
        address = sock.getsockname()
        instance = GranianBackend().start((address, sock), app, server, False)
    try:
        yield address
    finally:
        GranianBackend().stop(instance, 0, server, 30)


@contextlib.contextmanager
def connected(address, **options):
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=30, **options)) as connection:
        yield connection


def call(connection, method="echo", params=("a",)):
    body = json.dumps(rpc(method, list(params)))
    connection.request("POST", "/api", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    assert "result" in answer, answer
    return answer["result"]


def fetch(address, path="/"):
    with connected(address) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


def exchange(address, request):
    """Send bytes, and return all bytes until the server closes the connection."""
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65536), b""))


def in_threads(count, target):
    threads = [threading.Thread(target=target) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def count_threads_and_descriptors():
    """Count the threads of this process, including those of granian, and its descriptors."""
    return [len(list(Path("/proc/self", kind).iterdir())) for kind in ("task", "fd")]


def test_connection_is_kept_alive():
    with started(make()) as address, connected(address) as connection:
        assert call(connection) == "a"
        first = connection.sock
        assert call(connection) == "a"
        assert connection.sock is first


def test_no_more_calls_run_at_once_than_there_are_threads():
    running, most, proceed = [], [], threading.Semaphore(0)

    def slow():
        running.append(1)
        most.append(len(running))
        proceed.acquire(timeout=30)
        running.pop()

    def caller():
        with connected(address) as connection:
            call(connection, "slow", ())

    server = make(threads=2)
    server.registerFunction(slow, path="/api")
    with started(server) as address:
        callers = in_threads(5, caller)
        wait_until(lambda: len(running) == 2)
        proceed.release(5)
        for thread in callers:
            thread.join()
    assert len(most) == 5
    assert max(most) == 2


def test_all_calls_in_flight_are_answered_by_a_stop():
    proceed, entered, answers = threading.Event(), threading.Semaphore(0), []

    def slow():
        entered.release()
        return proceed.wait(30)

    def caller():
        with connected(address) as connection:
            answers.append(call(connection, "slow", ()))

    server = make()
    server.registerFunction(slow, path="/api")
    server.start()
    address = server.addresses[0]
    callers = in_threads(20, caller)
    for _ in callers:
        assert entered.acquire(timeout=30)
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    proceed.set()
    for thread in [*callers, stopper]:
        thread.join()
    assert answers == [True] * 20


def test_stop_does_not_wait_for_kept_alive_and_silent_connections():
    server = make()
    server.start()
    address = server.addresses[0]
    with connected(address) as kept, socket.create_connection(address, timeout=30) as silent:
        call(kept)
        server.stop(timeout=60)
        assert silent.recv(1) == b""
        assert kept.sock.recv(1) == b""


@pytest.mark.usefixtures("frozen_heap")
def test_starts_and_stops_leave_no_thread_and_no_descriptor():
    server = make()

    def cycle():
        with started(server) as address, connected(address) as connection:
            call(connection)

    cycle()  # creates the objects that a process has once
    before = count_threads_and_descriptors()
    for _ in range(50):
        cycle()
    wait_until(lambda: all(now <= then for now, then in zip(count_threads_and_descriptors(), before, strict=True)))


def test_several_servers_run_beside_each_other():
    one, other = make(), make()
    with started(one) as first:
        with started(other) as second:
            assert [fetch(address, "/api/echo?text=x")[0] for address in (first, second)] == [200, 200]
        assert fetch(first, "/api/echo?text=x")[0] == 200


def test_environ_follows_pep_3333():
    seen = []

    def app(environ, start_response):
        seen.append(environ)
        body = environ["wsgi.input"].read(2)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [body]

    with wsgi_served(validator(app)) as address:
        request = b"POST /a%20\xc3\xa9?b=%20 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"
        assert exchange(address, request).endswith(b"\r\n\r\nhi")
    [environ] = seen
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/a é"
    assert environ["QUERY_STRING"] == "b=%20"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (address[0], str(address[1]))
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["wsgi.multithread"] is True
    assert "PATH" not in environ, "the environ must not contain the environment of the process"


@pytest.mark.parametrize(("head", "host"), [(b"", None), (b"Host: x\r\n", "x")])
def test_http_1_0_has_its_full_version_and_needs_no_host(head, host):
    seen = []

    def app(environ, start_response):
        seen.append((environ["SERVER_PROTOCOL"], environ.get("HTTP_HOST")))
        start_response("204 No Content", [])
        return []

    with wsgi_served(app) as address:
        assert exchange(address, b"GET / HTTP/1.0\r\n%b\r\n" % head).startswith(b"HTTP/1.0 204")
    assert seen == [("HTTP/1.0", host)]


def test_unix_socket_has_a_server_name_and_no_peer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a Unix socket must be short
    seen = []

    def app(environ, start_response):
        seen.append([environ[key] for key in ("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR")])
        start_response("200 OK", [("Content-Length", "0")])
        return []

    listener = socket.socket(socket.AF_UNIX)
    listener.bind("a.sock")
    listener.listen()
    with wsgi_served(app, listener), socket.socket(socket.AF_UNIX) as client:
        client.connect("a.sock")
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.0 200")
    assert seen == [["localhost", "80", ""]]


class Pieces:
    """A body in pieces, which records that it is closed."""

    def __init__(self, start_response=None, broken=False):
        self.closed = threading.Event()
        self._start_response = start_response
        self._broken = broken

    def __iter__(self):
        if self._start_response:
            self._start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"b"
        if self._broken:
            raise RuntimeError("broken in the middle")
        yield b"c"

    def close(self):
        self.closed.set()


def test_body_in_pieces_is_sent_and_closed():
    bodies = []

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])(b"a")
        bodies.append(Pieces())
        return bodies[0]

    with wsgi_served(app) as address:
        assert fetch(address) == (200, b"abc")
        assert bodies[0].closed.wait(30)


def test_application_may_start_its_response_with_the_first_piece():
    with wsgi_served(lambda environ, start_response: Pieces(start_response)) as address:
        assert fetch(address) == (200, b"bc")


def test_application_that_fails_is_500_and_in_the_log_of_the_server_and_nowhere_else(caplog):
    def app(environ, start_response):
        raise RuntimeError("no such luck")

    with wsgi_served(app) as address:
        assert fetch(address)[0] == 500
    [record] = [record for record in caplog.records if record.name.startswith("flaskJSONRPCServer.")]
    assert record.levelname == "ERROR"
    assert record.getMessage().endswith("RuntimeError: no such luck")
    assert not logging.getLogger("_granian").propagate
    handlers = logging.getLogger("_granian").handlers  # some may be pytest's
    assert not any(isinstance(handler, GranianLogHandler) for handler in handlers)


def test_text_after_the_status_code_and_bytes_in_lists_are_joined():
    def app(environ, start_response):
        start_response("418 I'm a teapot", [("Content-Type", "text/plain")])(b"a")
        return [b"b", b"c"]

    with wsgi_served(app) as address:
        assert fetch(address) == (418, b"abc")


@pytest.mark.parametrize("coding", [b"gzip, chunked", b"chunked\r\nTransfer-Encoding: chunked"])
def test_transfer_encoding_other_than_chunked_is_400_and_closed(coding):
    body = json.dumps(rpc("echo", ["a"])).encode()
    with started(make()) as address:
        sent = HEAD + b"Transfer-Encoding: " + coding + b"\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        answer = exchange(address, sent * 2)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_chunked_body_is_read_up_to_its_limit():
    body = json.dumps(rpc("echo", ["a"])).encode()
    with started(make(max_body_bytes=100)) as address:
        for sent, status in ((body, b"200"), (b" " * 101, b"413")):
            head = HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            assert exchange(address, head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(sent), sent)).split()[1] == status


@pytest.mark.parametrize(
    "bad", [b"Content-Length: 1\r\nContent-Length: 2", b"Content-Length: +1", b"A: b\r\n c", b"A: \0"]
)
def test_malformed_head_is_400_and_closed(bad):
    with started(make()) as address:
        assert exchange(address, HEAD + bad + b"\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_client_that_still_sends_gets_its_refusal_or_the_end_of_its_connection():
    large = "x" * 1_000_000
    server = make(rateLimit="1/day")
    calls = []
    server.registerFunction(calls.append, path="/api", name="record")
    with started(server) as address:
        with connected(address) as connection:
            assert call(connection, "record", [large]) is None
        with connected(address) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            body = json.dumps(rpc("record", [large]))
            connection.request("POST", "/api", body, {"Content-Type": "application/json"})
            assert connection.getresponse().status == 429
    assert calls == [large]


def test_head_that_does_not_come_in_time_is_cut_off():
    with started(make(read_timeout_s=0.05)) as address:
        exchange(address, HEAD)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_is_served_while_others_stall_their_handshakes(certificates, version):
    context = certificates.client(minimum_version=version, maximum_version=version)
    with started(make(ssl=certificates.files)) as address, contextlib.ExitStack() as stalled:
        for _ in range(20):
            stalled.enter_context(socket.create_connection(address))
        with contextlib.closing(http.client.HTTPSConnection(*address, context=context, timeout=30)) as connection:
            assert call(connection) == "a"


def test_ssl_context_is_refused_where_granian_is_named():
    with pytest.raises(UnsupportedError, match=r"'granian' cannot serve with ssl=.*key file, certificate file"):
        make(ssl=ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))


def test_gevent_is_refused_where_granian_is_named():
    with pytest.raises(UnsupportedError, match="'granian' cannot serve with gevent=True"):
        refuse_unsupported(GranianBackend(), [], gevent=True)  # a server would first patch the process


def test_trusted_proxies_are_refused_at_the_start_with_the_remedy():
    server = make(trusted_proxies=["127.0.0.1"])
    with pytest.raises(UnsupportedError, match=r"trusted_proxies=\['127.0.0.1'\].*use servBackend='auto' or 'native'"):
        server.start()
    assert server.addresses == []
    server.settings.trusted_proxies = []
    with started(server) as address:
        assert fetch(address, "/api/echo?text=x")[0] == 200


def test_starts_and_stops_of_granian_are_not_logged(caplog):
    with started(make(log=4)):
        pass
    assert "worker" not in caplog.text


def test_signals_stay_as_they_are():
    import signal

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with started(make()):
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_extra_holds_the_versions_that_were_tested():
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert '"granian>=2.8.0,<2.9"' in project


def test_process_that_ends_while_it_serves_ends_the_worker_first():
    program = """
        import atexit
        from flaskJSONRPCServer import flaskJSONRPCServer
        from flaskJSONRPCServer.servBackend import granian_worker

        workers = []

        class Recorded(granian_worker.GranianWorker):
            def __init__(self, *args, **options):
                workers.append(self)
                super().__init__(*args, **options)

        granian_worker.GranianWorker = Recorded
        atexit.register(lambda: print([worker.ended.is_set() for worker in workers]))
        flaskJSONRPCServer(["127.0.0.1", 0], servBackend="granian", log=0).start()
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("[True]\n", "")
