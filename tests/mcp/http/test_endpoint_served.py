"""The endpoint over real sockets: clients that leave, streams, refusals, tokens, and states of questions."""

import contextlib
import hashlib
import http.client
import threading

import pytest

from flaskJSONRPCServer import flaskJSONRPCServer
from flaskJSONRPCServer.mcp import Authorization, Form, Grant, Tool, ask
from tests.helpers import call_socket, call_wsgi, get, post, wait_until
from tests.mcp.judged import error_of, request_of, result_of
from tests.mcp.served_stream import EVENTS, PATIENCE_S, Stream

FORM = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
ADD = {"name": "add", "arguments": {"a": 1, "b": 2}}


def add(a: int, b: int) -> int:
    return a + b


def greet(greeting: str = "Hello") -> str:
    return f"{greeting}, {ask('name', Form('Who?', FORM)).content['name']}"


def chatter(_connection) -> str:
    """Report more than the buffers of a connection take."""
    for number in range(2000):
        _connection.progress(number, 2000, "x" * 2000)
    return "done"


@pytest.fixture
def serve():
    """Start servers that stop with the test: `serve(functions, **options)` returns a server."""
    with contextlib.ExitStack() as stack:

        def start(*functions, mcp=None, **options):
            server = flaskJSONRPCServer(("127.0.0.1", 0), log=0, **options)
            server.mcp("/mcp", **(mcp or {}))
            for function in functions:
                server.registerFunction(function, path="/api", mcp=True)
            server.start()
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def open_stream():
    """Open streams that are closed with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(contextlib.closing(Stream(*args, **options)))


def answer_of(server, method, params=None, headers=None, **options):
    """Return the answer to a request, with more header fields."""
    request = request_of(method, params, **options)
    request.headers.update(headers or {})
    return call_socket(server.addresses[0], request)


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.mark.parametrize(
    ("named", "status"), [(None, 200), ("2025-11-25", 400), ("2026-07-28", 400), ("1900-01-01", 400)], ids=str
)
def test_ping_before_a_session_is_answered_without_a_revision(named, status):
    server = flaskJSONRPCServer(None, log=0)
    server.mcp("/mcp")
    headers = {"Accept": "application/json, text/event-stream"}
    if named is not None:
        headers["MCP-Protocol-Version"] = named
    answer = call_wsgi(server.getWSGI(), post(PING, "/mcp", headers=headers))

    assert answer.code == status
    assert answer.json().get("result") == ({} if status == 200 else None)


@pytest.mark.parametrize("revision", ["2025-11-25", "2025-03-26", "1900-01-01"])
def test_revision_that_meta_cannot_name_is_refused_with_those_that_it_can(revision):
    server = flaskJSONRPCServer(None, log=0)
    server.mcp("/mcp")
    request = request_of("tools/list", meta={"io.modelcontextprotocol/protocolVersion": revision})
    request.headers["MCP-Protocol-Version"] = revision
    answer = call_wsgi(server.getWSGI(), request)

    error = answer.json()["error"]
    assert (answer.code, error["code"]) == (400, -32022)
    assert error["data"] == {"supported": ["2026-07-28"], "requested": revision}
    assert ("begins with initialize" in error["message"]) is (revision != "1900-01-01")


def test_client_that_leaves_cancels_its_call(serve, open_stream):
    seen = {"begun": threading.Event(), "cancelled": threading.Event()}

    def wait(_connection) -> str:
        _connection.progress(1, 2)
        seen["begun"].set()
        wait_until(lambda: _connection.cancelled)
        seen["cancelled"].set()
        return "never read"

    server = serve(wait)
    stream = open_stream(server, "tools/call", {"name": "wait", "arguments": {}}, meta={"progressToken": 1})
    assert stream.next()["params"]["progress"] == 1
    assert seen["begun"].wait(PATIENCE_S)
    assert not seen["cancelled"].is_set()

    stream.close()
    assert seen["cancelled"].wait(PATIENCE_S)


def test_streams_beyond_their_budget_are_refused_and_calls_go_on(serve, open_stream):
    server = serve(add, max_streams=1)
    listen = {"notifications": {"toolsListChanged": True}}
    first = open_stream(server, "subscriptions/listen", listen)
    first.next()

    assert answer_of(server, "subscriptions/listen", listen, accept=EVENTS).code == 503
    assert answer_of(server, "tools/call", ADD).json()["result"]["content"][0]["text"] == "3"

    first.close()
    wait_until(lambda: is_open(server, listen))


def is_open(server, listen):
    try:
        Stream(server, "subscriptions/listen", listen).close()
    except AssertionError:
        return False
    return True


def test_subscribers_learn_of_new_tools(serve, open_stream):
    server = serve(add)
    stream = open_stream(server, "subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    assert stream.next()["params"]["notifications"] == {"toolsListChanged": True}

    server.registerFunction(add, path="/private", name="hidden")
    server.registerFunction(greet, path="/api", mcp=True)
    assert stream.next()["method"] == "notifications/tools/list_changed"
    names = [tool["name"] for tool in answer_of(server, "tools/list").json()["result"]["tools"]]
    assert names == ["add", "greet"]


def test_subscribers_learn_of_a_reload(serve, open_stream, tmp_path):
    script = tmp_path / "functions.py"
    script.write_text("def add(a: int, b: int) -> int:\n    return a + b\n", encoding="utf-8")
    server = serve(add)
    stream = open_stream(server, "subscriptions/listen", {"notifications": {"toolsListChanged": True}})
    stream.next()

    script.write_text('def add(a: int, b: int) -> int:\n    """Add."""\n    return a + b\n', encoding="utf-8")
    server.reload({"dispatcher": "add", "scriptPath": str(script), "scriptName": "functions", "path": "/api"})
    assert stream.next()["method"] == "notifications/tools/list_changed"
    [tool] = answer_of(server, "tools/list").json()["result"]["tools"]
    assert tool["description"] == "Add."


@pytest.mark.parametrize("backend", ["native", "werkzeug", "granian"])
def test_result_arrives_though_the_client_reads_slower_than_the_function_reports(backend, serve, open_stream):
    over = threading.Event()

    def report(_connection) -> str:
        chatter(_connection)
        over.set()
        return "done"

    server = serve(report, servBackend=backend)
    stream = open_stream(server, "tools/call", {"name": "report", "arguments": {}}, meta={"progressToken": 1})
    assert over.wait(PATIENCE_S)  # nothing has been read yet

    messages = [stream.next()]
    while "method" in messages[-1]:
        messages.append(stream.next())
    assert messages[-1]["result"]["content"] == [{"type": "text", "text": "done"}]
    assert 1 < len(messages) < 2001


def test_streams_of_calls_need_no_room_among_the_streams(serve, open_stream):
    server = serve(add, chatter, max_streams=1)
    open_stream(server, "subscriptions/listen", {"notifications": {"toolsListChanged": True}}).next()

    stream = open_stream(server, "tools/call", {"name": "chatter", "arguments": {}}, meta={"progressToken": 1})
    assert stream.next()["params"]["progress"] == 0


@pytest.mark.parametrize(
    ("header", "value", "status", "setting"),
    [("Origin", "http://evil.example", 403, "allowed_origins"), ("Host", "evil.example", 421, "allowed_hosts")],
)
def test_refusal_names_the_value_and_the_setting(serve, header, value, status, setting):
    server = serve(add, debug=True, allowed_origins=["http://good.example"])
    request = request_of("tools/call", ADD)
    connection = http.client.HTTPConnection(*server.addresses[0], timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request("POST", request.target, request.body, {**request.headers, header: value})
        refused = connection.getresponse()
        text = refused.read().decode()

    assert refused.status == status
    assert value in text
    assert setting in text


def test_calls_beyond_the_rate_are_429(serve):
    server = serve(add, rateLimit="2/hour")
    codes = [answer_of(server, "tools/call", ADD).code for _ in range(3)]
    assert codes[0] == 200
    assert codes[-1] == 429


# Tokens

GRANTS = {
    "reader": Grant("ann", ["read"]),
    "writer": Grant("ann", ["read", "write"]),
    "nobody": None,
    "nonsense": "ann",
    "other": Grant("bob", ["read", "write"]),
}


def verify(token, resource):
    if token == "broken":
        raise RuntimeError("the secret reason")
    return GRANTS.get(token)


TOKENS = {"authorization": Authorization(["https://login.example"], verify, scopes=["read"])}


def test_resource_says_where_tokens_come_from(serve):
    server = serve(add, mcp=TOKENS)
    metadata = call_socket(server.addresses[0], get("/.well-known/oauth-protected-resource/mcp")).json()

    host, port = server.addresses[0]
    assert metadata["resource"] == f"http://{host}:{port}/mcp"
    assert metadata["authorization_servers"] == ["https://login.example"]
    assert metadata["scopes_supported"] == ["read"]


@pytest.mark.parametrize(
    ("headers", "status", "challenge"),
    [
        ({}, 401, "Bearer scope="),
        ({"Authorization": "Basic YTpi"}, 401, "Bearer scope="),
        ({"Authorization": "Bearers reader"}, 401, "Bearer scope="),
        ({"Authorization": "Bearer"}, 400, 'error="invalid_request"'),
        ({"Authorization": "bearer  "}, 400, 'error="invalid_request"'),
        ({"Authorization": "Bearer reader reader"}, 400, 'error="invalid_request"'),
        ({"Authorization": "bearer reader"}, 200, None),
        ({"Authorization": "Bearer nobody"}, 401, 'error="invalid_token"'),
        ({"Authorization": "Bearer nonsense"}, 401, 'error="invalid_token"'),
        ({"Authorization": "Bearer broken"}, 503, None),
        ({"Authorization": "Bearer reader"}, 200, None),
    ],
)
def test_tokens_are_checked(serve, headers, status, challenge):
    answer = answer_of(serve(add, mcp=TOKENS), "tools/call", ADD, headers)

    assert answer.code == status
    assert b"secret reason" not in answer.body
    if challenge is not None:
        assert challenge in answer.header("WWW-Authenticate")
        assert "/.well-known/oauth-protected-resource/mcp" in answer.header("WWW-Authenticate")


def test_scopes_that_others_imply_come_from_verify(serve):
    implied = {"admin": ["write"]}

    def verify(token, resource):
        return Grant("ann", ["read", token, *implied.get(token, [])])

    server = serve(mcp={"authorization": Authorization(["https://login.example"], verify, scopes=["read"])})
    server.registerFunction(add, path="/api", mcp=Tool(scopes=["write"]))
    codes = [
        answer_of(server, "tools/call", ADD, {"Authorization": f"Bearer {token}"}).code
        for token in ("admin", "write", "other")
    ]
    assert codes == [200, 200, 403]


def test_token_without_the_scopes_of_the_endpoint_is_403(serve):
    scopes = {"authorization": Authorization(["https://login.example"], verify, scopes=["write"])}
    answer = answer_of(serve(add, mcp=scopes), "tools/call", ADD, {"Authorization": "Bearer reader"})

    assert answer.code == 403
    assert 'error="insufficient_scope"' in answer.header("WWW-Authenticate")
    assert 'scope="write"' in answer.header("WWW-Authenticate")


def test_auth_by_path_hides_tools_and_refuses_calls():
    def auth(server, path, request, method):
        return path != "/private/"

    server = flaskJSONRPCServer(None, log=0, auth=auth)
    server.registerFunction(add, path="/api", mcp=True)
    server.registerFunction(add, path="/private", name="hidden", mcp=True)

    assert [tool["name"] for tool in result_of(server, "tools/list")["tools"]] == ["add"]
    refused = call_wsgi(server.getWSGI(), request_of("tools/call", {**ADD, "name": "hidden"}))
    assert (refused.code, refused.body[:1] == b"{") == (403, False)


def test_state_of_another_subject_is_refused(serve):
    server = serve(greet, mcp=TOKENS)
    params = {"name": "greet", "arguments": {}}
    asked = answer_of(server, "tools/call", params, {"Authorization": "Bearer writer"}, capabilities=CAN_ASK).json()
    answer = with_answer(params, asked["result"])

    refused = answer_of(server, "tools/call", answer, {"Authorization": "Bearer other"}, capabilities=CAN_ASK).json()
    assert refused["error"]["code"] == -32602
    done = answer_of(server, "tools/call", answer, {"Authorization": "Bearer reader"}, capabilities=CAN_ASK).json()
    assert done["result"]["content"][0]["text"] == "Hello, Ann"


# States of questions

CAN_ASK = {"elicitation": {}}


def with_answer(params, asked):
    """Return the parameters of the next round."""
    responses = {key: {"action": "accept", "content": {"name": "Ann"}} for key in asked["inputRequests"]}
    return {**params, "inputResponses": responses, "requestState": asked["requestState"]}


def unstarted(secret):
    server = flaskJSONRPCServer(None, log=0, secret=secret)
    server.registerFunction(greet, path="/api", mcp=True)
    return server


SECRET, OTHER = (hashlib.sha256(name).hexdigest() for name in (b"a", b"b"))
GREET = {"name": "greet", "arguments": {"greeting": "Hi"}}


@pytest.fixture
def asked():
    return result_of(unstarted(SECRET), "tools/call", GREET, capabilities=CAN_ASK)


def test_state_is_valid_on_a_server_with_the_same_secret(asked):
    done = result_of(unstarted(SECRET), "tools/call", with_answer(GREET, asked), capabilities=CAN_ASK)
    assert done["content"][0]["text"] == "Hi, Ann"


@pytest.mark.parametrize("secret", [OTHER, None])
def test_state_is_refused_by_a_server_with_another_secret(asked, secret):
    error = error_of(unstarted(secret), "tools/call", with_answer(GREET, asked), capabilities=CAN_ASK)
    assert error["code"] == -32602


@pytest.mark.parametrize(
    "change",
    [
        lambda params: {**params, "arguments": {"greeting": "Bye"}},
        lambda params: {**params, "requestState": params["requestState"][:-2]},
        lambda params: {**params, "requestState": "x" + params["requestState"][1:]},
        lambda params: {**params, "requestState": ""},
        lambda params: {**params, "requestState": 1},
    ],
    ids=["other arguments", "cut", "altered", "empty", "no string"],
)
def test_altered_state_is_refused(asked, change):
    params = change(with_answer(GREET, asked))
    error = error_of(unstarted(SECRET), "tools/call", params, capabilities=CAN_ASK)
    assert error["code"] == -32602
