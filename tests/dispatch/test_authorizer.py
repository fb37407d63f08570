"""`auth`: what it is asked, and what its answers do."""

import asyncio

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from tests.helpers import UnreadableStream, call_wsgi, get, post, rpc


def make(auth):
    server = flaskJSONRPCServer(None, auth=auth)
    server.registerFunction(lambda a=None: a, path="/api", name="echo")
    return server


def code_of(server, request=None):
    return call_wsgi(server.getWSGI(), request or post(rpc("echo", [1]))).code


def test_auth_gets_the_documented_arguments():
    seen = []

    def auth(server, path, request, method):
        seen.append((server, path, dict(request), method))
        return True

    server = make(auth)
    assert [code_of(server), code_of(server, get("/api/echo?a=1"))] == [200, 200]

    (posted, got) = seen
    assert (posted[0], posted[1], posted[2]["method"], posted[3]) == (server, "/api/", "POST", None)
    assert (got[0], got[1], got[2]["method"], got[3]) == (server, "/api/", "GET", "echo")
    documented = {"headers", "cookies", "environ", "remote_addr", "method", "url", "args"}
    assert documented <= set(posted[2])
    assert documented <= set(got[2])


def test_body_is_not_read_if_auth_refuses():
    request = post(b"[]", environ={"wsgi.input": UnreadableStream()})

    assert code_of(make(lambda *args: False), request) == 403


@pytest.mark.parametrize(
    "returned", [1, "True", [True], object(), None, False], ids=["1", "text", "list", "object", "None", "False"]
)
@pytest.mark.parametrize("request_", [post(rpc("echo")), get("/api/echo")], ids=["POST", "GET"])
def test_only_true_grants_access(returned, request_):
    assert code_of(make(lambda *args: returned), request_) == 403


@pytest.mark.parametrize("kind", [ValueError, RuntimeError, asyncio.CancelledError, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("request_", [post(rpc("echo")), get("/api/echo")], ids=["POST", "GET"])
def test_exception_of_auth_is_logged_and_reveals_nothing(kind, request_, caplog):
    def auth(*args):
        raise kind("/secret")

    answer = call_wsgi(make(auth).getWSGI(), request_)

    assert answer.code == 403
    assert "secret" not in repr(answer)
    assert "/secret" in caplog.text


def test_each_exception_of_auth_is_a_line_and_few_have_a_traceback(caplog):
    application = make(lambda *args: {}["key"]).getWSGI()

    assert {call_wsgi(application, post(rpc("echo"))).code for _ in range(60)} == {403}
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 60
    assert all(record.getMessage().startswith("auth raised") for record in errors)
    assert 20 <= sum(record.exc_info is not None for record in errors) < 60


def test_true_value_other_than_true_warns_once(caplog):
    server = make(lambda *args: {"user": "token tok123"})

    assert [code_of(server) for _ in range(3)] == [403, 403, 403]
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning == "auth returned dict, which refuses the request; return True to allow it"


def test_false_value_of_auth_does_not_warn(caplog):
    assert code_of(make(lambda *args: None)) == 403
    assert not caplog.records
