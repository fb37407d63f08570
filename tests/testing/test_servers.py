"""Servers on free ports, and clients in the process of the server."""

import socket
import threading

import flask
import pytest

from flaskJSONRPCServer import JsonRpcApplicationError, ServerStateError, flaskJSONRPCServer
from flaskJSONRPCServer.client import Client, ConnectError, HttpStatusError
from flaskJSONRPCServer.errors import RegistrationError
from flaskJSONRPCServer.testing import in_process, served
from tests.helpers import wait_until

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections


def add(a: int, b: int = 1) -> int:
    return a + b


def register(server):
    server.registerFunction(add, "/api")
    server.registerFunction(lambda: threading.current_thread().name, "/api", name="thread")


def client_of(running):
    """Return the client of a served server, or the client itself."""
    return running if isinstance(running, Client) else running.client


@pytest.fixture
def server():
    server = flaskJSONRPCServer(["127.0.0.1", 1], log=0)
    register(server)
    return server


def test_server_runs_on_a_free_port_in_the_block(server):
    with served(server) as running:
        assert running.server is server
        assert running.url.startswith("http://127.0.0.1:")
        assert running.url.endswith("/api")
        assert running.client.add(1, b=2) == 3
        with Client(running.url) as other:
            assert other.add(1) == 2
    assert not server._lifecycle.is_running
    with Client(running.url) as other, pytest.raises(ConnectError):
        other.add(1)


def test_server_has_its_own_address_again_afterwards(server):
    with pytest.raises(ZeroDivisionError), served(server) as running:
        assert running.client.add(1 / 0)

    assert server.settings.bindAdress == ["127.0.0.1", 1]
    assert not server._lifecycle.is_running


def test_server_may_run_several_times_and_in_the_process_between(server):
    for _ in range(2):
        with served(server) as running:
            assert running.client.add(1) == 2
        with in_process(server) as client:
            assert client.add(1) == 2


def test_client_in_the_process_may_call_a_running_server(server):
    with served(server) as running:
        with in_process(server) as client:
            assert client.add(1) == 2
        assert running.client.add(1) == 2


def test_server_that_runs_already_is_an_error(server):
    with served(server), pytest.raises(ServerStateError, match="in use"), served(server):
        pass


def test_addresses_of_a_server_with_several_are_replaced():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = flaskJSONRPCServer([[*taken.getsockname()], ["127.0.0.1", 1]], multipleAdress=True, log=0)
        register(server)
        with served(server) as running:
            assert running.client.add(1) == 2
    assert server.settings.multipleAdress


@pytest.mark.parametrize("run", [served, in_process])
def test_function_registers_methods_on_a_new_server(run):
    with run(register) as running:
        assert client_of(running).add(1) == 2


def test_call_in_the_process_runs_in_the_thread_of_the_test(server):
    with in_process(server) as client:
        assert client.thread() == threading.current_thread().name


def test_call_in_the_process_has_batches_notifications_and_errors(server):
    logged = []
    server.registerFunction(logged.append, "/api", name="log")

    def fail():
        raise JsonRpcApplicationError("failed", code=5)

    server.registerFunction(fail, "/api")
    with in_process(server) as client:
        with client.batch() as batch:
            first, second = batch.add(1, 2), batch.fail()
        client.notify.log("x")

    assert first.result() == 3
    assert second.exception().code == 5
    assert logged == ["x"]


@pytest.mark.parametrize("backend", ["simple", "threaded"])
def test_exec_backends_of_calls_in_the_process_are_stopped_with_the_client(backend):
    server = flaskJSONRPCServer(None, log=0, dispatcherBackend=backend)
    register(server)
    with in_process(server) as client:
        name = client.thread()
    wait_until(lambda: name not in {thread.name for thread in threading.enumerate()} - {"MainThread"})


def test_coroutine_is_called_in_the_process():
    server = flaskJSONRPCServer(None, log=0)

    @server.method("/api")
    async def wait():
        return "waited"

    with in_process(server) as client:
        assert client.wait() == "waited"


@pytest.mark.parametrize("run", [served, in_process])
def test_one_of_several_paths_has_to_be_chosen(run):
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(lambda: "one", "/one", name="where")
    server.registerFunction(lambda: "two", "/", name="where")

    for path, name in {"/one": "one", "one/": "one", "/": "two"}.items():
        with run(server, path) as running:
            assert client_of(running).where() == name
    with pytest.raises(RegistrationError, match=r"has the paths /one/, /; choose one by path="), run(server):
        pass
    with pytest.raises(RegistrationError, match="unknown path '/oen/'; did you mean '/one/'"), run(server, "/oen"):
        pass
    with pytest.raises(RegistrationError, match=r"the paths \(none\)"), run(flaskJSONRPCServer(None, log=0)):
        pass
    assert not server._lifecycle.is_running


@pytest.mark.parametrize("source", ["my_server:server", None, flaskJSONRPCServer, 3])
@pytest.mark.parametrize("run", [served, in_process])
def test_other_sources_are_refused(run, source):
    with pytest.raises(TypeError, match="it takes a flaskJSONRPCServer, or a function that registers"), run(source):
        pass


def test_client_options_are_passed_on(server):
    with served(server, headers={"Content-Type": "text/plain"}) as running, pytest.raises(HttpStatusError, match="415"):
        running.client.add(1)
    with in_process(server, headers={"Content-Type": "text/plain"}) as client, pytest.raises(HttpStatusError):
        client.add(1)


def test_flask_application_with_a_mounted_server_is_called_in_the_process(server):
    app = flask.Flask(__name__)
    server.init_app(app, url_prefix="/v1")
    seen = []
    app.before_request(lambda: seen.append(flask.request.headers["X-Test"]))
    with in_process(app, "/v1/api", headers={"X-Test": "yes"}) as client:
        assert client.add(1, b=2) == 3

    assert seen[0] == "yes"


def test_wsgi_application_is_called_in_the_process(server):
    application = server.getWSGI()
    environs = []

    def middleware(environ, start_response):
        environs.append(environ)
        return application(environ, start_response)

    with in_process(middleware, "/api?a=1") as client:
        assert client.add(1) == 2

    (environ,) = environs
    assert environ["PATH_INFO"] == "/api"
    assert environ["QUERY_STRING"] == "a=1"
    assert environ["HTTP_HOST"] == "localhost"


def test_application_that_raises_raises_in_the_test():
    closed = []

    class Chunks:
        def __iter__(self):
            raise ZeroDivisionError

        def close(self):
            closed.append(True)

    def application(environ, start_response):
        start_response("200 OK", [])
        return Chunks()

    with in_process(application) as client, pytest.raises(ZeroDivisionError):
        client.add(1)
    assert closed == [True]


def test_application_may_write_its_answer():
    def application(environ, start_response):
        write = start_response("200 OK", [("Content-Type", "application/json")])
        write(b'{"jsonrpc": "2.0", "result"')
        return [b': 3, "id": 1}']

    with in_process(application) as client:
        assert client.add(1) == 3
