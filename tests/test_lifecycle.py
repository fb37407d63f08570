"""Starting, waiting, stopping, and ending by signal."""

import contextlib
import gc
import http.client
import re
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from flaskJSONRPCServer import ServerStateError, flaskJSONRPCServer
from flaskJSONRPCServer.runtime.concurrency import is_patched
from tests.helpers import wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

SCRIPT = """
    import errno, socket, threading, time
    from flaskJSONRPCServer import flaskJSONRPCServer

    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0)

    def outlast():
        print("entered", flush=True)
        address = server.addresses[0]
        while refusal(address) != errno.ECONNREFUSED:
            time.sleep(0.01)  # between two looks, so that the server gets its turn
        return "outlasted"

    def refusal(address):
        with socket.socket() as probe:
            return probe.connect_ex(address)

    def hang():
        print("entered", flush=True)
        threading.Event().wait(60)

    def tell():
        while not server.addresses:
            time.sleep(0.01)
        print(server.addresses[0][1], flush=True)

    server.registerFunction(outlast, path="/api")
    server.registerFunction(hang, path="/api")
    threading.Thread(target=tell, daemon=True).start()
    server.serveForever()
    print("after serveForever", flush=True)
"""


@pytest.fixture
def server():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0)
    yield server
    server.stop()


@pytest.fixture
def serving():
    """A process in serveForever(), with its port."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.port = int(process.stdout.readline())
    yield process
    process.kill()
    process.communicate()


def call(port, method, answers):
    body = f'{{"jsonrpc":"2.0","method":"{method}","id":1}}'
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        try:
            connection.request("POST", "/api", body, {"Content-Type": "application/json"})
            answers.append(connection.getresponse().read())
        except (OSError, http.client.HTTPException) as exc:
            answers.append(type(exc))


def start_call(port, method):
    answers = []
    thread = threading.Thread(target=call, args=(port, method, answers))
    thread.start()
    return thread, answers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_serve_forever_cleanly(serving, number):
    serving.send_signal(number)
    out, err = serving.communicate(timeout=60)
    assert (out, err, serving.returncode) == ("after serveForever\n", "", 0)


def signalled_while_joining(number, options):
    """Send a signal to a program in `start(joinLoop=True)`; return its output, its errors, and its status."""
    script = textwrap.dedent(SCRIPT).replace("server.serveForever()", "server.start(joinLoop=True)")
    script = script.replace("log=0", f"log=0, {options}")
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    return out, err, process.returncode


@pytest.mark.parametrize("backend", ["native", "werkzeug", "granian"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_start_that_joins_the_loop_cleanly(number, backend):
    assert signalled_while_joining(number, f"servBackend={backend!r}") == ("after serveForever\n", "", 0)


def test_signal_lets_the_call_in_flight_finish(serving):
    thread, answers = start_call(serving.port, "outlast")
    assert serving.stdout.readline() == "entered\n"
    serving.send_signal(signal.SIGTERM)
    thread.join()
    assert answers == [b'{"jsonrpc":"2.0","result":"outlasted","id":1}']
    assert serving.wait(timeout=60) == 0


def test_second_signal_ends_at_once(serving):
    thread, answers = start_call(serving.port, "hang")
    assert serving.stdout.readline() == "entered\n"
    serving.send_signal(signal.SIGTERM)
    wait_until_refused(serving.port)
    serving.send_signal(signal.SIGTERM)
    assert serving.wait(timeout=60) == -signal.SIGTERM
    thread.join()
    assert not any(isinstance(answer, bytes) for answer in answers)


def wait_until_refused(port):
    answers = []
    while ConnectionRefusedError not in answers:
        call(port, "no such method", answers)
        time.sleep(0.01)  # between two looks, so that the server gets its turn


def wait_for_start(server):
    wait_until(lambda: server.addresses)


def test_stop_from_another_thread_ends_serve_forever():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0)
    forever = threading.Thread(target=server.serveForever)
    forever.start()
    wait_for_start(server)
    server.stop()
    forever.join()
    assert server.addresses == []


def test_serve_forever_reports_that_it_listens(server):
    ports = []

    def note_and_stop(started):
        ports.append(started.addresses[0][1])
        threading.Thread(target=started.stop).start()

    server.serveForever(on_start=note_and_stop)
    assert len(ports) == 1
    assert ports[0] > 0


def test_start_logs_the_url(caplog):
    server = flaskJSONRPCServer(["::1", 0], log=3, name="logged")
    server.start()
    port = server.addresses[0][1]
    server.stop()
    own = [record.getMessage() for record in caplog.records if record.name == "flaskJSONRPCServer.logged"]
    assert own == [
        f"server 'logged' listens on http://[::1]:{port}/ by {'pywsgi' if is_patched() else 'native'}",
        "server 'logged' has nothing to call; registerFunction() adds a function",
        "server 'logged' has stopped",
    ]


def lines_at_start(caplog, register=lambda server: None, address=("127.0.0.1", 0), **options):
    server = flaskJSONRPCServer(list(address), log=3, name="logged", **options)
    register(server)
    server.start()
    port = server.addresses[0][1]
    server.stop()
    return port, [record.getMessage() for record in caplog.records if record.name == "flaskJSONRPCServer.logged"]


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("127.0.0.1", "127.0.0.1")])
def test_line_at_the_start_has_a_url_to_click_the_backend_and_the_paths(host, shown, caplog):
    def register(server):
        for name in ("a", "b"):
            server.registerFunction(lambda: 1, path="/api", name=name)
        server.registerFunction(lambda: 1, name="at_root")

    port, lines = lines_at_start(caplog, register, (host, 0))
    paths = "/api has 2 methods, / has 1 method"
    assert re.fullmatch(rf"server 'logged' listens on http://{re.escape(shown)}:{port}/ by \w+: {paths}", lines[0])
    reach = [] if host == "127.0.0.1" else ["server 'logged' can be reached from other machines"]
    assert lines[1:] == [*reach, "server 'logged' has stopped"]


def test_line_at_the_start_is_readable_with_many_paths(caplog):
    def register(server):
        for number in range(15):
            server.registerFunction(lambda: 1, path=f"/api{number}", name="one")

    _, lines = lines_at_start(caplog, register)
    assert lines[0].endswith("/api9 has 1 method, and 5 more paths")


def test_server_with_only_flask_pages_does_not_warn(caplog):
    _, lines = lines_at_start(caplog, lambda server: server.flaskApp.add_url_rule("/page", "page", lambda: "page"))
    assert not [line for line in lines if "nothing to call" in line]


def test_serve_forever_accepts_a_running_server(server):
    server.start()
    address = server.addresses
    forever = threading.Thread(target=server.serveForever)
    forever.start()
    wait_until(lambda: server._lifecycle._ends)
    assert server.addresses == address
    server.stop()
    forever.join()


def test_signal_handlers_are_restored():
    before = signal.getsignal(signal.SIGTERM)
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0)

    def end():
        wait_for_start(server)
        server.stop()

    threading.Thread(target=end).start()
    server.serveForever()
    assert signal.getsignal(signal.SIGTERM) is before


def test_join_loop_returns_when_stopped(server):
    server.start()
    server.stop()
    joined = threading.Thread(target=server.start, kwargs={"joinLoop": True})
    joined.start()
    wait_for_start(server)
    assert joined.is_alive()
    server.stop()
    joined.join()


def test_start_stop_start_serves_again(server):
    server.registerFunction(lambda: "here", path="/api", name="where")
    for _ in range(3):
        server.start()
        answers = []
        call(server.addresses[0][1], "where", answers)
        assert answers == [b'{"jsonrpc":"2.0","result":"here","id":1}']
        server.stop()


def test_second_start_is_refused(server):
    server.start()
    with pytest.raises(ServerStateError, match="runs already"):
        server.start()


def test_stop_without_start_does_nothing(server):
    assert server.stop() is None


def test_start_without_address_is_refused():
    with pytest.raises(ServerStateError, match=r"use init_app\(\) or getWSGI\(\)"):
        flaskJSONRPCServer(None, log=0).start()


def test_stop_from_a_dispatcher_is_a_clear_error(server):
    def stop_it():
        with pytest.raises(ServerStateError, match=r"stop\(\) cannot be called from a dispatcher"):
            server.stop()
        return "refused"

    server.registerFunction(stop_it, path="/api")
    server.start()
    answers = []
    call(server.addresses[0][1], "stop_it", answers)
    assert answers == [b'{"jsonrpc":"2.0","result":"refused","id":1}']


@pytest.mark.parametrize("method", ["stop", "serveForever"])
def test_wait_for_the_end_within_auth_is_a_clear_error(method):
    refusals = []

    def auth(server, path, request, name):
        with pytest.raises(
            ServerStateError, match=r"cannot be called from .* nor elsewhere within a request"
        ) as refused:
            getattr(server, method)()
        refusals.append(str(refused.value))
        return True

    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, auth=auth)
    server.registerFunction(lambda: 1, path="/api", name="one")
    server.start()
    try:
        answers = []
        call(server.addresses[0][1], "one", answers)
        assert answers == [b'{"jsonrpc":"2.0","result":1,"id":1}']
        assert refusals[0].startswith(f"{method}() cannot be called")
    finally:
        server.stop()


def test_settings_are_frozen_while_running(server):
    server.start()
    with pytest.raises(ServerStateError, match="'blocking' cannot change while the server is in use"):
        server.settings.blocking = True
    server.stop()
    server.settings.blocking = True
    assert server.setts.blocking


def test_two_servers_run_in_one_process():
    servers = [flaskJSONRPCServer(["127.0.0.1", 0], log=0) for _ in range(2)]
    for number, server in enumerate(servers):
        server.registerFunction(lambda number=number: number, path="/api", name="which")
        server.start()
    answers = []
    for server in servers:
        call(server.addresses[0][1], "which", answers)
        server.stop()
    assert answers == [b'{"jsonrpc":"2.0","result":%d,"id":1}' % number for number in range(2)]


def test_garbage_collection_is_taken_over_and_given_back():
    assert gc.isenabled()
    first, second = (flaskJSONRPCServer(["127.0.0.1", 0], log=0) for _ in range(2))
    first.start()
    second.start()
    first.stop()
    assert not gc.isenabled()
    second.stop()
    assert gc.isenabled()


def test_garbage_collection_is_given_back_after_a_failed_start():
    def start(*args):
        raise OSError("no luck")

    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, servBackend={"_id": "broken", "start": start})
    with pytest.raises(OSError, match="no luck"):
        server.start()
    assert gc.isenabled()


def test_garbage_collection_is_left_alone_without_control():
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, controlGC=False)
    server.start()
    assert gc.isenabled()
    server.stop()


def test_descriptor_limit_is_raised_and_never_lowered():
    code = """
        import resource
        from flaskJSONRPCServer import flaskJSONRPCServer
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
        for limits in ((200, 200), (150, 150)):
            server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, tweakDescriptors=limits)
            server.start()
            server.stop()
            print(resource.getrlimit(resource.RLIMIT_NOFILE) == (200, hard))
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert run.stdout == "True\nTrue\n"


def test_descriptor_limit_is_unchanged_if_switched_off():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = flaskJSONRPCServer(["127.0.0.1", 0], log=0, tweakDescriptors=False)
    server.start()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
    server.stop()


@pytest.mark.usefixtures("frozen_heap")
def test_nothing_is_left_behind_by_start_and_stop(server):
    server.start()
    server.stop()
    threads = set(threading.enumerate())
    for _ in range(5):
        server.start()
        server.stop()
    assert threads.issuperset(threading.enumerate())
