"""What functions learn of the access token of their caller."""

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Authorization, Grant
from tests.helpers import call_wsgi, post, rpc
from tests.mcp.judged import request_of


def tenant_of(_connection) -> str:
    return "nobody" if _connection.grant is None else _connection.grant.claims["tenant"]


def verify(token, resource):
    return Grant(token, ["read"], {"tenant": f"{token}'s"})


@pytest.fixture
def server():
    server = flaskJSONRPCServer(None, log=0)
    server.registerFunction(tenant_of, path="/api", name="at_once", mcp=True)
    server.registerFunction(tenant_of, path="/api", name="in_a_thread", mcp=True, dispatcherBackend="threaded")
    endpoint = server.mcp(authorization=Authorization(["https://auth.test"], verify, resource="https://api.test/mcp"))
    endpoint.resource("tenant://mine", name="tenant")(tenant_of)
    yield server
    server.stop()


def asked(server, method, params, token):
    request = request_of(method, params)
    request.headers["Authorization"] = f"Bearer {token}"
    return call_wsgi(server.getWSGI(), request).json()["result"]


@pytest.mark.parametrize("tool", ["at_once", "in_a_thread"])
def test_tool_sees_the_grant_of_its_caller(server, tool):
    results = [asked(server, "tools/call", {"name": tool, "arguments": {}}, token) for token in ("ann", "bob")]

    assert [result["content"][0]["text"] for result in results] == ["ann's", "bob's"]


def test_resource_sees_it_too(server):
    assert asked(server, "resources/read", {"uri": "tenant://mine"}, "ann")["contents"][0]["text"] == "ann's"


@pytest.mark.parametrize("method", ["at_once", "in_a_thread"])
def test_call_by_json_rpc_has_none(server, method):
    answer = call_wsgi(server.getWSGI(), post(rpc(method), "/api", headers={"Authorization": "Bearer ann"}))

    assert answer.json()["result"] == "nobody"


@pytest.mark.parametrize(("subject", "scopes"), [(5, []), ("ann", "orders:read"), ("ann", [5])], ids=str)
def test_grant_of_wrong_values_is_refused(subject, scopes):
    with pytest.raises(TypeError, match=r"^Grant: (subject|scopes)=.* is refused: it takes "):
        Grant(subject, scopes)
