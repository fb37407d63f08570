"""A client without a session whose requests and results are judged by the protocol's own types."""

import json

from mcp_types import jsonrpc, methods

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp.protocol.revisions import CLIENT_CAPABILITIES, CLIENT_INFO, CURRENT, PROTOCOL_VERSION
from tests.helpers import call_wsgi, post

NAMES = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
CLIENT = {"name": "tests", "version": "1"}


def make_server(**options):
    """Return a server and its endpoint."""
    server = flaskJSONRPCServer(None, **{"log": 0, **options})
    return server, server.mcp("/mcp")


def request_of(method, params=None, *, capabilities=None, target="/mcp", accept="application/json", meta=None):
    """Return a request by HTTP, which has all that the protocol asks for."""
    own_meta = {PROTOCOL_VERSION: CURRENT, CLIENT_CAPABILITIES: capabilities or {}, CLIENT_INFO: CLIENT, **(meta or {})}
    params = {**(params or {}), "_meta": own_meta}
    headers = {"Accept": accept, "MCP-Protocol-Version": CURRENT, "Mcp-Method": method}
    name = params.get(NAMES.get(method))
    if isinstance(name, str):
        headers["Mcp-Name"] = name
    return post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, target, headers=headers)


def answer_to(server, method, params=None, **options):
    """Return the status of the answer to a request, and its message."""
    answer = call_wsgi(server.getWSGI(), request_of(method, params, **options))
    message = answer.json()
    assert message["id"] == 1, message
    jsonrpc.jsonrpc_message_adapter.validate_python(message)
    return answer.code, message


def result_of(server, method, params=None, **options):
    """Return a result, after the protocol's types have accepted it."""
    status, message = answer_to(server, method, params, **options)
    assert status == 200, message
    assert "error" not in message, message
    methods.validate_server_result(method, CURRENT, message["result"])
    return message["result"]


def error_of(server, method, params=None, *, status=200, **options):
    """Return an error."""
    code, message = answer_to(server, method, params, **options)
    assert code == status, message
    assert "result" not in message, message
    return message["error"]


def text_in(server, uri):
    """Return the text of a resource."""
    (contents,) = result_of(server, "resources/read", {"uri": uri})["contents"]
    return contents["text"]


def json_in(server, uri):
    return json.loads(text_in(server, uri))
