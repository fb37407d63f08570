"""Calls without a socket: to a server object, and to Flask applications."""

import flask
import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.client import AnswerTooLargeError, Client, ClientError, HttpStatusError, ProtocolError
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcMethodNotFoundError


def add(a, b=1):
    return a + b


@pytest.fixture
def server():
    server = flaskJSONRPCServer(None, log=0, allowCompress=True, compressMinSize=100)
    server.registerFunction(add, path="/api")
    server.registerFunction(lambda text: text, path="/api", name="echo")
    return server


def test_server_object(connect, server):
    face = connect(server)

    assert face.call("add", 1, 2) == 3
    assert face.call("add", 2, b=5) == 7
    assert face.notify("add", 1) is None
    assert face.call("echo", "x" * 10_000) == "x" * 10_000
    with pytest.raises(JsonRpcMethodNotFoundError):
        face.call("nope")
    batch, raised = face.batch(lambda batch: (batch.add(1), batch.notify.add(2), batch.add(3)))
    assert (raised, batch.results()) == (None, [2, 4])


def test_server_with_several_paths_needs_one(connect, server):
    server.registerFunction(add, path="/v2/é")

    with pytest.raises(ValueError, match="/api, /v2/"):
        connect(server).call("add", 1)
    assert connect(server, path="/v2/é").call("add", 1) == 2
    with pytest.raises(HttpStatusError, match="404"):
        connect(server, path="/nowhere").call("add", 1)


def test_server_without_methods(connect):
    with pytest.raises(HttpStatusError, match="404"):
        connect(flaskJSONRPCServer(None, log=0)).call("add", 1)


def test_flask_application(connect):
    application = flask.Flask(__name__)
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(add, path="/api")
    server.init_app(application, url_prefix="/v1")
    face = connect(application, path="/v1/api?x=y")

    assert face.call("add", 1, 2) == 3


def test_headers_reach_the_application(connect):
    def application(environ, start_response):
        seen.append({name: environ[name] for name in ("HTTP_X_A", "CONTENT_TYPE", "REQUEST_METHOD", "PATH_INFO")})
        write = start_response("204 No Content", [])
        write(b"")
        return []

    seen = []
    connect(application, headers={"X-A": "b"}).notify("log")

    assert seen == [{"HTTP_X_A": "b", "CONTENT_TYPE": "application/json", "REQUEST_METHOD": "POST", "PATH_INFO": "/"}]


def test_exception_of_the_application_is_raised(connect):
    class Answer:
        closed = 0

        def __iter__(self):
            raise LookupError("of the application")

        def close(self):
            self.closed += 1

    answer = Answer()

    def application(environ, start_response):
        start_response("200 OK", [])
        return answer

    with pytest.raises(LookupError, match="of the application"):
        connect(application).call("add")
    assert answer.closed == 1


def test_application_that_does_not_answer(connect):
    with pytest.raises(ProtocolError, match="start_response"):
        connect(lambda environ, start_response: []).call("add")


def test_answer_over_the_limit(connect, server):
    with pytest.raises(AnswerTooLargeError):
        connect(server, max_answer_bytes=1_000).call("echo", "x" * 10_000)


def test_closed_client_refuses_calls(connect, server):
    face = connect(server)
    face.run(lambda client: client.close())

    with pytest.raises(ClientError, match="closed"):
        face.call("add", 1)


def test_anything_else_is_refused():
    with pytest.raises(TypeError, match="no URL, no server"):
        Client(5)
    with pytest.raises(ValueError, match="path="):
        Client("http://127.0.0.1:1/", path="/api")


def test_stop_iteration_of_an_application_is_no_result(connect):
    def application(environ, start_response):
        raise StopIteration(3)

    with pytest.raises(RuntimeError, match="StopIteration"):
        connect(application, path="/").call("add")
