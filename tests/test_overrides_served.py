"""Overridden underscore methods take effect in the answers of a served API, however a user overrides them."""

import base64
import functools
import gzip
import json

import flask
import pytest

from flaskJSONRPCServer import SettingsError, UnsupportedError, flaskJSONRPCServer
from flaskJSONRPCServer.sansio_jsonrpc import JsonRpcApplicationError, JsonRpcError
from tests.helpers import call_socket, call_wsgi, get, post, rpc

pytestmark = pytest.mark.usefixtures("small_heap")  # for its restarts, reloads and collections

LONG = "x" * 500
ADDRESS = ["127.0.0.1", 0]


def echo(value):
    return value


def fail(value=None):
    raise JsonRpcApplicationError("failed", code=7, data=value)


def describe(_connection):
    return {"id": _connection.uniqueId, "path": _connection.path, "type": _connection.mimeType}


def register_all(server):
    for function in (echo, fail, describe):
        server.registerFunction(function, path="/api")


def subclass(overrides, **options):
    methods = {
        name: (lambda self, *args, _name=name, _replace=replace, **kwargs: _replace(
            functools.partial(getattr(flaskJSONRPCServer, _name), self), *args, **kwargs
        ))
        for name, replace in overrides.items()
    }  # fmt: skip
    server = type("Server", (flaskJSONRPCServer,), methods)(ADDRESS, log=False, **options)
    register_all(server)
    server.start()
    return server


def instance(overrides, **options):
    server = flaskJSONRPCServer(ADDRESS, log=False, **options)
    register_all(server)
    assign(server, overrides)
    server.start()
    return server


def running(overrides, **options):
    server = flaskJSONRPCServer(ADDRESS, log=False, **options)
    register_all(server)
    server.start()
    assert call_socket(server.addresses[0], post(rpc("echo", [1]))).json()["result"] == 1
    assign(server, overrides)
    return server


def assign(server, overrides):
    for name, replace in overrides.items():
        setattr(server, name, functools.partial(replace, getattr(server, name)))


@pytest.fixture(params=[subclass, instance, running])
def serve(request):
    """Serve with overridden methods, functions of the original and its arguments; yields a function that sends."""
    servers = []

    def start(options=None, **overrides):
        servers.append(request.param(overrides, **(options or {})))
        return lambda sent: call_socket(servers[-1].addresses[0], sent)

    yield start
    for server in servers:
        server.stop()


def test_parse_json(serve):
    send = serve(_parseJSON=lambda original, data: original(base64.b64decode(data)))

    answer = send(post(base64.b64encode(json.dumps(rpc("echo", ["hidden"])).encode())))

    assert answer.json()["result"] == "hidden"


def test_parse_json_that_fails_is_a_parse_error(serve):
    def refuse(original, data):
        raise RuntimeError("a secret")

    assert serve(_parseJSON=refuse)(post(rpc("echo", [1]))).json() == {
        "jsonrpc": "2.0",
        "error": {"code": -32700, "message": "Parse error"},
        "id": None,
    }


def test_serialize_json_gets_whole_responses(serve):
    seen = []

    def serialize(original, data):
        seen.append(data)
        return original({**data, "signed": True})

    send = serve(_serializeJSON=serialize)

    assert send(post(rpc("echo", [1]))).json() == {"jsonrpc": "2.0", "result": 1, "id": 1, "signed": True}
    assert send(post([rpc("fail", request_id=2), rpc("echo", [3], request_id=3)])).json() == [
        {"jsonrpc": "2.0", "error": {"code": 7, "message": "failed"}, "id": 2, "signed": True},
        {"jsonrpc": "2.0", "result": 3, "id": 3, "signed": True},
    ]
    assert {"jsonrpc": "2.0", "result": 3, "id": 3} in seen


def test_serialize_json_that_fails_is_an_internal_error(serve):
    def serialize(original, data):
        return original(data) if "error" in data else original(object())

    assert serve(_serializeJSON=serialize)(post(rpc("echo", [1]))).json()["error"]["code"] == -32603


def test_fix_json(serve):
    send = serve(_fixJSON=lambda original, value: sorted(value) if isinstance(value, set) else original(value))

    assert send(post(rpc("echo", [[1]]))).json()["result"] == [1]


@pytest.mark.parametrize("payload", [rpc("ECHO", [1]), [rpc("ECHO", [1])], [rpc("ECHO", [1]), rpc("ECHO", [1])]])
def test_parse_request_may_change_the_requests(serve, payload):
    def parse(original, data):
        status, requests = original(data)
        return status, [{**request, "method": request["method"].lower()} for request in requests]

    answer = serve(_parseRequest=parse)(post(payload)).json()

    assert isinstance(answer, list) == isinstance(payload, list)
    assert [reply["result"] for reply in (answer if isinstance(answer, list) else [answer])] in ([1], [1, 1])


@pytest.mark.parametrize(
    ("reason", "code", "message"),
    [
        ("no trust", -32600, "Invalid Request: no trust"),
        (JsonRpcError(5, "five"), 5, "five"),
        (JsonRpcApplicationError("six", code=6), 6, "six"),
    ],
)
def test_parse_request_may_refuse(serve, reason, code, message):
    error = serve(_parseRequest=lambda original, data: (False, reason))(post(rpc("echo", [1]))).json()

    assert error == {"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": None}


def test_parse_request_returns_the_errors_of_invalid_requests(serve):
    send = serve(_parseRequest=lambda original, data: original(data))

    assert send(post(b"{")).json()["error"]["code"] == -32700
    assert send(post([])).json()["error"]["code"] == -32600
    assert [reply["error"]["code"] for reply in send(post([1, rpc("nothing")])).json()] == [-32600, -32601]


def test_prep_response(serve):
    send = serve(_prepResponse=lambda original, data, isError=False: {**original(data, isError), "error_seen": isError})

    assert send(post(rpc("echo", [1]))).json() == {"jsonrpc": "2.0", "result": 1, "id": 1, "error_seen": False}
    assert send(post(rpc("fail", [2]))).json() == {
        "jsonrpc": "2.0",
        "error": {"code": 7, "message": "failed", "data": 2},
        "id": 1,
        "error_seen": True,
    }
    assert send(post({"jsonrpc": "2.0", "method": "echo", "params": [1]})).body == b""


def test_call_dispatcher_of_inline_calls(serve):
    seen = []

    def call(original, uniqueId, path, data, request, *args):
        seen.append((path, data["method"], data["id"], data["notify"], request["method"]))
        status, params, result = original(uniqueId, path, data, request, *args)
        return (status, params, [result]) if status else (status, params, result)

    send = serve(_callDispatcher=call)
    notification = {"jsonrpc": "2.0", "method": "echo", "params": [1]}

    assert send(post(rpc("echo", [1]))).json()["result"] == [1]
    assert send(post(rpc("fail", [1]))).json()["error"] == {"code": 7, "message": "failed", "data": 1}
    assert send(post([notification, rpc("echo", {"value": 2})])).json()[0]["result"] == [2]
    assert send(get("/api/echo?value=3&jsonp=f")).body == b'/**/f({"jsonrpc":"2.0","result":["3"],"id":null});'
    assert seen == [
        ("/api/", "echo", 1, False, "POST"),
        ("/api/", "fail", 1, False, "POST"),
        ("/api/", "echo", None, True, "POST"),
        ("/api/", "echo", 1, False, "POST"),
        ("/api/", "echo", None, False, "GET"),
    ]


def test_call_dispatcher_of_calls_in_a_pool(serve):
    send = serve(
        {"dispatcherBackend": "threaded"},
        _callDispatcher=lambda original, *args: (True, {}, original(*args)[2] + 1),
    )

    assert send(post(rpc("echo", [1]))).json()["result"] == 2


def test_call_dispatcher_that_fails_is_an_internal_error(serve):
    def call(original, *args):
        raise RuntimeError("a secret")

    assert serve(_callDispatcher=call)(post(rpc("echo", [1]))).json()["error"]["code"] == -32603


def test_compress_gzip(serve):
    send = serve(
        {"allowCompress": True, "compressMinSize": 100}, _compressGZIP=lambda original, data: gzip.compress(data[::-1])
    )

    answer = send(post(rpc("echo", [LONG]), headers={"Accept-Encoding": "gzip"}))

    assert json.loads(gzip.decompress(answer.body)[::-1])["result"] == LONG
    assert answer.header("Content-Length") == str(len(answer.body))


def test_uncompress_gzip(serve):
    send = serve(_uncompressGZIP=lambda original, data: original(data).replace(b"ping", b"pong"))

    body = gzip.compress(json.dumps(rpc("echo", ["ping"])).encode())

    assert send(post(body, headers={"Content-Encoding": "gzip"})).json()["result"] == "pong"


def test_compress_response(serve):
    def compress(original, response):
        response.headers["X-Plain-Length"] = str(len(response.get_data()))
        return original(response)

    send = serve({"allowCompress": True, "compressMinSize": 100}, _compressResponse=compress)

    answer = send(post(rpc("echo", [LONG]), headers={"Accept-Encoding": "gzip"}))
    plain = gzip.decompress(answer.body)

    assert json.loads(plain)["result"] == LONG
    assert answer.header("X-Plain-Length") == str(len(plain))
    assert (answer.header("Content-Encoding"), answer.header("Vary")) == ("gzip", "Accept-Encoding")
    assert send(post(rpc("echo", [1]), headers={"Accept-Encoding": "gzip"})).header("X-Plain-Length") is None
    assert send(post(rpc("echo", [LONG]))).header("Content-Encoding") is None


def test_calc_mime_type(serve):
    def calculate(original, request):
        return f"{original(request)}; seen={request.method}"

    send = serve(_calcMimeType=calculate)

    assert send(post(rpc("echo", [1]))).header("Content-Type") == "application/json; seen=POST"
    assert send(get("/api/echo?value=1")).header("Content-Type") == "application/json; seen=GET"
    assert send(get("/api/echo?value=1&jsonp=f")).header("Content-Type") == "text/javascript; charset=utf-8; seen=GET"
    assert send(post(rpc("describe"))).json()["result"]["type"] == "application/json; seen=POST"
    assert send(post({"jsonrpc": "2.0", "method": "echo", "params": [1]})).header("Content-Type") is None


def test_copy_request_context(serve):
    seen = []

    def auth(server, path, request, method):
        seen.append((request.get("tenant"), request["data"]))
        return True

    def copy(original, request):
        copied = original(request)
        copied["tenant"] = request.headers["X-Tenant"]
        return copied

    send = serve({"auth": auth, "dispatcherBackend": "threaded"}, _copyRequestContext=copy)
    sent = post(rpc("echo", [1]), headers={"X-Tenant": "one"})
    seen.clear()

    assert send(sent).json()["result"] == 1
    assert seen == [("one", sent.body)]


def test_sha1_makes_the_ids_of_requests(serve):
    send = serve(_sha1=lambda original, text, onError=None: "id-" + original(text, onError)[:8])

    first, second = (send(post(rpc("describe"))).json()["result"]["id"] for _ in range(2))

    assert first != second
    assert first.startswith("id-")
    assert len(first) == 11


def test_request_handler_answers_for_flask_request(serve):
    def handle(original, path, method=None):
        response = original(path, method)
        response.headers["X-Handled"] = f"{flask.request.method} {path} {method}"
        return response

    send = serve(_requestHandler=handle)

    answer = send(post(rpc("echo", [1])))
    assert (answer.json()["result"], answer.header("X-Handled")) == (1, "POST /api/ None")
    answer = send(get("/api/echo?value=1"))
    assert (answer.json()["result"], answer.header("X-Handled")) == ("1", "GET /api/ echo")
    assert send(get("/api/nothing")).code == 404
    assert send(get("/nothing")).header("X-Handled") is None


def test_request_handler_may_send_a_request_elsewhere(serve):
    send = serve(_requestHandler=lambda original, path, method=None: original("/api/", "describe" if method else None))

    assert send(get("/api/echo?value=1")).json()["error"]["code"] == -32602
    assert send(get("/api/echo")).json()["result"]["path"] == "/api/"


def test_request_handler_may_answer_as_a_view_function_does(serve):
    assert serve(_requestHandler=lambda original, path, method=None: ("gone", 410))(post(rpc("echo", [1]))).code == 410


def test_request_process_is_inside_error_handling_and_cors(serve):
    def process(original, path, method):
        if flask.request.headers.get("X-Fail"):
            raise RuntimeError("a secret")
        response = original(path, method)
        response.headers["X-Processed"] = f"{path} {method}"
        return response

    send = serve({"cors": True}, _requestProcess=process)

    answer = send(post(rpc("echo", [1]), headers={"Origin": "http://a.test"}))
    assert (answer.json()["result"], answer.header("X-Processed")) == (1, "/api/ None")
    assert answer.header("Access-Control-Allow-Origin") == "*"
    failed = send(post(rpc("echo", [1]), headers={"X-Fail": "1"}))
    assert failed.code == 500
    assert b"secret" not in failed.body
    assert send(post(b"{}", headers={"Content-Type": "text/plain"})).code == 415
    assert send(get("/api/echo?value=2")).header("X-Processed") == "/api/ echo"


def test_override_that_is_deleted_has_no_more_effect():
    server = flaskJSONRPCServer(None, log=False)
    register_all(server)
    application = server.getWSGI()

    server._callDispatcher = lambda *args: (True, {}, "mine")
    assert call_wsgi(application, post(rpc("echo", [1]))).json()["result"] == "mine"
    del server._callDispatcher
    assert call_wsgi(application, post(rpc("echo", [1]))).json()["result"] == 1


def test_override_may_be_assigned_before_the_constructor_runs():
    class Server(flaskJSONRPCServer):
        def __init__(self, *args, **options):
            self._callDispatcher = lambda *args: (True, {}, "mine")
            super().__init__(*args, **options)

    server = Server(None, log=False)
    register_all(server)

    assert call_wsgi(server.getWSGI(), post(rpc("echo", [1]))).json()["result"] == "mine"


def test_format_path_of_a_subclass_is_used_at_registration():
    class Server(flaskJSONRPCServer):
        def _formatPath(self, path=""):
            return super()._formatPath(f"v1{path}")

    server = Server(None, log=False)
    server.registerFunction(echo, path="/api")

    assert call_wsgi(server.getWSGI(), post(rpc("echo", [1]), "/v1/api")).json()["result"] == 1


def test_life_cycle_calls_the_documented_methods():
    seen = []

    class Server(flaskJSONRPCServer):
        def _tweakLimit(self, descriptors=(65536, 65536)):
            seen.append(("limit", *descriptors))
            return super()._tweakLimit(descriptors)

        def _startExecBackends(self):
            seen.append("start backends")
            super()._startExecBackends()

        def _stopExecBackends(self, timeout=20, processingDispatcherCountMax=0):
            seen.append("stop backends")
            super()._stopExecBackends(timeout, processingDispatcherCountMax)

    server = Server(ADDRESS, log=False, tweakDescriptors=[64, 128])
    server.start()
    server.restart()
    server.stop()

    assert seen[0] == ("limit", 64, 128)
    assert seen[1:4] == ["start backends", "stop backends", "start backends"]
    assert set(seen[4:]) == {"stop backends"}


def test_documented_compress_response():
    server = flaskJSONRPCServer(None)
    response = flask.Response("text" * 100)

    assert server._compressResponse(response) is response
    assert gzip.decompress(response.get_data()) == b"text" * 100
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Content-Length"] == str(len(response.get_data()))


def test_serving_backend_is_registered_for_the_next_start():
    calls = []
    backend = {"_id": "mine", "start": lambda *args: calls.append(args[0])}
    server = flaskJSONRPCServer(ADDRESS, log=False)

    assert server._registerServBackend("werkzeug") == "werkzeug"
    assert server._registerServBackend(backend) == "mine"
    server.start()
    server.stop()

    assert calls == [ADDRESS]


def test_serving_backend_is_refused_as_by_the_constructor(tmp_path):
    server = flaskJSONRPCServer(str(tmp_path / "socket"), log=False)

    with pytest.raises(SettingsError, match="unknown serving backend 'werkzeg'"):
        server._registerServBackend("werkzeg")
    with pytest.raises(UnsupportedError, match="it takes no sockets"):
        server._registerServBackend({"_id": "mine", "start": print})
