"""The functions of resources, prompts and completions run as methods of the server do."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flaskJSONRPCServer.errors import RegistrationError
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcApplicationError
from tests import helpers
from tests.mcp.judged import error_of, json_in, make_server, request_of, result_of, text_in

READ = ("resources/read", {"uri": "a:b"})
GET = ("prompts/get", {"name": "hello"})
COMPLETE = (
    "completion/complete",
    {"ref": {"type": "ref/prompt", "name": "hello"}, "argument": {"name": "name", "value": ""}},
)


def add_all(endpoint, function):
    """Add a function without parameters as a resource, a prompt and a completion."""
    endpoint.resource("a:b", name="data")(function)
    endpoint.prompt(name="hello")(lambda name="": function())
    endpoint.completion("hello", "name")(lambda value: function())


def test_calls_are_in_the_statistics():
    server, endpoint = make_server()
    add_all(endpoint, lambda: ["text"])

    for method, params in (READ, GET, COMPLETE):
        result_of(server, method, params)

    urls = ("/mcp/resources/data", "/mcp/prompts/hello", "/mcp/completion/hello/name")
    assert {url: calls["calls"] for url, calls in server.stats()["dispatchers"].items()} == dict.fromkeys(urls, 1)


def test_failures_are_in_the_statistics():
    server, endpoint = make_server()
    add_all(endpoint, lambda: 1 / 0)

    for method, params in (READ, GET, COMPLETE):
        error_of(server, method, params)

    assert [calls["errors"] for calls in server.stats()["dispatchers"].values()] == [1, 1, 1]


@pytest.mark.parametrize(("method", "params"), [READ, GET, COMPLETE], ids=["read", "get", "complete"])
def test_unexpected_exception_shows_a_correlation_id_only(method, params):
    server, endpoint = make_server()

    def fail():
        raise ValueError("secret")

    add_all(endpoint, fail)

    error = error_of(server, method, params)

    assert (error["code"], error["message"], list(error["data"])) == (-32603, "Internal error", ["correlationId"])


@pytest.mark.parametrize(("method", "params"), [READ, GET, COMPLETE], ids=["read", "get", "complete"])
def test_declared_error_keeps_its_text(method, params):
    server, endpoint = make_server()

    def fail():
        raise JsonRpcApplicationError("not today", code=7, data={"day": 1})

    add_all(endpoint, fail)

    assert error_of(server, method, params) == {"code": 7, "message": "not today", "data": {"day": 1}}


def test_mapped_exception_keeps_the_text_of_its_mapping():
    server, endpoint = make_server()
    server.mapException(LookupError, code=8, message="nothing there")
    add_all(endpoint, lambda: {}["a"])

    assert error_of(server, *READ) == {"code": 8, "message": "nothing there"}


def test_middleware_of_the_server_and_of_the_path_sees_the_calls():
    server, endpoint = make_server()
    add_all(endpoint, lambda: ["text"])
    seen = []

    def note(where):
        def middleware(call, proceed):
            result = proceed()
            seen.append((where, call.url, result))
            return result

        return middleware

    server.use(note("server"))
    server.use(note("path"), path="/mcp")
    server.use(note("other"), path="/api")
    result_of(server, *READ)
    result_of(server, *GET)

    assert seen == [
        (where, url, ["text"]) for url in ("/mcp/resources/data", "/mcp/prompts/hello") for where in ("path", "server")
    ]


def test_middleware_sees_bytes_and_may_replace_them():
    server, endpoint = make_server()

    @endpoint.resource("a:b")
    def data() -> bytes:
        return b"\xff"

    server.use(lambda call, proceed: proceed().hex(), path="/mcp")

    assert text_in(server, "a:b") == "ff"


def test_middleware_may_change_the_parameters():
    server, endpoint = make_server()

    @endpoint.resource("a:{number}")
    def data(number: int):
        return number

    server.use(lambda call, proceed: proceed({"number": call.params["number"] + 1}), path="/mcp")

    assert json_in(server, "a:1") == 2


def test_coroutine_function():
    server, endpoint = make_server()

    @endpoint.resource("a:{x}")
    async def data(x):
        return f"{x}!"

    @endpoint.prompt()
    async def hello(name):
        return f"hello {name}"

    assert text_in(server, "a:b") == "b!"
    result = result_of(server, "prompts/get", {"name": "hello", "arguments": {"name": "you"}})
    assert result["messages"][0]["content"]["text"] == "hello you"


def test_method_of_an_object():
    class Store:
        def read(self, key: str) -> str:
            """Read a value."""
            return key.upper()

    server, endpoint = make_server()
    endpoint.resource("a:{key}")(Store().read)

    assert text_in(server, "a:b") == "B"
    (shown,) = result_of(server, "resources/templates/list")["resourceTemplates"]
    assert (shown["name"], shown["description"]) == ("read", "Read a value.")


def test_lock_of_the_function_holds_it():
    server, endpoint = make_server()

    @endpoint.resource("a:b")
    def data():
        return "text"

    server.lock(data)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(text_in, server, "a:b")
        helpers.wait_until(lambda: server._engine.locks.held().waiting == 1)
        assert not reading.done()
        server.unlock(data)

        assert reading.result(20) == "text"


def test_function_runs_in_the_serving_thread_whatever_the_backend_of_the_server():
    server, endpoint = make_server(dispatcherBackend="threaded")
    endpoint.resource("a:b")(named("data", threading.get_ident))

    assert json_in(server, "a:b") == threading.get_ident()


def named(name, function):
    def read():
        return function()

    read.__name__ = name
    return read


@pytest.mark.parametrize("target", ["/mcp", "/mcp/", "/"])
@pytest.mark.parametrize("method", ["resources/data", "data", "prompts/hello", "hello"])
def test_nobody_calls_them_by_json_rpc(target, method):
    server, endpoint = make_server()
    server.registerFunction(lambda: 1, path="/", name="one")
    runs = []
    add_all(endpoint, lambda: runs.append(1) or "text")

    answer = helpers.call_wsgi(server.getWSGI(), helpers.post(helpers.rpc(method), target))

    assert b'"result"' not in answer.body
    assert runs == []


def test_documents_of_the_server_do_not_show_them():
    server, endpoint = make_server()
    add_all(endpoint, lambda: "text")
    server.registerFunction(lambda: 1, path="/", name="one")

    document = helpers.call_wsgi(server.getWSGI(), helpers.get("/openrpc.json")).body

    assert b"one" in document
    assert b"hello" not in document


def test_auth_of_the_endpoint_is_asked_once_with_its_path():
    asked = []

    def auth(server, path, request, method):
        asked.append((path, method))
        return path != "/mcp/" or request["headers"].get("Authorization") == "yes"

    server, endpoint = make_server(auth=auth)
    add_all(endpoint, lambda: ["text"])
    requests = [request_of(method, params) for method, params in (READ, GET, COMPLETE)]

    answers = [helpers.call_wsgi(server.getWSGI(), request) for request in requests]
    assert [answer.code for answer in answers] == [403] * 3
    assert asked == [("/mcp/", None)] * 3

    for request in requests:
        request.headers["Authorization"] = "yes"
        assert helpers.call_wsgi(server.getWSGI(), request).code == 200
    assert asked == [("/mcp/", None)] * 6


@pytest.mark.parametrize(
    "function", [type, type("Own", (), {}), "text", lambda: (yield)], ids=["type", "class", "string", "generator"]
)
def test_what_cannot_be_registered_is_refused(function):
    _, endpoint = make_server()

    with pytest.raises(RegistrationError):
        endpoint.resource("a:b", name="data")(function)
    with pytest.raises(RegistrationError):
        endpoint.prompt(name="data")(function)
